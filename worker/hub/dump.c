/* SPDX-License-Identifier: Apache-2.0 */
/* A picture of all greenlets, for people. */
#include "worker/hub/control.h"
#include "worker/hub/loop.h"
#include "worker/hub/stack.h"
#include "worker/hub/switch.h"

#include "common/clock.h"

#include <dlfcn.h>
#include <inttypes.h>

enum { FRAMES_MAX = 64 };

static const char *const state_names[] = {"ended", "ready", "running", "parked"};

static void print_frame(FILE *out, unsigned number, uintptr_t pc)
{
    Dl_info info;
    fprintf(out, "    #%-2u 0x%" PRIxPTR, number, pc);
    /* A return address may lie behind the last instruction of its function, so the one before is asked for.
     */
    if (dladdr((void *)(pc - 1), &info) && info.dli_fname) {
        if (info.dli_sname)
            fprintf(out, " %s+0x%" PRIxPTR, info.dli_sname, pc - (uintptr_t)info.dli_saddr);
        fprintf(out, " (%s+0x%" PRIxPTR ")", info.dli_fname, pc - (uintptr_t)info.dli_fbase);
    }
    fputc('\n', out);
}

/* A frame pointer points at {the caller's, the return address}. It is followed only upward and inside this
 * stack, so that garbage in it costs lines and never a crash. */
__attribute__((no_sanitize("address"))) static void print_frames(FILE *out, const greenlet *g, uintptr_t pc,
                                                                 uintptr_t frame)
{
    uintptr_t low = (uintptr_t)g->low, high = (uintptr_t)g - 2 * sizeof(uintptr_t);
    for (unsigned number = 0; number < FRAMES_MAX && pc != 0; number++) {
        print_frame(out, number, pc);
        if (frame == 0 || frame < low || frame > high || frame % sizeof(uintptr_t) != 0)
            break;
        const uintptr_t *words = (const uintptr_t *)frame;
        uintptr_t caller = words[0];
        pc = words[1];
        if (caller != 0 && caller <= frame)
            break;
        low = frame;
        frame = caller;
    }
}

static void dump_greenlet(FILE *out, const greenlet *g, double now)
{
    fprintf(out, "greenlet %#" PRIx64 " '%s' %s", g->id, g->name, state_names[g->state]);
    if (g->state == GREENLET_PARKED)
        fprintf(out, ", waits for %s since %.3f s", g->waits_for ? g->waits_for : "something",
                now - g->parked_at);
    if (g->killed)
        fprintf(out, ", killed");
    fputc('\n', out);
    uintptr_t pc, frame;
    if (g == greenlet_current())
        print_frames(out, g, (uintptr_t)__builtin_return_address(0),
                     *(uintptr_t *)__builtin_frame_address(0));
    else if (switch_frame(&g->context, &pc, &frame))
        print_frames(out, g, pc, frame);
}

void greenlet_dump(FILE *out)
{
    double now = (double)clock_monotonic_ns() / (double)CLOCK_NS_PER_S;
    greenlet_counts counts = greenlet_count();
    loop_dump(out);
    fprintf(out, "greenlets: %zu alive, %zu ready, %zu parked; %zu stacks, %zu of them pooled; %s\n",
            counts.alive, counts.ready, counts.parked, counts.stacks_mapped, counts.pooled,
            stack_guard_name());
    for (size_t i = 0; i < counts.stacks_mapped; i++) {
        const greenlet *g = greenlet_at((uint32_t)i);
        if (g->state != GREENLET_ENDED)
            dump_greenlet(out, g, now);
    }
}
