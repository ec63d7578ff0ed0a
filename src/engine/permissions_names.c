#include "engine/permissions_names.h"

#define NAME(literal)                                                                                                  \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    }

const srl__slice srl__perm_names[SRL__PERM_COUNT] = {NAME("subscribe"), NAME("publish"), NAME("presence"),
                                                     NAME("history"), NAME("join_leave")};

static const struct {
    srl__slice name;
    uint32_t bits;
} sets[] = {
    {NAME("read_only"), SRL_PERM_READ_ONLY},
    {NAME("standard"), SRL_PERM_STANDARD},
    {NAME("all"), SRL_PERM_ALL},
};

uint32_t srl__perm_by_name(srl__slice name)
{
    for (uint32_t i = 0; i < SRL__PERM_COUNT; i++) {
        if (srl__slice_equal(name, srl__perm_names[i])) {
            return 1U << i;
        }
    }
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (srl__slice_equal(name, sets[i].name)) {
            return sets[i].bits;
        }
    }
    return SRL_PERM_NONE;
}
