/* --redis URL: the program is one of any number of processes that are one whole. */
#ifndef EXAMPLES_USE_REDIS_H
#define EXAMPLES_USE_REDIS_H

#include <streamrelay/streamrelay.h>

/** Set a broker that meets others at the server of this URL, under this prefix. On failure it says on stderr what is
 *  wrong. 0 or a code of error.h. */
int use_redis(srl_options *options, const char *url, const char *prefix);

#endif
