/* The values of all options, as the engine reads them. The table that names them is options_table.h. */
#ifndef SRL__SETTINGS_H
#define SRL__SETTINGS_H

#include <stdint.h>

/* Values of the choice "join_leave", as bits. */
enum { SRL__JOIN_LEAVE_OFF = 0, SRL__JOIN_LEAVE_SESSION = 1, SRL__JOIN_LEAVE_USER = 2, SRL__JOIN_LEAVE_BOTH = 3 };

/* Values of the other choices, in the order of their words. */
typedef enum srl__room_kind { SRL__ROOM_OPEN, SRL__ROOM_GROUP, SRL__ROOM_DIRECT, SRL__ROOM_PERSONAL } srl__room_kind;
typedef enum srl__recovery { SRL__RECOVERY_CLIENT, SRL__RECOVERY_OFF, SRL__RECOVERY_ON } srl__recovery;
typedef enum srl__recovery_mode { SRL__RECOVERY_STREAM, SRL__RECOVERY_CACHE } srl__recovery_mode;
typedef enum srl__push { SRL__PUSH_CLIENT, SRL__PUSH_ON } srl__push;
typedef enum srl__positions { SRL__POSITIONS_OFF, SRL__POSITIONS_ACK, SRL__POSITIONS_DELIVERY } srl__positions;
typedef enum srl__data_format { SRL__DATA_ANY, SRL__DATA_OBJECT } srl__data_format;

#define SRL__NODE_NAME_MAX 128

typedef struct srl__channel_settings {
    uint64_t history_size;
    uint64_t history_ttl;
    uint64_t history_meta_ttl;
    uint64_t presence;
    uint64_t join_leave;
    uint64_t subscribe;
    uint64_t publish;
    uint64_t anonymous;
    uint64_t publish_outside;
    uint64_t presence_outside;
    uint64_t history_outside;
    uint64_t room;
    uint64_t recovery;
    uint64_t positioning;
    uint64_t recovery_mode;
    uint64_t cache_on_subscribe;
    uint64_t push_join_leave;
    uint64_t delta;
    uint64_t tags_filter;
    uint64_t compaction;
    uint64_t positions;
    uint64_t position_ttl;
    uint64_t position_check;
    uint64_t data_format;
    uint64_t channel_rate;
    uint64_t idle_lifetime;
    uint64_t max_subscribers;
    uint64_t max_publish_bytes;
    uint64_t idempotency_window;
} srl__channel_settings;

typedef struct srl__settings {
    uint64_t ping_interval;
    uint64_t pong_timeout;
    uint64_t connect_timeout;
    uint64_t close_timeout;
    uint64_t expired_close_delay;
    uint64_t expired_sub_close_delay;
    uint64_t allow_anonymous;
    uint64_t max_sessions;
    uint64_t max_user_sessions;
    uint64_t max_user_length;
    uint64_t max_info_bytes;
    uint64_t max_channels;
    uint64_t max_channel_length;
    uint64_t max_rooms;
    uint64_t max_message_bytes;
    uint64_t max_commands;
    uint64_t max_json_depth;
    uint64_t max_queue_bytes;
    uint64_t max_input_bytes;
    uint64_t publish_rate;
    uint64_t publish_burst;
    uint64_t max_history_read;
    uint64_t max_recovery;
    uint64_t max_recovery_bytes;
    uint64_t max_presence_users;
    uint64_t max_posted;
    uint64_t max_events;
    uint64_t max_members;
    uint64_t work_budget;
    uint64_t max_surveys;
    uint64_t max_survey_bytes;
    char node_name[SRL__NODE_NAME_MAX + 1]; /* terminated */
    srl__channel_settings channel;
} srl__settings;

#endif
