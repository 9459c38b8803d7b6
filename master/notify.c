/* SPDX-License-Identifier: Apache-2.0 */
#include "master/notify.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static hub_status connect_to(notify *self, const char *name, error *failure)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof address.sun_path)
        return error_set(failure, HUB_EINVAL, "it is neither a path nor an abstract name");
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    self->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->fd < 0 || connect(self->fd, (struct sockaddr *)&address, size) < 0)
        return error_set(failure, HUB_ESYSTEM, "%s", strerror(errno));
    return HUB_OK;
}

/* Half of what the manager allows; 0 when it wants no signs of life, or those of another process. */
static uint64_t read_watchdog(bool moved)
{
    const char *text = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    char *end;
    if (!text || *text < '0' || *text > '9' || (pid && !moved && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    errno = 0;
    uint64_t microseconds = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0 && microseconds < UINT64_MAX / 1000 ? microseconds * 1000 / 2 : 0;
}

void notify_open(notify *self, bool moved)
{
    const char *name = getenv("NOTIFY_SOCKET");
    error failure = {.status = HUB_OK};
    *self = (notify){.fd = -1};
    if (name && *name && connect_to(self, name, &failure) != HUB_OK) {
        log_warning("cannot tell the service manager at NOTIFY_SOCKET=%s: %s", name, failure.text);
        notify_close(self);
    }
    if (self->fd >= 0)
        self->watchdog_ns = read_watchdog(moved);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(notify *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    self->watchdog_ns = self->next_ns = 0;
}

/* What is not taken at once is lost: the master waits for nobody. */
static void tell(const notify *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(const notify *self, const char *format, ...)
{
    char text[256];
    va_list values;
    if (self->fd < 0 || self->silent)
        return;
    va_start(values, format);
    int length = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (length > 0 && send(self->fd, text, strnlen(text, sizeof text), MSG_NOSIGNAL) < 0)
        log_debug("cannot tell the service manager: %s", strerror(errno));
}

void notify_ready(notify *self)
{
    tell(self, "READY=1");
}

void notify_reloading(notify *self)
{
    tell(self, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(clock_monotonic_ns() / 1000));
}

void notify_stopping(notify *self)
{
    tell(self, "STOPPING=1");
}

void notify_status(notify *self, const char *format, ...)
{
    char text[sizeof self->status];
    va_list values;
    if (self->fd < 0 || self->silent)
        return;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (strcmp(text, self->status) == 0)
        return;
    memcpy(self->status, text, sizeof text);
    tell(self, "STATUS=%s", text);
}

void notify_main_pid(notify *self, pid_t pid)
{
    bool is_own = pid == getpid();
    if (is_own)
        self->silent = false;
    tell(self, "MAINPID=%d", (int)pid);
    self->silent = !is_own;
    self->status[0] = '\0'; /* what was told before may have been told to nobody */
}

void notify_be_silent(notify *self)
{
    self->silent = true;
}

void notify_pass_time(notify *self, uint64_t now_ns)
{
    if (self->watchdog_ns == 0 || self->silent || now_ns < self->next_ns)
        return;
    self->next_ns = now_ns + self->watchdog_ns;
    tell(self, "WATCHDOG=1");
}

uint64_t notify_deadline_ns(const notify *self)
{
    return self->silent ? 0 : self->next_ns;
}
