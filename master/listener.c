/* SPDX-License-Identifier: Apache-2.0 */
#include "master/listener.h"

#include "common/log.h"
#include "common/names.h"
#include "master/inherit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sockets ---- */

static listener *next_free(listener_set *set)
{
    if (set->count == LISTENERS_MAX)
        return NULL;
    listener *item = &set->items[set->count];
    *item = (listener){.fd = -1, .owner = getpid()};
    return item;
}

static void listener_close(listener *item)
{
    struct stat now;
    if (item->fd >= 0 && !item->inherited)
        close(item->fd);
    item->fd = -1;
    if (item->path[0] && item->owner == getpid() && lstat(item->path, &now) == 0 &&
        now.st_dev == item->device && now.st_ino == item->inode)
        unlink(item->path);
    item->path[0] = '\0';
}

static void close_from(listener_set *set, size_t first)
{
    while (set->count > first)
        listener_close(&set->items[--set->count]);
}

static hub_status set_is_full(error *failure)
{
    return error_set(failure, HUB_EFULL, "more than %d listening sockets; give fewer --bind addresses",
                     LISTENERS_MAX);
}

/* One line for what bind(2) or listen(2) refused. */
static hub_status refused(const char *name, int cause, error *failure)
{
    switch (cause) {
    case EADDRINUSE:
        return error_set(failure, HUB_EEXIST,
                         "cannot listen at %s: the port is in use; stop the other server, or choose another "
                         "port with --bind",
                         name);
    case EACCES:
    case EPERM:
        return error_set(failure, HUB_ESYSTEM,
                         "cannot listen at %s: permission denied; ports below 1024 need root or "
                         "CAP_NET_BIND_SERVICE, so choose a higher one with --bind",
                         name);
    case EADDRNOTAVAIL:
        return error_set(failure, HUB_ESYSTEM,
                         "cannot listen at %s: this machine has no such address; `ip address` lists those it "
                         "has, and --bind :PORT listens at all of them",
                         name);
    case EAFNOSUPPORT:
        return error_set(failure, HUB_ESYSTEM,
                         "cannot listen at %s: this machine does not speak that protocol", name);
    default:
        return error_set(failure, HUB_ESYSTEM, "cannot listen at %s: %s", name, strerror(cause));
    }
}

/* The numeric name of the address that a socket really has, or is to have. */
static void write_name(const struct sockaddr *address, socklen_t size, char *name, size_t room)
{
    char host[INET6_ADDRSTRLEN + 32], port[8];
    if (getnameinfo(address, size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) !=
        0)
        snprintf(name, room, "an address of family %d", address->sa_family);
    else if (address->sa_family == AF_INET6)
        snprintf(name, room, "[%s]:%s", host, port);
    else
        snprintf(name, room, "%s:%s", host, port);
}

/* Opens one internet socket; on failure errno is in *cause. *port is taken when not 0, else filled in. */
static int open_internet(const names_address *from, const listener_options *options, in_port_t *port,
                         listener *item, int *cause)
{
    struct sockaddr_storage address;
    socklen_t size = from->length;
    int family = from->address.ss_family;
    in_port_t *address_port = family == AF_INET6 ? &((struct sockaddr_in6 *)&address)->sin6_port
                                                 : &((struct sockaddr_in *)&address)->sin_port;
    int on = 1;

    address = from->address;
    if (*address_port == 0)
        *address_port = *port;
    write_name((struct sockaddr *)&address, size, item->name, sizeof(item->name));

    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        goto failed;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        goto failed;
    if (options->reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
        goto failed;
    /* Answers are gathered before they are written, so none gains by waiting. Accepted sockets inherit it. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        goto failed;
    /* IPv4 clients get an IPv4 socket, so that their addresses are never written as ::ffff:192.0.2.7. */
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        goto failed;
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, (int)options->backlog) < 0)
        goto failed;
    size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        goto failed;
    *port = *address_port;
    write_name((struct sockaddr *)&address, size, item->name, sizeof(item->name));
    item->fd = fd;
    return 0;

failed:
    *cause = errno;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool is_absent(int cause)
{
    return cause == EADDRNOTAVAIL || cause == EAFNOSUPPORT;
}

static hub_status listen_internet(listener_set *set, const char *text, const listener_address *address,
                                  const listener_options *options, error *failure)
{
    names_found found;
    names_find(&found, address->host, address->port, SOCK_STREAM);
    if (found.wrong)
        return error_set(
            failure, found.wrong == EAI_MEMORY ? HUB_ENOMEM : HUB_EINVAL,
            "bind address \"%s\": cannot find the address of \"%s\": %s; add the name to /etc/hosts, or "
            "write the address itself",
            text, address->host, names_wrong(&found));

    size_t first = set->count;
    in_port_t port = 0;
    hub_status status = HUB_OK;
    char absent_name[sizeof(set->items[0].name)] = "";
    int absent_cause = 0;
    for (unsigned i = 0; i < found.count && status == HUB_OK; i++) {
        int cause = 0;
        listener *item = next_free(set);
        if (!item) {
            status = set_is_full(failure);
        } else if (open_internet(&found.addresses[i], options, &port, item, &cause) == 0) {
            set->count++;
        } else if (is_absent(cause)) {
            memcpy(absent_name, item->name, sizeof(absent_name));
            absent_cause = cause;
        } else {
            status = refused(item->name, cause, failure);
        }
    }
    if (status == HUB_OK && set->count == first)
        status = refused(absent_name[0] ? absent_name : text, absent_cause ? absent_cause : EADDRNOTAVAIL,
                         failure);
    if (status != HUB_OK)
        close_from(set, first);
    return status;
}

/* ---- unix sockets ---- */

/* Whether somebody listens at a socket's path: one whose queue is full counts too. */
static bool is_listened_at(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool answered =
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno != ECONNREFUSED;
    close(fd);
    return answered;
}

/* Makes way for a socket: removes what a server that died left behind, and nothing else. */
static hub_status remove_stale(const struct sockaddr_un *address, error *failure)
{
    const char *path = address->sun_path;
    struct stat tested, now;

    if (lstat(path, &tested) < 0)
        return errno == ENOENT
                   ? HUB_OK
                   : error_set(failure, HUB_ESYSTEM, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISSOCK(tested.st_mode))
        return error_set(
            failure, HUB_EEXIST,
            "cannot listen at unix:%s: a file that is no socket is in the way; remove it, or choose "
            "another path with --bind",
            path);
    if (is_listened_at(address))
        return error_set(
            failure, HUB_EEXIST,
            "cannot listen at unix:%s: another server listens there; stop it, or choose another path "
            "with --bind",
            path);
    /* Another server may have replaced it meanwhile. */
    if (lstat(path, &now) == 0 && now.st_dev == tested.st_dev && now.st_ino == tested.st_ino &&
        unlink(path) < 0 && errno != ENOENT)
        return error_set(failure, HUB_ESYSTEM, "cannot remove the stale socket %s: %s", path,
                         strerror(errno));
    return HUB_OK;
}

static hub_status bind_failed(const char *path, int cause, error *failure)
{
    switch (cause) {
    case EADDRINUSE:
        return error_set(failure, HUB_EEXIST, "cannot listen at unix:%s: another server listens there", path);
    case ENOENT:
    case ENOTDIR:
        return error_set(failure, HUB_ESYSTEM,
                         "cannot listen at unix:%s: its folder does not exist; make it first", path);
    case EACCES:
    case EPERM:
    case EROFS:
        return error_set(failure, HUB_ESYSTEM,
                         "cannot listen at unix:%s: %s; the folder must be writable for this user", path,
                         strerror(cause));
    default:
        return error_set(failure, HUB_ESYSTEM, "cannot listen at unix:%s: %s", path, strerror(cause));
    }
}

/* A user's or group's number, by its name or as it is. */
static bool find_owner(const char *name, bool is_group, unsigned *id)
{
    char *end;
    const struct passwd *user = is_group ? NULL : getpwnam(name);
    const struct group *group = is_group ? getgrnam(name) : NULL;
    if (user || group) {
        *id = user ? user->pw_uid : group->gr_gid;
        return true;
    }
    errno = 0;
    unsigned long number = strtoul(name, &end, 10);
    *id = (unsigned)number;
    return *name >= '0' && *name <= '9' && *end == '\0' && errno == 0 && number < UINT32_MAX;
}

static hub_status no_such_owner(const char *kind, const char *name, error *failure)
{
    return error_set(failure, HUB_EINVAL,
                     "socket-%s %s: this machine has no such %s; give one of its names, or a number", kind,
                     name, kind);
}

/* Between bind and listen: until somebody listens, nobody can connect. */
static hub_status set_permissions(const char *path, const listener_options *options, error *failure)
{
    unsigned user = UINT32_MAX, group = UINT32_MAX; /* chown(2): as they are */
    if (options->user && !find_owner(options->user, false, &user))
        return no_such_owner("user", options->user, failure);
    if (options->group && !find_owner(options->group, true, &group))
        return no_such_owner("group", options->group, failure);
    /* The mode last: a change of owner could take bits of it away. */
    if ((user != UINT32_MAX || group != UINT32_MAX) && lchown(path, user, group) < 0)
        return error_set(failure, HUB_ESYSTEM,
                         "cannot give unix:%s to socket-user %s and socket-group %s: %s; root can, others "
                         "only to a group that they are in",
                         path, options->user ? options->user : "(as it is)",
                         options->group ? options->group : "(as it is)", strerror(errno));
    if (options->mode && chmod(path, (mode_t)strtoul(options->mode, NULL, 8)) < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot give unix:%s the permissions %s: %s", path,
                         options->mode, strerror(errno));
    return HUB_OK;
}

static hub_status listen_local(listener_set *set, const listener_address *address,
                               const listener_options *options, error *failure)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    listener *item = next_free(set);
    if (!item)
        return set_is_full(failure);
    memcpy(name.sun_path, address->path, sizeof(name.sun_path));
    snprintf(item->name, sizeof(item->name), "unix:%s", address->path);

    item->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (item->fd < 0)
        return bind_failed(address->path, errno, failure);

    int bound = bind(item->fd, (struct sockaddr *)&name, sizeof(name));
    if (bound < 0 && errno == EADDRINUSE) {
        hub_status cleared = remove_stale(&name, failure);
        if (cleared != HUB_OK) {
            listener_close(item);
            return cleared;
        }
        bound = bind(item->fd, (struct sockaddr *)&name, sizeof(name));
    }
    struct stat made;
    if (bound == 0 && lstat(address->path, &made) == 0) {
        memcpy(item->path, address->path, sizeof(item->path));
        item->device = made.st_dev;
        item->inode = made.st_ino;
    }
    hub_status status = HUB_OK;
    if (bound < 0)
        status = bind_failed(address->path, errno, failure);
    if (status == HUB_OK)
        status = set_permissions(address->path, options, failure);
    if (status == HUB_OK && listen(item->fd, (int)options->backlog) < 0)
        status = bind_failed(address->path, errno, failure);
    if (status != HUB_OK) {
        listener_close(item);
        return status;
    }
    set->count++;
    return HUB_OK;
}

/* ---- inherited ones ---- */

static bool holds(const listener_set *set, int fd)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i].fd == fd)
            return true;
    return false;
}

static void name_inherited(int fd, listener *item)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    const struct sockaddr_un *local = (struct sockaddr_un *)&address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        snprintf(item->name, sizeof(item->name), "fd://%d", fd);
    else if (address.ss_family == AF_UNIX)
        snprintf(item->name, sizeof(item->name), "unix:%s%.107s",
                 size > sizeof(sa_family_t) && local->sun_path[0] == '\0' ? "@" : "",
                 size <= sizeof(sa_family_t) ? "" : local->sun_path + (local->sun_path[0] == '\0'));
    else
        write_name((struct sockaddr *)&address, size, item->name, sizeof(item->name));
}

static hub_status take_inherited(listener_set *set, int fd, const char *text, error *failure)
{
    char what[400];
    snprintf(what, sizeof(what), "bind address \"%s\"", text);
    if (holds(set, fd))
        return error_set(failure, HUB_EEXIST, "%s: descriptor %d is listened at already", what, fd);
    hub_status status = inherit_check(fd, what, failure);
    if (status != HUB_OK)
        return status;
    listener *item = next_free(set);
    if (!item)
        return set_is_full(failure);
    name_inherited(fd, item);
    item->fd = fd;
    item->inherited = true;
    set->count++;
    return HUB_OK;
}

static hub_status take_activated(listener_set *set, const char *text, const char *name, error *failure)
{
    size_t first = set->count;
    hub_status status = HUB_OK;
    for (size_t i = 0; i < inherit_count() && status == HUB_OK; i++) {
        int fd = inherit_find(i, name);
        if (fd >= 0)
            status = take_inherited(set, fd, text, failure);
    }
    if (status == HUB_OK && set->count == first)
        return error_set(
            failure, HUB_EINVAL,
            "bind address \"%s\": the service manager gave no %ssocket%s%s; its socket unit must "
            "have FileDescriptorName=%s and start this service",
            text, *name ? "" : "listening ", *name ? " named " : "", name, *name ? name : "…");
    if (status != HUB_OK)
        close_from(set, first);
    return status;
}

/* ---- a set of them ---- */

hub_status listener_open(listener_set *set, const char *text, const listener_options *options, error *failure)
{
    listener_address address;
    size_t first = set->count;
    hub_status status = listener_parse(text, &address, failure);
    if (status != HUB_OK)
        return status;
    if (address.local)
        status = listen_local(set, &address, options, failure);
    else if (!address.inherited)
        status = listen_internet(set, text, &address, options, failure);
    else if (address.fd >= 0)
        status = take_inherited(set, address.fd, text, failure);
    else
        status = take_activated(set, text, address.host, failure);
    for (size_t i = first; i < set->count; i++)
        snprintf(set->items[i].bind, sizeof(set->items[i].bind), "%s", text);
    return status;
}

bool listener_is_of(const listener *item, char *const binds[])
{
    for (size_t i = 0; binds[i]; i++)
        if (strcmp(item->bind, binds[i]) == 0)
            return true;
    return false;
}

static bool has(const listener_set *set, const char *bind)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->items[i].bind, bind) == 0)
            return true;
    return false;
}

hub_status listener_change(listener_set *set, char *const binds[], const listener_options *options,
                           error *failure)
{
    size_t before = set->count;
    for (size_t i = 0; binds[i]; i++) {
        hub_status status = has(set, binds[i]) ? HUB_OK : listener_open(set, binds[i], options, failure);
        if (status != HUB_OK) {
            close_from(set, before);
            return status;
        }
    }
    for (size_t i = 0; i < set->count; i++) {
        set->items[i].added |= i >= before; /* a change may follow one that was not settled */
        set->items[i].leaving = !listener_is_of(&set->items[i], binds);
    }
    return HUB_OK;
}

void listener_settle(listener_set *set, bool counts)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        listener *item = &set->items[i];
        if (counts ? item->leaving : item->added) {
            log_info("no longer listening at %s", item->name);
            listener_close(item);
            continue;
        }
        item->added = item->leaving = false;
        if (kept != i)
            set->items[kept] = *item;
        kept++;
    }
    set->count = kept;
}

void listener_shut(const listener_set *set)
{
    /* A filter of a listening TCP socket reads from the TCP header on. Of what comes for it only a first SYN
     * is dropped: what completes a connection that was begun before must pass. */
    enum { FLAGS_AT = 13, SYN = 0x02, ACK = 0x10 };
    static struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),   BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog program = {.len = sizeof(steps) / sizeof(steps[0]), .filter = steps};
    for (size_t i = 0; i < set->count; i++) {
        const listener *item = &set->items[i];
        if (!item->inherited && !item->path[0] &&
            setsockopt(item->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
            log_debug("%s: cannot close the queue to new connections: %s", item->name, strerror(errno));
    }
}

void listener_close_all(listener_set *set)
{
    close_from(set, 0);
}
