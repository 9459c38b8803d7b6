/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/row.h"

bool row_change(row *self, row_word from, row_state to)
{
    row_word expected = from;
    row_word changed = row_word_of(row_incarnation(from), row_slot(from), to);
    return atomic_compare_exchange_strong(&self->word, &expected, changed);
}
