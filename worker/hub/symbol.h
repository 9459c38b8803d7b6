/* SPDX-License-Identifier: Apache-2.0 */
/* Names of functions that a module does not export: those of static functions, from its file. */
#ifndef WORKER_HUB_SYMBOL_H
#define WORKER_HUB_SYMBOL_H

#include <hubbub.h>

/*
 * Finds the function that holds an address in the symbol table of a module's file: its name, cut to fit, and
 * where it begins. `base` is where the module is loaded. False when the file cannot be read, was stripped, or
 * knows no such function. Only system calls: may be called from a signal handler.
 */
bool symbol_find(const char *file, uintptr_t base, uintptr_t address, char *name, size_t capacity,
                 uintptr_t *start);

#endif
