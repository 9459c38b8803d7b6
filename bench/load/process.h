/* SPDX-License-Identifier: Apache-2.0 */
/* What the server's processes have used, read from outside. All of it works on any server. */
#ifndef BENCH_LOAD_PROCESS_H
#define BENCH_LOAD_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCESS_MAX 64

typedef struct process_list {
    pid_t pid[PROCESS_MAX];
    size_t length;
} process_list;

/* Reads "123,124,125". False when it is anything else, or more than PROCESS_MAX. */
bool process_list_parse(const char *text, process_list *list);

/* The children of a process, as many as PROCESS_MAX. False when it is gone. */
bool process_children(pid_t parent, process_list *list);

typedef struct process_usage {
    uint64_t cpu_ns;    /* exact: the processes' CPU clocks, all threads, ended ones included */
    uint64_t user_ns;   /* the kernel's split of it, sampled by its tick: good over seconds, */
    uint64_t system_ns; /* in steps of 10 ms */
} process_usage;

/* Sums over the list. Each returns false with errno set when one of them cannot be read. */
bool process_usage_read(const process_list *list, process_usage *usage);
bool process_memory_read(const process_list *list, uint64_t *bytes); /* proportional set size */

/* How many sockets a process has open. */
bool process_sockets(pid_t pid, size_t *count);

#endif
