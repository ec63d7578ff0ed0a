/*
 * ws_frames.h - frames of the library on WebSockets of the server: each one a message, or several in one.
 */
#ifndef EXAMPLES_WS_FRAMES_H
#define EXAMPLES_WS_FRAMES_H

#include <streamrelay/streamrelay.h>

#include "server.h"

/** As srl_transport's write, each frame a message. Its header is written once, into the frame, however many receivers
 *  there are. */
int64_t ws_frames_write(server_conn *conn, srl_frame *const *frames, size_t count);

/** The same for clients that take messages apart: a message has as many frames as 64 KiB hold, at least one, each but
 *  the last with the `separator_len` bytes that stand behind it (srl_session_separator_len()). */
int64_t ws_frames_write_merged(server_conn *conn, srl_frame *const *frames, size_t count, size_t separator_len);

/** For server_handler's keep and drop. */
void ws_frames_keep(void *frame, void *user);
void ws_frames_drop(void *frame, void *user);

#endif
