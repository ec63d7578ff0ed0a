/* hooks.h - who may connect, and who may do what in which channel: the relay's questions, answered as Centrifugo does.
 */
#ifndef EXAMPLES_CENTRIFUGO_HOOKS_H
#define EXAMPLES_CENTRIFUGO_HOOKS_H

#include "app.h"

/** Have a relay that is made with these options ask here. 0 or an error code. */
int hooks_set(srl_options *options, app *a);

#endif
