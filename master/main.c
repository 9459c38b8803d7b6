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
#include "master/daemon.h"
#include "master/inherit.h"
#include "master/listener.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/privileges.h"
#include "master/process.h"
#include "master/title.h"
#include "master/upgrade.h"

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
    if (process_enter_folder(settings, &failure) != HUB_OK)
        return complain(failure.text, MASTER_EXIT_USAGE);
    if (find_application(settings, &failure) != HUB_OK)
        return complain(failure.text, MASTER_EXIT_APP);
    puts("The configuration is valid.");
    return MASTER_EXIT_OK;
}

/* In the foreground, or as the daemon. */
static int serve(config *settings, int argc, char *const argv[])
{
    error failure = {.status = HUB_OK};
    process_become_master(settings);
    if (upgrade_found())
        logs_inherit_console(upgrade_found()->console);
    if (logs_apply(settings, &failure) != HUB_OK)
        return complain(failure.text, MASTER_EXIT_SYSTEM);
    if (strcmp(settings->worker_class, "green") != 0)
        log_info(
            "worker-class %s: every worker of hubbub is a hub that runs handlers as greenlets, so nothing "
            "changes by it",
            settings->worker_class);
    int exit_code = master_run(
        &(master_options){.config = settings, .argc = argc, .argv = argv, .worker = process_run_worker});
    logs_close();
    return exit_code;
}

/* Another hubbub wants to know whether this one could take over. */
static int try_upgrade(void)
{
    error failure = {.status = HUB_OK};
    if (upgrade_try(&failure) != HUB_OK)
        return complain(failure.text, MASTER_EXIT_SYSTEM);
    return MASTER_EXIT_OK;
}

static int run(config *settings, int argc, char *const argv[])
{
    error failure = {.status = HUB_OK};
    int exit_code = MASTER_EXIT_OK;

    if (process_enter_folder(settings, &failure) != HUB_OK ||
        process_check_affinity(settings, &failure) != HUB_OK || privileges_find(settings, &failure) != HUB_OK)
        return complain(failure.text, MASTER_EXIT_USAGE);
    if (upgrade_is_probe())
        return try_upgrade();
    if (!settings->daemon || upgrade_found()) /* who is taken over from is in the background already */
        return serve(settings, argc, argv);
    switch (daemon_begin(&exit_code, &failure)) {
    case HUB_OK:
        exit_code = serve(settings, argc, argv);
        daemon_say(exit_code);
        return exit_code;
    case HUB_ECLOSED:
        return exit_code;
    default:
        return complain(failure.text, MASTER_EXIT_SYSTEM);
    }
}

int main(int argc, char *argv[])
{
    config settings;
    config_action action;
    error failure = {.status = HUB_OK};
    int exit_code = MASTER_EXIT_OK;

    if (!open_standard_streams())
        return MASTER_EXIT_SYSTEM;
    if (upgrade_remember(argv, &failure) == HUB_EPROTO)
        return complain(failure.text, MASTER_EXIT_SYSTEM);
    title_open(argc, argv); /* without memory for it, titles are not set */
    inherit_read_environment();
    if (config_load(&settings, &action, argc, argv, &failure) != HUB_OK)
        return complain(failure.text, MASTER_EXIT_USAGE);
    switch (action) {
    case CONFIG_RUN:
        exit_code = run(&settings, argc, argv);
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
    case CONFIG_SAMPLE_YAML:
        config_print_sample_yaml(stdout);
        break;
    case CONFIG_SAMPLE_INI:
        config_print_sample_ini(stdout);
        break;
    }
    config_free(&settings);
    /* What was asked for and could not be written is not success. */
    if (fflush(stdout) != 0 && exit_code == MASTER_EXIT_OK)
        exit_code = complain("cannot write to standard output", MASTER_EXIT_SYSTEM);
    return exit_code;
}
