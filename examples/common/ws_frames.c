#include "ws_frames.h"

#include <string.h>

#include "websocket.h"

#define FRAMES_PER_CALL 256
#define MERGED_MAX      65536

static server_piece make_piece(srl_frame *frame)
{
    uint8_t header[WS_HEADER_MAX];
    size_t header_len = ws_write_header(header, WS_OPCODE_TEXT, srl_frame_len(frame));
    return (server_piece){srl_frame_with_prefix(frame, header, header_len), header_len + srl_frame_len(frame), frame};
}

int64_t ws_frames_write(server_conn *conn, srl_frame *const *frames, size_t count)
{
    server_piece pieces[FRAMES_PER_CALL];
    size_t taken = 0;
    while (taken < count) {
        size_t batch = count - taken < FRAMES_PER_CALL ? count - taken : FRAMES_PER_CALL;
        for (size_t i = 0; i < batch; i++)
            pieces[i] = make_piece(frames[taken + i]);
        int64_t n = server_conn_write(conn, pieces, batch);
        if (n < 0)
            return n;
        taken += (size_t)n;
        if ((size_t)n < batch)
            break;
    }
    return (int64_t)taken;
}

/* How many frames one message has, and their bytes with what is between them. */
static size_t measure(srl_frame *const *frames, size_t count, size_t separator_len, size_t *bytes)
{
    size_t taken = 1;
    *bytes = srl_frame_len(frames[0]);
    while (taken < count && *bytes + separator_len + srl_frame_len(frames[taken]) <= MERGED_MAX)
        *bytes += separator_len + srl_frame_len(frames[taken++]);
    return taken;
}

static int write_merged(server_conn *conn, srl_frame *const *frames, size_t count, size_t separator_len, size_t bytes)
{
    uint8_t message[WS_HEADER_MAX + MERGED_MAX];
    size_t at = ws_write_header(message, WS_OPCODE_TEXT, bytes);
    for (size_t i = 0; i < count; i++) {
        size_t len = srl_frame_len(frames[i]) + (i + 1 < count ? separator_len : 0);
        memcpy(message + at, srl_frame_data(frames[i]), len);
        at += len;
    }
    return server_conn_write_copy(conn, message, at);
}

int64_t ws_frames_write_merged(server_conn *conn, srl_frame *const *frames, size_t count, size_t separator_len)
{
    size_t taken = 0;
    while (taken < count) {
        size_t bytes;
        size_t batch = measure(frames + taken, count - taken, separator_len, &bytes);
        int64_t sent = batch == 1 ? ws_frames_write(conn, frames + taken, 1)
                                  : write_merged(conn, frames + taken, batch, separator_len, bytes);
        if (sent < 0)
            return sent;
        if (sent == 0)
            break;
        taken += batch;
    }
    return (int64_t)taken;
}

void ws_frames_keep(void *frame, void *user)
{
    (void)user;
    srl_frame_ref(frame);
}

void ws_frames_drop(void *frame, void *user)
{
    (void)user;
    srl_frame_unref(frame);
}
