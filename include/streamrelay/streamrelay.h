/*
 * streamrelay.h - all of libstreamrelay.
 */
#ifndef STREAMRELAY_STREAMRELAY_H
#define STREAMRELAY_STREAMRELAY_H

#include <streamrelay/api.h>
#include <streamrelay/broker.h>
#include <streamrelay/channel.h>
#include <streamrelay/cluster.h>
#include <streamrelay/codes.h>
#include <streamrelay/error.h>
#include <streamrelay/events.h>
#include <streamrelay/frame.h>
#include <streamrelay/namespace.h>
#include <streamrelay/options.h>
#include <streamrelay/permissions.h>
#include <streamrelay/platform.h>
#include <streamrelay/redis.h>
#include <streamrelay/redis_broker.h>
#include <streamrelay/redis_command.h>
#include <streamrelay/redis_reply.h>
#include <streamrelay/relay.h>
#include <streamrelay/request.h>
#include <streamrelay/room.h>
#include <streamrelay/session.h>
#include <streamrelay/stream.h>
#include <streamrelay/stream_call.h>
#include <streamrelay/stream_consumer.h>
#include <streamrelay/token.h>
#include <streamrelay/users.h>
#include <streamrelay/version.h>

#endif
