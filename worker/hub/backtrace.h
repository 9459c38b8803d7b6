/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a stack and naming what lies on it. Everything here may be called from a signal handler: it takes
 * no memory and touches the walked stack inside the given bounds alone, so that garbage on it costs frames
 * and never a crash.
 *
 * Frames are found by frame pointers. Code that was compiled without them (the C library, say) hides its
 * callers; so where a walk begins in the middle of such code, the words up to the first good frame pointer
 * are looked through for return addresses. Those are guesses and said to be so.
 *
 * Naming a frame takes the dynamic linker's lock, which is not on the list of what a handler may do. That is
 * acceptable where a process dies, or is asked by a person: the lock is recursive, so the interrupted thread
 * itself never waits for it; another thread that holds it lets go again; and whoever asked for the stacks of
 * a worker that must end kills it when it does not.
 */
#ifndef WORKER_HUB_BACKTRACE_H
#define WORKER_HUB_BACKTRACE_H

#include "worker/hub/signal_line.h"

enum { BACKTRACE_FRAMES = 48 };

typedef struct backtrace_frame {
    uintptr_t pc;
    uint32_t times; /* in a row: recursion is one frame */
    bool guessed;   /* found by looking through the stack: it may be left over from an earlier call */
    bool is_return; /* pc is where a call returns to, behind the call */
} backtrace_frame;

typedef struct backtrace {
    backtrace_frame frames[BACKTRACE_FRAMES]; /* the innermost first */
    size_t count;
    bool is_cut; /* there are more */
} backtrace;

/* Where a flow of control stands. */
typedef struct backtrace_point {
    uintptr_t pc, frame;
    uintptr_t stack; /* the stack pointer; 0: not known, nothing is guessed */
} backtrace_point;

/* The point at which a signal interrupted its thread; `context` is a handler's third argument. False on a
 * machine whose registers are not known here. */
bool backtrace_interrupted(const void *context, backtrace_point *point);

/* Walks from a point; the stack is [low, high). */
void backtrace_walk(backtrace *found, const backtrace_point *from, const void *low, const void *high);

/* Puts "name+0x12 (file+0x1234)" on a line: the second for addr2line -e file. */
void backtrace_name(signal_line *line, uintptr_t pc, bool is_return);

/* From now on the module that was loaded from this file is shown by another name: that of the application, of
 * which a copy was loaded. Both stay the caller's, for good. NULL: no module. */
void backtrace_call_module(const char *file, const char *name);

/* Writes a line for each frame: "    #0 name+0x12 (file+0x1234)". */
void backtrace_write(const backtrace *found, hub_level level);

#endif
