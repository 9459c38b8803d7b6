/* SPDX-License-Identifier: Apache-2.0 */
#include "common/syslog.h"

#include "common/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 320 };

static const char unix_scheme[] = "unix://", udp_scheme[] = "udp://";

static syslog_target used = {.fd = -1};
static _Atomic uint64_t dropped, told, tried_ns;

/* RFC 5424, table 1; the names are syslog(3)'s. */
static const struct {
    const char *name;
    int number;
} facilities[] = {
    {"kern", 0},      {"user", 1},    {"mail", 2},    {"daemon", 3},  {"auth", 4},
    {"syslog", 5},    {"lpr", 6},     {"news", 7},    {"uucp", 8},    {"cron", 9},
    {"authpriv", 10}, {"ftp", 11},    {"local0", 16}, {"local1", 17}, {"local2", 18},
    {"local3", 19},   {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23},
};

int syslog_facility(const char *name)
{
    for (size_t i = 0; i < sizeof facilities / sizeof *facilities; i++)
        if (strcmp(facilities[i].name, name) == 0)
            return facilities[i].number;
    return -1;
}

/* ---- addresses ---- */

static const char *behind(const char *text, const char *scheme)
{
    size_t length = strlen(scheme);
    return strncmp(text, scheme, length) == 0 ? text + length : NULL;
}

/* "HOST:PORT" or "[V6]:PORT" into two texts. */
static bool split(const char *text, char host[256], char port[8])
{
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (length == 0 || length >= 256 || colon[1] == '\0' || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
        return false;
    if (text[0] == '[' && length > 2 && colon[-1] == ']') {
        text++;
        length -= 2;
    } else if (memchr(text, ':', length)) {
        return false;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    strcpy(port, colon + 1);
    return true;
}

const char *syslog_check_address(const char *text)
{
    char host[256], port[8];
    const char *rest = behind(text, unix_scheme);
    if (rest)
        return *rest != '/' ? "has no path behind unix://"
               : strlen(rest) >= sizeof(((struct sockaddr_un *)0)->sun_path)
                   ? "has a path that is longer than the 107 bytes a socket's may have"
                   : NULL;
    rest = behind(text, udp_scheme);
    if (!rest)
        return "is neither unix:// nor udp://";
    return split(rest, host, port) ? NULL : "has no HOST:PORT behind udp://";
}

static hub_status find_unix(syslog_target *target, const char *path)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&target->address;
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path, sizeof address->sun_path, "%s", path);
    target->address_length = sizeof *address;
    target->local = true;
    return HUB_OK;
}

static hub_status find_udp(syslog_target *target, const char *text, error *failure)
{
    char host[256], port[8];
    names_found found;
    if (!split(text, host, port))
        return error_set(failure, HUB_EINVAL, "log-syslog-to: %s is no HOST:PORT", text);
    names_find(&found, host, port, SOCK_DGRAM);
    if (found.wrong)
        return error_set(failure, HUB_ESYSTEM, "log-syslog-to: cannot find %s: %s", host,
                         names_wrong(&found));
    target->address = found.addresses[0].address;
    target->address_length = found.addresses[0].length;
    return HUB_OK;
}

void syslog_look_up(const char *address, names_table *table)
{
    char host[256], port[8];
    const char *place = behind(address, udp_scheme);
    if (place && split(place, host, port))
        names_add(table, host, port, SOCK_DGRAM);
}

/* ---- open and close ---- */

/* A host's name without what would end it in a line. */
static void read_host(char to[64])
{
    if (gethostname(to, 63) < 0)
        to[0] = '\0';
    to[63] = '\0';
    for (char *at = to; *at; at++)
        if (*at <= ' ' || *at > '~')
            *at = '-';
    if (to[0] == '\0')
        strcpy(to, "-");
}

static bool reach(const syslog_target *target)
{
    return connect(target->fd, (const struct sockaddr *)&target->address, target->address_length) == 0;
}

hub_status syslog_open(syslog_target *target, const char *address, const char *prefix, const char *facility,
                       error *failure)
{
    *target = (syslog_target){.fd = -1, .facility = syslog_facility(facility)};
    const char *path = behind(address, unix_scheme), *place = behind(address, udp_scheme);
    if (target->facility < 0 || (!path && !place))
        return error_set(failure, HUB_EINVAL, "log-syslog: %s, %s is no syslog daemon", address, facility);
    snprintf(target->tag, sizeof target->tag, "hubbub%s%s", prefix ? "." : "", prefix ? prefix : "");
    read_host(target->host);
    hub_status status = path ? find_unix(target, path) : find_udp(target, place, failure);
    if (status != HUB_OK)
        return status;
    target->fd = socket(target->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (target->fd >= 0 && reach(target))
        return HUB_OK;
    int cause = errno;
    syslog_close(target);
    return error_set(failure, HUB_ESYSTEM, "log-syslog-to: cannot reach %s: %s", address, strerror(cause));
}

void syslog_close(syslog_target *target)
{
    if (target->fd >= 0)
        close(target->fd);
    target->fd = -1;
}

void syslog_use(const syslog_target *target)
{
    used = *target;
}

bool syslog_is_used(void)
{
    return used.fd >= 0;
}

/* ---- lines ---- */

/* RFC 5424, table 2. */
static int severity(hub_level level)
{
    static const int severities[] = {7, 6, 4, 3, 2};
    return severities[(unsigned)level < 5 ? level : HUB_CRITICAL];
}

static size_t format_head(char head[HEAD_MAX], hub_level level, const char *kind)
{
    char date[64];
    uint64_t now = clock_wall_ns();
    time_t seconds = (time_t)(now / CLOCK_NS_PER_S);
    struct tm parts = {0};
    int priority = used.facility * 8 + severity(level), length;
    if (used.local) {
        localtime_r(&seconds, &parts);
        strftime(date, sizeof date, "%b %e %H:%M:%S", &parts);
        length = snprintf(head, HEAD_MAX, "<%d>%s %s[%ld]: ", priority, date, used.tag, (long)getpid());
    } else {
        gmtime_r(&seconds, &parts);
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
        length = snprintf(head, HEAD_MAX, "<%d>1 %s.%06uZ %s %s %ld %s - ", priority, date,
                          (unsigned)(now % CLOCK_NS_PER_S / 1000), used.host, used.tag, (long)getpid(), kind);
    }
    return length > 0 && length < HEAD_MAX ? (size_t)length : 0;
}

static bool put(const char *head, size_t head_length, const char *text, size_t length)
{
    struct iovec pieces[] = {{(char *)head, head_length}, {(char *)text, length}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return sendmsg(used.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* A full queue is not there for long; else the daemon is gone, or another one has its name: looked for once a
 * second. */
static bool put_again(const char *head, size_t head_length, const char *text, size_t length)
{
    uint64_t now = clock_monotonic_ns(), last = atomic_load(&tried_ns);
    if (errno == EAGAIN || errno == ENOBUFS || errno == EMSGSIZE || (last && now - last < CLOCK_NS_PER_S))
        return false;
    atomic_store(&tried_ns, now);
    return reach(&used) && put(head, head_length, text, length);
}

static bool send_line(hub_level level, const char *kind, const char *text, size_t length)
{
    char head[HEAD_MAX];
    size_t head_length = format_head(head, level, kind);
    return put(head, head_length, text, length) || put_again(head, head_length, text, length);
}

void syslog_send(hub_level level, const char *kind, const char *text, size_t length)
{
    int saved_errno = errno;
    if (!syslog_is_used())
        return;
    if (!send_line(level, kind, text, length)) {
        atomic_fetch_add(&dropped, 1);
    } else if (atomic_load(&dropped) != atomic_load(&told)) {
        char line[96];
        uint64_t now = atomic_load(&dropped);
        int said = snprintf(line, sizeof line, "%llu line(s) of this process were dropped before",
                            (unsigned long long)(now - atomic_load(&told)));
        if (send_line(HUB_WARNING, "error", line, (size_t)said))
            atomic_store(&told, now);
    }
    errno = saved_errno;
}

uint64_t syslog_dropped(void)
{
    return atomic_load(&dropped);
}
