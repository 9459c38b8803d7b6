/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: which value answers for a method and a path. Filled at setup, not changed after; matching does not
 * allocate and looks at each node of the tree at most once.
 *
 * A pattern is "/" and segments between slashes: text that must equal the segment after percent-decoding;
 * `:name` for any one segment that is not empty; as the last one `*` for the rest of the path, also an empty
 * one: "/files/" and "/files/a/b" match `/files/…` with a star, "/files" does not. Text wins over `:name`,
 * which wins over `*`, from left to right; where the winner does not take the method, the next best pattern
 * that does is used.
 */
#ifndef WORKER_HTTP_ROUTER_H
#define WORKER_HTTP_ROUTER_H

#include <hubbub.h>

enum { ROUTER_SEGMENTS_MAX = 32, ROUTER_PARAMETERS_MAX = 16 }; /* of one pattern */

typedef struct router router;
typedef struct route route;

/* What a route leads to. WebSocket routes live beside the others: one path may have both. */
typedef enum route_kind { ROUTE_HTTP, ROUTE_WS } route_kind;

typedef enum router_result {
    ROUTER_FOUND,
    ROUTER_NOT_FOUND, /* 404 */
    ROUTER_METHOD,    /* 405: the path is known, the method is not; see router_allow */
    ROUTER_BAD_PATH /* 400: a percent sign without two hexadecimal digits, an encoded NUL, no leading slash */
} router_result;

typedef struct router_match {
    const route *route;
    route_kind kind;
    void *value;
    size_t parameter_count;
    hub_bytes parameters[ROUTER_PARAMETERS_MAX]; /* raw parts of the path, in the pattern's order */
} router_match;

/* NULL without memory. router_free takes NULL too; the values stay the caller's. */
router *router_new(void);
void router_free(router *routes);

/*
 * Adds a route; method and pattern are copied. Method "*" takes all methods that have no route of their own
 * here; GET takes HEAD too, unless HEAD has a route. ROUTE_WS routes have the method GET. Errors: HUB_EINVAL
 * (no token as method, a pattern without a leading slash, `*` not last, an empty or repeated parameter name,
 * more segments or parameters than the limits), HUB_EEXIST (the same method and pattern, apart from
 * parameters' names, is there), HUB_ENOMEM; the router is then as it was.
 */
hub_status router_add(router *routes, const char *method, const char *pattern, route_kind kind, void *value);

/*
 * Finds the route of the kind for a request's method and raw path (without the query). On ROUTER_FOUND fills
 * in *match, which points into `path`.
 */
router_result router_find(const router *routes, route_kind kind, hub_bytes method, hub_bytes path,
                          router_match *match);

/*
 * Writes the methods that the path knows among routes of the kind ("GET, HEAD, POST"), for the Allow field,
 * and returns the text's length; cut at whole names when `size` is too small, always ended with a NUL. For
 * the path "*": those that any route knows.
 */
size_t router_allow(const router *routes, route_kind kind, hub_bytes path, char *out, size_t size);

/* The pattern as it was added. */
const char *router_pattern(const route *entry);

/* A parameter's raw value by its name ("id", "*"); data NULL when the pattern has none such. */
hub_bytes router_parameter(const router_match *match, const char *name);

#endif
