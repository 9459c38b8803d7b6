/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http/coding.h"

#include "worker/http/field.h"

/* Weights are thousandths. */
enum { UNSAID = -1, LEAST = 1, FULL = 1000 };

typedef struct wishes {
    int weights[CODINGS];
    int others; /* "*" */
} wishes;

const char *coding_name(coding which)
{
    static const char *const names[CODINGS] = {"br", "gzip", "identity"};
    return names[which];
}

/* qvalue (12.4.2): "1", "0.5", "0.125", "1.000". */
static bool read_weight(hub_bytes text, int *weight)
{
    const char *p = text.data;
    int scale = FULL;
    if (text.length == 0 || text.length > 5 || (p[0] != '0' && p[0] != '1') ||
        (text.length > 1 && p[1] != '.'))
        return false;
    *weight = (p[0] - '0') * scale;
    for (size_t i = 2; i < text.length; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        scale /= 10;
        *weight += (p[i] - '0') * scale;
    }
    return *weight <= FULL;
}

/* One element: "gzip", "gzip;q=0.5". */
static bool read_element(hub_bytes element, hub_bytes *name, int *weight)
{
    const char *start = element.data, *semicolon = memchr(start, ';', element.length);
    *weight = FULL;
    *name = element;
    if (!semicolon)
        return true;
    *name = field_trim(hub_bytes_of(start, (size_t)(semicolon - start)));
    hub_bytes rest =
        field_trim(hub_bytes_of(semicolon + 1, element.length - (size_t)(semicolon + 1 - start)));
    const char *q = rest.data;
    return rest.length > 2 && (q[0] == 'q' || q[0] == 'Q') && q[1] == '=' &&
           read_weight(hub_bytes_of(q + 2, rest.length - 2), weight);
}

static int *wish_for(wishes *all, hub_bytes name)
{
    if (hub_equal(name, hub_text("*")))
        return &all->others;
    if (field_name_equal(name, hub_text("x-gzip"))) /* the old name (8.4.1.3) */
        return &all->weights[CODING_GZIP];
    for (int i = 0; i < CODINGS; i++)
        if (field_name_equal(name, hub_text(coding_name((coding)i))))
            return &all->weights[i];
    return NULL;
}

static void read_wishes(hub_bytes list, wishes *all)
{
    hub_bytes element, name;
    int weight;
    while (field_list_next(&list, &element)) {
        int *wish = read_element(element, &name, &weight) ? wish_for(all, name) : NULL;
        if (wish && *wish == UNSAID)
            *wish = weight;
    }
}

void coding_order(const http_head *head, coding order[CODINGS], size_t *count)
{
    wishes all = {.weights = {UNSAID, UNSAID, UNSAID}, .others = UNSAID};
    for (size_t i = 0; i < head->field_count; i++)
        if (field_name_equal(head->fields[i].name, hub_text("accept-encoding")))
            read_wishes(head->fields[i].value, &all);

    *count = 0;
    for (int which = 0; which < CODINGS; which++) {
        int *weight = &all.weights[which];
        if (*weight == UNSAID)
            *weight = all.others != UNSAID ? all.others : which == CODING_IDENTITY ? LEAST : 0;
        if (*weight == 0)
            continue;
        size_t place = (*count)++;
        for (; place > 0 && all.weights[order[place - 1]] < *weight; place--)
            order[place] = order[place - 1];
        order[place] = (coding)which;
    }
}
