/* SPDX-License-Identifier: Apache-2.0 */
#include "config/absent.h"

#include "config/options.h"

static const struct absent {
    const char *name, *reason;
} absents[] = {
    {"preload", "the master runs no application code, so that a reload can bring new code and a fault in it "
                "cannot end the server; each worker loads the application in milliseconds"},
    {"preload-app", "see --preload: the master runs no application code"},
    {"threads", "a worker is one thread that runs any number of greenlets; give --workers"},
    {"reload", "files are not watched; send SIGHUP after a change"},
    {"worker-tmp-dir", "heartbeats are kept in shared memory, not in files"},
    {"capture-output", "what anybody prints to standard error stands in the error log already"},
    {"logger-class", "the forms of the logs are text, --log-json and --log-syslog"},
    {"log-config", "the forms of the logs are text, --log-json and --log-syslog"},
    {"initgroups", "a user's supplementary groups always come with --user"},
    {"no-control-socket", "give --control-socket off"},
    {"control-socket-mode", "it is 0600: who may give orders is the user of the server, and root"},
    {"spew", "a debugger shows what a C application executes"},
    {"pythonpath", "applications are shared objects or C files; give the path of one as APP"},
    {"paste", "applications are shared objects or C files; give the path of one as APP"},
};

const char *absent_reason(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof absents / sizeof absents[0]; i++)
        if (option_is_name(absents[i].name, name, length))
            return absents[i].reason;
    return NULL;
}
