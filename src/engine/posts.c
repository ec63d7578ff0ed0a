#include "engine/posts.h"

#include <streamrelay/error.h>

void srl__posts_init(srl_relay *relay)
{
    (void)pthread_mutex_init(&relay->posts.lock, NULL);
}

static void list_free(srl_relay *relay, srl__post_list *list)
{
    srl__free(&relay->alloc, list->items, list->capacity * sizeof(*list->items));
    memset(list, 0, sizeof(*list));
}

void srl__posts_free(srl_relay *relay)
{
    (void)pthread_mutex_destroy(&relay->posts.lock);
    list_free(relay, &relay->posts.waiting);
    list_free(relay, &relay->posts.batch);
}

static int append(srl_relay *relay, srl__post_list *list, srl__post post)
{
    void *items = list->items;

    if (list->count >= relay->settings.max_posted) {
        return SRL_ERR_LIMIT;
    }
    if (list->count == list->capacity) {
        if (!srl__grow_array(&relay->alloc, &items, &list->capacity, list->count + 1, UINT32_MAX,
                             sizeof(*list->items))) {
            return SRL_ERR_NOMEM;
        }
        list->items = items;
    }
    list->items[list->count++] = post;
    return SRL_OK;
}

int srl_relay_post(srl_relay *relay, srl_post_fn function, void *user)
{
    srl__posts *posts = &relay->posts;
    int error = SRL_OK;

    if (function == NULL) {
        return SRL_ERR_INVALID;
    }
    (void)pthread_mutex_lock(&posts->lock);
    error = append(relay, &posts->waiting, (srl__post){function, user});
    (void)pthread_mutex_unlock(&posts->lock);
    if (error == SRL_OK) {
        relay->poller->ops->wake(relay->poller);
    }
    return error;
}

/* Once the batch is worked off: take over what gathered meanwhile. False if there is nothing. */
static bool next_batch(srl_relay *relay)
{
    srl__posts *posts = &relay->posts;
    srl__post_list done = posts->batch;

    if (posts->batch_next < posts->batch.count) {
        return true;
    }
    done.count = 0;
    (void)pthread_mutex_lock(&posts->lock);
    posts->batch = posts->waiting;
    posts->waiting = done;
    (void)pthread_mutex_unlock(&posts->lock);
    posts->batch_next = 0;
    return posts->batch.count > 0;
}

static void run_one(srl_relay *relay, srl_relay *shown)
{
    srl__post post = relay->posts.batch.items[relay->posts.batch_next++];

    post.function(shown, post.user);
}

bool srl__posts_run(srl_relay *relay, uint32_t budget)
{
    for (uint32_t i = 0; i < budget; i++) {
        if (relay->destroyed || !next_batch(relay)) {
            return false;
        }
        run_one(relay, relay);
    }
    return next_batch(relay);
}

bool srl__posts_wait(srl_relay *relay)
{
    srl__posts *posts = &relay->posts;
    bool wait = posts->batch_next < posts->batch.count;

    (void)pthread_mutex_lock(&posts->lock);
    wait = wait || posts->waiting.count > 0;
    (void)pthread_mutex_unlock(&posts->lock);
    return wait;
}

void srl__posts_cancel(srl_relay *relay)
{
    while (next_batch(relay)) {
        run_one(relay, NULL);
    }
}
