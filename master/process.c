/* SPDX-License-Identifier: Apache-2.0 */
#include "master/process.h"

#include "common/log.h"
#include "config/cpus.h"
#include "config/settings.h"
#include "config/value.h"
#include "master/daemon.h"
#include "master/pidfile.h"
#include "master/title.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME_SHOWN = 64, /* bytes of a title's name */
    FILES_BESIDES =
        64, /* that a worker opens besides connections and what it inherits: logs, files it serves */
};

/* ---- the folder and the name ---- */

hub_status process_enter_folder(const config *settings, error *failure)
{
    if (!settings->chdir || chdir(settings->chdir) == 0)
        return HUB_OK;
    return error_set(failure, HUB_EINVAL, "chdir: cannot enter the folder %s: %s", settings->chdir,
                     strerror(errno));
}

void process_name(const config *settings, char *to, size_t capacity)
{
    if (settings->name || !settings->app) {
        snprintf(to, capacity, "%s", settings->name ? settings->name : "");
        return;
    }
    const char *slash = strrchr(settings->app, '/');
    const char *base = slash ? slash + 1 : settings->app;
    const char *dot = strrchr(base, '.');
    size_t length = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    snprintf(to, capacity, "%.*s", (int)length, base);
}

/* ---- permissions and limits ---- */

/* What was inherited, to go back to when an option is taken away. */
static struct {
    bool known;
    mode_t mask;
    rlim_t core;
} inherited;

static void remember_inherited(void)
{
    struct rlimit limit;
    if (inherited.known)
        return;
    inherited.mask = umask(0);
    umask(inherited.mask);
    inherited.core = getrlimit(RLIMIT_CORE, &limit) == 0 ? limit.rlim_cur : 0;
    inherited.known = true;
}

static rlim_t wanted_core(const char *text, rlim_t hard)
{
    uint64_t size;
    if (!text)
        return inherited.core < hard ? inherited.core : hard;
    if (strcmp(text, "on") == 0)
        return hard;
    return value_parse_size(text, &size) ? size : 0;
}

static void set_core_limit(const char *text)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) < 0)
        return;
    rlim_t wanted = wanted_core(text, limit.rlim_max);
    if (wanted > limit.rlim_max) {
        log_warning(
            "core-dump: the hard limit of core files is %llu bytes, which is used; raise it (ulimit -Hc, "
            "LimitCORE=)",
            (unsigned long long)limit.rlim_max);
        wanted = limit.rlim_max;
    }
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_CORE, &limit) < 0)
        log_warning("core-dump: cannot set the limit of core files: %s", strerror(errno));
}

void process_set_limits(const config *settings)
{
    remember_inherited();
    umask(settings->umask ? (mode_t)strtoul(settings->umask, NULL, 8) : inherited.mask);
    set_core_limit(settings->core_dump);
}

unsigned process_connections(uint64_t files)
{
    const uint64_t own = 2 * REGION_ROWS + 1 + CONFIG_BINDS_MAX + FILES_BESIDES;
    uint64_t left = files > own ? files - own : 0;
    return left < UINT32_MAX ? (unsigned)left : UINT32_MAX;
}

void process_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (before != limit.rlim_max && setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warning("cannot raise the limit of open files from %llu to %llu: %s", (unsigned long long)before,
                    (unsigned long long)limit.rlim_max, strerror(errno));
}

/* A warning to who asked for more; the default is only meant not to be the limit. */
void process_say_file_limit(const config *settings)
{
    static const char name[] = "worker-connections";
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    rlim_t files = limit.rlim_cur;
    unsigned connections = process_connections(files);
    if (connections >= settings->worker_connections)
        return;
    if (setting_source(settings, option_find(name, strlen(name)))->kind == PLACE_DEFAULT)
        log_info("the limit of open files is %llu: a worker can have about %u connections; for more raise it "
                 "(ulimit -Hn, LimitNOFILE=)",
                 (unsigned long long)files, connections);
    else
        log_warning(
            "the limit of open files is %llu, so that a worker can have about %u connections and not %u "
            "(worker-connections); raise it (ulimit -Hn, LimitNOFILE=) or lower worker-connections",
            (unsigned long long)files, connections, settings->worker_connections);
}

/* ---- CPUs ---- */

static bool is_off(const config *settings)
{
    return strcmp(settings->cpu_affinity, "off") == 0;
}

/* The CPUs of the option; *allowed are those that this process may use. */
static hub_status find_cpus(const config *settings, cpu_set_t *allowed, cpu_set_t *wanted, error *failure)
{
    if (sched_getaffinity(0, sizeof *allowed, allowed) < 0) {
        error_set(failure, HUB_ESYSTEM, "cpu-affinity: cannot tell which CPUs may be used: %s",
                  strerror(errno));
        return HUB_ESYSTEM;
    }
    if (!cpus_parse_list(settings->cpu_affinity, wanted))
        *wanted = *allowed; /* auto */
    return HUB_OK;
}

hub_status process_check_affinity(const config *settings, error *failure)
{
    cpu_set_t allowed, wanted;
    if (is_off(settings))
        return HUB_OK;
    hub_status status = find_cpus(settings, &allowed, &wanted, failure);
    for (unsigned i = 0; status == HUB_OK && i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &wanted) && !CPU_ISSET(i, &allowed))
            status =
                error_set(failure, HUB_EINVAL,
                          "cpu-affinity: CPU %u is not there, or not for this process; nproc and taskset -p "
                          "$$ say which are",
                          i);
    return status;
}

hub_status process_pin(const config *settings, unsigned slot, error *failure)
{
    cpu_set_t allowed, wanted, one;
    if (is_off(settings))
        return HUB_OK;
    hub_status status = find_cpus(settings, &allowed, &wanted, failure);
    if (status != HUB_OK)
        return status;
    unsigned left = slot % (unsigned)CPU_COUNT(&wanted), cpu = 0;
    while (!CPU_ISSET(cpu, &wanted) || left-- > 0)
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) < 0)
        return error_set(failure, HUB_ESYSTEM, "cpu-affinity: cannot stay on CPU %u: %s", cpu,
                         strerror(errno));
    return HUB_OK;
}

/* ---- the two kinds of process ---- */

void process_become_master(const config *settings)
{
    char name[NAME_SHOWN];
    log_set_level(settings->log_level);
    process_name(settings, name, sizeof name);
    title_set(PIDFILE_NAME, "hubbub: master [%s]", name);
    process_set_limits(settings);
}

void process_set_environment(const config *settings)
{
    for (char *const *variable = settings->env; *variable; variable++) {
        char *name = strndup(*variable, strcspn(*variable, "="));
        const char *value = strchr(*variable, '=');
        if (!name || !value || setenv(name, value + 1, 1) < 0)
            log_warning("env: no memory to set a variable");
        free(name);
    }
}

static void set_title(const worker_boot *boot)
{
    char name[NAME_SHOWN], short_name[16];
    process_name(boot->config, name, sizeof name);
    snprintf(short_name, sizeof short_name, "hubbub-w%u", boot->slot);
    title_set(short_name, "hubbub: worker %u [%s]", boot->slot, name);
}

int process_run_worker(const worker_boot *boot)
{
    error failure = {.status = HUB_OK};
    worker_boot own = *boot;
    own.serves = daemon_detach;
    process_set_environment(boot->config);
    set_title(boot);
    process_set_limits(boot->config);
    if (process_pin(boot->config, boot->slot, &failure) != HUB_OK)
        log_warning("%s; it is not pinned", failure.text);
    if (boot->config->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        log_warning("no-new-privileges: %s", strerror(errno));
    return worker_main(&own);
}
