/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/region.h"

#include "bus/interest.h"
#include "bus/layout.h"
#include "bus/mailbox.h"
#include "common/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char region_magic[8] = {'h', 'u', 'b', 'b', 'u', 'b', 0, 'R'};

enum { REGION_LOG_MIN = 1 << 20, REGION_PAGE = 4096 };

/* Positions begin with the second lap, so that 0 is never one and a cell nobody wrote is of an older lap. */
static uint64_t first_position(size_t log_size)
{
    return log_size / REGION_CELL;
}

static size_t page_up(size_t size)
{
    return (size + REGION_PAGE - 1) / REGION_PAGE * REGION_PAGE;
}

region_layout region_layout_of(size_t log_size)
{
    region_layout layout;
    layout.rows = REGION_HEADER_SIZE;
    layout.interest = page_up(layout.rows + REGION_ROWS * sizeof(row));
    layout.buckets =
        page_up(layout.interest + (size_t)REGION_HASH_BUCKETS * REGION_MASK_WORDS * sizeof(uint64_t));
    layout.words = page_up(layout.buckets + (size_t)REGION_HASH_BUCKETS * sizeof(uint64_t));
    layout.cells = page_up(layout.words + log_size / REGION_CELL * sizeof(uint64_t));
    layout.size = layout.cells + log_size;
    return layout;
}

static bool size_is_allowed(uint64_t log_size)
{
    return log_size >= REGION_LOG_MIN && (log_size & (log_size - 1)) == 0 && log_size <= SIZE_MAX / 8;
}

static uint32_t header_checksum(const region_header *header)
{
    return hash_crc32c(0, header, offsetof(region_header, checksum));
}

/* Maps the descriptor, and its cells once more behind themselves. */
static hub_status map_region(region *self, int fd, size_t log_size, error *why)
{
    region_layout layout = region_layout_of(log_size);
    size_t whole = layout.size + log_size;
    char *base = mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return error_set(
            why, HUB_ESYSTEM,
            "log: cannot reserve %zu bytes of address space: %s; raise ulimit -v or lower log-size", whole,
            strerror(errno));
    int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
    if (mmap(base, layout.size, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED ||
        mmap(base + layout.size, log_size, PROT_READ | PROT_WRITE, flags, fd, (off_t)layout.cells) ==
            MAP_FAILED) {
        error_set(why, HUB_ESYSTEM, "log: cannot map %zu bytes of shared memory: %s; lower log-size", whole,
                  strerror(errno));
        munmap(base, whole);
        return HUB_ESYSTEM;
    }
    self->header = (region_header *)base;
    self->rows = (row *)(base + layout.rows);
    self->size = whole;
    self->log_size = log_size;
    return HUB_OK;
}

static hub_status make_memory(region *self, size_t log_size, error *why)
{
    size_t size = region_layout_of(log_size).size;
    self->memory_fd = memfd_create("hubbub-region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (self->memory_fd < 0)
        return error_set(why, HUB_ESYSTEM, "log: memfd_create failed: %s%s", strerror(errno),
                         errno == EMFILE || errno == ENFILE ? "; raise ulimit -n" : "");
    if (ftruncate(self->memory_fd, (off_t)size) < 0)
        return error_set(why, HUB_ESYSTEM, "log: cannot make %zu bytes of shared memory: %s; lower log-size",
                         size, strerror(errno));
    /* Nobody can take pages away from under a process that has them mapped. */
    if (fcntl(self->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return error_set(why, HUB_ESYSTEM, "log: cannot seal the shared memory: %s", strerror(errno));
    return map_region(self, self->memory_fd, log_size, why);
}

static hub_status make_doorbell(int *fd, error *why)
{
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (*fd >= 0)
        return HUB_OK;
    return error_set(why, HUB_ESYSTEM, "log: eventfd failed: %s%s", strerror(errno),
                     errno == EMFILE || errno == ENFILE ? "; raise ulimit -n by at least 512" : "");
}

static void set_nothing_open(region *self)
{
    *self = (struct region){.memory_fd = -1, .master_doorbell = -1};
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        self->doorbells[i] = -1;
        self->mailboxes[i] = (mailbox_ends){-1, -1};
    }
}

hub_status region_create(region *self, size_t log_size, error *why)
{
    set_nothing_open(self);
    if (!size_is_allowed(log_size))
        return error_set(why, HUB_EINVAL,
                         "log: size %zu is not allowed; give a power of two of at least %d bytes (1 MiB)",
                         log_size, REGION_LOG_MIN);
    hub_status status = make_memory(self, log_size, why);
    if (status == HUB_OK)
        status = make_doorbell(&self->master_doorbell, why);
    for (unsigned i = 0; status == HUB_OK && i < REGION_ROWS; i++)
        status = make_doorbell(&self->doorbells[i], why);
    for (unsigned i = 0; status == HUB_OK && i < REGION_ROWS; i++)
        status = mailbox_ends_make(&self->mailboxes[i], why);
    if (status != HUB_OK) {
        region_close(self);
        return status;
    }
    region_header *header = self->header;
    memcpy(header->magic, region_magic, sizeof region_magic);
    header->layout = REGION_LAYOUT;
    header->rows = REGION_ROWS;
    header->log_size = log_size;
    header->epoch = hash_key_random().k0 | 1;
    header->key = hash_key_random();
    header->secret = hash_key_random();
    header->checksum = header_checksum(header);
    atomic_store(&header->head, first_position(log_size));
    atomic_store(&header->limit, first_position(log_size));
    return HUB_OK;
}

/* Reads the part of the header that says how to map the rest. */
static hub_status read_header(int fd, region_header *header, error *why)
{
    struct stat file;
    ssize_t n = pread(fd, header, sizeof *header, 0);
    if (n < 0 || fstat(fd, &file) < 0)
        return error_set(why, HUB_ESYSTEM, "log: cannot read the region: %s", strerror(errno));
    if (n != (ssize_t)sizeof *header || memcmp(header->magic, region_magic, sizeof region_magic) != 0)
        return error_set(why, HUB_EPROTO, "log: the descriptor holds no region");
    if (header->layout != REGION_LAYOUT || header->rows != REGION_ROWS)
        return error_set(why, HUB_EPROTO,
                         "log: the region has layout %u with %u rows, this program needs %d with %d",
                         header->layout, header->rows, REGION_LAYOUT, REGION_ROWS);
    if (header->checksum != header_checksum(header) || !size_is_allowed(header->log_size) ||
        (uint64_t)file.st_size != region_layout_of(header->log_size).size)
        return error_set(why, HUB_EPROTO, "log: the region's header is damaged");
    return HUB_OK;
}

hub_status region_attach(region *self, int memory_fd, error *why)
{
    region_header header;
    set_nothing_open(self);
    hub_status status = read_header(memory_fd, &header, why);
    if (status != HUB_OK)
        return status;
    int fd = fcntl(memory_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return error_set(why, HUB_ESYSTEM, "log: cannot copy the region's descriptor: %s", strerror(errno));
    self->memory_fd = fd;
    status = map_region(self, fd, header.log_size, why);
    if (status != HUB_OK)
        region_close(self);
    return status;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

hub_status region_inherit(region *self, int memory_fd, const int doorbells[REGION_ROWS],
                          const mailbox_ends mailboxes[REGION_ROWS], int master_doorbell, error *why)
{
    hub_status status = region_attach(self, memory_fd, why);
    if (status != HUB_OK)
        return status;
    self->master_doorbell = master_doorbell;
    if (master_doorbell < 0 && (status = make_doorbell(&self->master_doorbell, why)) != HUB_OK) {
        region_close(self);
        return status;
    }
    memcpy(self->doorbells, doorbells, sizeof self->doorbells);
    memcpy(self->mailboxes, mailboxes, sizeof self->mailboxes);
    return HUB_OK;
}

void region_close(region *self)
{
    if (self->header)
        munmap(self->header, self->size);
    close_fd(&self->memory_fd);
    close_fd(&self->master_doorbell);
    for (unsigned i = 0; i < REGION_ROWS; i++) {
        close_fd(&self->doorbells[i]);
        mailbox_ends_close(&self->mailboxes[i]);
    }
    set_nothing_open(self);
}

hash_key region_hash_key(const region *self)
{
    return self->header->key;
}

hash_key region_secret_key(const region *self)
{
    return self->header->secret;
}

uint64_t region_epoch(const region *self)
{
    return self->header->epoch;
}

unsigned region_rows_used(const region *self)
{
    unsigned used = atomic_load_explicit(&self->header->rows_used, memory_order_acquire);
    return used < REGION_ROWS ? used : REGION_ROWS;
}

/* ---- rows ---- */

static void zero_counters(row *r)
{
    atomic_store(&r->pid, 0);
    atomic_store(&r->turns, 0);
    atomic_store(&r->heartbeat_ns, 0);
    atomic_store(&r->running_now, 0);
    memset(r->running, 0, sizeof r->running);
    atomic_store(&r->connections, 0);
    atomic_store(&r->accepting, 0);
    atomic_store(&r->accepted, 0);
    atomic_store(&r->messages_in, 0);
    atomic_store(&r->messages_out, 0);
    atomic_store(&r->bytes_in, 0);
    atomic_store(&r->bytes_out, 0);
    atomic_store(&r->dropped, 0);
    atomic_store(&r->closed_slow, 0);
    atomic_store(&r->gaps, 0);
    atomic_store(&r->gap_cells, 0);
}

static bool claim(const region *self, unsigned index, uint16_t slot, uint32_t generation)
{
    region_header *header = self->header;
    row *r = &self->rows[index];
    row_word word = atomic_load(&r->word);
    if (row_state_of(word) != ROW_FREE)
        return false;
    uint32_t incarnation = atomic_fetch_add(&header->incarnations, 1) + 1;
    if (!atomic_compare_exchange_strong(&r->word, &word, row_word_of(incarnation, slot, ROW_BOOTING)))
        return false;
    zero_counters(r);
    atomic_store(&r->generation, generation);
    atomic_store(&r->booted_ns, clock_monotonic_ns());
    uint32_t used = atomic_load(&header->rows_used);
    while (used <= index && !atomic_compare_exchange_weak(&header->rows_used, &used, index + 1))
        ;
    return true;
}

static bool is_free(const region *self, unsigned index)
{
    return row_state_of(atomic_load(&self->rows[index].word)) == ROW_FREE;
}

hub_status region_claim_row(const region *self, uint16_t slot, uint32_t generation, unsigned *index)
{
    for (*index = 0; *index < region_rows_used(self); ++*index)
        if (is_free(self, *index) && mailbox_has_letters(self, *index) &&
            claim(self, *index, slot, generation))
            return HUB_OK;
    for (*index = 0; *index < REGION_ROWS; ++*index)
        if (claim(self, *index, slot, generation))
            return HUB_OK;
    return HUB_EFULL;
}

/* Where an incarnation was found last, by its lowest bits. Whatever stands here, the row's word decides. */
static _Atomic uint8_t places[256];

_Static_assert(REGION_ROWS <= UINT8_MAX + 1, "a place in the scoreboard fits a byte");

static bool is_at(const region *self, unsigned index, uint32_t incarnation_low)
{
    row_word word = atomic_load_explicit(&self->rows[index].word, memory_order_acquire);
    return row_is_live(word) && (row_incarnation(word) & 0xffff) == incarnation_low;
}

int region_row_of(const region *self, uint32_t incarnation_low)
{
    _Atomic uint8_t *place = &places[incarnation_low % (sizeof places / sizeof places[0])];
    unsigned known = atomic_load_explicit(place, memory_order_relaxed);
    if (known < REGION_ROWS && is_at(self, known, incarnation_low))
        return (int)known;
    for (unsigned i = 0; i < region_rows_used(self); i++) {
        if (is_at(self, i, incarnation_low)) {
            atomic_store_explicit(place, (uint8_t)i, memory_order_relaxed);
            return (int)i;
        }
    }
    return -1;
}

/* From its last state to ENDED; false when the row is free. */
static bool end_row(row *r)
{
    row_word word = atomic_load(&r->word);
    while (row_state_of(word) != ROW_FREE && row_state_of(word) != ROW_ENDED) {
        if (row_change(r, word, ROW_ENDED))
            return true;
        word = atomic_load(&r->word);
    }
    return row_state_of(word) == ROW_ENDED;
}

void region_sweep_row(const region *self, unsigned index)
{
    row *r = &self->rows[index];
    if (!end_row(r))
        return;
    interest_clear_row(self, index);
    atomic_store(&r->cursor, 0);
    atomic_store(&r->writing, 0);
    atomic_store(&r->asleep, ROW_AWAKE);
    mailbox_forward(self, index); /* while nobody can claim the row and read, too */
    row_change(r, atomic_load(&r->word), ROW_FREE);
    for (unsigned i = 0; i < region_rows_used(self); i++) {
        uint32_t stuck = ROW_ASLEEP_STUCK;
        if (atomic_compare_exchange_strong(&self->rows[i].asleep, &stuck, ROW_AWAKE))
            region_ring(self, i);
    }
}

/* ---- doorbells ---- */

/* EAGAIN says that the counter is full, which is as good as rung; nothing else can be done about a failure.
 */
static void ring(int fd)
{
    uint64_t one = 1;
    int saved = errno;
    if (fd >= 0) {
        while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
    errno = saved;
}

void region_ring(const region *self, unsigned index)
{
    ring(self->doorbells[index]);
}

void region_ring_master(const region *self)
{
    ring(self->master_doorbell);
}
