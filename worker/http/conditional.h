/* SPDX-License-Identifier: Apache-2.0 */
/* Validators of a file, and the conditions that requests put on them (RFC 9110, sections 8.8 and 13). */
#ifndef WORKER_HTTP_CONDITIONAL_H
#define WORKER_HTTP_CONDITIONAL_H

#include "worker/http/parser.h"

#include <sys/stat.h>
#include <time.h>

enum { ETAG_ROOM = 80 };

typedef struct validators {
    char etag[ETAG_ROOM]; /* "\"…\"", or "W/\"…\"" */
    int64_t modified;     /* Last-Modified: seconds since 1970, not after `now` (8.8.2.1) */
    int64_t now;          /* for dates with two digits of the year */
    bool date_is_strong;  /* the second that `modified` names was over before `now` (8.8.2.2) */
} validators;

/*
 * The validators of a file at a time. `mark` tells the codings of one resource apart ("" for none, at most
 * 8 characters); it becomes part of the tag.
 *
 * The tag is made of inode, size and time of modification. It is strong unless the file was modified so
 * shortly before `now` that a second modification could bear the same time: file systems that keep parts of a
 * second take them from the kernel's tick of at most 10 ms, others (seen by a fraction of zero) count in
 * steps of up to 2 s. Within 100 ms, or 2 s, of its modification, or before it, the tag is weak.
 */
void validators_of(validators *out, const struct stat *file, const char *mark, struct timespec now);

typedef enum condition {
    CONDITION_HOLDS,        /* do what the method says */
    CONDITION_NOT_MODIFIED, /* 304 */
    CONDITION_FAILED        /* 412 */
} condition;

/*
 * Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since in the order of section
 * 13.2.2, for a resource that exists. Fields of one name that are lists are read as one; a date that is none,
 * or comes twice, is no condition. A list is read up to the first thing in it that is no entity tag.
 */
condition condition_check(const http_head *head, const validators *file);

/*
 * Whether the Range field counts, as If-Range says (13.1.5): true without If-Range; else when its tag equals
 * in the strong comparison, or its date is exactly the file's and strong. One that comes twice, or is neither
 * tag nor date, does not hold.
 */
bool condition_range(const http_head *head, const validators *file);

#endif
