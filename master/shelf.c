/* SPDX-License-Identifier: Apache-2.0 */
#include "master/shelf.h"

void shelf_keep(shelf *self, release *what)
{
    unsigned last = 0; /* whose place is closed by moving those before it */
    while (last < SHELF_RELEASES - 1 && self->kept[last] && self->kept[last] != what)
        last++;
    release *gone = self->kept[last];
    for (; last > 0; last--)
        self->kept[last] = self->kept[last - 1];
    self->kept[0] = release_hold(what);
    release_drop(gone);
}

release *shelf_find(const shelf *self, unsigned number)
{
    for (unsigned i = 0; i < SHELF_RELEASES; i++)
        if (self->kept[i] && self->kept[i]->number == number)
            return self->kept[i];
    return NULL;
}

void shelf_clear(shelf *self)
{
    for (unsigned i = 0; i < SHELF_RELEASES; i++) {
        release_drop(self->kept[i]);
        self->kept[i] = NULL;
    }
}
