#include "helpers/fake_redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void sleep_ms(uint32_t ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}

/* False: it was told to stop, or 10 s have passed. */
static bool wait_readable(srl_test_fake *fake, int fd)
{
    for (int i = 0; i < 1000 && !atomic_load(&fake->stopping); i++) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        if (poll(&one, 1, 10) > 0) {
            return true;
        }
    }
    return false;
}

static bool take_number(const char *text, size_t len, size_t *at, char type, size_t *out)
{
    size_t n = 0;
    if (*at >= len || text[*at] != type) {
        return false;
    }
    for (++*at; *at < len && text[*at] != '\r'; ++*at) {
        n = n * 10 + (size_t)(text[*at] - '0');
    }
    *at += 2;
    *out = n;
    return *at <= len;
}

/* The first whole command of the input, its arguments joined; its length on the wire, 0 if it is not complete. */
static size_t first_command(const srl_test_fake *fake, char *out, size_t room)
{
    size_t at = 0, count = 0, written = 0;
    if (!take_number(fake->input, fake->input_len, &at, '*', &count)) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len;
        if (!take_number(fake->input, fake->input_len, &at, '$', &len) || fake->input_len - at < len + 2) {
            return 0;
        }
        if (i > 0 && written + 1 < room) {
            out[written++] = ' ';
        }
        size_t part = len < room - 1 - written ? len : room - 1 - written;
        memcpy(out + written, fake->input + at, part);
        written += part;
        at += len + 2;
    }
    out[written] = '\0';
    return at;
}

static bool receive(srl_test_fake *fake)
{
    if (fake->client < 0 || fake->input_len == sizeof(fake->input) || !wait_readable(fake, fake->client)) {
        return false;
    }
    ssize_t got = recv(fake->client, fake->input + fake->input_len, sizeof(fake->input) - fake->input_len, 0);
    fake->input_len += got > 0 ? (size_t)got : 0;
    return got > 0;
}

static bool expect(srl_test_fake *fake, const srl_test_step *step)
{
    static char command[65536];
    size_t used;
    while ((used = first_command(fake, command, sizeof(command))) == 0) {
        if (!receive(fake)) {
            if (!atomic_load(&fake->stopping)) {
                snprintf(fake->failure, sizeof(fake->failure), "\"%.100s\" expected, nothing came", step->text);
            }
            return false;
        }
    }
    fake->input_len -= used;
    memmove(fake->input, fake->input + used, fake->input_len);
    bool same = step->what == FAKE_DO_PREFIX ? strncmp(command, step->text, strlen(step->text)) == 0
                                             : strcmp(command, step->text) == 0;
    if (!same) {
        snprintf(fake->failure, sizeof(fake->failure), "\"%.100s\" expected, \"%.100s\" came", step->text, command);
    }
    return same;
}

static void hang_up(srl_test_fake *fake, bool reset)
{
    if (fake->client >= 0) {
        if (reset) {
            struct linger linger = {.l_onoff = 1, .l_linger = 0};
            setsockopt(fake->client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        }
        close(fake->client);
    }
    fake->client = -1;
    fake->input_len = 0;
}

static bool send_all(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        text += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool play_step(srl_test_fake *fake, const srl_test_step *step)
{
    switch (step->what) {
    case FAKE_DO_ACCEPT:
        hang_up(fake, false);
        if (!wait_readable(fake, fake->listener)) {
            return false;
        }
        fake->client = accept(fake->listener, NULL, NULL);
        return fake->client >= 0;
    case FAKE_DO_EXPECT:
    case FAKE_DO_PREFIX:
        return expect(fake, step);
    case FAKE_DO_SEND:
        return send_all(fake->client, step->text) || true;
    case FAKE_DO_SLEEP:
        sleep_ms(step->ms);
        return true;
    case FAKE_DO_SWALLOW:
        while (receive(fake)) {
            fake->input_len = 0;
        }
        return true;
    default:
        hang_up(fake, step->what == FAKE_DO_RESET);
        return true;
    }
}

static void *play(void *argument)
{
    srl_test_fake *fake = argument;
    while (atomic_load(&fake->at) < fake->count && play_step(fake, &fake->steps[atomic_load(&fake->at)])) {
        atomic_fetch_add(&fake->at, 1);
    }
    if (fake->failure[0] != '\0') {
        hang_up(fake, false);
    }
    return NULL;
}

void srl_test_fake_start(srl_test_fake *fake, const srl_test_step *steps, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    memset(fake, 0, sizeof(*fake));
    fake->client = -1;
    fake->steps = steps;
    fake->count = count;
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fake->listener < 0 || bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fake->listener, 64) != 0 || getsockname(fake->listener, (struct sockaddr *)&address, &len) != 0) {
        perror("fake server");
        abort();
    }
    fake->port = ntohs(address.sin_port);
    snprintf(fake->url, sizeof(fake->url), "redis://127.0.0.1:%u?client_info=false", (unsigned)fake->port);
    if (pthread_create(&fake->thread, NULL, play, fake) != 0) {
        abort();
    }
}

void srl_test_fake_stop(srl_test_fake *fake)
{
    for (int i = 0; i < 1000 && atomic_load(&fake->at) < fake->count && fake->failure[0] == '\0'; i++) {
        sleep_ms(10);
    }
    atomic_store(&fake->stopping, true);
    pthread_join(fake->thread, NULL);
    hang_up(fake, false);
    close(fake->listener);
    if (fake->failure[0] != '\0' || atomic_load(&fake->at) < fake->count) {
        fprintf(stderr, "fake server: step %zu of %zu: %s\n", atomic_load(&fake->at), fake->count,
                fake->failure[0] != '\0' ? fake->failure : "was not reached");
        abort();
    }
}
