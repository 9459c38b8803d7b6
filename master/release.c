/* SPDX-License-Identifier: Apache-2.0 */
#include "master/release.h"

#include "common/log.h"
#include "common/syslog.h"
#include "master/listener.h"
#include "master/logs.h"
#include "master/spawn.h"
#include "worker/app/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPY_TRIES = 5 };

/* ---- in the sealer ---- */

static hub_status open_application(const char *path, int *fd, struct stat *status, error *failure)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return error_set(failure, errno == ENOENT ? HUB_ENOENT : HUB_ESYSTEM,
                         errno == ENOENT ? "cannot find the application %s: %s"
                                         : "cannot read the application %s: %s",
                         path, strerror(errno));
    if (fstat(*fd, status) < 0 || !S_ISREG(status->st_mode)) {
        close(*fd);
        return error_set(failure, HUB_EINVAL, "the application %s is not a file; give a .so or .c file",
                         path);
    }
    return HUB_OK;
}

static bool copy(int from, int to, off_t length)
{
    off_t done = 0;
    if (ftruncate(to, 0) < 0 || lseek(to, 0, SEEK_SET) < 0)
        return false;
    while (done < length) {
        ssize_t part = sendfile(to, from, &done, (size_t)(length - done));
        if (part == 0) /* it became shorter: the caller sees that it changed */
            return true;
        if (part < 0 && errno != EINTR)
            return false;
    }
    return true;
}

static bool unchanged(int fd, const struct stat *before)
{
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_size == before->st_size &&
           now.st_mtim.tv_sec == before->st_mtim.tv_sec && now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

/* A file that is written to while it is copied is copied again: half a deploy is none. */
static hub_status copy_whole(const char *path, int to, error *failure)
{
    struct stat status;
    int from;
    for (int i = 0; i < COPY_TRIES; i++) {
        hub_status result = open_application(path, &from, &status, failure);
        if (result != HUB_OK)
            return result;
        bool copied = copy(from, to, status.st_size), whole = unchanged(from, &status);
        int cause = errno;
        close(from);
        if (!copied)
            return error_set(failure, HUB_ESYSTEM, "cannot copy the application %s: %s", path,
                             strerror(cause));
        if (whole)
            return HUB_OK;
        usleep(100 * 1000);
    }
    return error_set(failure, HUB_EAGAIN, "the application %s is being written to: reload when it is whole",
                     path);
}

static hub_status fill(const release *self, error *failure)
{
    char *compiled = NULL;
    const char *path = self->settings.app;
    hub_status status = HUB_OK;
    if (compile_is_source(path)) {
        status = compile_application(path, &compiled, failure);
        path = compiled;
    }
    if (status == HUB_OK)
        status = copy_whole(path, self->module, failure);
    free(compiled);
    return status;
}

/* What cannot be found is told when it is needed, if it is. */
static void look_up_hosts(const config *settings, names_table *names)
{
    listener_address address;
    for (size_t i = 0; settings->bind[i]; i++)
        if (listener_parse(settings->bind[i], &address, NULL) == HUB_OK && !address.local &&
            !address.inherited)
            names_add(names, address.host, address.port, SOCK_STREAM);
    if (settings->log_syslog)
        syslog_look_up(settings->log_syslog_to, names);
}

static int seal_main(void *arg)
{
    const release *self = arg;
    error failure = {.status = HUB_OK};
    if (fill(self, &failure) == HUB_OK) {
        look_up_hosts(&self->settings, &self->sealing->names);
        return WORKER_EXIT_OK;
    }
    log_error("%s", failure.text);
    self->sealing->cause = failure;
    return WORKER_EXIT_APP;
}

/* ---- in the master ---- */

/* What maps and tracebacks show of the application: its file's own name. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Without a module yet; NULL without memory. Takes the settings over in any case. */
static release *make_release(unsigned number, config *settings, error *failure)
{
    release *self = calloc(1, sizeof *self);
    if (!self) {
        config_free(settings);
        error_set(failure, HUB_ENOMEM, "no memory for a release");
        return NULL;
    }
    *self = (release){.number = number, .settings = *settings, .holders = 1, .module = -1};
    memset(settings, 0, sizeof *settings);
    self->limits = (slot_limits){
        .boot_ns = clock_in_ns(self->settings.boot_timeout),
        .timeout_ns = clock_in_ns(self->settings.timeout),
        .graceful_ns = clock_in_ns(self->settings.graceful_timeout),
    };
    return self;
}

hub_status release_adopt(release **out, unsigned number, config *settings, int module, error *failure)
{
    *out = make_release(number, settings, failure);
    if (!*out)
        return HUB_ENOMEM;
    (*out)->module = module;
    snprintf((*out)->path, sizeof(*out)->path, "/proc/self/fd/%d", module);
    return HUB_OK;
}

static hub_status share(release *self, error *failure)
{
    void *shared =
        mmap(NULL, sizeof *self->sealing, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return error_set(failure, HUB_ENOMEM, "no memory for a release");
    self->sealing = shared;
    return HUB_OK;
}

hub_status release_begin(release **out, unsigned number, config *settings, pid_t *sealer, error *failure)
{
    release *self = make_release(number, settings, failure);
    if (!self)
        return HUB_ENOMEM;
    self->module = memfd_create(base_name(self->settings.app), MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (self->module < 0) {
        hub_status status =
            error_set(failure, HUB_ESYSTEM, "cannot keep the application in memory: %s", strerror(errno));
        release_drop(self);
        return status;
    }
    snprintf(self->path, sizeof self->path, "/proc/self/fd/%d", self->module);
    if (share(self, failure) != HUB_OK) {
        release_drop(self);
        return HUB_ENOMEM;
    }

    int kept[1 + LOGS_KEPT] = {self->module};
    spawn_request request = {
        .run = seal_main, .arg = self, .keep = kept, .keep_count = 1 + logs_kept(kept + 1)};
    hub_status status = spawn_process(&request, sealer, failure);
    if (status != HUB_OK) {
        release_drop(self);
        return status;
    }
    *out = self;
    return HUB_OK;
}

hub_status release_seal(release *self, int status, error *failure)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_APP)
        return error_set(failure, HUB_EFAIL, "%.*s", (int)sizeof self->sealing->cause.text - 1,
                         self->sealing->cause.text);
    if (WIFSIGNALED(status))
        return error_set(failure, HUB_EFAIL, "the process that copies the application was killed by SIG%s",
                         sigabbrev_np(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return error_set(failure, HUB_EFAIL, "the process that copies the application ended with code %d",
                         WEXITSTATUS(status));
    if (fcntl(self->module, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot seal the application: %s", strerror(errno));
    return HUB_OK;
}

release *release_hold(release *self)
{
    self->holders++;
    return self;
}

void release_drop(release *self)
{
    if (!self || --self->holders)
        return;
    config_free(&self->settings);
    if (self->sealing)
        munmap(self->sealing, sizeof *self->sealing);
    if (self->module >= 0)
        close(self->module);
    free(self);
}
