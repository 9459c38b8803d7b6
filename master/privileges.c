/* SPDX-License-Identifier: Apache-2.0 */
#include "master/privileges.h"

#include "common/log.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GROUPS_MAX = 65536 }; /* NGROUPS_MAX of Linux */

static struct {
    bool change_user, change_group; /* neither: everybody stays what the server was started as */
    uid_t user;
    gid_t group;
    gid_t *groups; /* supplementary; root's are left behind in any case */
    size_t group_count;
    char *name, *folder; /* NULL: a number without an entry */
} wanted;

/* What the master keeps, and why. */
static const unsigned kept_capabilities[] = {
    CAP_NET_BIND_SERVICE, /* addresses below port 1024, at a reload */
    CAP_KILL,             /* signals to workers, which are another user's */
    CAP_SETUID,           /* workers become that user … */
    CAP_SETGID,           /* … with its groups … */
    CAP_SETPCAP,          /* … and can get nothing of this back */
    CAP_CHOWN,            /* owner and mode of a unix socket */
    CAP_FOWNER,
    CAP_DAC_OVERRIDE, /* pid file, unix sockets and configuration in folders of that user */
};

/* ---- looking up ---- */

static bool is_number(const char *text, unsigned long *number)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return *end == '\0' && errno == 0 && *number < UINT32_MAX; /* the greatest means "as it is" */
}

static hub_status unknown(const char *option, const char *text, int cause, error *failure)
{
    if (cause == 0 || cause == ENOENT)
        return error_set(failure, HUB_EINVAL, "%s: there is no %s %s on this machine", option, option, text);
    return error_set(failure, HUB_EINVAL, "%s: cannot look up %s: %s", option, text, strerror(cause));
}

static hub_status no_memory(error *failure)
{
    return error_set(failure, HUB_ENOMEM, "no memory for the user and its groups");
}

static hub_status find_groups(error *failure)
{
    int count = 0;
    gid_t none;
    getgrouplist(wanted.name, wanted.group, &none, &count);
    if (count < 0 || count > GROUPS_MAX)
        count = GROUPS_MAX;
    wanted.groups = calloc((size_t)count + 1, sizeof(gid_t));
    if (!wanted.groups)
        return no_memory(failure);
    count++;
    if (getgrouplist(wanted.name, wanted.group, wanted.groups, &count) < 0)
        return error_set(failure, HUB_EINVAL,
                         "user: the groups of %s changed while they were read; try again", wanted.name);
    wanted.group_count = (size_t)count;
    return HUB_OK;
}

static hub_status find_group(const char *text, error *failure)
{
    unsigned long number;
    errno = 0;
    const struct group *entry = getgrnam(text);
    if (entry)
        wanted.group = entry->gr_gid;
    else if (is_number(text, &number))
        wanted.group = (gid_t)number;
    else
        return unknown("group", text, errno, failure);
    wanted.change_group = true;
    return HUB_OK;
}

static hub_status find_user(const char *text, bool has_group, error *failure)
{
    unsigned long number;
    errno = 0;
    const struct passwd *entry = getpwnam(text);
    int cause = errno;
    if (!entry && is_number(text, &number)) {
        entry = getpwuid((uid_t)number);
        wanted.user = (uid_t)number;
    } else if (!entry) {
        return unknown("user", text, cause, failure);
    }
    wanted.change_user = true;
    if (!entry && !has_group)
        return error_set(failure, HUB_EINVAL,
                         "user: number %s has no entry on this machine, so its group is not known; give "
                         "--group, too",
                         text);
    if (!entry)
        return HUB_OK;
    wanted.user = entry->pw_uid;
    wanted.name = strdup(entry->pw_name);
    wanted.folder = strdup(entry->pw_dir);
    if (!wanted.name || !wanted.folder)
        return no_memory(failure);
    if (!has_group) {
        wanted.group = entry->pw_gid;
        wanted.change_group = true;
    }
    return HUB_OK;
}

/* Who is not root can only stay who it is. */
static hub_status check_is_own(const config *settings, error *failure)
{
    if (wanted.change_user && wanted.user != geteuid())
        return error_set(failure, HUB_EINVAL,
                         "user: only root can become %s, and this is user %u; start the server as root or "
                         "leave the option out",
                         settings->user, (unsigned)geteuid());
    if (settings->group && wanted.group != getegid())
        return error_set(failure, HUB_EINVAL,
                         "group: only root can change to group %s, and this is group %u; start the server as "
                         "root or leave the option out",
                         settings->group, (unsigned)getegid());
    wanted.change_user = wanted.change_group = false;
    return HUB_OK;
}

hub_status privileges_find(const config *settings, error *failure)
{
    hub_status status = HUB_OK;
    privileges_forget();
    if (settings->group)
        status = find_group(settings->group, failure);
    if (status == HUB_OK && settings->user)
        status = find_user(settings->user, settings->group != NULL, failure);
    if (status == HUB_OK && geteuid() != 0)
        status = check_is_own(settings, failure);
    else if (status == HUB_OK && wanted.name)
        status = find_groups(failure);
    if (status == HUB_OK && settings->drop_master && !settings->user)
        status = error_set(failure, HUB_EINVAL, "drop-master: says nothing without --user; give both");
    if (status != HUB_OK)
        privileges_forget();
    return status;
}

void privileges_forget(void)
{
    free(wanted.groups);
    free(wanted.name);
    free(wanted.folder);
    memset(&wanted, 0, sizeof(wanted));
}

/* ---- capabilities: by system call, for which no library is needed ---- */

typedef struct capability_sets {
    struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3];
} capability_sets;

static bool get_capabilities(capability_sets *sets)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    return syscall(SYS_capget, &head, sets->words) == 0;
}

static bool set_capabilities(const capability_sets *sets)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    return syscall(SYS_capset, &head, sets->words) == 0;
}

static bool is_in(const uint32_t set[], unsigned capability)
{
    return (set[capability / 32] >> capability % 32 & 1) != 0;
}

/* What no file that is executed can give any more. A container may forbid even this; then what it has is all
 * there is to get. */
static void bound_capabilities(const uint32_t keep[])
{
    for (unsigned i = 0; i < 64; i++)
        if (!is_in(keep, i) && prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
            prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* Keeps those of the set that are there. */
static bool keep_capabilities(const uint32_t keep[])
{
    capability_sets sets;
    if (!get_capabilities(&sets))
        return false;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        sets.words[i].permitted &= keep[i];
        sets.words[i].effective = sets.words[i].permitted;
        sets.words[i].inheritable = 0;
    }
    return set_capabilities(&sets);
}

/* ---- dropping ---- */

static hub_status cannot(const char *what, error *failure)
{
    return error_set(failure, HUB_ESYSTEM, "privileges: cannot %s: %s", what, strerror(errno));
}

static void set_environment(void)
{
    if (!wanted.name)
        return;
    /* Without memory they stay root's, whose folder this user cannot enter. */
    setenv("HOME", wanted.folder, 1);
    setenv("USER", wanted.name, 1);
    setenv("LOGNAME", wanted.name, 1);
}

static hub_status become_user(error *failure)
{
    static const uint32_t nothing[_LINUX_CAPABILITY_U32S_3];
    bound_capabilities(nothing); /* takes a capability that goes with the user */
    if (setresuid(wanted.user, wanted.user, wanted.user) < 0)
        return cannot("change the user", failure);
    if (!keep_capabilities(nothing))
        return cannot("give away the capabilities", failure);
    /* To believe that it worked is the one mistake that must not happen here. */
    if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || geteuid() != wanted.user || getuid() != wanted.user)
        return error_set(failure, HUB_ESYSTEM, "privileges: the user changed, and can change back");
    return HUB_OK;
}

hub_status privileges_drop(error *failure)
{
    if (wanted.change_group) {
        if (setgroups(wanted.group_count, wanted.groups) < 0)
            return cannot("set the supplementary groups", failure);
        if (setresgid(wanted.group, wanted.group, wanted.group) < 0)
            return cannot("change the group", failure);
    }
    if (wanted.change_user && wanted.user != 0) {
        hub_status status = become_user(failure);
        if (status != HUB_OK)
            return status;
        set_environment();
    }
    if (wanted.change_user || wanted.change_group)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* cores, and /proc/self as the user's own */
    return HUB_OK;
}

static hub_status settle(bool drop, error *failure)
{
    if (drop) {
        hub_status status = privileges_drop(failure);
        wanted.change_user = wanted.change_group = false; /* children are that user from the start */
        return status;
    }
    uint32_t keep[_LINUX_CAPABILITY_U32S_3] = {0};
    for (size_t i = 0; i < sizeof kept_capabilities / sizeof *kept_capabilities; i++)
        keep[kept_capabilities[i] / 32] |= UINT32_C(1) << kept_capabilities[i] % 32;
    bound_capabilities(keep);
    return keep_capabilities(keep) ? HUB_OK : cannot("give away the master's capabilities", failure);
}

hub_status privileges_give(const config *settings, const char *path, error *failure)
{
    if (!settings->drop_master || geteuid() != 0)
        return HUB_OK;
    uid_t user = wanted.change_user ? wanted.user : (uid_t)-1;
    gid_t group = wanted.change_group ? wanted.group : (gid_t)-1;
    if (lchown(path, user, group) < 0)
        return error_set(failure, HUB_ESYSTEM, "drop-master: cannot give %s to user %s: %s", path,
                         settings->user, strerror(errno));
    return HUB_OK;
}

hub_status privileges_settle_master(const config *settings, error *failure)
{
    if (geteuid() != 0)
        return HUB_OK;
    if (!wanted.change_user || wanted.user == 0) {
        log_info("the workers run as root; --user makes them somebody with fewer rights");
        return HUB_OK;
    }
    hub_status status = settle(settings->drop_master, failure);
    if (status == HUB_OK)
        log_info("workers are user %s, group %u; the master %s", settings->user, (unsigned)wanted.group,
                 settings->drop_master ? "is, too"
                                       : "stays root and keeps what binding and supervising need");
    return status;
}
