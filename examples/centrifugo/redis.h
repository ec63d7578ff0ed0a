/* redis.h - several servers that are one: they meet at a Redis. */
#ifndef EXAMPLES_CENTRIFUGO_REDIS_H
#define EXAMPLES_CENTRIFUGO_REDIS_H

#include <streamrelay/streamrelay.h>

/** Have relays made with these options use this Redis, like redis://127.0.0.1:6379. 0, or -1 after saying on stderr
 *  what is wrong. */
int redis_use(srl_options *options, const char *url);

#endif
