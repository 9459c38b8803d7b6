/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/mailbox.h"

#include "bus/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LETTER_MAGIC = 0x6c657474,
    LETTER_SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL,
    DESCRIPTORS_MAX = 2, /* the memory of a long letter, then what was enclosed */
    /* Asked for; the system may grant less (net.core.wmem_max). About a thousand short letters. */
    MAILBOX_BUFFER = 1024 * 1024,
};

typedef enum letter_flag { LETTER_ENCLOSED = 1, LETTER_IN_MEMORY = 2, LETTER_FLAGS = 3 } letter_flag;

/* In front of the bytes. A letter never leaves its host, so numbers are in the host's order. */
typedef struct letter_head {
    uint32_t checksum; /* crc32c of the head behind this field, and of the bytes */
    uint32_t magic;
    uint64_t epoch; /* of the region */
    uint64_t length;
    uint32_t from, to;
    uint16_t kind, flags;
    uint32_t reserved; /* zero */
} letter_head;

_Static_assert(sizeof(letter_head) == 40, "a letter's head has no holes that a checksum would read");

typedef union descriptors {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
} descriptors;

struct mailbox {
    const region *region;
    int fd;
    uint32_t incarnation;
    uint64_t refused;
    _Alignas(8) unsigned char bytes[sizeof(letter_head) + MAILBOX_INLINE];
};

/* ---- ends ---- */

hub_status mailbox_ends_make(mailbox_ends *ends, error *why)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        int cause = errno;
        return error_set(why, HUB_ESYSTEM, "mailboxes: socketpair failed: %s%s", strerror(cause),
                         cause == EMFILE || cause == ENFILE ? "; raise ulimit -n by at least 512" : "");
    }
    int size = MAILBOX_BUFFER;
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* the default does as well, for fewer */
    *ends = (mailbox_ends){.reader = pair[0], .writer = pair[1]};
    return HUB_OK;
}

void mailbox_ends_close(mailbox_ends *ends)
{
    if (ends->reader >= 0)
        close(ends->reader);
    if (ends->writer >= 0)
        close(ends->writer);
    *ends = (mailbox_ends){-1, -1};
}

/* ---- sending ---- */

static hub_status add_up(const struct iovec *parts, int count, size_t *length)
{
    *length = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > MAILBOX_LETTER_MAX - *length)
            return HUB_ETOOBIG;
        *length += parts[i].iov_len;
    }
    return HUB_OK;
}

static uint32_t sum_up(const letter_head *head, const struct iovec *parts, int count)
{
    const char *start = (const char *)head;
    uint32_t crc = hash_crc32c(0, start + sizeof head->checksum, sizeof *head - sizeof head->checksum);
    for (int i = 0; i < count; i++)
        crc = hash_crc32c(crc, parts[i].iov_base, parts[i].iov_len);
    return crc;
}

static bool write_part(int fd, const struct iovec *part)
{
    const char *at = part->iov_base;
    for (size_t left = part->iov_len; left > 0;) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

/* The bytes in memory that nobody can change any more; -1 when there is none to be had. */
static int seal_in_memory(const struct iovec *parts, int count)
{
    int fd = memfd_create("hubbub-letter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool written = fd >= 0;
    for (int i = 0; written && i < count; i++)
        written = write_part(fd, &parts[i]);
    if (written && fcntl(fd, F_ADD_SEALS, LETTER_SEALS) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void enclose(struct msghdr *packet, descriptors *space, const int *fds, size_t count)
{
    if (count == 0)
        return;
    memset(space, 0, sizeof *space);
    space->head.cmsg_level = SOL_SOCKET;
    space->head.cmsg_type = SCM_RIGHTS;
    space->head.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&space->head), fds, count * sizeof(int));
    packet->msg_control = space;
    packet->msg_controllen = CMSG_SPACE(count * sizeof(int));
}

static hub_status send_packet(int fd, const struct msghdr *packet)
{
    while (sendmsg(fd, packet, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        switch (errno) {
        case EINTR:
            continue;
        case EAGAIN:
        case ENOBUFS:
        case ETOOMANYREFS:
            return HUB_EAGAIN;
        case ENOMEM:
            return HUB_ENOMEM;
        case EPIPE:
        case ECONNREFUSED:
            return HUB_ECLOSED; /* nobody, the master included, has the reading end */
        case EBADF:
            return HUB_EINVAL;
        default:
            return HUB_ESYSTEM;
        }
    }
    return HUB_OK;
}

static bool names_live(const region *shared, mailbox_address to)
{
    row_word word = atomic_load(&shared->rows[to.row].word);
    return row_is_live(word) && row_incarnation(word) == to.incarnation;
}

hub_status mailbox_send(const region *shared, mailbox_address to, uint32_t from, uint16_t kind,
                        const struct iovec *parts, int count, int fd)
{
    size_t length;
    if (to.row >= REGION_ROWS || count < 0 || count > MAILBOX_PARTS_MAX)
        return HUB_EINVAL;
    if (add_up(parts, count, &length) != HUB_OK)
        return HUB_ETOOBIG;
    if (!names_live(shared, to))
        return HUB_ECLOSED;

    letter_head head = {.magic = LETTER_MAGIC,
                        .epoch = region_epoch(shared),
                        .length = length,
                        .from = from,
                        .to = to.incarnation,
                        .kind = kind};
    int fds[DESCRIPTORS_MAX], memory = -1;
    size_t enclosed = 0;
    if (length > MAILBOX_INLINE) {
        memory = seal_in_memory(parts, count);
        if (memory < 0)
            return HUB_ESYSTEM;
        fds[enclosed++] = memory;
        head.flags |= LETTER_IN_MEMORY;
    }
    if (fd >= 0) {
        fds[enclosed++] = fd;
        head.flags |= LETTER_ENCLOSED;
    }
    head.checksum = sum_up(&head, parts, count);

    struct iovec pieces[1 + MAILBOX_PARTS_MAX] = {{&head, sizeof head}};
    int piece_count = 1;
    for (int i = 0; memory < 0 && i < count; i++)
        pieces[piece_count++] = parts[i];
    struct msghdr packet = {.msg_iov = pieces, .msg_iovlen = (size_t)piece_count};
    descriptors space;
    enclose(&packet, &space, fds, enclosed);
    hub_status status = send_packet(shared->mailboxes[to.row].writer, &packet);
    if (memory >= 0)
        close(memory);
    return status;
}

/* ---- receiving ---- */

/* A message as it came: the bytes are where the caller said. */
typedef struct packet {
    size_t length;
    int flags;
    int fds[DESCRIPTORS_MAX];
    size_t fd_count;
} packet;

static void close_all(const packet *got)
{
    for (size_t i = 0; i < got->fd_count; i++)
        close(got->fds[i]);
}

static void collect_descriptors(struct msghdr *from, packet *got)
{
    got->fd_count = 0;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(from); item; item = CMSG_NXTHDR(from, item)) {
        if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof fd);
            if (got->fd_count < DESCRIPTORS_MAX)
                got->fds[got->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

static hub_status receive_packet(int fd, void *bytes, size_t size, packet *got)
{
    descriptors space;
    struct iovec piece = {bytes, size};
    struct msghdr into = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space};
    ssize_t n;
    do
        n = recvmsg(fd, &into, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? HUB_EAGAIN : HUB_ESYSTEM;
    got->length = (size_t)n;
    got->flags = into.msg_flags;
    collect_descriptors(&into, got);
    if (n == 0 && got->fd_count == 0)
        return HUB_ESYSTEM; /* no process could send any more: the region was closed */
    return HUB_OK;
}

/* Maps the memory of a long letter, if nobody can change or shorten it. */
static hub_status map_bytes(int fd, size_t length, void **mapped)
{
    struct stat file;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & LETTER_SEALS) != LETTER_SEALS || fstat(fd, &file) < 0 ||
        (uint64_t)file.st_size != length)
        return HUB_EPROTO;
    *mapped = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
    if (*mapped != MAP_FAILED)
        return HUB_OK;
    *mapped = NULL;
    return HUB_ENOMEM;
}

/* What the head announces must be what came. */
static bool is_sound(const mailbox *self, const letter_head *head, const packet *got)
{
    if (got->length < sizeof *head || got->flags & (MSG_TRUNC | MSG_CTRUNC))
        return false;
    bool in_memory = head->flags & LETTER_IN_MEMORY, enclosed = head->flags & LETTER_ENCLOSED;
    size_t inside = got->length - sizeof *head;
    return head->magic == LETTER_MAGIC && head->epoch == region_epoch(self->region) &&
           (head->flags & ~LETTER_FLAGS) == 0 &&
           got->fd_count == (in_memory ? 1u : 0u) + (enclosed ? 1u : 0u) &&
           (in_memory ? inside == 0 && head->length > MAILBOX_INLINE && head->length <= MAILBOX_LETTER_MAX
                      : inside == head->length);
}

static hub_status read_letter(mailbox *self, const packet *got, letter *out)
{
    letter_head head;
    memcpy(&head, self->bytes, sizeof head);
    if (!is_sound(self, &head, got))
        return HUB_EPROTO;
    bool in_memory = head.flags & LETTER_IN_MEMORY;
    const void *bytes = self->bytes + sizeof head;
    *out = (letter){
        .kind = head.kind, .stale = head.to != self->incarnation, .from = head.from, .to = head.to, .fd = -1};
    if (in_memory) {
        hub_status status = map_bytes(got->fds[0], head.length, &out->mapped);
        if (status != HUB_OK)
            return status;
        bytes = out->mapped;
    }
    out->bytes = hub_bytes_of(bytes, head.length);
    struct iovec part = {(void *)(uintptr_t)bytes, head.length};
    if (sum_up(&head, &part, 1) != head.checksum) {
        letter_close(out);
        return HUB_EPROTO;
    }
    if (in_memory)
        close(got->fds[0]);
    if (head.flags & LETTER_ENCLOSED)
        out->fd = got->fds[in_memory ? 1 : 0];
    return HUB_OK;
}

hub_status mailbox_receive(mailbox *self, letter *out)
{
    packet got;
    *out = (letter){.fd = -1};
    memset(self->bytes, 0,
           sizeof(letter_head)); /* a short packet must not be read with an older one's head */
    hub_status status = receive_packet(self->fd, self->bytes, sizeof self->bytes, &got);
    if (status != HUB_OK)
        return status;
    status = read_letter(self, &got, out);
    if (status != HUB_OK) {
        close_all(&got);
        *out = (letter){.fd = -1};
        self->refused++;
    }
    return status;
}

int letter_take(letter *self)
{
    int fd = self->fd;
    self->fd = -1;
    return fd;
}

void letter_close(letter *self)
{
    if (self->fd >= 0)
        close(self->fd);
    if (self->mapped)
        munmap(self->mapped, self->bytes.length);
    *self = (letter){.fd = -1};
}

hub_status mailbox_open(mailbox **out, const region *shared, unsigned index, error *why)
{
    if (index >= REGION_ROWS || shared->mailboxes[index].reader < 0)
        return error_set(why, HUB_EINVAL, "mailbox: row %u has none in this process", index);
    row_word word = atomic_load(&shared->rows[index].word);
    if (!row_is_live(word))
        return error_set(why, HUB_ESTATE, "mailbox: row %u belongs to no live process", index);
    mailbox *self = calloc(1, sizeof *self);
    if (!self)
        return error_set(why, HUB_ENOMEM, "mailbox: out of memory");
    self->region = shared;
    self->fd = shared->mailboxes[index].reader;
    self->incarnation = row_incarnation(word);
    *out = self;
    return HUB_OK;
}

void mailbox_close(mailbox *self)
{
    free(self);
}

int mailbox_fd(const mailbox *self)
{
    return self->fd;
}

uint64_t mailbox_refused(const mailbox *self)
{
    return self->refused;
}

/* ---- what a dead worker left ---- */

bool mailbox_has_letters(const region *shared, unsigned index)
{
    struct pollfd ready = {.fd = shared->mailboxes[index].reader, .events = POLLIN};
    return ready.fd >= 0 && poll(&ready, 1, 0) > 0 && ready.revents & POLLIN;
}

/* The higher, the better it suits; 0: not at all. */
static int suits(row_word left, row_word heir)
{
    bool same_slot = row_slot(left) == row_slot(heir);
    switch (row_state_of(heir)) {
    case ROW_READY:
        return same_slot ? 4 : 3;
    case ROW_BOOTING:
        return same_slot ? 2 : 1;
    default:
        return 0;
    }
}

/* Tries those that suit best first. */
static bool pass_on(const region *shared, unsigned index, const struct msghdr *message)
{
    row_word left = atomic_load(&shared->rows[index].word);
    unsigned used = region_rows_used(shared);
    for (int rank = 4; rank > 0; rank--)
        for (unsigned i = 0; i < used; i++)
            if (i != index && suits(left, atomic_load(&shared->rows[i].word)) == rank &&
                send_packet(shared->mailboxes[i].writer, message) == HUB_OK)
                return true;
    return false;
}

unsigned mailbox_forward(const region *shared, unsigned index)
{
    _Alignas(8) unsigned char bytes[sizeof(letter_head) + MAILBOX_INLINE];
    unsigned count = 0;
    packet got;
    while (receive_packet(shared->mailboxes[index].reader, bytes, sizeof bytes, &got) == HUB_OK) {
        struct iovec piece = {bytes, got.length};
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
        descriptors space;
        enclose(&message, &space, got.fds, got.fd_count);
        bool moved = pass_on(shared, index, &message);
        if (!moved) /* there is room where it came from */
            send_packet(shared->mailboxes[index].writer, &message);
        close_all(&got);
        if (!moved)
            break;
        count++;
    }
    return count;
}
