/* SPDX-License-Identifier: Apache-2.0 */
#include <hubbub.h>

static const char *const names[] = {
#define STATUS_NAME(name, text) [HUB_##name] = #name,
    HUB_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
};

static const char *const texts[] = {
#define STATUS_TEXT(name, text) [HUB_##name] = (text),
    HUB_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
};

/* The number comes from applications too, so it may be any. */
static bool status_known(hub_status status)
{
    return (unsigned)status < sizeof names / sizeof names[0];
}

const char *hub_status_name(hub_status status)
{
    return status_known(status) ? names[status] : "UNKNOWN";
}

const char *hub_status_text(hub_status status)
{
    return status_known(status) ? texts[status] : "unknown status";
}
