/* SPDX-License-Identifier: Apache-2.0 */
#include "config/words.h"
#include "common/buffer.h"

#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\n\r";

static hub_status add(words *to, const char *text, size_t length)
{
    char **items = realloc(to->items, ((size_t)to->count + 2) * sizeof *items);
    if (!items)
        return HUB_ENOMEM;
    to->items = items;
    items[to->count] = strndup(text, length);
    if (!items[to->count])
        return HUB_ENOMEM;
    items[++to->count] = NULL;
    return HUB_OK;
}

/* What stands between quotes; *at is behind the first and is left behind the last. */
static hub_status take_quoted(const char **at, char quote, buffer *word, error *failure)
{
    for (; **at && **at != quote; ++*at) {
        if (quote == '"' && **at == '\\' && ((*at)[1] == '"' || (*at)[1] == '\\'))
            ++*at;
        if (buffer_append(word, *at, 1) != HUB_OK)
            return HUB_ENOMEM;
    }
    if (**at == '\0')
        return error_set(failure, HUB_EINVAL, "a quote %c is not closed", quote);
    ++*at;
    return HUB_OK;
}

static hub_status take_word(const char **at, buffer *word, error *failure)
{
    hub_status status = HUB_OK;
    while (status == HUB_OK && **at && !strchr(blanks, **at)) {
        if (**at == '\'' || **at == '"') {
            char quote = *(*at)++;
            status = take_quoted(at, quote, word, failure);
            continue;
        }
        if (**at == '\\' && *++*at == '\0')
            return error_set(failure, HUB_EINVAL, "a backslash is last; it keeps the letter behind it");
        status = buffer_append(word, (*at)++, 1);
    }
    return status;
}

hub_status words_split(const char *text, words *to, error *failure)
{
    buffer word = {0};
    *to = (words){0};
    hub_status status = add(to, "", 0);
    const char *at = text + strspn(text, blanks);
    while (status == HUB_OK && *at) {
        word.length = 0;
        status = take_word(&at, &word, failure);
        if (status == HUB_OK)
            status = add(to, word.data ? word.data : "", word.length);
        at += strspn(at, blanks);
    }
    if (status == HUB_ENOMEM)
        error_set(failure, HUB_ENOMEM, "no memory to split it into words");
    buffer_free(&word);
    return status;
}

void words_free(words *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (words){0};
}
