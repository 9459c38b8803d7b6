/* SPDX-License-Identifier: Apache-2.0 */
#include "common/names.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

static const names_table *used;

static bool is_known(const names_found *found, const struct addrinfo *info)
{
    for (unsigned i = 0; i < found->count; i++)
        if (found->addresses[i].length == info->ai_addrlen &&
            memcmp(&found->addresses[i].address, info->ai_addr, info->ai_addrlen) == 0)
            return true;
    return false;
}

static void ask(names_found *found, const char *host, const char *port, int type, int more_flags)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV | more_flags, .ai_socktype = type};
    struct addrinfo *all = NULL;
    *found = (names_found){.wrong = getaddrinfo(*host ? host : NULL, port, &hints, &all)};
    if (found->wrong) {
        found->cause = errno;
        return;
    }
    for (const struct addrinfo *info = all; info && found->count < NAMES_ADDRESSES_MAX;
         info = info->ai_next) {
        if ((info->ai_family != AF_INET && info->ai_family != AF_INET6) || is_known(found, info))
            continue;
        names_address *to = &found->addresses[found->count++];
        to->length = info->ai_addrlen;
        memcpy(&to->address, info->ai_addr, info->ai_addrlen);
    }
    freeaddrinfo(all);
    if (found->count == 0)
        found->wrong = EAI_NONAME;
}

static bool is_of(const names_entry *entry, const char *host, const char *port, int type)
{
    return entry->type == type && strncmp(entry->host, host, sizeof entry->host) == 0 &&
           strncmp(entry->port, port, sizeof entry->port) == 0;
}

/* Another process has written the table: what it says is copied only within its bounds. */
static void look_into(const names_table *table, names_found *found, const char *host, const char *port,
                      int type)
{
    *found = (names_found){.wrong = EAI_AGAIN};
    for (unsigned i = 0; i < table->count && i < NAMES_MAX; i++)
        if (is_of(&table->entries[i], host, port, type)) {
            *found = table->entries[i].found;
            break;
        }
    if (found->count > NAMES_ADDRESSES_MAX)
        found->count = NAMES_ADDRESSES_MAX;
    for (unsigned i = 0; i < found->count; i++)
        if (found->addresses[i].length > sizeof found->addresses[i].address)
            found->addresses[i].length = sizeof found->addresses[i].address;
}

void names_find(names_found *found, const char *host, const char *port, int type)
{
    ask(found, host, port, type, used ? AI_NUMERICHOST : 0);
    if (used && found->wrong == EAI_NONAME)
        look_into(used, found, host, port, type);
}

const char *names_wrong(const names_found *found)
{
    return found->wrong == EAI_SYSTEM ? strerror(found->cause) : gai_strerror(found->wrong);
}

void names_add(names_table *table, const char *host, const char *port, int type)
{
    if (table->count == NAMES_MAX || strlen(host) >= sizeof table->entries[0].host ||
        strlen(port) >= sizeof table->entries[0].port)
        return;
    names_entry *entry = &table->entries[table->count++];
    strcpy(entry->host, host);
    strcpy(entry->port, port);
    entry->type = type;
    ask(&entry->found, host, port, type, 0);
}

void names_use(const names_table *table)
{
    used = table;
}
