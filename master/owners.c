/* SPDX-License-Identifier: Apache-2.0 */
#include "master/owners.h"

#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OWNERS_VERSION = 1, OWNERS_SIZE = 4096 };

static const char owners_magic[8] = {'h', 'u', 'b', 'b', 'u', 'b', 0, 'O'};

struct owners {
    char magic[8];
    uint32_t version, slots;
    _Atomic int32_t words[CONFIG_WORKERS_MAX]; /* process ids */
};

static hub_status map(owners **out, int fd, error *failure)
{
    void *memory = mmap(NULL, OWNERS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return error_set(failure, HUB_ESYSTEM, "cannot map the table of slots: %s", strerror(errno));
    *out = memory;
    return HUB_OK;
}

hub_status owners_create(owners **out, pid_t first, int *fd, error *failure)
{
    *fd = memfd_create("hubbub-owners", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0 || ftruncate(*fd, OWNERS_SIZE) < 0 ||
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        error_set(failure, HUB_ESYSTEM, "cannot make the table of slots: %s", strerror(errno));
        goto failed;
    }
    if (map(out, *fd, failure) != HUB_OK)
        goto failed;
    memcpy((*out)->magic, owners_magic, sizeof owners_magic);
    (*out)->version = OWNERS_VERSION;
    (*out)->slots = CONFIG_WORKERS_MAX;
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        atomic_init(&(*out)->words[i], first);
    return HUB_OK;

failed:
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return HUB_ESYSTEM;
}

hub_status owners_attach(owners **out, int fd, error *failure)
{
    struct stat file;
    if (fstat(fd, &file) < 0 || file.st_size != OWNERS_SIZE)
        return error_set(failure, HUB_EPROTO, "the descriptor of the table of slots holds none");
    hub_status status = map(out, fd, failure);
    if (status != HUB_OK)
        return status;
    const owners *found = *out;
    if (memcmp(found->magic, owners_magic, sizeof owners_magic) == 0 && found->version == OWNERS_VERSION &&
        found->slots == CONFIG_WORKERS_MAX)
        return HUB_OK;
    owners_close(*out);
    *out = NULL;
    return error_set(failure, HUB_EPROTO, "the table of slots is of another layout");
}

void owners_close(owners *self)
{
    if (self)
        munmap(self, OWNERS_SIZE);
}

pid_t owners_of(const owners *self, unsigned slot)
{
    return atomic_load(&self->words[slot]);
}

bool owners_move(owners *self, unsigned slot, pid_t from, pid_t to)
{
    int32_t expected = from;
    return atomic_compare_exchange_strong(&self->words[slot], &expected, to);
}
