// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A library for LD_PRELOAD that lets one chosen thing go wrong in one chosen program: this file has
// the page shared with the test and the allocations; steps.c has the calls to be killed at,
// clocks.c the clocks. Loaded everywhere below the test, it does nothing in other programs.

#include "inject.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unwind.h>

#define EARLY_BYTES 4096 // for what dlsym(3) wants before there is a malloc

static struct inject_page *page;
static pid_t program_pid; // 0: this is not the program

// ---- the page ----------------------------------------------------------------------------------

struct inject_page *inject_page(void)
{
    return page;
}

struct inject_page *inject_page_of_program(void)
{
    return program_pid != 0 && program_pid == getpid() ? page : NULL;
}

__attribute__((constructor)) static void map_page(void)
{
    const char *path = getenv(INJECT_VARIABLE);
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *p = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return;
    page = p;
    if (strncmp(page->program, program_invocation_short_name, INJECT_NAME_MAX) == 0)
        program_pid = getpid();
}

// One caller, as object and offset, which addr2line understands; this library's own are left out.
static _Unwind_Reason_Code tell_caller(struct _Unwind_Context *context, void *data)
{
    struct inject_page *p = data;
    uintptr_t at = _Unwind_GetIP(context);
    size_t n = strlen(p->where);
    Dl_info own, info;

    if (n + 64 > sizeof(p->where))
        return _URC_END_OF_STACK;
    if (dladdr((void *)at, &info) && info.dli_fname && dladdr((void *)tell_caller, &own) &&
        info.dli_fbase != own.dli_fbase) {
        const char *slash = strrchr(info.dli_fname, '/');
        snprintf(p->where + n, sizeof(p->where) - n, " %s+%#" PRIxPTR,
                 slash ? slash + 1 : info.dli_fname, at - (uintptr_t)info.dli_fbase - 1);
    }
    return _URC_NO_REASON;
}

void inject_tell(struct inject_page *p, const char *what)
{
    snprintf(p->where, sizeof(p->where), "%s", what);
    (void)_Unwind_Backtrace(tell_caller, p); // unlike backtrace(3) it allocates nothing
    __atomic_store_n(&p->is_done, 1, __ATOMIC_SEQ_CST);
}

// ---- paths -------------------------------------------------------------------------------------

// Adds one caller, by its place in its object, for objects are elsewhere in each process. This
// library's own are left out.
static _Unwind_Reason_Code add_caller(struct _Unwind_Context *context, void *data)
{
    uint64_t *path = data;
    uintptr_t at = _Unwind_GetIP(context);
    struct dl_find_object own, found; // unlike dladdr(3) it takes no time

    if (_dl_find_object((void *)at, &found) == 0 &&
        _dl_find_object((void *)add_caller, &own) == 0 &&
        found.dlfo_map_start != own.dlfo_map_start)
        *path = (*path ^ (at - (uintptr_t)found.dlfo_map_start)) * 1099511628211ULL; // as FNV-1a
    return _URC_NO_REASON;
}

static uint64_t path_to_here(void)
{
    uint64_t path = 14695981039346656037ULL;

    (void)_Unwind_Backtrace(add_caller, &path);
    return path;
}

// ---- memory ------------------------------------------------------------------------------------

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
} real;

static _Alignas(max_align_t) char early[EARLY_BYTES];
static size_t n_early;

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + sizeof(early);
}

static void *take_early(size_t n)
{
    size_t step = (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);

    if (step > sizeof(early) - n_early)
        abort();
    n_early += step;
    return early + n_early - step; // never used before: zero
}

#define LOAD(name)                                                                                 \
    do {                                                                                           \
        void *symbol = dlsym(RTLD_NEXT, #name);                                                    \
        memcpy(&real.name, &symbol, sizeof(symbol));                                               \
    } while (0)

// False while dlsym itself asks for memory.
static bool is_loaded(void)
{
    static bool loading;

    if (real.free)
        return true;
    if (loading)
        return false;
    loading = true;
    LOAD(malloc);
    LOAD(calloc);
    LOAD(realloc);
    LOAD(free);
    return true;
}

// Whether the n-th allocation is the one that finds no memory.
static bool is_chosen(struct inject_page *p, uint64_t n)
{
    if (p->mode != INJECT_ENOMEM || p->is_done)
        return false;
    if (p->path == 0)
        return n == p->at;
    return path_to_here() == p->path &&
           __atomic_add_fetch(&p->n_by_path, 1, __ATOMIC_SEQ_CST) == p->at;
}

static bool runs_out(const char *what)
{
    struct inject_page *p = inject_page_of_program();

    if (!p || p->mode == INJECT_NOTHING)
        return false;
    uint64_t n = __atomic_add_fetch(&p->n_allocations, 1, __ATOMIC_SEQ_CST);
    if (p->mode == INJECT_COUNT && n <= INJECT_PATHS_MAX)
        p->paths[n - 1] = path_to_here();
    if (!is_chosen(p, n))
        return false;
    inject_tell(p, what);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    if (!is_loaded())
        return take_early(n);
    return runs_out("malloc") ? NULL : real.malloc(n);
}

void *calloc(size_t n, size_t size)
{
    if (!is_loaded())
        return take_early(n * size);
    return runs_out("calloc") ? NULL : real.calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    if (!is_loaded() || is_early(p))
        abort();
    return runs_out("realloc") ? NULL : real.realloc(p, n);
}

// As libc and a sanitizer's library have them, these need not come by malloc() and realloc().
void *reallocarray(void *p, size_t n, size_t size)
{
    size_t n_bytes;

    if (__builtin_mul_overflow(n, size, &n_bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, n_bytes);
}

char *strndup(const char *s, size_t max)
{
    size_t n = strnlen(s, max);
    char *copy = malloc(n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *strdup(const char *s)
{
    return strndup(s, strlen(s));
}

void free(void *p)
{
    if (!is_early(p) && is_loaded())
        real.free(p);
}
