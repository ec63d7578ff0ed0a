#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFERED = 4096 };

static int file = -1;
static record buffer[BUFFERED];
static size_t buffered;

static void die(const char *what)
{
    fprintf(stderr, "journal: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void show(int fd, journal_fn each, void *user)
{
    ssize_t got;
    off_t whole = 0;
    while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
        size_t count = (size_t)got / sizeof(record);
        for (size_t i = 0; i < count; i++) {
            each(&buffer[i], user);
        }
        whole += (off_t)(count * sizeof(record));
        if (lseek(fd, whole, SEEK_SET) < 0 || count == 0) {
            break;
        }
    }
    if (got < 0 || ftruncate(fd, whole) != 0) {
        die("read");
    }
}

void journal_open(const char *path, journal_fn each, void *user)
{
    file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) {
        die(path);
    }
    show(file, each, user);
}

void journal_flush(void)
{
    const char *at = (const char *)buffer;
    size_t left = buffered * sizeof(record);
    while (left > 0) {
        ssize_t sent = write(file, at, left);
        if (sent < 0 && errno != EINTR) {
            die("write");
        }
        at += sent > 0 ? sent : 0;
        left -= sent > 0 ? (size_t)sent : 0;
    }
    buffered = 0;
}

void journal_add(const record *entry)
{
    buffer[buffered++] = *entry;
    if (buffered == BUFFERED) {
        journal_flush();
    }
}

void journal_close(void)
{
    journal_flush();
    close(file);
    file = -1;
}

uint64_t epoch_number(srl_text epoch)
{
    uint64_t number = 0, hash = UINT64_C(14695981039346656037);
    bool is_decimal = true;
    for (size_t i = 0; i < epoch.len; i++) {
        is_decimal = is_decimal && epoch.data[i] >= '0' && epoch.data[i] <= '9';
        number = number * 10 + (uint64_t)(epoch.data[i] - '0');
        hash = (hash ^ (uint8_t)epoch.data[i]) * UINT64_C(1099511628211);
    }
    return is_decimal ? number : hash;
}
