/*
 * streamrelay.h - all of libstreamrelay.
 */
#ifndef STREAMRELAY_STREAMRELAY_H
#define STREAMRELAY_STREAMRELAY_H

#include <streamrelay/api.h>
#include <streamrelay/broker.h>
#include <streamrelay/channel.h>
#include <streamrelay/codes.h>
#include <streamrelay/error.h>
#include <streamrelay/frame.h>
#include <streamrelay/options.h>
#include <streamrelay/platform.h>
#include <streamrelay/relay.h>
#include <streamrelay/request.h>
#include <streamrelay/session.h>
#include <streamrelay/version.h>

#endif
