/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AddressSanitizer must be told about stacks that change under it and that it did not make. Without it,
 * all of this is nothing.
 */
#ifndef WORKER_HUB_FIBRE_H
#define WORKER_HUB_FIBRE_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBRE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBRE_ASAN 1
#endif
#endif
#ifndef FIBRE_ASAN
#define FIBRE_ASAN 0
#endif

#if FIBRE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

/* Just before a switch to the stack [low, low + size). `keep` NULL: this stack's frames are over for good. */
static inline void fibre_leave(void **keep, const void *low, size_t size)
{
#if FIBRE_ASAN
    __sanitizer_start_switch_fiber(keep, low, size);
#else
    (void)keep;
    (void)low;
    (void)size;
#endif
}

/* Just after a switch, on the stack arrived at: `kept` is what fibre_leave kept there (NULL the first time).
 * The bounds of the stack that was left are stored when the pointers are not NULL. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static inline void fibre_arrive(void *kept, const void **low, size_t *size)
{
#if FIBRE_ASAN
    __sanitizer_finish_switch_fiber(kept, low, size);
#else
    (void)kept;
    (void)low;
    (void)size;
#endif
}

/* A new stack, or one whose last frames never returned. */
static inline void fibre_forget(void *low, size_t size)
{
#if FIBRE_ASAN
    __asan_unpoison_memory_region(low, size);
#else
    (void)low;
    (void)size;
#endif
}

/* Memory in which the leak checker must look for pointers. */
static inline void fibre_register(const void *low, size_t size)
{
#if FIBRE_ASAN
    __lsan_register_root_region(low, size);
#else
    (void)low;
    (void)size;
#endif
}

static inline void fibre_unregister(const void *low, size_t size)
{
#if FIBRE_ASAN
    __lsan_unregister_root_region(low, size);
#else
    (void)low;
    (void)size;
#endif
}

#endif
