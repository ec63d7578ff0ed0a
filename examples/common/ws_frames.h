/*
 * ws_frames.h - frames of the library on WebSockets of the server: each one a message. The header of a message is
 * written once, into the frame, however many receivers there are.
 */
#ifndef EXAMPLES_WS_FRAMES_H
#define EXAMPLES_WS_FRAMES_H

#include <streamrelay/streamrelay.h>

#include "server.h"

/** As srl_transport's write. */
int64_t ws_frames_write(server_conn *conn, srl_frame *const *frames, size_t count);

/** For server_handler's keep and drop. */
void ws_frames_keep(void *frame, void *user);
void ws_frames_drop(void *frame, void *user);

#endif
