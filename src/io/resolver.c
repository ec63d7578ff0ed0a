#include "io/resolver.h"

#include <streamrelay/error.h>

#include "base/alloc.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

struct srl__resolution {
    pthread_mutex_t lock;
    srl_allocator alloc; /* malloc: the last of two threads frees it */
    int64_t process;
    void (*wake)(void *user); /* NULL: nobody waits any more */
    void *user;
    bool over;
    int error;
    struct addrinfo *found;
    uint16_t port;
    char *host;
    size_t host_size;
};

static void free_resolution(srl__resolution *r)
{
    srl_allocator alloc = r->alloc;
    if (r->found != NULL) {
        freeaddrinfo(r->found);
    }
    pthread_mutex_destroy(&r->lock);
    srl__free(&alloc, r->host, r->host_size);
    srl__free(&alloc, r, sizeof(*r));
}

static int error_of(int result)
{
    if (result == 0) {
        return SRL_OK;
    }
    return result == EAI_MEMORY ? SRL_ERR_NOMEM : SRL_ERR_REDIS_RESOLVE;
}

static void *look_up(void *argument)
{
    srl__resolution *r = argument;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(r->host, NULL, &hints, &found);
    pthread_mutex_lock(&r->lock);
    r->found = result == 0 ? found : NULL;
    r->error = error_of(result);
    r->over = true;
    bool unwanted = r->wake == NULL;
    if (!unwanted) {
        r->wake(r->user);
    }
    pthread_mutex_unlock(&r->lock);
    if (unwanted) {
        free_resolution(r);
    }
    return NULL;
}

static int start_thread(srl__resolution *r)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0) {
        return SRL_ERR_SYSTEM;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attributes, look_up, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed != 0 ? SRL_ERR_SYSTEM : SRL_OK;
}

int srl__resolver_start(const char *host, uint16_t port, void (*wake)(void *user), void *user, srl__resolution **out)
{
    srl_allocator alloc;
    srl_allocator_init(&alloc, sizeof(alloc));
    srl__resolution *r = srl__alloc_zeroed(&alloc, sizeof(*r));
    if (r == NULL) {
        return SRL_ERR_NOMEM;
    }
    r->alloc = alloc;
    r->host_size = strlen(host) + 1;
    r->host = srl__copy_bytes(&alloc, host, r->host_size);
    r->port = port;
    r->wake = wake;
    r->user = user;
    r->process = srl__process_id();
    if (r->host == NULL || pthread_mutex_init(&r->lock, NULL) != 0) {
        srl__free(&alloc, r->host, r->host_size);
        srl__free(&alloc, r, sizeof(*r));
        return SRL_ERR_NOMEM;
    }
    int error = start_thread(r);
    if (error != SRL_OK) {
        free_resolution(r);
        return error;
    }
    *out = r;
    return SRL_OK;
}

static void take_address(const struct addrinfo *from, uint16_t port, srl__address *out)
{
    memcpy(out->bytes, from->ai_addr, from->ai_addrlen);
    out->len = (uint32_t)from->ai_addrlen;
    if (from->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)out->bytes)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)(void *)out->bytes)->sin_port = htons(port);
    }
}

bool srl__resolver_done(srl__resolution *r, srl__address *addresses, uint32_t max, uint32_t *count, int *error)
{
    pthread_mutex_lock(&r->lock);
    bool over = r->over;
    pthread_mutex_unlock(&r->lock);
    if (!over) {
        return false;
    }
    *count = 0;
    *error = r->error;
    for (const struct addrinfo *at = r->found; at != NULL && *count < max; at = at->ai_next) {
        bool known = at->ai_family == AF_INET || at->ai_family == AF_INET6;
        if (known && at->ai_addrlen <= sizeof(addresses->bytes)) {
            take_address(at, r->port, &addresses[(*count)++]);
        }
    }
    if (*count == 0 && *error == SRL_OK) {
        *error = SRL_ERR_REDIS_RESOLVE;
    }
    return true;
}

void srl__resolver_end(srl__resolution *r)
{
    if (r == NULL || r->process != srl__process_id()) {
        return; /* the thread is not in the child, and may have held the lock */
    }
    pthread_mutex_lock(&r->lock);
    bool over = r->over;
    r->wake = NULL;
    pthread_mutex_unlock(&r->lock);
    if (over) {
        free_resolution(r);
    }
}
