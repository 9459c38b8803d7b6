/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/backtrace.h"

#include "worker/hub/symbol.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    WORD = sizeof(uintptr_t),
    GUESS_WORDS = 1024, /* looked through for return addresses */
    GUESSES = 6,        /* taken of what is found there */
    STEPS_MAX = 100000, /* frames walked at the most, folded ones included */
    NAME_SHOWN = 128,
    CALL_MAX = 7, /* bytes of the longest call that is recognized */
};

/* The module that is shown by another name than that of the file it was loaded from. */
static struct {
    const char *file, *name;
} renamed;

bool backtrace_interrupted(const void *context, backtrace_point *point)
{
    const ucontext_t *at = context;
#if defined(__x86_64__)
    point->pc = (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
    point->frame = (uintptr_t)at->uc_mcontext.gregs[REG_RBP];
    point->stack = (uintptr_t)at->uc_mcontext.gregs[REG_RSP];
    return true;
#elif defined(__aarch64__)
    point->pc = at->uc_mcontext.pc;
    point->frame = at->uc_mcontext.regs[29];
    point->stack = at->uc_mcontext.sp;
    return true;
#else
    (void)at;
    *point = (backtrace_point){0};
    return false;
#endif
}

static void add(backtrace *to, backtrace_frame frame)
{
    backtrace_frame *last = to->count ? &to->frames[to->count - 1] : NULL;
    if (last && last->pc == frame.pc && last->guessed == frame.guessed) {
        last->times++;
    } else if (to->count < BACKTRACE_FRAMES) {
        frame.times = 1;
        to->frames[to->count++] = frame;
    } else {
        to->is_cut = true;
    }
}

/* Whether the instruction before an address is a call. The code is read by a system call: an address that
 * only looks like one of code must not end the dump. */
static bool follows_call(uintptr_t address)
{
    unsigned char code[CALL_MAX];
    Dl_info ignored;
    if (address < 4096 || !dladdr((void *)(address - 1), &ignored))
        return false;
    struct iovec to = {code, sizeof(code)}, from = {(void *)(address - CALL_MAX), sizeof(code)};
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)sizeof(code))
        return false;
#if defined(__x86_64__)
    static const unsigned char indirect = 0xff;
    if (code[CALL_MAX - 5] == 0xe8)
        return true;
    for (size_t length = 2; length <= CALL_MAX; length++)
        if (code[CALL_MAX - length] == indirect && (code[CALL_MAX - length + 1] & 0x38) == 0x10)
            return true;
    return false;
#else
    unsigned char high = code[CALL_MAX - 1];
    return (high & 0xfc) == 0x94 || (high == 0xd6 && (code[CALL_MAX - 2] & 0xe0) == 0x20);
#endif
}

/* Between the stack pointer and the first frame that a frame pointer leads to. */
__attribute__((no_sanitize("address"))) static void guess(backtrace *found, uintptr_t from, uintptr_t to)
{
    const volatile uintptr_t *word = (const volatile uintptr_t *)((from + WORD - 1) / WORD * WORD);
    for (size_t i = 0, taken = 0; i < GUESS_WORDS && taken < GUESSES; i++) {
        if ((uintptr_t)&word[i] + WORD > to)
            return;
        if (!follows_call(word[i]))
            continue;
        add(found, (backtrace_frame){.pc = word[i], .guessed = true, .is_return = true});
        taken++;
    }
}

static bool is_frame(uintptr_t frame, uintptr_t low, uintptr_t high)
{
    return frame >= low && frame <= high - 2 * WORD && frame % WORD == 0;
}

/* A frame pointer points at {the caller's, the return address}. It is followed only upward. */
__attribute__((no_sanitize("address"))) static void follow(backtrace *found, uintptr_t frame, uintptr_t low,
                                                           uintptr_t high)
{
    for (size_t steps = 0; steps < STEPS_MAX && is_frame(frame, low, high) && !found->is_cut; steps++) {
        const volatile uintptr_t *words = (const volatile uintptr_t *)frame;
        uintptr_t caller = words[0], pc = words[1];
        if (pc == 0)
            return;
        add(found, (backtrace_frame){.pc = pc, .is_return = true});
        low = frame + 1;
        frame = caller;
    }
}

void backtrace_walk(backtrace *found, const backtrace_point *from, const void *low_end, const void *high_end)
{
    uintptr_t low = (uintptr_t)low_end, high = (uintptr_t)high_end;
    found->count = 0;
    found->is_cut = false;
    add(found, (backtrace_frame){.pc = from->pc, .is_return = from->stack == 0});
    if (high < low + 2 * WORD)
        return;
    bool good = is_frame(from->frame, low, high);
    if (from->stack >= low && from->stack < high)
        guess(found, from->stack, good && from->frame >= from->stack ? from->frame : high);
    if (good && (from->stack == 0 || from->frame >= from->stack))
        follow(found, from->frame, low, high);
}

void backtrace_call_module(const char *file, const char *name)
{
    renamed.file = file;
    renamed.name = name;
}

/* The program itself is linked as one piece, so what holds this function holds the program. Its name may be
 * meant from a folder that was left. */
static bool is_program(const void *base)
{
    Dl_info own;
    return dladdr((void *)backtrace_call_module, &own) && own.dli_fbase == base;
}

static void put_function(signal_line *line, const char *name, uintptr_t offset)
{
    signal_line_text(line, name);
    signal_line_text(line, "+");
    signal_line_hex(line, offset);
    signal_line_text(line, " ");
}

void backtrace_name(signal_line *line, uintptr_t pc, bool is_return)
{
    Dl_info info;
    char name[NAME_SHOWN];
    uintptr_t start;
    /* A return address may lie behind the last instruction of its function, so the one before is asked for.
     */
    uintptr_t inside = is_return && pc ? pc - 1 : pc;
    if (!dladdr((void *)inside, &info) || !info.dli_fname) {
        signal_line_hex(line, pc);
        return;
    }
    const char *file = is_program(info.dli_fbase) ? "/proc/self/exe" : info.dli_fname;
    if (info.dli_sname)
        put_function(line, info.dli_sname, pc - (uintptr_t)info.dli_saddr);
    else if (symbol_find(file, (uintptr_t)info.dli_fbase, inside, name, sizeof(name), &start))
        put_function(line, name, pc - start);
    bool is_renamed = renamed.file && strcmp(renamed.file, info.dli_fname) == 0;
    signal_line_text(line, "(");
    signal_line_text(line, is_renamed ? renamed.name : info.dli_fname);
    signal_line_text(line, "+");
    signal_line_hex(line, inside - (uintptr_t)info.dli_fbase);
    signal_line_text(line, ")");
}

static void write_frame(const backtrace_frame *frame, size_t number, hub_level level)
{
    signal_line line;
    signal_line_begin(&line, level);
    signal_line_text(&line, "    #");
    signal_line_number(&line, number, 1);
    signal_line_text(&line, " ");
    backtrace_name(&line, frame->pc, frame->is_return);
    if (frame->guessed)
        signal_line_text(&line, " ?");
    if (frame->times > 1) {
        signal_line_text(&line, ", ");
        signal_line_number(&line, frame->times, 1);
        signal_line_text(&line, " times");
    }
    signal_line_end(&line);
}

void backtrace_write(const backtrace *found, hub_level level)
{
    for (size_t i = 0; i < found->count; i++)
        write_frame(&found->frames[i], i, level);
    if (!found->is_cut)
        return;
    signal_line line;
    signal_line_begin(&line, level);
    signal_line_text(&line, "    and more");
    signal_line_end(&line);
}
