#include "http/core.h"

bool server_wait_begun(struct http_server *s)
{
    bool running;

    pthread_mutex_lock(&s->lock);
    while (!s->running && !atomic_load(&s->quit))
        pthread_cond_wait(&s->begun, &s->lock);
    running = s->running;
    pthread_mutex_unlock(&s->lock);
    return running;
}

void server_tell_refused(struct http_server *s, const char *client, int status, const char *why)
{
    struct http_record r = {.client = client,
                            .request_id = "",
                            .route = "",
                            .identity = "",
                            .note = why,
                            .status = status};

    if (s->app.done)
        s->app.done(s->app.ctx, &r);
}

void server_connection_ended(struct http_server *s)
{
    if (atomic_fetch_sub(&s->n_connections, 1) > 1 || !atomic_load(&s->stopping))
        return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->drained);
    pthread_mutex_unlock(&s->lock);
}

void server_listens_no_more(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    if (--s->n_listening == 0)
        pthread_cond_broadcast(&s->drained);
    pthread_mutex_unlock(&s->lock);
}
