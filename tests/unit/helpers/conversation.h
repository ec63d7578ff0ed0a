/* Conversations of clients with a relay, written down as text and played.
 *
 * One step per line; empty lines and those that begin with # say nothing. Steps:
 *
 *   set NAME VALUE           an option of the relay; before anything else
 *   namespace PREFIX [NAME=VALUE...]
 *   hooks NAME...            hooks to set (connect is): subscribe publish rpc refresh sub_refresh message presence
 * history open X [KIND]            a client of one letter: centrifugo (the usual), native, detect, emulated, pushes,
 *                            emulated-pushes
 *   X> TEXT                  it sends a message; " | " stands for the newline between two commands
 *   X+ PARAMS                the host connects it
 *   X< PATTERN               the next frame it was sent; * stands for anything
 *   X-                       it was sent nothing more
 *   X! CODE REASON           it was closed
 *   X.                       it goes away
 *   publish CHANNEL JSON     by the host
 *   tagged CHANNEL TAGS JSON likewise; transient CHANNEL JSON; forget CHANNEL
 *   advance MS
 *   subscribe X CHANNEL [OPTIONS], unsubscribe X CHANNEL CODE, disconnect X CODE, send X JSON, expire X MS,
 *   expire-sub X CHANNEL MS; OPTIONS are ;info=J ;data=J ;ttl=MS ;host ;since=OFFSET behind the channel
 *
 * Hooks answer as the client's token (with publish, rpc and message: the method or data) says, in words: user=U,
 * info=J, data=J, ttl=MS, host (the host refreshes), sub=CHANNEL[;info=J][;data=J][;ttl=MS], no=CODE, off=CODE. */
#ifndef SRL_TEST_CONVERSATION_H
#define SRL_TEST_CONVERSATION_H

/* How messages are brought to the relay; what is answered must be the same. */
typedef enum conversation_mode {
    CONVERSATION_AS_WRITTEN,
    CONVERSATION_ONE_BY_ONE, /* each command in a message of its own */
    CONVERSATION_SPACED,     /* with carriage returns between commands, and a newline at the end */
    CONVERSATION_DELAYED     /* one by one, with a broker that answers and delivers later */
} conversation_mode;

/* Plays the file; fails the test that is running at the first step that goes wrong. */
void conversation_play(const char *path, conversation_mode mode);

/* Plays it once for each allocation it makes, which fails, alone and with all that come after it: whatever is answered
 * then, nothing may crash, break the rules of transports, or be left. */
void conversation_play_failing(const char *path);

#endif
