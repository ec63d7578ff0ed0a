/* The table of options: X(scope, type, member of srl__settings, name, default, lowest, highest, text).
 * Numbers are in the type's base unit: bytes, milliseconds; of a text, its length. docs/options.md is made from it. */
#ifndef SRL__OPTIONS_TABLE_H
#define SRL__OPTIONS_TABLE_H

#define SRL__HOUR UINT64_C(3600000)
#define SRL__DAY  (24 * SRL__HOUR)

#define SRL__RELAY_OPTIONS(X)                                                                                          \
    X(RELAY, DURATION, ping_interval, "25s", 0, SRL__HOUR, "How often a session is sent a ping. 0: never.")            \
    X(RELAY, DURATION, pong_timeout, "10s", 1, SRL__HOUR,                                                              \
      "How long a client that said it answers pings may take before it is disconnected with 3012. Shorter than "       \
      "ping_interval.")                                                                                                \
    X(RELAY, DURATION, connect_timeout, "15s", 1, SRL__HOUR,                                                           \
      "How long a new session may take to connect before it is disconnected with 3502.")                               \
    X(RELAY, DURATION, close_timeout, "5s", 0, SRL__HOUR,                                                              \
      "How long a session that is being disconnected may take to send what waits in its queue.")                       \
    X(RELAY, DURATION, expired_close_delay, "25s", 0, SRL__HOUR,                                                       \
      "How long a client that was told when it has to refresh may be late before it is disconnected with 3005.")       \
    X(RELAY, DURATION, expired_sub_close_delay, "25s", 0, SRL__HOUR,                                                   \
      "Likewise for a subscription, which is ended with 2501, or with disconnect 3006 if the host made it.")           \
    X(RELAY, BOOL, allow_anonymous, "false", 0, 1,                                                                     \
      "Whether sessions without a user id may connect. Without a connect hook every session is one.")                  \
    X(RELAY, NUMBER, max_sessions, "1000000", 1, UINT32_MAX,                                                           \
      "Open sessions. Past it srl_session_open() returns SRL_ERR_LIMIT.")                                              \
    X(RELAY, NUMBER, max_user_sessions, "1000", 1, UINT32_MAX,                                                         \
      "Sessions of one user, on this relay; anonymous ones are not counted. Past it: disconnect 3504.")                \
    X(RELAY, BYTES, max_user_length, "128", 1, 65535, "Length of a user id.")                                          \
    X(RELAY, BYTES, max_info_bytes, "4k", 2, 1048576, "Length of the JSON that a user shows to others.")               \
    X(RELAY, NUMBER, max_channels, "128", 1, 1000000, "Channels of one session. Past it: error 106.")                  \
    X(RELAY, BYTES, max_channel_length, "255", 1, 4096, "Length of a channel name. Past it: error 107.")               \
    X(RELAY, NUMBER, max_rooms, "1000000", 1, UINT32_MAX,                                                              \
      "Channels with subscribers on this relay. Past it: error 106.")                                                  \
    X(RELAY, BYTES, max_message_bytes, "64k", 64, 67108864,                                                            \
      "Length of one incoming message. Past it: disconnect 3501.")                                                     \
    X(RELAY, NUMBER, max_commands, "256", 1, 1000000, "Commands in one incoming message. Past it: disconnect 3501.")   \
    X(RELAY, NUMBER, max_json_depth, "32", 3, 128,                                                                     \
      "Arrays and objects inside each other in JSON. Past it: error 107.")                                             \
    X(RELAY, BYTES, max_queue_bytes, "1m", 1024, UINT32_MAX,                                                           \
      "Bytes that may wait for a transport that takes no more. Past it: disconnect 3008 (slow).")                      \
    X(RELAY, BYTES, max_input_bytes, "128k", 64, 67108864,                                                             \
      "Bytes of commands that may wait behind one that the host has not answered yet. Past it: disconnect 3013.")      \
    X(RELAY, NUMBER, publish_rate, "100", 0, 1000000,                                                                  \
      "Publications per second of one session, on average. 0: as many as it likes. Past it: error 111.")               \
    X(RELAY, NUMBER, publish_burst, "200", 1, 1000000, "Publications that one session may send at once.")              \
    X(RELAY, NUMBER, max_history_read, "1000", 1, 1000000, "Publications in the answer to one history command.")       \
    X(RELAY, NUMBER, max_recovery, "5000", 1, 1000000,                                                                 \
      "Publications that a subscription may have missed and still be recovered.")                                      \
    X(RELAY, BYTES, max_recovery_bytes, "16m", 1024, 134217728,                                                        \
      "Bytes of publications that a reply of Centrifugo's protocol may hold for what is recovered: one subscription, " \
      "or with connect all together. "                                                                                 \
      "What the native protocol recovers has to fit into max_queue_bytes.")                                            \
    X(RELAY, NUMBER, max_presence_users, "1000", 0, 1000000,                                                           \
      "Users listed in the answer to one presence command; the counts are always of all.")                             \
    X(RELAY, NUMBER, max_posted, "65536", 1, UINT32_MAX,                                                               \
      "Functions that may wait after srl_relay_post(). Past it: SRL_ERR_LIMIT.")                                       \
    X(RELAY, NUMBER, max_events, "65536", 1, UINT32_MAX,                                                               \
      "Events that may wait for the event hook within one turn; what comes past it is counted and dropped.")           \
    X(RELAY, NUMBER, max_members, "10000", 1, 1000000, "Names in the answer to one list of members or groups.")        \
    X(RELAY, NUMBER, work_budget, "1024", 1, UINT32_MAX,                                                               \
      "Timers, posted functions and deliveries of each kind that one srl_relay_process() handles.")                    \
    X(RELAY, NUMBER, max_surveys, "64", 1, 65536,                                                                      \
      "Surveys and lists of nodes that may be under way on this relay, and questions of others that may wait for the " \
      "survey hook's answer. Past it: SRL_ERR_LIMIT.")                                                                 \
    X(RELAY, BYTES, max_survey_bytes, "64k", 64, 1048576,                                                              \
      "Length of a survey's question, and of the answer of this relay. Past it: SRL_ERR_TOO_LARGE.")                   \
    X(RELAY, TEXT, node_name, "", 0, SRL__NODE_NAME_MAX, "What this relay is called in lists of nodes and in surveys.")

#define SRL__CHANNEL_OPTIONS(X)                                                                                        \
    X(CHANNEL, NUMBER, history_size, "0", 0, 1000000,                                                                  \
      "Publications that a channel keeps. 0: no history, no offsets, no recovery.")                                    \
    X(CHANNEL, DURATION, history_ttl, "1h", 0, 3650 * SRL__DAY, "How long a publication is kept. 0: no age limit.")    \
    X(CHANNEL, DURATION, history_meta_ttl, "30d", 0, 3650 * SRL__DAY,                                                  \
      "How long offset and epoch of an unused channel outlive its last publication. 0: for ever.")                     \
    X(CHANNEL, BOOL, presence, "false", 0, 1, "Whether subscribers may ask who is in the channel.")                    \
    X(CHANNEL, JOIN_LEAVE, join_leave, "off", 0, SRL__JOIN_LEAVE_BOTH,                                                 \
      "Whether subscribers are told of others coming and going: each session, each user (first session in, last "      \
      "session out), or both.")                                                                                        \
    X(CHANNEL, BOOL, subscribe, "true", 0, 1,                                                                          \
      "Whether connected users may subscribe. Only used where no subscribe hook is set.")                              \
    X(CHANNEL, BOOL, publish, "false", 0, 1,                                                                           \
      "Whether subscribers of the channel may publish. Only used where no publish hook is set.")                       \
    X(CHANNEL, BOOL, anonymous, "false", 0, 1, "Whether the two options above hold for anonymous users too.")          \
    X(CHANNEL, BOOL, publish_outside, "false", 0, 1, "Whether those who may publish need not be subscribed.")          \
    X(CHANNEL, BOOL, presence_outside, "false", 0, 1, "Whether those who may read presence need not be subscribed.")   \
    X(CHANNEL, BOOL, history_outside, "false", 0, 1, "Whether those who may read history need not be subscribed.")     \
    X(CHANNEL, ROOM, room, "open", 0, SRL__ROOM_PERSONAL,                                                              \
      "Who may enter beside what permissions say. open: anybody; group: members, see room.h; direct: the two users "   \
      "that the channel is named after; personal: the user whose id follows the namespace's prefix.")                  \
    X(CHANNEL, RECOVERY, recovery, "client", 0, SRL__RECOVERY_ON,                                                      \
      "Whether a subscription is recovered: when the client asks for it, never, or whenever it names a position.")     \
    X(CHANNEL, RECOVERY, positioning, "client", 0, SRL__RECOVERY_ON,                                                   \
      "Whether a subscription by Centrifugo's protocol without recovery is ended (2500) when publications for it may " \
      "have been lost: when the client asks for it, never, or always.")                                                \
    X(CHANNEL, RECOVERY_MODE, recovery_mode, "stream", 0, SRL__RECOVERY_CACHE,                                         \
      "What recovery brings: all publications that were missed, or only the newest one there is.")                     \
    X(CHANNEL, BOOL, cache_on_subscribe, "false", 0, 1,                                                                \
      "With recovery_mode cache: whether every subscription begins with the newest publication.")                      \
    X(CHANNEL, PUSH, push_join_leave, "client", 0, SRL__PUSH_ON,                                                       \
      "Whether clients of Centrifugo's protocol are told of joins and leaves if they ask for it, or all of them.")     \
    X(CHANNEL, BOOL, delta, "false", 0, 1,                                                                             \
      "Whether clients of Centrifugo's protocol may have publications as patches of the one before.")                  \
    X(CHANNEL, BOOL, tags_filter, "false", 0, 1,                                                                       \
      "Whether clients of Centrifugo's protocol may filter publications by their tags. Else: error 107.")              \
    X(CHANNEL, BOOL, compaction, "false", 0, 1,                                                                        \
      "Whether clients of Centrifugo's protocol that can are sent a number for the channel's name.")                   \
    X(CHANNEL, POSITIONS, positions, "off", 0, SRL__POSITIONS_DELIVERY,                                                \
      "Whether the broker keeps how far each user has come, and what moves it: the client's ack, or delivery.")        \
    X(CHANNEL, DURATION, position_ttl, "30d", 0, 3650 * SRL__DAY,                                                      \
      "How long a user's position is kept after it was last moved. 0: for ever.")                                      \
    X(CHANNEL, DURATION, position_check, "40s", 0, SRL__DAY,                                                           \
      "How often a room compares its position with the broker's, to notice publications that never came. 0: never. "   \
      "Not used where the broker does that itself, as the Redis broker does.")                                         \
    X(CHANNEL, FORMAT, data_format, "any", 0, SRL__DATA_OBJECT,                                                        \
      "What a publication by a client may be: any JSON value, or an object only. Else: error 107.")                    \
    X(CHANNEL, NUMBER, channel_rate, "0", 0, 1000000,                                                                  \
      "Publications per second by all clients of this relay into the channel, while it has subscribers. 0: no limit. " \
      "Past it: error 111.")                                                                                           \
    X(CHANNEL, DURATION, idle_lifetime, "0", 0, SRL__DAY,                                                              \
      "How long a room without subscribers stays, so that one who comes back at once finds it open.")                  \
    X(CHANNEL, NUMBER, max_subscribers, "1000000", 1, UINT32_MAX,                                                      \
      "Sessions in the channel on this relay. Past it: error 106.")                                                    \
    X(CHANNEL, BYTES, max_publish_bytes, "64k", 1, 67108864, "Length of one publication's JSON. Past it: error 107.")  \
    X(CHANNEL, DURATION, idempotency_window, "5m", 1, 30 * SRL__DAY,                                                   \
      "How long the idempotency key of a publication is remembered, so that a repeated one is not published again.")

#endif
