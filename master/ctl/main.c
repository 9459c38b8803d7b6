/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hubbubctl [-s SOCKET] [--json] COMMAND [ARGUMENT]
 *
 * Exit codes:
 *     0  done
 *     1  the server refused, or what was begun failed: the line says why
 *     2  a wrong command or argument
 *     3  no server could be reached
 */
#include "master/ctl/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_WRONG = 2, EXIT_UNREACHED = 3 };

static const char variable[] = "HUBBUB_CONTROL_SOCKET", folder_variable[] = "RUNTIME_DIRECTORY";

typedef struct verb {
    const char *name, *argument; /* "[RELEASE]" is optional; NULL: takes none */
    const char *help;
    json_t *(*request)(const char *argument); /* NULL: the argument is wrong */
    void (*show)(const json_t *answer);
} verb;

/* ---- requests ---- */

static bool read_number(const char *text, json_int_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number > 0;
}

static json_t *ask_reload(const char *argument)
{
    json_int_t number;
    if (!argument)
        return json_pack("{s:s}", "command", "reload");
    if (!read_number(argument, &number))
        return NULL;
    return json_pack("{s:s,s:I}", "command", "reload", "release", number);
}

static json_t *ask_scale(const char *argument)
{
    json_int_t number;
    if (!read_number(argument, &number))
        return NULL;
    return json_pack("{s:s,s:I}", "command", "scale", "workers", number);
}

static json_t *ask_status(const char *argument)
{
    (void)argument;
    return json_pack("{s:s}", "command", "status");
}

static json_t *ask_shutdown(const char *argument)
{
    if (argument && strcmp(argument, "--now") != 0)
        return NULL;
    return json_pack("{s:s,s:b}", "command", "shutdown", "now", argument != NULL);
}

static json_t *ask_reopen(const char *argument)
{
    (void)argument;
    return json_pack("{s:s}", "command", "reopen");
}

/* ---- answers ---- */

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static double seconds_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void show_nothing(const json_t *answer)
{
    (void)answer;
}

static void show_release(const json_t *answer)
{
    printf("release %" JSON_INTEGER_FORMAT " runs in all %" JSON_INTEGER_FORMAT " workers\n",
           number_of(answer, "release"), number_of(answer, "workers"));
}

static void show_count(const json_t *answer)
{
    printf("workers from now on: %" JSON_INTEGER_FORMAT "\n", number_of(answer, "workers"));
}

/* "4m12s": to two places, however long. */
static void write_duration(char *to, size_t capacity, double seconds)
{
    static const struct {
        const char *name, *rest;
        long seconds, rest_seconds;
    } units[] = {{"d", "h", 86400, 3600}, {"h", "m", 3600, 60}, {"m", "s", 60, 1}};
    long whole = (long)seconds;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (whole >= units[i].seconds) {
            snprintf(to, capacity, "%ld%s%ld%s", whole / units[i].seconds, units[i].name,
                     whole % units[i].seconds / units[i].rest_seconds, units[i].rest);
            return;
        }
    snprintf(to, capacity, "%.1fs", seconds);
}

static void show_worker(const json_t *worker)
{
    char uptime[32];
    const char *role = text_of(worker, "role"), *state = text_of(worker, "state");
    bool in_slot = strcmp(role, "slot") == 0;
    write_duration(uptime, sizeof uptime, seconds_of(worker, "uptime"));
    printf("%4" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT "  %-9s  %7" JSON_INTEGER_FORMAT
           "  %10" JSON_INTEGER_FORMAT "  %8" JSON_INTEGER_FORMAT "  %7s  %11" JSON_INTEGER_FORMAT
           "  %8.1f%s%s%s\n",
           number_of(worker, "slot"), number_of(worker, "pid"), state, number_of(worker, "release"),
           number_of(worker, "generation"), number_of(worker, "restarts"), uptime,
           number_of(worker, "connections"), (double)number_of(worker, "memory") / (1 << 20),
           in_slot ? "" : "  ", in_slot ? "" : role,
           json_is_true(json_object_get(worker, "degraded")) ? "  degraded" : "");
}

static void show_numbers(const char *title, const json_t *numbers)
{
    const json_t *item;
    size_t i;
    if (json_array_size(numbers) == 0)
        return;
    printf("%s:", title);
    json_array_foreach(numbers, i, item) printf(" %" JSON_INTEGER_FORMAT, json_integer_value(item));
    printf("\n");
}

static void show_reload(const json_t *reload)
{
    char ago[32];
    const char *state = text_of(reload, "state");
    if (json_is_null(reload))
        return;
    write_duration(ago, sizeof ago, seconds_of(reload, "ago"));
    if (strcmp(state, "under way") == 0)
        printf("a reload is under way\n");
    else if (strcmp(state, "done") == 0)
        printf("last reload: release %" JSON_INTEGER_FORMAT ", %s ago\n", number_of(reload, "release"), ago);
    else
        printf("last reload failed %s ago: %s\n", ago, text_of(reload, "error"));
}

static void show_status(const json_t *answer)
{
    const json_t *item;
    size_t i;
    char uptime[32];
    write_duration(uptime, sizeof uptime, seconds_of(answer, "uptime"));
    printf("hubbub %s, pid %" JSON_INTEGER_FORMAT ", %s for %s%s\n", text_of(answer, "version"),
           number_of(answer, "pid"), text_of(answer, "phase"), uptime,
           json_is_true(json_object_get(answer, "upgrade")) ? ", an upgrade is under way" : "");
    printf("release %" JSON_INTEGER_FORMAT ": %s\n", number_of(answer, "release"), text_of(answer, "app"));
    show_numbers("releases kept", json_object_get(answer, "releases"));
    json_array_foreach(json_object_get(answer, "addresses"), i, item)
        printf("listening at %s\n", json_string_value(item));
    show_reload(json_object_get(answer, "reload"));
    show_numbers("degraded slots", json_object_get(answer, "degraded"));
    printf("slot      pid  state      release  generation  restarts   uptime  connections  memory/MB\n");
    json_array_foreach(json_object_get(answer, "workers"), i, item) show_worker(item);
}

static const verb verbs[] = {
    {"status", NULL, "the server and its workers", ask_status, show_status},
    {"reload", "[RELEASE]",
     "configuration and application anew, or back to a release that is kept; waits for the end", ask_reload,
     show_release},
    {"scale", "N", "so many workers from now on", ask_scale, show_count},
    {"reopen", NULL, "open the log files again", ask_reopen, show_nothing},
    {"shutdown", "[--now]", "end gracefully, or at once", ask_shutdown, show_nothing},
};
enum { VERBS = sizeof verbs / sizeof *verbs };

/* ---- the program ---- */

static void print_help(void)
{
    puts("Usage: hubbubctl [-s SOCKET] [--json] COMMAND [ARGUMENT]\n");
    for (size_t i = 0; i < VERBS; i++)
        printf("  %-9s %-10s %s\n", verbs[i].name, verbs[i].argument ? verbs[i].argument : "", verbs[i].help);
    printf("\nSOCKET is what the server's option --control-socket names. Without -s: the environment's %s,\n"
           "or `control` in the folder %s. With --json every message of the server is printed as it\n"
           "is, one a line.\n\n"
           "Exit status: 0 done, 1 refused or failed, 2 a wrong command, 3 no server reached.\n",
           variable, folder_variable);
}

static int complain(const char *text, int exit_code)
{
    fprintf(stderr, "hubbubctl: %s\n", text);
    return exit_code;
}

static void print_json(const json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    if (text)
        puts(text);
    free(text);
}

/* The last message of a command is its answer, those before it tell how it goes. */
static int converse(int fd, const verb *what, bool as_json, error *failure)
{
    for (;;) {
        json_t *message;
        if (link_receive(fd, &message, failure) != HUB_OK)
            return complain(failure->text, EXIT_UNREACHED);
        const json_t *ok = json_object_get(message, "ok");
        if (as_json)
            print_json(message);
        else if (!ok)
            printf("%s\n", text_of(message, "event"));
        else if (json_is_true(ok))
            what->show(message);
        else
            complain(text_of(message, "error"), EXIT_REFUSED);
        fflush(stdout);
        int exit_code = json_is_true(ok) ? EXIT_DONE : EXIT_REFUSED;
        bool answered = ok != NULL;
        json_decref(message);
        if (answered)
            return exit_code;
    }
}

static int run(const verb *what, const char *argument, const char *path, bool as_json)
{
    error failure = {.status = HUB_OK};
    int fd, exit_code;
    json_t *request = what->request(argument);
    if (!request)
        return complain("the argument is wrong; hubbubctl --help lists what commands take", EXIT_WRONG);
    if (link_open(&fd, path, &failure) != HUB_OK) {
        json_decref(request);
        return complain(failure.text, EXIT_UNREACHED);
    }
    if (link_send(fd, request, &failure) == HUB_OK)
        exit_code = converse(fd, what, as_json, &failure);
    else
        exit_code = complain(failure.text, EXIT_UNREACHED);
    json_decref(request);
    close(fd);
    return exit_code;
}

static const verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* Where the server of this environment listens; "" when it says nothing of one. */
static const char *default_path(void)
{
    static char path[4096];
    const char *named = getenv(variable), *folder = getenv(folder_variable);
    if (named)
        return named;
    if (folder && *folder)
        snprintf(path, sizeof path, "%.*s/control", (int)strcspn(folder, ":"), folder);
    return path;
}

/* The options before the command. Returns the index of the command; -1: something is wrong; 0: that was all.
 */
static int read_options(int argc, char *argv[], const char **path, bool *as_json)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            *as_json = true;
        } else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc) {
            *path = argv[++i];
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return 0;
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("hubbubctl " HUB_VERSION);
            return 0;
        } else {
            complain("a wrong option; hubbubctl --help lists all", EXIT_WRONG);
            return -1;
        }
    }
    return i;
}

int main(int argc, char *argv[])
{
    const char *path = default_path();
    bool as_json = false;
    int i = read_options(argc, argv, &path, &as_json);
    if (i <= 0)
        return i < 0 ? EXIT_WRONG : EXIT_DONE;
    const verb *what = i < argc ? find_verb(argv[i]) : NULL;
    if (!what)
        return complain(i < argc ? "there is no such command; hubbubctl --help lists all"
                                 : "no command; hubbubctl --help lists all",
                        EXIT_WRONG);
    const char *argument = i + 1 < argc ? argv[i + 1] : NULL;
    bool needs = what->argument && what->argument[0] != '[';
    if (i + 2 < argc || (argument && !what->argument) || (!argument && needs))
        return complain("too many arguments, or one is missing; hubbubctl --help lists what commands take",
                        EXIT_WRONG);
    if (!*path)
        return complain("which server? give -s SOCKET, as the server's --control-socket names it",
                        EXIT_WRONG);
    return run(what, argument, path, as_json);
}
