/*
 * frame.h - one encoded message on its way to clients.
 *
 * A publication becomes one frame per wire format, shared by all its receivers by reference. A frame belongs to the
 * thread of its relay; its bytes never change.
 *
 * The byte after the payload is always a newline (it is not counted by srl_frame_len), so a transport that separates
 * messages by lines sends srl_frame_len() + 1 bytes.
 */
#ifndef STREAMRELAY_FRAME_H
#define STREAMRELAY_FRAME_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

/** Longest prefix that fits before a payload: a WebSocket header of a server needs 2, 4 or 10 bytes. */
#define SRL_FRAME_HEADROOM 16

/** The payload: srl_frame_len() bytes of one complete message, followed by a newline that is not counted. */
SRL_API const uint8_t *srl_frame_data(const srl_frame *frame);

/** Bytes of the payload, without the newline behind it. */
SRL_API size_t srl_frame_len(const srl_frame *frame);

/**
 * Put a transport's own header directly before the payload, so that both go out as one piece of memory.
 *
 * The first prefix given to a frame is kept with it; a later call with the same bytes only returns the pointer, so
 * the header is written once however many receivers there are.
 *
 * @param frame       the frame
 * @param prefix      the header
 * @param prefix_len  its length, 1 to SRL_FRAME_HEADROOM
 * @return pointer to prefix_len + srl_frame_len() bytes (and the newline after them); NULL if the frame carries
 *         another prefix already or the length is out of range: then send header and payload as two pieces
 */
SRL_API const uint8_t *srl_frame_with_prefix(srl_frame *frame, const void *prefix, size_t prefix_len);

/** Keep a frame beyond the write call that handed it over. Every reference is given back by srl_frame_unref(). */
SRL_API srl_frame *srl_frame_ref(srl_frame *frame);

/** Give a reference back; on the relay's thread. A frame may outlive its session and its relay. */
SRL_API void srl_frame_unref(srl_frame *frame);

SRL_END_DECLS

#endif
