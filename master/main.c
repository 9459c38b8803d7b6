/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hubbub [OPTION ...] APP
 *
 * Exit codes:
 *     0  ended because it was told to, or did what was asked (--help, --check-config …)
 *     1  the machine refused what the server needs: a port in use, permissions, memory, descriptors
 *     2  a wrong option or configuration file
 *     3  the first worker could not boot
 *     4  the application could not be found, compiled, loaded or set up
 */
#include "common/log.h"
#include "master/listener.h"
#include "master/master.h"
#include "worker/app/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor below 3 that is closed would be taken by the next socket, and written to as standard error. */
static bool open_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static int complain(const char *text, int exit_code)
{
    fprintf(stderr, "hubbub: %s\n", text);
    return exit_code;
}

static hub_status find_application(const config *settings, error *failure)
{
    struct stat status;
    if (stat(settings->app, &status) < 0)
        return error_set(failure, HUB_ENOENT, "cannot find the application %s: %s", settings->app,
                         strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(failure, HUB_EINVAL, "the application %s is not a file; give a .so or .c file",
                         settings->app);
    if (access(settings->app, R_OK) < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot read the application %s: %s", settings->app,
                         strerror(errno));
    return HUB_OK;
}

static int check(const config *settings)
{
    error failure = {.status = HUB_OK};
    listener_address ignored;
    for (size_t i = 0; settings->bind[i]; i++)
        if (listener_parse(settings->bind[i], &ignored, &failure) != HUB_OK)
            return complain(failure.text, MASTER_EXIT_USAGE);
    if (find_application(settings, &failure) != HUB_OK)
        return complain(failure.text, MASTER_EXIT_APP);
    puts("The configuration is valid.");
    return MASTER_EXIT_OK;
}

static int run(const config *settings)
{
    error failure = {.status = HUB_OK};
    char *compiled = NULL;

    log_set_level(settings->log_level);
    hub_status status = find_application(settings, &failure);
    if (status == HUB_OK && compile_is_source(settings->app))
        status = compile_application(settings->app, &compiled, &failure);
    if (status != HUB_OK) {
        log_error("%s", failure.text);
        return MASTER_EXIT_APP;
    }
    master_options options = {
        .config = settings,
        .module = compiled ? compiled : settings->app,
        .worker = worker_main,
    };
    int exit_code = master_run(&options);
    free(compiled);
    return exit_code;
}

int main(int argc, char *argv[])
{
    config settings;
    config_action action;
    error failure = {.status = HUB_OK};
    int exit_code = MASTER_EXIT_OK;

    if (!open_standard_streams())
        return MASTER_EXIT_SYSTEM;
    if (config_load(&settings, &action, argc, argv, &failure) != HUB_OK)
        return complain(failure.text, MASTER_EXIT_USAGE);
    switch (action) {
    case CONFIG_RUN:
        exit_code = run(&settings);
        break;
    case CONFIG_CHECK:
        exit_code = check(&settings);
        break;
    case CONFIG_HELP:
        config_print_help(stdout);
        break;
    case CONFIG_VERSION:
        puts("hubbub " HUB_VERSION);
        break;
    case CONFIG_PRINT:
        config_print(&settings, stdout);
        break;
    case CONFIG_REFERENCE:
        config_print_reference(stdout);
        break;
    }
    config_free(&settings);
    /* What was asked for and could not be written is not success. */
    if (fflush(stdout) != 0 && exit_code == MASTER_EXIT_OK)
        exit_code = complain("cannot write to standard output", MASTER_EXIT_SYSTEM);
    return exit_code;
}
