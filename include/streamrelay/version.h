/*
 * version.h - which library this is, at compile time and at run time.
 */
#ifndef STREAMRELAY_VERSION_H
#define STREAMRELAY_VERSION_H

#include <streamrelay/api.h>

SRL_BEGIN_DECLS

#define SRL_VERSION_MAJOR 0
#define SRL_VERSION_MINOR 1
#define SRL_VERSION_PATCH 0
#define SRL_VERSION       "0.1.0"

/** SRL_VERSION as one comparable number: major * 10000 + minor * 100 + patch. */
#define SRL_VERSION_NUMBER 100

/** Changes only when a program built against an older header would break. It is the SOVERSION. */
#define SRL_ABI_VERSION 0

/** The version of the library that is loaded, like "0.1.0". Never NULL. */
SRL_API const char *srl_version(void);

/** The SRL_VERSION_NUMBER of the library that is loaded. */
SRL_API uint32_t srl_version_number(void);

/** The SRL_ABI_VERSION of the library that is loaded; compare it with the header's at start-up. */
SRL_API uint32_t srl_abi_version(void);

SRL_END_DECLS

#endif
