/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/hub/symbol.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

enum { AT_ONCE = 64, SECTIONS_MAX = 4096, SYMBOLS_MAX = 4 << 20 };

static bool read_at(int fd, void *to, size_t size, uint64_t offset)
{
    return pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

static bool read_section(int fd, const ElfW(Ehdr) * head, size_t index, ElfW(Shdr) * section)
{
    return index < head->e_shnum &&
           read_at(fd, section, sizeof(*section), head->e_shoff + index * sizeof(*section));
}

static bool find_table(int fd, const ElfW(Ehdr) * head, ElfW(Shdr) * table)
{
    for (size_t i = 0; i < head->e_shnum && i < SECTIONS_MAX; i++)
        if (read_section(fd, head, i, table) && table->sh_type == SHT_SYMTAB)
            return true;
    return false;
}

static bool is_function_at(const ElfW(Sym) * symbol, uintptr_t value)
{
    return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
           value >= symbol->st_value && value - symbol->st_value < symbol->st_size;
}

static bool search(int fd, const ElfW(Shdr) * table, uintptr_t value, ElfW(Sym) * found)
{
    ElfW(Sym) some[AT_ONCE];
    size_t count = table->sh_size / sizeof(*some);
    for (size_t i = 0; i < count && i < SYMBOLS_MAX; i += AT_ONCE) {
        size_t part = count - i < AT_ONCE ? count - i : AT_ONCE;
        if (!read_at(fd, some, part * sizeof(*some), table->sh_offset + i * sizeof(*some)))
            return false;
        for (size_t j = 0; j < part; j++)
            if (is_function_at(&some[j], value)) {
                *found = some[j];
                return true;
            }
    }
    return false;
}

static bool find_in(int fd, uintptr_t base, uintptr_t address, char *name, size_t capacity, uintptr_t *start)
{
    ElfW(Ehdr) head;
    ElfW(Shdr) table, strings;
    ElfW(Sym) symbol;
    if (!read_at(fd, &head, sizeof(head), 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_shentsize != sizeof(table) || !find_table(fd, &head, &table) ||
        !read_section(fd, &head, table.sh_link, &strings))
        return false;
    uintptr_t moved = head.e_type == ET_EXEC ? 0 : base;
    if (!search(fd, &table, address - moved, &symbol) || symbol.st_name >= strings.sh_size)
        return false;
    ssize_t length = pread(fd, name, capacity - 1, (off_t)(strings.sh_offset + symbol.st_name));
    if (length <= 0)
        return false;
    name[length] = '\0';
    *start = moved + symbol.st_value;
    return name[0] != '\0';
}

bool symbol_find(const char *file, uintptr_t base, uintptr_t address, char *name, size_t capacity,
                 uintptr_t *start)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool found = find_in(fd, base, address, name, capacity, start);
    close(fd);
    return found;
}
