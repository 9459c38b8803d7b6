/* SPDX-License-Identifier: Apache-2.0 */
#include "master/handover.h"

#include "common/hash.h"
#include "master/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char handover_magic[8] = {'h', 'u', 'b', 'b', 'u', 'b', 0, 'H'};

typedef struct head {
    char magic[8];
    uint32_t version;
    uint32_t length;   /* of what follows */
    uint32_t checksum; /* of it */
    uint32_t unused;
} head;

handover *handover_new(void)
{
    handover *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->channel = self->owners = self->region = self->master_doorbell = self->module = self->console = -1;
    predecessors_open(&self->before);
    self->parent_pipe[0] = self->parent_pipe[1] = -1;
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        self->doorbells[i] = -1;
        self->mailboxes[i] = (mailbox_ends){-1, -1};
    }
    return self;
}

/* ---- writing ---- */

static bool write_all(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t part = write(fd, at, length);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return false;
        at += part;
        length -= (size_t)part;
    }
    return true;
}

hub_status handover_write(const handover *self, int *fd, error *failure)
{
    head first = {
        .version = HANDOVER_VERSION, .length = sizeof *self, .checksum = hash_crc32c(0, self, sizeof *self)};
    memcpy(first.magic, handover_magic, sizeof handover_magic);
    *fd = memfd_create("hubbub-upgrade", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd >= 0 && write_all(*fd, &first, sizeof first) && write_all(*fd, self, sizeof *self) &&
        fcntl(*fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        return HUB_OK;
    error_set(failure, HUB_ESYSTEM, "cannot write down what the next master inherits: %s", strerror(errno));
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return HUB_ESYSTEM;
}

/* ---- reading ---- */

static hub_status damaged(error *failure, const char *what)
{
    return error_set(failure, HUB_EPROTO, "what the last master left is damaged: %s", what);
}

static bool ends(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool listener_is_sound(const handover_listener *item)
{
    return ends(item->bind, sizeof item->bind) && ends(item->name, sizeof item->name) &&
           ends(item->path, sizeof item->path);
}

static bool worker_is_sound(const handover_worker *worker)
{
    return worker->number < CONFIG_WORKERS_MAX && worker->row < REGION_ROWS && worker->state <= SLOT_KILLED;
}

static hub_status check(const handover *self, error *failure)
{
    if (self->mode > HANDOVER_IN_PLACE)
        return damaged(failure, "an unknown kind of upgrade");
    if (self->count < 1 || self->count > CONFIG_WORKERS_MAX || self->configured < 1 ||
        self->configured > CONFIG_WORKERS_MAX)
        return damaged(failure, "the number of workers");
    if (self->listener_count > LISTENERS_MAX || self->worker_count > REGION_ROWS ||
        self->activated > INHERIT_MAX)
        return damaged(failure, "a number of entries");
    for (uint32_t i = 0; i < self->listener_count; i++)
        if (!listener_is_sound(&self->listeners[i]))
            return damaged(failure, "a listening socket");
    for (uint32_t i = 0; i < self->worker_count; i++)
        if (!worker_is_sound(&self->workers[i]))
            return damaged(failure, "a worker");
    return HUB_OK;
}

/* Whole, or nothing. */
static ssize_t read_at(int fd, void *to, size_t length, off_t from)
{
    size_t done = 0;
    while (done < length) {
        ssize_t part = pread(fd, (char *)to + done, length - done, from + (off_t)done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return -1;
        if (part == 0)
            break;
        done += (size_t)part;
    }
    return (ssize_t)done;
}

hub_status handover_read(int fd, handover *self, error *failure)
{
    head first;
    ssize_t got = read_at(fd, &first, sizeof first, 0);
    if (got < 0)
        return error_set(failure, HUB_ESYSTEM, "cannot read what the last master left: %s", strerror(errno));
    if (got != sizeof first || memcmp(first.magic, handover_magic, sizeof handover_magic) != 0)
        return error_set(failure, HUB_EPROTO, "the descriptor holds nothing that a master has left");
    if (first.version != HANDOVER_VERSION || first.length != sizeof *self)
        return error_set(
            failure, HUB_EPROTO,
            "the running master leaves what version %u describes in %u bytes, this program needs "
            "version %d in %zu: end that server and start this one",
            first.version, first.length, HANDOVER_VERSION, sizeof *self);
    if (read_at(fd, self, sizeof *self, sizeof first) != (ssize_t)sizeof *self)
        return damaged(failure, "it is too short");
    if (first.checksum != hash_crc32c(0, self, sizeof *self))
        return damaged(failure, "its checksum is wrong");
    return check(self, failure);
}

/* ---- descriptors ---- */

static void add(int descriptors[], size_t *count, int fd)
{
    if (fd >= 0)
        descriptors[(*count)++] = fd;
}

size_t handover_descriptors(const handover *self, int descriptors[HANDOVER_DESCRIPTORS_MAX])
{
    size_t count = 0;
    for (uint32_t i = 0; i < self->listener_count; i++)
        add(descriptors, &count, self->listeners[i].fd);
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        add(descriptors, &count, self->doorbells[i]);
        add(descriptors, &count, self->mailboxes[i].reader);
        add(descriptors, &count, self->mailboxes[i].writer);
    }
    add(descriptors, &count, self->region);
    add(descriptors, &count, self->master_doorbell);
    add(descriptors, &count, self->channel);
    add(descriptors, &count, self->owners);
    add(descriptors, &count, self->parent_pipe[0]);
    add(descriptors, &count, self->parent_pipe[1]);
    add(descriptors, &count, self->module);
    add(descriptors, &count, self->console);
    for (unsigned i = 0; i < PREDECESSORS_MAX; i++)
        add(descriptors, &count, self->before.fds[i]);
    for (uint32_t i = 0; i < self->activated; i++)
        add(descriptors, &count, INHERIT_FIRST + (int)i);
    for (uint32_t i = 0; i < self->worker_count; i++)
        add(descriptors, &count, self->workers[i].logs);
    return count;
}

bool handover_set_cloexec(const handover *self, bool on)
{
    int descriptors[HANDOVER_DESCRIPTORS_MAX];
    size_t count = handover_descriptors(self, descriptors);
    bool all = true;
    for (size_t i = 0; i < count; i++)
        all &= fcntl(descriptors[i], F_SETFD, on ? FD_CLOEXEC : 0) == 0;
    return all;
}
