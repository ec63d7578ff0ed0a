/* The permissions by name, as JSON and explanations have them. */
#ifndef SRL__PERMISSIONS_NAMES_H
#define SRL__PERMISSIONS_NAMES_H

#include <streamrelay/permissions.h>

#include "base/slice.h"

#define SRL__PERM_COUNT 5

/* By the bit's position. */
extern const srl__slice srl__perm_names[SRL__PERM_COUNT];

/* The bits of a permission or of a set ("read_only", "standard", "all"); 0 if there is none of that name. */
uint32_t srl__perm_by_name(srl__slice name);

#endif
