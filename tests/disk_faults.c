// Loaded before the C library: lets one of the calls that put a file on disk fail, fall short or be the last of the process.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUT_OUTPUT, NO_SPACE, SHORT, KILLED_BEFORE, KILLED_AFTER };

static int kind, left;  // calls until the fault, itself included; 0 for none

void fault(int which, int at) { kind = which, left = at; }
int faults_left(void) { return left; }

static int regular(int file) {
    struct stat about;
    return fstat(file, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode));
}

static int due(void) {
    if (left == 0 || --left > 0) return 0;
    if (kind == KILLED_BEFORE) kill(getpid(), SIGKILL);
    return 1;
}

#define CALL(name, type, arguments, values, counts, partly)                    \
    type name arguments {                                                      \
        static type(*real) arguments;                                          \
        if (!real) real = (type(*) arguments)dlsym(RTLD_NEXT, #name);          \
        if (!(counts) || !due()) return real values;                           \
        if (kind == SHORT) return partly;                                      \
        if (kind < SHORT) {                                                    \
            errno = kind == NO_SPACE ? ENOSPC : EIO;                           \
            return -1;                                                         \
        }                                                                      \
        type result = real values;                                             \
        kill(getpid(), SIGKILL);                                               \
        return result;                                                         \
    }

CALL(write, ssize_t, (int file, const void *data, size_t size), (file, data, size), regular(file),
     real(file, data, size / 2))
CALL(fsync, int, (int file), (file), regular(file), real(file))
CALL(fchmod, int, (int file, mode_t mode), (file, mode), regular(file), real(file, mode))
CALL(rename, int, (const char *from, const char *to), (from, to), 1, real(from, to))
CALL(renameat, int, (int a, const char *from, int b, const char *to), (a, from, b, to), 1, real(a, from, b, to))
