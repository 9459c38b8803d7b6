/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/stack.h"

#include "worker/hub/fibre.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

enum {
    ARENA_SIZE = 64 << 20,
    SIZE_MIN = 16 << 10,
    SIZE_MAX_ALLOWED = 1 << 30,
    /* A frame that skips the guard in one step is not noticed, so the guard is more than a page where the
     * stack is large enough to spare it: a sixteenth. */
    GUARD_SHARE = 16,
    CANARY_WORDS = 8,
};

static bool opened;
static size_t page, size, guard_size, per_arena;
static uint32_t limit, carved;
static stack_guard kind;
static uint32_t guarded; /* stacks below this number have a guard */
static char guard_name[64] = "none";

static char **arenas;
static size_t arena_count;

/* Numbers of stacks that were given back, last in first out; has room for every carved stack. */
static uint32_t *given;
static size_t given_count, given_room;

static char *base_of(uint32_t index)
{
    return arenas[index / per_arena] + index % per_arena * size;
}

static size_t round_up(size_t value, size_t to)
{
    return (value + to - 1) / to * to;
}

static bool kernel_has_guard_pages(void)
{
    void *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    bool has = madvise(probe, page, MADV_GUARD_INSTALL) == 0;
    munmap(probe, page);
    return has;
}

/* A protected page splits the mapping around it, so each guard costs two of the process's mappings. Three
 * quarters of those that it may have go to guards; the rest is for libraries and memory. */
static uint32_t mprotect_limit(void)
{
    unsigned long most = 65530;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file) {
        if (fscanf(file, "%lu", &most) != 1)
            most = 65530;
        fclose(file);
    }
    unsigned long share = most / 4 * 3 / 2;
    return share < UINT32_MAX ? (uint32_t)share : UINT32_MAX;
}

hub_status stacks_open(size_t wanted, unsigned most, stack_guard guard, error *why)
{
    if (opened)
        return error_set(why, HUB_ESTATE, "the stacks of this process are open already");
    if (wanted > SIZE_MAX_ALLOWED)
        return error_set(why, HUB_EINVAL, "a stack of %zu bytes is too large; give at most 1 GB", wanted);

    page = (size_t)sysconf(_SC_PAGESIZE);
    size = round_up(wanted < SIZE_MIN ? SIZE_MIN : wanted, page);
    guard_size = round_up(size / GUARD_SHARE, page);
    per_arena = size < ARENA_SIZE ? ARENA_SIZE / size : 1;
    limit = most == 0 || most > 1U << STACK_INDEX_BITS ? 1U << STACK_INDEX_BITS : most;

    kind = guard;
    bool has_madvise =
        (guard == STACK_GUARD_BEST || guard == STACK_GUARD_MADVISE) && kernel_has_guard_pages();
    if (guard == STACK_GUARD_BEST)
        kind = has_madvise ? STACK_GUARD_MADVISE : STACK_GUARD_MPROTECT;
    else if (guard == STACK_GUARD_MADVISE && !has_madvise)
        return error_set(why, HUB_EINVAL, "this kernel has no MADV_GUARD_INSTALL (Linux 6.13)");

    switch (kind) {
    case STACK_GUARD_MADVISE:
        guarded = UINT32_MAX;
        snprintf(guard_name, sizeof(guard_name), "guard pages (madvise)");
        break;
    case STACK_GUARD_MPROTECT:
        guarded = mprotect_limit();
        snprintf(guard_name, sizeof(guard_name), "guard pages (mprotect) for %u greenlets, canaries beyond",
                 guarded);
        break;
    default:
        guarded = 0;
        snprintf(guard_name, sizeof(guard_name), "canaries");
        break;
    }
    opened = true;
    return HUB_OK;
}

void stacks_close(void)
{
    if (!opened)
        return;
    for (uint32_t i = 0; i < carved; i++) {
        fibre_forget(base_of(i), size);
        fibre_unregister(stack_low(i), (size_t)(stack_top(i) - stack_low(i)));
    }
    for (size_t i = 0; i < arena_count; i++)
        munmap(arenas[i], per_arena * size);
    free(arenas);
    free(given);
    arenas = NULL;
    given = NULL;
    arena_count = given_count = given_room = 0;
    carved = 0;
    opened = false;
    snprintf(guard_name, sizeof(guard_name), "none");
}

const char *stack_guard_name(void)
{
    return guard_name;
}

static bool map_arena(void)
{
    char **more = realloc(arenas, (arena_count + 1) * sizeof(*arenas));
    if (!more)
        return false;
    arenas = more;
    void *arena = mmap(NULL, per_arena * size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (arena == MAP_FAILED)
        return false;
    /* A huge page would give each shallow stack 2 MB of memory. A kernel without them says EINVAL: fine. */
    madvise(arena, per_arena * size, MADV_NOHUGEPAGE);
    arenas[arena_count++] = arena;
    return true;
}

static bool install_guard(uint32_t index)
{
    if (kind == STACK_GUARD_MADVISE)
        return madvise(base_of(index), guard_size, MADV_GUARD_INSTALL) == 0;
    if (index < guarded && mprotect(base_of(index), guard_size, PROT_NONE) != 0)
        guarded = index; /* out of mappings earlier than thought: canaries from here on */
    return true;
}

static hub_status carve(uint32_t *index)
{
    if (carved >= limit)
        return HUB_EFULL;
    if (carved == given_room) {
        size_t room = given_room ? given_room * 2 : 64;
        uint32_t *more = realloc(given, room * sizeof(*given));
        if (!more)
            return HUB_ENOMEM;
        given = more;
        given_room = room;
    }
    if (carved == arena_count * per_arena && !map_arena())
        return HUB_ENOMEM;
    if (!install_guard(carved))
        return HUB_ENOMEM;
    *index = carved++;
    fibre_register(stack_low(*index), (size_t)(stack_top(*index) - stack_low(*index)));
    return HUB_OK;
}

hub_status stack_take(uint32_t *index)
{
    if (given_count == 0)
        return carve(index);
    *index = given[--given_count];
    return HUB_OK;
}

void stack_give(uint32_t index)
{
    stack_trim(index, stack_top(index));
    given[given_count++] = index;
}

void stack_trim(uint32_t index, const char *from)
{
    char *low = stack_low(index);
    if (from > low)
        madvise(low, (size_t)(from - low), MADV_DONTNEED);
}

char *stack_low(uint32_t index)
{
    return base_of(index) + (stack_has_guard(index) ? guard_size : 0);
}

char *stack_top(uint32_t index)
{
    return base_of(index) + size;
}

bool stack_has_guard(uint32_t index)
{
    return index < guarded;
}

__attribute__((no_sanitize("address"))) bool stack_canary_is_dead(const char *low)
{
    const volatile uint64_t *words = (const volatile uint64_t *)low;
    uint64_t any = 0;
    for (size_t i = 0; i < CANARY_WORDS; i++)
        any |= words[i];
    return any != 0;
}

size_t stack_size(void)
{
    return size;
}

size_t stack_count(void)
{
    return carved;
}

bool stack_of_guard(const void *address, uint32_t *index)
{
    uintptr_t at = (uintptr_t)address;
    for (size_t i = 0; i < arena_count; i++) {
        uintptr_t arena = (uintptr_t)arenas[i];
        if (at < arena || at >= arena + per_arena * size)
            continue;
        size_t number = i * per_arena + (at - arena) / size;
        if ((at - arena) % size >= guard_size || number >= carved || !stack_has_guard((uint32_t)number))
            return false;
        *index = (uint32_t)number;
        return true;
    }
    return false;
}
