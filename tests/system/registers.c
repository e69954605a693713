// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A library for LD_PRELOAD that lets user-mode-linux run on a processor with more registers than
// its kernel has room for: Debian's 6.1 ends with those of AVX-512, and those of AMX are three
// times as many bytes again. The host tells as much of them as there is room for, but sets them
// only all together. So whatever lies beyond that room is set as in a new process: that is how
// AMX's tiles are anyhow, for a program must ask its kernel for them, and this one does not know
// them. All others keep their values, across threads and page faults.

#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define REGISTERS_MAX (64 << 10) // bytes; twenty times what that kernel has

typedef long ptrace_fn(enum __ptrace_request request, ...);

// Not on the stack: a kernel's is small. The kernel is one thread in this.
static _Alignas(64) char all[REGISTERS_MAX];
static size_t size; // of what the host tells; 0: not asked yet
static ptrace_fn *real_ptrace;

__attribute__((constructor)) static void begin(void)
{
    *(void **)&real_ptrace = dlsym(RTLD_NEXT, "ptrace");
}

static long get(pid_t pid, struct iovec *room)
{
    struct iovec whole = {all, sizeof(all)};
    long r = real_ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &whole);

    if (r < 0)
        return r;
    size = whole.iov_len;
    if (room->iov_len > size)
        room->iov_len = size;
    memcpy(room->iov_base, all, room->iov_len);
    return r;
}

static long set(pid_t pid, struct iovec *room)
{
    struct iovec whole = {all, size};

    if (room->iov_len >= size)
        return real_ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, room);
    memcpy(all, room->iov_base, room->iov_len);
    memset(all + room->iov_len, 0, size - room->iov_len);
    return real_ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list args;

    va_start(args, request);
    pid_t pid = va_arg(args, pid_t);
    void *addr = va_arg(args, void *);
    void *data = va_arg(args, void *);
    va_end(args);

    if (request == PTRACE_GETREGSET && addr == (void *)NT_X86_XSTATE)
        return get(pid, data);
    if (request == PTRACE_SETREGSET && addr == (void *)NT_X86_XSTATE)
        return set(pid, data);
    return real_ptrace(request, pid, addr, data);
}
