/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree has a node for each segment that patterns have in common. Below a node stand its text children,
 * sorted, at most one child for a parameter, and at most one list of routes that take the rest of the path.
 */
#include "worker/http/router.h"
#include "worker/http/field.h"
#include "worker/http/percent.h"

#include <stdlib.h>

struct route {
    route *next;
    char *method, *pattern;
    void *value;
    route_kind kind;
    size_t parameter_count;
    hub_bytes names[ROUTER_PARAMETERS_MAX]; /* within `pattern` */
};

typedef struct router_node {
    char *text; /* of a text child */
    size_t text_length;
    struct router_node **children; /* sorted by text */
    size_t child_count;
    struct router_node *parameter;
    route *here; /* of patterns that end with this node */
    route *rest; /* of patterns that go on with `*` */
} router_node;

struct router {
    router_node root; /* stands for the path "", before its first slash */
};

/* ---- filling ---- */

static void route_free(route *entry)
{
    if (entry) {
        free(entry->method);
        free(entry->pattern);
        free(entry);
    }
}

static void routes_free(route *list)
{
    while (list) {
        route *next = list->next;
        route_free(list);
        list = next;
    }
}

/* Frees what hangs below the node, and its text, but not the node. */
static void node_clear(router_node *node)
{
    for (size_t i = 0; i < node->child_count; i++) {
        node_clear(node->children[i]);
        free(node->children[i]);
    }
    if (node->parameter) {
        node_clear(node->parameter);
        free(node->parameter);
    }
    routes_free(node->here);
    routes_free(node->rest);
    free(node->children);
    free(node->text);
}

router *router_new(void)
{
    return calloc(1, sizeof(router));
}

void router_free(router *routes)
{
    if (routes) {
        node_clear(&routes->root);
        free(routes);
    }
}

/* Takes the next segment off *rest, which begins with a slash or is empty. */
static bool next_segment(hub_bytes *rest, hub_bytes *segment)
{
    if (rest->length == 0)
        return false;
    const char *start = (const char *)rest->data + 1;
    size_t left = rest->length - 1;
    const char *slash = left > 0 ? memchr(start, '/', left) : NULL;
    size_t length = slash ? (size_t)(slash - start) : left;
    *segment = hub_bytes_of(start, length);
    *rest = hub_bytes_of(start + length, left - length);
    return true;
}

static bool is_star(hub_bytes segment)
{
    return hub_equal(segment, hub_text("*"));
}

static bool is_parameter(hub_bytes segment)
{
    return segment.length > 0 && *(const char *)segment.data == ':';
}

static bool add_name(route *entry, hub_bytes name)
{
    if (name.length == 0 || entry->parameter_count == ROUTER_PARAMETERS_MAX)
        return false;
    for (size_t i = 0; i < entry->parameter_count; i++)
        if (hub_equal(entry->names[i], name))
            return false;
    entry->names[entry->parameter_count++] = name;
    return true;
}

/* Checks the pattern of a route, and notes its parameters. */
static bool read_pattern(route *entry)
{
    hub_bytes rest = hub_text(entry->pattern), segment;
    if (*entry->pattern != '/')
        return false;
    for (size_t count = 1; next_segment(&rest, &segment); count++) {
        if (count > ROUTER_SEGMENTS_MAX)
            return false;
        if (is_star(segment)) {
            if (rest.length > 0 || !add_name(entry, segment))
                return false;
        } else if (is_parameter(segment)) {
            if (!add_name(entry, hub_bytes_of((const char *)segment.data + 1, segment.length - 1)))
                return false;
        }
    }
    return true;
}

static hub_bytes node_text(const router_node *node)
{
    return hub_bytes_of(node->text, node->text_length);
}

/* Orders a segment of a path, which is encoded, or of a pattern, which is not, against a node's text. */
static int compare_segment(hub_bytes segment, bool encoded, hub_bytes text)
{
    if (encoded)
        return percent_compare(segment, text);
    size_t common = segment.length < text.length ? segment.length : text.length;
    int order = common > 0 ? memcmp(segment.data, text.data, common) : 0;
    return order != 0 ? order : (segment.length > text.length) - (segment.length < text.length);
}

/* The text child for a segment, or NULL; *place is where it is, or belongs. */
static router_node *find_child(const router_node *parent, hub_bytes segment, bool encoded, size_t *place)
{
    size_t low = 0, high = parent->child_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        router_node *child = parent->children[middle];
        int order = compare_segment(segment, encoded, node_text(child));
        if (order == 0) {
            *place = middle;
            return child;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *place = low;
    return NULL;
}

static router_node *text_child(router_node *parent, hub_bytes segment)
{
    size_t place;
    router_node *child = find_child(parent, segment, false, &place);
    if (child)
        return child;

    char *text = malloc(segment.length + 1);
    router_node **children = realloc(parent->children, (parent->child_count + 1) * sizeof(router_node *));
    if (children)
        parent->children = children;
    child = calloc(1, sizeof *child);
    if (!child || !text || !children) {
        free(child);
        free(text);
        return NULL;
    }
    if (segment.length > 0)
        memcpy(text, segment.data, segment.length);
    text[segment.length] = '\0';
    child->text = text;
    child->text_length = segment.length;
    memmove(children + place + 1, children + place, (parent->child_count - place) * sizeof(router_node *));
    children[place] = child;
    parent->child_count++;
    return child;
}

static router_node *child_for(router_node *parent, hub_bytes segment)
{
    if (!is_parameter(segment))
        return text_child(parent, segment);
    if (!parent->parameter)
        parent->parameter = calloc(1, sizeof(router_node));
    return parent->parameter;
}

/* The list that a pattern's routes belong to. Nodes made on the way stay, also when a later one fails. */
static route **list_for(router *routes, const char *pattern)
{
    router_node *at = &routes->root;
    hub_bytes rest = hub_text(pattern), segment;
    while (next_segment(&rest, &segment)) {
        if (is_star(segment))
            return &at->rest;
        at = child_for(at, segment);
        if (!at)
            return NULL;
    }
    return &at->here;
}

hub_status router_add(router *routes, const char *method, const char *pattern, route_kind kind, void *value)
{
    hub_status status = HUB_ENOMEM;
    route *added = calloc(1, sizeof *added);
    route **list = NULL;
    if (!added)
        goto out;
    added->method = strdup(method);
    added->pattern = strdup(pattern);
    added->kind = kind;
    added->value = value;
    if (!added->method || !added->pattern)
        goto out;

    status = HUB_EINVAL;
    if (!field_name_valid(hub_text(method)) || !read_pattern(added))
        goto out;
    if (kind == ROUTE_WS && strcmp(method, "GET") != 0)
        goto out;

    status = HUB_ENOMEM;
    list = list_for(routes, pattern);
    if (!list)
        goto out;
    for (; *list; list = &(*list)->next) {
        if ((*list)->kind == kind && strcmp((*list)->method, method) == 0) {
            status = HUB_EEXIST;
            goto out;
        }
    }
    *list = added;
    added = NULL;
    status = HUB_OK;
out:
    route_free(added);
    return status;
}

/* ---- finding ---- */

/*
 * A walk over all patterns that match a path, best first. `visit` looks at the routes of each and says
 * whether to stop. A node stands at one depth, so that no node is entered twice, and the depth is that of the
 * deepest pattern.
 */
typedef struct path_walk {
    bool (*visit)(struct path_walk *walk, const route *list);
    route_kind kind;
    hub_bytes method;
    const route *found;
    size_t depth; /* parameters seen on the way to the node */
    hub_bytes parameters[ROUTER_PARAMETERS_MAX];
    bool any; /* a pattern matched that has routes of the kind */
    char *out;
    size_t size, length;
} path_walk;

static bool walk_from(path_walk *walk, const router_node *at, hub_bytes rest);

static bool walk_parameter(path_walk *walk, const router_node *child, hub_bytes value, hub_bytes rest)
{
    if (walk->depth == ROUTER_PARAMETERS_MAX)
        return false;
    walk->parameters[walk->depth++] = value;
    if (walk_from(walk, child, rest))
        return true;
    walk->depth--;
    return false;
}

static bool walk_from(path_walk *walk, const router_node *at, hub_bytes rest)
{
    hub_bytes left = rest, segment;
    if (!next_segment(&left, &segment))
        return at->here && walk->visit(walk, at->here);

    size_t place;
    const router_node *child = find_child(at, segment, true, &place);
    if (child && walk_from(walk, child, left))
        return true;
    if (at->parameter && segment.length > 0 && walk_parameter(walk, at->parameter, segment, left))
        return true;
    if (!at->rest || walk->depth == ROUTER_PARAMETERS_MAX)
        return false;
    walk->parameters[walk->depth] = hub_bytes_of(segment.data, rest.length - 1);
    return walk->visit(walk, at->rest);
}

/* What a method may be served by, best first: itself, GET for HEAD, any. */
static int method_rank(hub_bytes method, const char *offered)
{
    if (hub_equal(method, hub_text(offered)))
        return 3;
    if (strcmp(offered, "GET") == 0 && hub_equal(method, hub_text("HEAD")))
        return 2;
    return strcmp(offered, "*") == 0 ? 1 : 0;
}

static bool visit_find(path_walk *walk, const route *list)
{
    int best = 0;
    for (; list; list = list->next) {
        if (list->kind != walk->kind)
            continue;
        walk->any = true;
        int rank = method_rank(walk->method, list->method);
        if (rank > best) {
            best = rank;
            walk->found = list;
        }
    }
    return best > 0;
}

/* False for a path that no route may be asked for. */
static bool path_valid(hub_bytes path)
{
    if (path.length == 0 || *(const char *)path.data != '/')
        return false;
    if (memchr(path.data, '\0', path.length))
        return false;
    return !memchr(path.data, '%', path.length) || percent_check(path) == PERCENT_OK;
}

router_result router_find(const router *routes, route_kind kind, hub_bytes method, hub_bytes path,
                          router_match *match)
{
    path_walk walk = {.visit = visit_find, .kind = kind, .method = method};
    if (!path_valid(path))
        return ROUTER_BAD_PATH;
    if (!walk_from(&walk, &routes->root, path))
        return walk.any ? ROUTER_METHOD : ROUTER_NOT_FOUND;

    match->route = walk.found;
    match->kind = walk.found->kind;
    match->value = walk.found->value;
    match->parameter_count = walk.found->parameter_count;
    memcpy(match->parameters, walk.parameters, match->parameter_count * sizeof *match->parameters);
    return ROUTER_FOUND;
}

/* ---- the Allow list ---- */

static void allow(path_walk *walk, const char *method)
{
    size_t length = strlen(method), separator = walk->length > 0 ? 2 : 0;
    hub_bytes before = hub_bytes_of(walk->out, walk->length);
    if (field_list_has(before, hub_text(method)) || walk->length + separator + length >= walk->size)
        return;
    memcpy(walk->out + walk->length, ", ", separator);
    memcpy(walk->out + walk->length + separator, method, length);
    walk->length += separator + length;
}

static bool visit_allow(path_walk *walk, const route *list)
{
    for (; list; list = list->next) {
        if (list->kind != walk->kind || strcmp(list->method, "*") == 0)
            continue;
        allow(walk, list->method);
        if (strcmp(list->method, "GET") == 0)
            allow(walk, "HEAD");
    }
    return false;
}

static void allow_all(path_walk *walk, const router_node *node)
{
    visit_allow(walk, node->here);
    visit_allow(walk, node->rest);
    for (size_t i = 0; i < node->child_count; i++)
        allow_all(walk, node->children[i]);
    if (node->parameter)
        allow_all(walk, node->parameter);
}

size_t router_allow(const router *routes, route_kind kind, hub_bytes path, char *out, size_t size)
{
    path_walk walk = {.visit = visit_allow, .kind = kind, .out = out, .size = size};
    if (size == 0)
        return 0;
    if (hub_equal(path, hub_text("*")))
        allow_all(&walk, &routes->root);
    else if (path_valid(path))
        walk_from(&walk, &routes->root, path);
    out[walk.length] = '\0';
    return walk.length;
}

/* ---- what was found ---- */

const char *router_pattern(const route *entry)
{
    return entry->pattern;
}

hub_bytes router_parameter(const router_match *match, const char *name)
{
    hub_bytes wanted = hub_text(name);
    for (size_t i = 0; i < match->parameter_count; i++)
        if (hub_equal(match->route->names[i], wanted))
            return match->parameters[i];
    return (hub_bytes){0};
}
