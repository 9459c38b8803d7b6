/* SPDX-License-Identifier: Apache-2.0 */
/* What the options of group "The processes" do to a process. */
#ifndef MASTER_PROCESS_H
#define MASTER_PROCESS_H

#include "common/error.h"
#include "worker/worker.h"

/* Enters the folder of the option chdir, if any: in main, at the start. Errors: HUB_EINVAL. */
hub_status process_enter_folder(const config *config, error *error);

/*
 * What the master takes from a configuration for itself: the level of the log, its title, the mask of
 * permissions (for unix sockets) and the limit of core files. At the start, and again at each HUP with the
 * new configuration: what is no longer given goes back to what was inherited.
 */
void process_become_master(const config *config);

/* Raises the limit of open files to the hard one: before the shared memory is made, whose doorbells and
 * mailboxes take up some hundreds. */
void process_raise_file_limit(void);

/* Says so when worker-connections is not within the limit of open files. */
void process_say_file_limit(const config *config);

/*
 * How many connections a worker can have with so many open files: what it needs for itself is taken off.
 */
unsigned process_connections(uint64_t files);

/* Errors: HUB_EINVAL when cpu-affinity names a CPU that this process may not use. */
hub_status process_check_affinity(const config *config, error *error);

/*
 * A worker's whole life, in the freshly forked child: takes what its configuration says of environment,
 * title, CPU, mask of permissions, core files and privileges, then runs worker_main and returns its exit
 * code. What the machine refuses of it is a warning in the log.
 */
int process_run_worker(const worker_boot *boot);

/* The steps of it, each on its own so that it can be tested. */
void process_set_environment(const config *config);
void process_set_limits(const config *config);
hub_status process_pin(const config *config, unsigned slot, error *error);

/* What stands in titles: the option name, or APP's base name without its ending. */
void process_name(const config *config, char *to, size_t capacity);

#endif
