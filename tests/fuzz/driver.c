/*
 * Replays inputs through a fuzz target without libFuzzer: every file of the given folders, and after that a number of
 * inputs made from them by seeded random changes, the same ones in every run.
 *
 *     replay_x [--mutations N] [--seed N] FILE-OR-FOLDER...
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_INPUT = 1 << 20, MAX_INPUTS = 10000, EXTRA = 64 };

typedef struct input {
    char *path;
    uint8_t *data;
    size_t size;
} input;

static input inputs[MAX_INPUTS];
static size_t input_count;
static uint64_t random_state;

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(2);
}

static uint64_t next_random(void)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(size_t bound)
{
    return (size_t)(next_random() % bound);
}

static void *take(size_t size)
{
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL) {
        fail("out of memory", "replay");
    }
    return memory;
}

static void load_file(const char *path)
{
    if (input_count == MAX_INPUTS) {
        fail("too many inputs", path);
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail(strerror(errno), path);
    }
    uint8_t *buffer = take(MAX_INPUT);
    size_t size = fread(buffer, 1, MAX_INPUT, file);
    if (ferror(file) || fgetc(file) != EOF) {
        fail("cannot be read, or is larger than 1 MiB", path);
    }
    fclose(file);
    input *in = &inputs[input_count++];
    in->path = take(strlen(path) + 1);
    memcpy(in->path, path, strlen(path) + 1);
    in->data = take(size);
    memcpy(in->data, buffer, size);
    in->size = size;
    free(buffer);
}

static void load(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        fail(strerror(errno), path);
    }
    if (!S_ISDIR(info.st_mode)) {
        load_file(path);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        fail(strerror(errno), path);
    }
    for (int i = 0; i < count; i++) {
        char child[4096];
        int len = snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
        if (len < 0 || (size_t)len >= sizeof child) {
            fail("path too long", path);
        }
        if (entries[i]->d_name[0] != '.') {
            load(child);
        }
        free(entries[i]);
    }
    free(entries);
}

/* An exact-size copy, so that AddressSanitizer sees every read behind the end. */
static void run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = take(size);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* Cut `del` bytes out at a random place and put up to EXTRA bytes of another input there. */
static size_t splice(uint8_t *data, size_t size, const input *other)
{
    size_t at = below(size + 1);
    size_t del = below(size - at < 8 ? size - at + 1 : 8);
    size_t from = below(other->size + 1);
    size_t add = other->size - from < EXTRA ? other->size - from : EXTRA;
    add = below(add + 1);
    memmove(data + at + add, data + at + del, size - at - del);
    memcpy(data + at, other->data + from, add);
    return size - del + add;
}

static void run_mutated(void)
{
    const input *origin = &inputs[below(input_count)];
    size_t rounds = 1 + below(4);
    uint8_t *data = take(origin->size + rounds * EXTRA);
    size_t size = origin->size;
    memcpy(data, origin->data, size);
    for (size_t i = 0; i < rounds; i++) {
        switch (below(4)) {
        case 0:
            size = below(size + 1);
            break;
        case 1:
            size = splice(data, size, &inputs[below(input_count)]);
            break;
        case 2:
            if (size > 0) {
                data[below(size)] = (uint8_t)next_random();
            }
            break;
        default:
            if (size > 0) {
                data[below(size)] ^= (uint8_t)(1u << below(8));
            }
            break;
        }
    }
    run_copy(data, size);
    free(data);
}

static uint64_t number(const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != '\0') {
        fail("not a number", text);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t mutations = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mutations") == 0 && i + 1 < argc) {
            mutations = number(argv[++i]);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            random_state = number(argv[++i]);
        } else {
            load(argv[i]);
        }
    }
    if (input_count == 0) {
        fail("no inputs", argc > 1 ? argv[argc - 1] : "replay");
    }
    run_copy(NULL, 0);
    for (size_t i = 0; i < input_count; i++) {
        run_copy(inputs[i].data, inputs[i].size);
    }
    for (uint64_t i = 0; i < mutations; i++) {
        run_mutated();
    }
    printf("%zu files and %llu changed inputs replayed\n", input_count, (unsigned long long)mutations);
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].path);
        free(inputs[i].data);
    }
    return 0;
}
