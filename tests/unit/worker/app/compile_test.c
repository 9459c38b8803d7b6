/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/app/compile.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

/* Each test has a folder of its own, with a source and an empty cache in it. */
static int open_folder(void **state)
{
    (void)state;
    strcpy(root, "/tmp/hubbub-compile-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    unsetenv("CC");
    setenv("HOME", "/nonexistent", 1);
    char cache[128];
    snprintf(cache, sizeof(cache), "%s/cache", root);
    return setenv("XDG_CACHE_HOME", cache, 1);
}

static int close_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    return system(command);
}

static const char *in_root(const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(in_root(name), "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static unsigned files_in_cache(void)
{
    unsigned count = 0;
    DIR *listing = opendir(in_root("cache/hubbub"));
    if (!listing)
        return 0;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

static char *compile(const char *name)
{
    error failure = {.status = HUB_OK};
    char *shared_object = NULL;
    assert_int_equal(compile_application(in_root(name), &shared_object, &failure), HUB_OK);
    assert_non_null(shared_object);
    return shared_object;
}

static int number_in(const char *shared_object)
{
    void *module = dlopen(shared_object, RTLD_NOW);
    assert_non_null(module);
    int (*number)(void);
    *(void **)&number = dlsym(module, "number");
    assert_non_null(number);
    int result = number();
    dlclose(module);
    return result;
}

/* Fails with the given status; the compiler's own words are kept off the test's output. */
static void assert_fails(const char *path, hub_status status, const char *part_of_line)
{
    error failure = {.status = HUB_OK};
    char *shared_object = (char *)root;
    int saved = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    hub_status result = compile_application(path, &shared_object, &failure);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(nowhere);
    assert_int_equal(result, status);
    assert_null(shared_object);
    assert_non_null(strstr(failure.text, part_of_line));
}

static void sources_are_told_from_shared_objects(void **state)
{
    (void)state;
    assert_true(compile_is_source("chat.c"));
    assert_true(compile_is_source("./a/b.c"));
    assert_false(compile_is_source("chat.so"));
    assert_false(compile_is_source("chat.cc"));
    assert_false(compile_is_source(".c"));
    assert_false(compile_is_source(""));
}

static void a_source_becomes_a_shared_object_that_sees_the_public_header(void **state)
{
    (void)state;
    write_file("app.c", "#include <hubbub.h>\nint number(void); int number(void) { return HUB_ABI + 41; }\n");
    char *shared_object = compile("app.c");
    assert_int_equal(number_in(shared_object), HUB_ABI + 41);
    assert_int_equal(strncmp(shared_object, in_root("cache/hubbub/"), strlen(in_root("cache/hubbub/"))), 0);
    free(shared_object);
}

static void what_did_not_change_is_not_compiled_again(void **state)
{
    (void)state;
    struct stat before, after;
    write_file("app.c", "int number(void); int number(void) { return 1; }\n");
    char *first = compile("app.c");
    assert_int_equal(stat(first, &before), 0);
    char *second = compile("app.c");
    assert_int_equal(stat(second, &after), 0);
    assert_string_equal(first, second);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(files_in_cache(), 1);
    free(first);
    free(second);
}

static void a_changed_header_counts(void **state)
{
    (void)state;
    write_file("app.c", "#include \"value.h\"\nint number(void); int number(void) { return VALUE; }\n");
    write_file("value.h", "#define VALUE 1\n");
    char *first = compile("app.c");
    write_file("value.h", "#define VALUE 2\n");
    char *second = compile("app.c");
    assert_string_not_equal(first, second);
    assert_int_equal(number_in(first), 1);
    assert_int_equal(number_in(second), 2);
    free(first);
    free(second);
}

static void a_call_of_an_unknown_function_and_a_wrong_pointer_do_not_compile(void **state)
{
    (void)state;
    static const char *const bodies[] = {"return hub_ws_sent(0);", "int *p = 7; return *p;",
                                         "char c = 0; int *p = &c; return *p;"};
    char text[256];
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        snprintf(text, sizeof(text), "int number(void); int number(void) { %s }\n", bodies[i]);
        write_file("app.c", text);
        assert_fails(in_root("app.c"), HUB_EFAIL, "app.c does not compile");
        assert_int_equal(files_in_cache(), 0);
    }
}

static void another_compiler_counts(void **state)
{
    (void)state;
    write_file("app.c", "int number(void); int number(void) { return 1; }\n");
    char *first = compile("app.c");
    setenv("CC", "cc -DOTHER", 1);
    char *second = compile("app.c");
    assert_string_not_equal(first, second);
    free(first);
    free(second);
}

static void words_in_cc_are_arguments(void **state)
{
    (void)state;
    setenv("CC", "  cc  -DVALUE=7\t-Wall ", 1);
    write_file("app.c", "int number(void); int number(void) { return VALUE; }\n");
    char *shared_object = compile("app.c");
    assert_int_equal(number_in(shared_object), 7);
    free(shared_object);
}

static void a_path_with_blanks_and_quotes_is_no_trouble(void **state)
{
    (void)state;
    write_file("my app'$(x).c", "int number(void); int number(void) { return 3; }\n");
    char *shared_object = compile("my app'$(x).c");
    assert_int_equal(number_in(shared_object), 3);
    free(shared_object);
}

static void a_source_that_does_not_compile_leaves_nothing_in_the_cache(void **state)
{
    (void)state;
    write_file("app.c", "int number(void) { return nonsense }\n");
    assert_fails(in_root("app.c"), HUB_EFAIL, "app.c does not compile");
    assert_int_equal(files_in_cache(), 0);
}

static void a_header_that_is_missing_is_the_compilers_to_say(void **state)
{
    (void)state;
    write_file("app.c", "#include \"none.h\"\n");
    assert_fails(in_root("app.c"), HUB_EFAIL, "app.c does not compile");
}

static void a_source_that_is_missing_is_said(void **state)
{
    (void)state;
    assert_fails(in_root("none.c"), HUB_ENOENT, "none.c: No such file or directory");
}

static void a_compiler_that_is_missing_is_said(void **state)
{
    (void)state;
    setenv("CC", "no-such-compiler -O3", 1);
    write_file("app.c", "int number(void); int number(void) { return 1; }\n");
    assert_fails(in_root("app.c"), HUB_EFAIL, "cannot find the compiler \"no-such-compiler\"");
}

static void a_program_that_is_no_compiler_is_said(void **state)
{
    (void)state;
    setenv("CC", "false", 1);
    write_file("app.c", "int number(void); int number(void) { return 1; }\n");
    assert_fails(in_root("app.c"), HUB_EFAIL, "is CC a C compiler?");
}

static void a_cache_that_others_may_write_to_is_not_used(void **state)
{
    (void)state;
    write_file("app.c", "int number(void); int number(void) { return 1; }\n");
    assert_int_equal(mkdir(in_root("cache"), 0700), 0);
    assert_int_equal(mkdir(in_root("cache/hubbub"), 0700), 0);
    assert_int_equal(chmod(in_root("cache/hubbub"), 0777), 0);
    setenv("HOME", root, 1);
    char *shared_object = compile("app.c");
    assert_int_equal(files_in_cache(), 0);
    const char *home = in_root(".cache/hubbub/");
    assert_int_equal(strncmp(shared_object, home, strlen(home)), 0);
    free(shared_object);
}

static void a_cache_that_is_a_link_is_not_used(void **state)
{
    (void)state;
    write_file("app.c", "int number(void); int number(void) { return 1; }\n");
    assert_int_equal(mkdir(in_root("cache"), 0700), 0);
    assert_int_equal(mkdir(in_root("elsewhere"), 0700), 0);
    assert_int_equal(symlink(in_root("elsewhere"), in_root("cache/hubbub")), 0);
    setenv("HOME", root, 1);
    char *shared_object = compile("app.c");
    assert_int_equal(files_in_cache(), 0);
    free(shared_object);
}

static void the_folder_of_the_cache_is_private(void **state)
{
    (void)state;
    struct stat status;
    write_file("app.c", "int number(void); int number(void) { return 1; }\n");
    free(compile("app.c"));
    assert_int_equal(stat(in_root("cache/hubbub"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_are_told_from_shared_objects),
        cmocka_unit_test_setup_teardown(a_source_becomes_a_shared_object_that_sees_the_public_header,
                                        open_folder, close_folder),
        cmocka_unit_test_setup_teardown(what_did_not_change_is_not_compiled_again, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_changed_header_counts, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_call_of_an_unknown_function_and_a_wrong_pointer_do_not_compile,
                                        open_folder, close_folder),
        cmocka_unit_test_setup_teardown(another_compiler_counts, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(words_in_cc_are_arguments, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_path_with_blanks_and_quotes_is_no_trouble, open_folder,
                                        close_folder),
        cmocka_unit_test_setup_teardown(a_source_that_does_not_compile_leaves_nothing_in_the_cache,
                                        open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_header_that_is_missing_is_the_compilers_to_say, open_folder,
                                        close_folder),
        cmocka_unit_test_setup_teardown(a_source_that_is_missing_is_said, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_compiler_that_is_missing_is_said, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_program_that_is_no_compiler_is_said, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(a_cache_that_others_may_write_to_is_not_used, open_folder,
                                        close_folder),
        cmocka_unit_test_setup_teardown(a_cache_that_is_a_link_is_not_used, open_folder, close_folder),
        cmocka_unit_test_setup_teardown(the_folder_of_the_cache_is_private, open_folder, close_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
