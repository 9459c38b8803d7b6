/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/drain.h"

#include "worker/net/wheel.h"

static double least(double a, double b)
{
    return a < b ? a : b;
}

drain_plan drain_plan_of(double graceful)
{
    double stop = least(0.1 * graceful, 1.);    /* for stop hooks */
    double answers = least(0.2 * graceful, 1.); /* for the last clients to answer their close frame */
    double late =
        2. / WHEEL_TICKS_PER_SECOND; /* a timer of the wheel may be so much later than it was armed for */
    drain_plan plan = {.leave = graceful - 0.2 * stop, .abort = graceful - stop};
    plan.last_call = plan.abort - answers;
    plan.spread = plan.last_call > late ? plan.last_call - late : 0.;
    return plan;
}
