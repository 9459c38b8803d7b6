/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sio/gather.h"

#include "common/log.h"
#include "worker/hub/greenlet.h"
#include "worker/hub/loop.h"
#include "worker/net/connection.h"
#include "worker/sio/client.h"
#include "worker/sio/json.h"
#include "worker/sio/lent.h"
#include "worker/sio/parcel.h"

#include <stdlib.h>

enum { LETTER_MAX = 64 * 1024 };         /* bytes after which a letter is full */
static const double look_seconds = 0.25; /* at which workers are alive */

typedef enum entry_type { ENTRY_HEARD, ENTRY_ANSWERED, ENTRY_GONE, ENTRY_ITEMS, ENTRY_ROOM } entry_type;

typedef struct entry_head {
    uint32_t type, length;
} entry_head;

typedef struct letter {
    struct letter *next;
    uint64_t collector;
    buffer body; /* entries: a head, and what follows it */
} letter;

typedef struct gathered_worker {
    uint32_t incarnation;
    bool gone;
    uint32_t heard;
    uint64_t asked, answered;
} gathered_worker;

typedef struct gathered_room {
    char *name;
    size_t length;
    uint64_t size;
} gathered_room;

struct gathering {
    gathering *next;
    uint64_t id;
    greenlet *waiter;
    bool parked;
    unsigned requests;
    emission *items; /* all of them, as an array under work */
    size_t count;
    kept_packet *answers; /* whose attachments the items refer to; the first one whatever it holds */
    kept_packet *first;
    gathered_room *rooms;
    size_t room_count, room_capacity;
    size_t worker_count;
    gathered_worker workers[REGION_ROWS];
};

static struct {
    bus *bus;
    uint32_t incarnation;
    uint64_t serial;
    gathering *gatherings;
    letter *first, *last;
    bool writing; /* there is a greenlet that publishes letters */
} gather;

static void on_answer(const delivery *what);

void gather_open(bus *opened)
{
    memset(&gather, 0, sizeof gather);
    gather.bus = opened;
    gather.incarnation = row_incarnation(atomic_load(&connections_row()->word));
    fanout_handle(RECORD_SIO_ANSWER, on_answer);
}

static void letter_free(letter *l)
{
    buffer_free(&l->body);
    free(l);
}

void gather_close(void)
{
    while (gather.first) {
        letter *l = gather.first;
        gather.first = l->next;
        letter_free(l);
    }
    memset(&gather, 0, sizeof gather);
}

/* ---- what a collector is told ---- */

static gathering *find(uint64_t id)
{
    gathering *g = gather.gatherings;
    while (g && g->id != id)
        g = g->next;
    return g;
}

static gathered_worker *worker_of(gathering *g, uint32_t incarnation)
{
    for (size_t i = 0; i < g->worker_count; i++)
        if (g->workers[i].incarnation == incarnation)
            return &g->workers[i];
    return NULL;
}

static bool is_complete(const gathering *g)
{
    for (size_t i = 0; i < g->worker_count; i++) {
        const gathered_worker *w = &g->workers[i];
        if (!w->gone && (w->heard < g->requests || w->answered < w->asked))
            return false;
    }
    return true;
}

/* Its first value becomes an item; it is kept for its attachments, or because it is the first. */
static void take_answer(gathering *g, hub_bytes array, const hub_bytes *attachments, size_t count)
{
    kept_packet *kept = packet_keep(PACKET_ACK, 0, array, (unsigned)count);
    bool whole = kept != NULL;
    for (size_t i = 0; i < count && whole; i++)
        whole = packet_keep_attachment(kept, attachments[i]);
    hub_value value = whole ? hub_value_at(kept->value, 0) : hub_value_of(hub_text("null"));
    if (!value.json.length)
        value = hub_value_of(hub_text("null"));
    if (pack_value(&g->items->values, value) != HUB_OK) {
        log_warning("socket.io: an acknowledgement does not fit into the answers that were gathered");
        packet_drop(kept);
        return;
    }
    if (!kept)
        return;
    kept->next = g->answers;
    g->answers = kept;
    if (g->count++ == 0)
        g->first = kept;
}

static void take_items(gathering *g, hub_bytes items)
{
    packing *values = &g->items->values;
    if (values->items && buffer_append(&values->text, ",", 1) != HUB_OK)
        return;
    if (buffer_append(&values->text, items.data, items.length) == HUB_OK) {
        values->items++;
        g->count++;
    }
}

static void take_room(gathering *g, hub_bytes entry)
{
    uint32_t size;
    if (entry.length < sizeof size)
        return;
    memcpy(&size, entry.data, sizeof size);
    if (g->room_count == g->room_capacity) {
        size_t capacity = g->room_capacity ? g->room_capacity * 2 : 64;
        gathered_room *rooms = realloc(g->rooms, capacity * sizeof *rooms);
        if (!rooms)
            return;
        g->rooms = rooms;
        g->room_capacity = capacity;
    }
    size_t length = entry.length - sizeof size;
    char *name = malloc(length + 1);
    if (!name)
        return;
    memcpy(name, (const char *)entry.data + sizeof size, length);
    g->rooms[g->room_count++] = (gathered_room){name, length, size};
}

static void take_entry(gathering *g, gathered_worker *from, entry_type type, hub_bytes body)
{
    parcel answer;
    uint32_t asked;
    switch (type) {
    case ENTRY_HEARD:
        if (body.length != sizeof asked)
            return;
        memcpy(&asked, body.data, sizeof asked);
        from->heard++;
        from->asked += asked;
        break;
    case ENTRY_ANSWERED:
        from->answered++;
        if (parcel_read(body, &answer))
            take_answer(g, answer.text, answer.attachments, answer.count);
        break;
    case ENTRY_GONE:
        from->answered++;
        break;
    case ENTRY_ITEMS:
        take_items(g, body);
        break;
    case ENTRY_ROOM:
        take_room(g, body);
        break;
    }
}

static void wake_when_complete(gathering *g)
{
    if (g->parked && is_complete(g))
        greenlet_wake(g->waiter, HUB_OK);
}

/* A letter; what it says was checked by the log, and its lengths are looked at once more. */
static void on_answer(const delivery *what)
{
    gathering *g = find(what->record->message.target);
    gathered_worker *from = g ? worker_of(g, what->record->origin) : NULL;
    const char *at = (const char *)chunk_data(what->body);
    size_t left = what->body->length;
    entry_head head;
    while (from && left >= sizeof head) {
        memcpy(&head, at, sizeof head);
        at += sizeof head;
        left -= sizeof head;
        if (head.length > left)
            break;
        take_entry(g, from, (entry_type)head.type, hub_bytes_of(at, head.length));
        at += head.length;
        left -= head.length;
    }
    if (from)
        wake_when_complete(g);
}

/* ---- telling ---- */

static void write_letters(void *arg)
{
    (void)arg;
    while (gather.first) {
        letter *l = gather.first;
        gather.first = l->next;
        if (!gather.first)
            gather.last = NULL;
        const struct iovec body = {l->body.data, l->body.length};
        hub_status status = fanout_publish_to(l->collector, RECORD_SIO_ANSWER, &body, 1);
        if (status != HUB_OK)
            log_warning("socket.io: answers for another worker are lost: %s", hub_status_text(status));
        letter_free(l);
    }
    gather.writing = false;
}

/* The letter under work for a collector, or a new one. */
static letter *letter_for(uint64_t collector)
{
    letter *l = gather.first;
    while (l && (l->collector != collector || l->body.length >= LETTER_MAX))
        l = l->next;
    if (l)
        return l;
    l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->collector = collector;
    if (gather.last)
        gather.last->next = l;
    else
        gather.first = l;
    gather.last = l;
    if (!gather.writing)
        gather.writing = greenlet_spawn("sio answers", write_letters, NULL, NULL) != NULL;
    return l;
}

static void tell(uint64_t collector, entry_type type, const struct iovec *parts, int count)
{
    entry_head head = {.type = type};
    for (int i = 0; i < count; i++)
        head.length += (uint32_t)parts[i].iov_len;
    letter *l = letter_for(collector);
    bool fits = l && buffer_reserve(&l->body, sizeof head + head.length) == HUB_OK;
    if (!fits) {
        log_error("socket.io: no memory to answer another worker");
        return;
    }
    buffer_append(&l->body, &head, sizeof head);
    for (int i = 0; i < count; i++)
        buffer_append(&l->body, parts[i].iov_base, parts[i].iov_len);
}

/* A collector of this worker is told at once. */
static bool is_own(uint64_t collector)
{
    return collector >> 48 == (gather.incarnation & 0xffff);
}

static void tell_own(uint64_t collector, entry_type type, hub_bytes body)
{
    gathering *g = find(collector);
    gathered_worker *from = g ? worker_of(g, gather.incarnation) : NULL;
    if (!from)
        return;
    take_entry(g, from, type, body);
    wake_when_complete(g);
}

static void tell_bytes(uint64_t collector, entry_type type, hub_bytes body)
{
    if (is_own(collector))
        tell_own(collector, type, body);
    else
        tell(collector, type, &(struct iovec){(void *)(uintptr_t)body.data, body.length}, 1);
}

void gather_heard(uint64_t collector, uint32_t asked)
{
    tell_bytes(collector, ENTRY_HEARD, hub_bytes_of(&asked, sizeof asked));
}

void gather_answered(uint64_t collector, hub_bytes array, const hub_bytes *attachments, size_t count)
{
    if (is_own(collector)) {
        gathering *g = find(collector);
        gathered_worker *from = g ? worker_of(g, gather.incarnation) : NULL;
        if (!from)
            return;
        from->answered++;
        take_answer(g, array, attachments, count);
        wake_when_complete(g);
        return;
    }
    parcel_head head;
    struct iovec parts[PARCEL_PARTS_MAX];
    if (count <= PACK_ATTACHMENTS_MAX)
        tell(collector, ENTRY_ANSWERED, parts, parcel_parts(array, attachments, count, &head, parts));
    else
        gather_gone(collector);
}

void gather_gone(uint64_t collector)
{
    tell_bytes(collector, ENTRY_GONE, hub_bytes_of(NULL, 0));
}

void gather_items(uint64_t collector, hub_bytes items)
{
    tell_bytes(collector, ENTRY_ITEMS, items);
}

void gather_room(uint64_t collector, hub_bytes name, uint32_t size)
{
    char entry[sizeof size + BUS_NAME_MAX];
    memcpy(entry, &size, sizeof size);
    memcpy(entry + sizeof size, name.data, name.length);
    tell_bytes(collector, ENTRY_ROOM, hub_bytes_of(entry, sizeof size + name.length));
}

/* ---- collecting ---- */

static void add_worker(gathering *g, uint32_t incarnation)
{
    g->workers[g->worker_count++] = (gathered_worker){.incarnation = incarnation};
}

static void choose_workers(gathering *g, int32_t wanted)
{
    uint32_t serving[REGION_ROWS];
    size_t count = bus_readers(gather.bus, serving, REGION_ROWS);
    for (size_t i = 0; i < count; i++)
        if (serving[i] != gather.incarnation &&
            (wanted == GATHER_ALL || (wanted >= 0 && (serving[i] & 0xffff) == (uint32_t)wanted)))
            add_worker(g, serving[i]);
    if (wanted == GATHER_ALL || wanted == GATHER_HERE) /* also while it boots */
        add_worker(g, gather.incarnation);
}

gathering *gather_begin(int32_t wanted, hub_status *status)
{
    gathering *g = calloc(1, sizeof *g);
    *status = HUB_ENOMEM;
    if (!g || !(g->items = emission_take()) || emission_begin(g->items) != HUB_OK) {
        if (g)
            emission_give(g->items);
        free(g);
        return NULL;
    }
    choose_workers(g, wanted);
    if (!g->worker_count) {
        *status = HUB_ECLOSED;
        emission_give(g->items);
        free(g);
        return NULL;
    }
    gather.serial = (gather.serial + 1) & 0xffffffffffff;
    g->id = (uint64_t)(gather.incarnation & 0xffff) << 48 | gather.serial;
    g->requests = 1;
    g->next = gather.gatherings;
    gather.gatherings = g;
    *status = HUB_OK;
    return g;
}

uint64_t gather_collector(const gathering *g)
{
    return g->id;
}

void gather_requests(gathering *g, unsigned count)
{
    g->requests = count;
}

static void look_who_lives(gathering *g)
{
    uint32_t serving[REGION_ROWS];
    size_t count = bus_readers(gather.bus, serving, REGION_ROWS);
    for (size_t i = 0; i < g->worker_count; i++) {
        gathered_worker *w = &g->workers[i];
        w->gone = w->incarnation != gather.incarnation;
        for (size_t n = 0; n < count; n++)
            if (serving[n] == w->incarnation)
                w->gone = false;
    }
}

hub_status gather_wait(gathering *g, double timeout)
{
    g->waiter = greenlet_current();
    if (!g->waiter)
        return is_complete(g) ? HUB_OK : HUB_ESTATE;
    double end = timeout < 0 ? -1 : loop_now() + timeout;
    while (!is_complete(g)) {
        double left = end < 0 ? look_seconds : end - loop_now();
        if (left <= 0)
            return HUB_ETIMEDOUT;
        g->parked = true;
        hub_status status =
            greenlet_park("answers of the workers", left < look_seconds ? left : look_seconds);
        g->parked = false;
        if (status == HUB_ECANCELED)
            return status;
        if (status == HUB_ETIMEDOUT)
            look_who_lives(g);
    }
    return HUB_OK;
}

size_t gather_count(const gathering *g)
{
    return g->count;
}

hub_status value_lend(hub_bytes json, const hub_bytes *binary, size_t count, hub_value *out)
{
    size_t total = count * sizeof *binary + json.length;
    for (size_t i = 0; i < count; i++)
        total += binary[i].length;
    hub_bytes *list = lent_take(total);
    if (!list)
        return HUB_ENOMEM;
    char *to = (char *)&list[count];
    *out = (hub_value){
        .json = hub_bytes_of(to, json.length), .binary = list, .binary_count = count, .checked = true};
    memcpy(to, json.data, json.length);
    to += json.length;
    for (size_t i = 0; i < count; i++) {
        list[i] = hub_bytes_of(to, binary[i].length);
        if (binary[i].length)
            memcpy(to, binary[i].data, binary[i].length);
        to += binary[i].length;
    }
    return HUB_OK;
}

static int by_name(const void *a, const void *b)
{
    const gathered_room *x = a, *y = b;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->name, y->name, shorter);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* The rooms of all workers, each once, by name, as items. */
static hub_status list_rooms(gathering *g)
{
    packing *to = &g->items->values;
    if (g->room_count)
        qsort(g->rooms, g->room_count, sizeof *g->rooms, by_name);
    hub_status status = HUB_OK;
    for (size_t i = 0; i < g->room_count && status == HUB_OK; i++) {
        gathered_room *r = &g->rooms[i];
        while (i + 1 < g->room_count && by_name(r, r + 1) == 0) {
            g->rooms[++i].size += r->size;
            r = &g->rooms[i];
        }
        hub_bytes name = hub_bytes_of(r->name, r->length);
        status = buffer_append_text(&to->text, to->items++ ? ",{\"room\":" : "{\"room\":");
        if (status == HUB_OK)
            status = buffer_reserve(&to->text, json_text_size(name));
        if (status != HUB_OK)
            return status;
        char *begin = to->text.data + to->text.length;
        to->text.length += (size_t)(json_write_text(begin, name) - begin);
        status = buffer_printf(&to->text, ",\"size\":%llu}", (unsigned long long)r->size);
    }
    return status;
}

hub_status gather_result(gathering *g, hub_value *out)
{
    hub_status status = list_rooms(g);
    if (status == HUB_OK)
        status = emission_end(g->items);
    if (status != HUB_OK)
        return status;
    const packing *values = &g->items->values;
    return value_lend(emission_text(g->items), values->attachments, values->attachment_count, out);
}

hub_status gather_first(gathering *g, hub_value *out)
{
    const hub_value *value = &g->first->value;
    return value_lend(value->json, value->binary, value->binary_count, out);
}

void gather_end(gathering *g)
{
    gathering **at = &gather.gatherings;
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    while (g->answers) {
        kept_packet *kept = g->answers;
        g->answers = kept->next;
        packet_drop(kept);
    }
    for (size_t i = 0; i < g->room_count; i++)
        free(g->rooms[i].name);
    free(g->rooms);
    emission_give(g->items);
    free(g);
}
