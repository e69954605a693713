// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The service of these tests: starts within a millisecond, answers every connection, and sees to it
// that it is alone.
//
//     odp-faults-serve serve DIRECTORY PORT    is the service
//     odp-faults-serve daemon DIRECTORY PORT   starts it in a session of its own, and ends
//     odp-faults-serve stop DIRECTORY          ends that one
//     odp-faults-serve status DIRECTORY        does one run?
//
// DIRECTORY/lock is held while it runs: a second one that cannot have it adds a line to
// DIRECTORY/twice. Each start adds a line to DIRECTORY/starts.

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *directory;

static void fail(const char *what)
{
    fprintf(stderr, "odp-faults-serve: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int open_in_directory(const char *name, int flags)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, flags | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        fail(path);
    return fd;
}

static void add_line(const char *name)
{
    char line[32];
    int n = snprintf(line, sizeof(line), "%d\n", (int)getpid());
    int fd = open_in_directory(name, O_WRONLY | O_APPEND);

    if (write(fd, line, (size_t)n) != n)
        fail(name);
    close(fd);
}

// Locks of fcntl(2) tell who has them, and a forked child does not.
static bool is_locked(int fd, int command, pid_t *ret_holder)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(fd, command, &whole) < 0)
        return false;
    *ret_holder = whole.l_type == F_UNLCK ? 0 : whole.l_pid;
    return true;
}

static void be_alone(void)
{
    int fd = open_in_directory("lock", O_RDWR); // until the end
    pid_t holder;

    if (!is_locked(fd, F_SETLK, &holder)) {
        add_line("twice");
        fail("another one runs");
    }
    add_line("starts");
}

static pid_t holder_of_lock(int fd)
{
    pid_t holder;

    if (!is_locked(fd, F_GETLK, &holder))
        fail("lock");
    return holder;
}

static int stop(void)
{
    int fd = open_in_directory("lock", O_RDWR);
    pid_t holder = holder_of_lock(fd);

    if (holder > 0 && kill(holder, SIGTERM) == 0)
        (void)is_locked(fd, F_SETLKW, &holder); // when it has ended
    return EXIT_SUCCESS;
}

static int tell_status(void)
{
    return holder_of_lock(open_in_directory("lock", O_RDWR)) > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int open_listener(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0)
        fail("cannot listen");
    return fd;
}

// Speaks first, so that whoever waits for it need not; then reads to the end, so that no close is
// a reset.
static void *answer(void *argument)
{
    static const char text[] = "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nserved\n";
    int fd = (int)(intptr_t)argument;
    char buffer[4096];

    if (send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL) > 0) {
        (void)shutdown(fd, SHUT_WR);
        while (recv(fd, buffer, sizeof(buffer), 0) > 0) {
        }
    }
    close(fd);
    return NULL;
}

static void serve(int listener)
{
    pthread_t thread;

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, answer, (void *)(intptr_t)fd) != 0)
            fail("no thread");
        pthread_detach(thread);
    }
}

// The caller sees the end of the pipe when the daemon listens, or has failed.
static void become_daemon(int ready[2])
{
    char byte;

    if (pipe2(ready, O_CLOEXEC) < 0)
        fail("no pipe");
    pid_t pid = fork();
    if (pid < 0)
        fail("no process");
    if (pid > 0) {
        close(ready[1]);
        exit(read(ready[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    close(ready[0]);
    setsid();
}

int main(int argc, char **argv)
{
    bool is_daemon = argc == 4 && strcmp(argv[1], "daemon") == 0;
    int ready[2] = {-1, -1};

    directory = argc > 2 ? argv[2] : "";
    if (argc == 3 && strcmp(argv[1], "stop") == 0)
        return stop();
    if (argc == 3 && strcmp(argv[1], "status") == 0)
        return tell_status();
    if (argc != 4 || (!is_daemon && strcmp(argv[1], "serve") != 0))
        return 2;
    if (is_daemon)
        become_daemon(ready);
    be_alone();
    int listener = open_listener((uint16_t)strtoul(argv[3], NULL, 10));
    if (is_daemon && write(ready[1], "", 1) == 1)
        close(ready[1]);
    serve(listener);
}
