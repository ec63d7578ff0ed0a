/*
 * redis_command.h - saying what Redis shall do.
 *
 * A command is a list of arguments, each any bytes. It is encoded while it is built; sending it copies the small
 * arguments into the connection's output and refers to the large ones where they are.
 *
 * A command that was handed to a connection is shared with it and cannot be changed any more (SRL_ERR_STATE) until the
 * connection has done with it; the caller's reference may be given back at once.
 */
#ifndef STREAMRELAY_REDIS_COMMAND_H
#define STREAMRELAY_REDIS_COMMAND_H

#include <streamrelay/api.h>
#include <streamrelay/platform.h>

SRL_BEGIN_DECLS

/** One command with its arguments. */
typedef struct srl_command srl_command;

/** Arguments of fewer bytes are copied even by srl_command_add_ref(). */
#define SRL_COMMAND_REF_MIN 4096

/** Longest argument: what a server takes unless configured otherwise ("proto-max-bulk-len"). */
#define SRL_COMMAND_MAX_ARG 536870912u

/** Most arguments of one command. */
#define SRL_COMMAND_MAX_ARGS 1048576u

/** Most bytes of one command that are copied. */
#define SRL_COMMAND_MAX_COPIED 1073741824u

/** Called once when nobody reads an argument's memory any more; on whichever thread gives the last reference back. */
typedef void (*srl_command_release_fn)(const void *data, size_t len, void *user);

/**
 * Make an empty command.
 *
 * @param allocator  its memory, copied; NULL: malloc
 * @param out        receives a command; give it back with srl_command_free()
 * @return 0, SRL_ERR_INVALID, SRL_ERR_NOMEM
 */
SRL_API int srl_command_create(const srl_allocator *allocator, srl_command **out);

/**
 * Make a command of arguments that are all copied, in one call.
 *
 * @param argc  1 to SRL_COMMAND_MAX_ARGS
 * @param argv  the arguments
 * @param argvlen  their lengths; NULL: each ends with a zero byte
 * @return as srl_command_append_argv()
 */
SRL_API int srl_command_create_argv(const srl_allocator *allocator, uint32_t argc, const char *const *argv,
                                    const size_t *argvlen, srl_command **out);

/** Give the caller's reference back. */
SRL_API void srl_command_free(srl_command *command);

/**
 * Empty it for use with other arguments, keeping its memory; releases the references it held.
 * @return 0 or SRL_ERR_STATE (a connection still has it)
 */
SRL_API int srl_command_reset(srl_command *command);

/**
 * Add an argument, copied.
 *
 * All functions that add return 0, SRL_ERR_STATE (a connection has it), SRL_ERR_LIMIT (too many arguments),
 * SRL_ERR_TOO_LARGE (argument too long, or too many bytes to copy) or SRL_ERR_NOMEM, and add all or nothing.
 */
SRL_API int srl_command_add(srl_command *command, const void *data, size_t len);

/**
 * Add an argument that is not copied if it has SRL_COMMAND_REF_MIN bytes or more.
 *
 * The memory must stay as it is until `release` is called: at once (within this call) if the argument was copied, else
 * when the command was freed or reset and no connection has it any more. That may be after the command was answered:
 * it is at the latest when the connection has closed. If this call fails, `release` is not called.
 *
 * @param release  may be NULL: then the memory must live as described for the case that it is called
 */
SRL_API int srl_command_add_ref(srl_command *command, const void *data, size_t len, srl_command_release_fn release,
                                void *user);

/** Add a number in decimal. */
SRL_API int srl_command_add_i64(srl_command *command, int64_t number);

/** Add a number in decimal. */
SRL_API int srl_command_add_u64(srl_command *command, uint64_t number);

/** Add a number so that reading it gives exactly the same double; infinities as "inf" and "-inf", else "nan". */
SRL_API int srl_command_add_double(srl_command *command, double number);

/** srl_command_append_argv(): do not copy large arguments; they live as with srl_command_add_ref() without release. */
#define SRL_COMMAND_BORROW 1u

/**
 * Add several arguments: the form for other languages.
 *
 * @param argvlen  their lengths; NULL: each ends with a zero byte
 * @param flags    0 or SRL_COMMAND_BORROW
 * @return as srl_command_add(), SRL_ERR_INVALID; all are added or none
 */
SRL_API int srl_command_append_argv(srl_command *command, uint32_t argc, const char *const *argv, const size_t *argvlen,
                                    uint32_t flags);

/** How many arguments it has, the command's name included. */
SRL_API uint32_t srl_command_count(const srl_command *command);

/**
 * An argument as it was added.
 *
 * @return its bytes, valid until the command changes; NULL and length 0 if there is no argument of that number. The
 *         time it takes grows with `index`.
 */
SRL_API const char *srl_command_arg(const srl_command *command, uint32_t index, size_t *len);

/** Bytes it has on the wire; 0 while it is empty. */
SRL_API uint64_t srl_command_wire_size(const srl_command *command);

SRL_END_DECLS

#endif
