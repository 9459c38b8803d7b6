/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/app/compile.h"

#include "common/buffer.h"
#include "common/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { ARGUMENTS_MAX = 48, COMPILER_WORDS_MAX = 16 };

/* What counts for the key besides the preprocessed source. What C compilers of old only warn of are errors:
 * a misspelt function would be found when the object is loaded, a wrong pointer when it crashes. */
static const char *const flags[] = {
    "-std=gnu17",
    "-O2",
    "-g",
    "-fno-omit-frame-pointer", /* so that the stacks of its greenlets can be told */
    "-fPIC",
    "-shared",
    "-Werror=implicit-function-declaration",
    "-Werror=int-conversion",
    "-Werror=incompatible-pointer-types",
    NULL,
};

typedef struct compiler {
    char *text;                          /* $CC, cut into words */
    char *words[COMPILER_WORDS_MAX + 1]; /* ends with NULL */
    char include[PATH_MAX + 2];          /* "-I" and the folder of hubbub.h */
} compiler;

typedef struct arguments {
    char *items[ARGUMENTS_MAX + 1];
    size_t count;
} arguments;

bool compile_is_source(const char *path)
{
    size_t length = strlen(path);
    return length > 2 && strcmp(path + length - 2, ".c") == 0;
}

/* ---- the compiler ---- */

static bool has_header(const char *folder)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/hubbub.h", folder);
    return length > 0 && (size_t)length < sizeof(path) && access(path, R_OK) == 0;
}

/* PREFIX/include of an executable in PREFIX/bin; false for one that is somewhere else, as in a build folder.
 */
static bool beside_executable(char *folder, size_t size)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[length > 0 ? length : 0] = '\0';
    char *name = strrchr(self, '/');
    if (!name)
        return false;
    *name = '\0';
    char *bin = strrchr(self, '/');
    if (!bin || strcmp(bin, "/bin") != 0)
        return false;
    int written = snprintf(folder, size, "%.*s/include", (int)(bin - self), self);
    return written > 0 && (size_t)written < size && has_header(folder);
}

/* Where hubbub.h is: an application is compiled against the interface that this server was made with. */
static void find_include(char *folder, size_t size)
{
    if (!beside_executable(folder, size))
        snprintf(folder, size, "%s",
                 has_header(HUBBUB_INCLUDE_SOURCE) ? HUBBUB_INCLUDE_SOURCE : HUBBUB_INCLUDE_INSTALLED);
}

static hub_status choose_compiler(compiler *with, error *failure)
{
    const char *configured = getenv("CC");
    size_t count = 0;
    char *rest = NULL;

    with->text = strdup(configured && configured[strspn(configured, " \t")] ? configured : "cc");
    if (!with->text)
        return error_set(failure, HUB_ENOMEM, "no memory to compile the application");
    for (char *word = strtok_r(with->text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (count == COMPILER_WORDS_MAX)
            return error_set(failure, HUB_EFAIL, "CC has more than %d words", COMPILER_WORDS_MAX);
        with->words[count++] = word;
    }
    with->words[count] = NULL;
    memcpy(with->include, "-I", 2);
    find_include(with->include + 2, sizeof(with->include) - 2);
    return HUB_OK;
}

static void add(arguments *list, const char *text)
{
    /* The lists are made below, of at most COMPILER_WORDS_MAX words, the flags and a few more. */
    if (list->count < ARGUMENTS_MAX)
        list->items[list->count++] = (char *)text;
    list->items[list->count] = NULL;
}

static void add_compiler(arguments *list, const compiler *with)
{
    for (size_t i = 0; with->words[i]; i++)
        add(list, with->words[i]);
}

static void add_flags(arguments *list, const compiler *with)
{
    for (size_t i = 0; flags[i]; i++)
        add(list, flags[i]);
    add(list, with->include);
}

/* ---- running it ---- */

static hub_status read_all(int fd, buffer *output)
{
    for (;;) {
        if (buffer_reserve(output, 65536) != HUB_OK)
            return HUB_ENOMEM;
        ssize_t count = read(fd, output->data + output->length, output->capacity - output->length);
        if (count == 0)
            return HUB_OK;
        if (count > 0)
            output->length += (size_t)count;
        else if (errno != EINTR)
            return HUB_ESYSTEM;
    }
}

/* Runs a program to its end; its standard output goes to `output`, or nowhere special when that is NULL. The
 * exit code is 0 or something else: HUB_EFAIL. */
static hub_status run(const arguments *list, buffer *output, error *failure)
{
    const char *program = list->items[0];
    int ends[2] = {-1, -1}, status = 0;
    pid_t pid;
    posix_spawn_file_actions_t actions;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return error_set(failure, HUB_ENOMEM, "no memory to run %s", program);
    hub_status result = HUB_OK;
    if (output) {
        if (pipe2(ends, O_CLOEXEC) < 0) {
            posix_spawn_file_actions_destroy(&actions);
            return error_set(failure, HUB_ESYSTEM, "cannot make a pipe to %s: %s", program, strerror(errno));
        }
        if (posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0)
            result = error_set(failure, HUB_ENOMEM, "no memory to run %s", program);
    }
    int cause = result == HUB_OK ? posix_spawnp(&pid, program, &actions, NULL, list->items, environ) : 0;
    posix_spawn_file_actions_destroy(&actions);
    if (ends[1] >= 0)
        close(ends[1]);
    if (cause == ENOENT)
        result = error_set(
            failure, HUB_EFAIL,
            "cannot find the compiler \"%s\"; install one (Debian: apt install gcc), or name one in "
            "the environment's CC",
            program);
    else if (cause)
        result = error_set(failure, HUB_ESYSTEM, "cannot run %s: %s", program, strerror(cause));
    if (result != HUB_OK) {
        if (ends[0] >= 0)
            close(ends[0]);
        return result;
    }
    if (output) {
        result = read_all(ends[0], output);
        close(ends[0]);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_set(failure, HUB_ESYSTEM, "cannot wait for %s: %s", program, strerror(errno));
    if (result != HUB_OK)
        return error_set(failure, result, "cannot read what %s says", program);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? HUB_OK : HUB_EFAIL;
}

static hub_status does_not_compile(const char *source, const compiler *with, error *failure)
{
    return error_set(failure, HUB_EFAIL, "%s does not compile: mend what %s says above", source,
                     with->words[0]);
}

/* ---- the cache ---- */

/* Makes a folder, with its parents, or takes one that is there when it is this user's and nobody else may
 * write to it. */
static bool make_folder(const char *path)
{
    char part[PATH_MAX];
    struct stat status;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(part) || path[0] != '/')
        return false;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return false;
    }
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 && access(path, W_OK | X_OK) == 0;
}

static bool try_folder(char *folder, size_t size, const char *parent, const char *name)
{
    int length = snprintf(folder, size, "%s/%s", parent, name);
    return length > 0 && (size_t)length < size && make_folder(folder);
}

static hub_status find_cache(char *folder, size_t size, error *failure)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char name[64];

    if (xdg && xdg[0] == '/' && try_folder(folder, size, xdg, "hubbub"))
        return HUB_OK;
    if (home && home[0] == '/' && try_folder(folder, size, home, ".cache/hubbub"))
        return HUB_OK;
    snprintf(name, sizeof(name), "hubbub-%u", (unsigned)geteuid());
    if (try_folder(folder, size, "/tmp", name))
        return HUB_OK;
    return error_set(
        failure, HUB_ESYSTEM,
        "no folder to keep the compiled application in: neither $XDG_CACHE_HOME/hubbub, ~/.cache/hubbub "
        "nor /tmp/%s can be made or is this user's alone",
        name);
}

static void hash_more(uint64_t key[2], const void *data, size_t length)
{
    for (int i = 0; i < 2; i++)
        key[i] = hash_keyed((hash_key){key[i], (uint64_t)i}, data, length);
}

/* The key: what the compiler is, how it is called, and all that it would read. */
static hub_status make_key(const char *source, const compiler *with, uint64_t key[2], error *failure)
{
    arguments version = {0}, preprocess = {0};
    buffer output = {0};
    hub_status status;

    add_compiler(&version, with);
    add(&version, "--version");
    status = run(&version, &output, failure);
    if (status == HUB_EFAIL && failure->status == HUB_OK)
        status = error_set(failure, HUB_EFAIL, "\"%s --version\" fails: is CC a C compiler?", with->words[0]);
    if (status != HUB_OK)
        goto out;

    add_compiler(&preprocess, with);
    add_flags(&preprocess, with);
    add(&preprocess, "-E");
    add(&preprocess, source);
    status = run(&preprocess, &output, failure);
    if (status == HUB_EFAIL && failure->status == HUB_OK)
        status = does_not_compile(source, with, failure);
    if (status != HUB_OK)
        goto out;

    key[0] = key[1] = 0;
    for (size_t i = 0; i < preprocess.count; i++)
        hash_more(key, preprocess.items[i], strlen(preprocess.items[i]) + 1);
    hash_more(key, output.data, output.length);

out:
    buffer_free(&output);
    return status;
}

static hub_status compile_to(const char *source, const compiler *with, const char *target, error *failure)
{
    char temporary[PATH_MAX + 16];
    arguments compile = {0};

    snprintf(temporary, sizeof(temporary), "%s.XXXXXX", target);
    int fd = mkstemp(temporary);
    if (fd < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot write %s: %s", temporary, strerror(errno));
    close(fd);

    add_compiler(&compile, with);
    add_flags(&compile, with);
    add(&compile, "-o");
    add(&compile, temporary);
    add(&compile, source);
    hub_status status = run(&compile, NULL, failure);
    if (status == HUB_EFAIL && failure->status == HUB_OK)
        status = does_not_compile(source, with, failure);
    if (status == HUB_OK && rename(temporary, target) < 0)
        status = error_set(failure, HUB_ESYSTEM, "cannot write %s: %s", target, strerror(errno));
    if (status != HUB_OK)
        unlink(temporary);
    return status;
}

hub_status compile_application(const char *source, char **shared_object, error *failure)
{
    error local = {.status = HUB_OK};
    compiler with = {0};
    char folder[PATH_MAX - 64], target[PATH_MAX];
    uint64_t key[2];
    hub_status status;

    *shared_object = NULL;
    if (!failure)
        failure = &local;
    failure->status = HUB_OK;
    if (access(source, R_OK) < 0)
        return error_set(failure, HUB_ENOENT, "cannot read the application %s: %s", source, strerror(errno));
    status = choose_compiler(&with, failure);
    if (status == HUB_OK)
        status = find_cache(folder, sizeof(folder), failure);
    if (status == HUB_OK)
        status = make_key(source, &with, key, failure);
    if (status == HUB_OK) {
        snprintf(target, sizeof(target), "%s/%016llx%016llx.so", folder, (unsigned long long)key[0],
                 (unsigned long long)key[1]);
        if (access(target, R_OK) < 0)
            status = compile_to(source, &with, target, failure);
    }
    if (status == HUB_OK) {
        *shared_object = strdup(target);
        if (!*shared_object)
            status = error_set(failure, HUB_ENOMEM, "no memory to compile the application");
    }
    free(with.text);
    return status;
}
