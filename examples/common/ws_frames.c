#include "ws_frames.h"

#include "websocket.h"

#define FRAMES_PER_CALL 256

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
