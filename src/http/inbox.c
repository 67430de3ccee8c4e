#include "http/inbox.h"

#include <errno.h>
#include <unistd.h>

void iothread_wake(struct iothread *io)
{
    uint64_t one = 1;

    while (write(io->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void iothread_add(struct conn *c)
{
    struct iothread *io = c->io;
    struct conn *first = atomic_load_explicit(&io->new_ones, memory_order_relaxed);

    do {
        c->next_new = first;
    } while (!atomic_compare_exchange_weak_explicit(&io->new_ones, &first, c, memory_order_release,
                                                    memory_order_relaxed));
    if (!first)
        iothread_wake(io);
}

void iothread_give(struct http_exchange *x)
{
    struct iothread *io = x->conn->io;
    struct http_exchange *first = atomic_load_explicit(&io->inbox, memory_order_relaxed);

    do {
        x->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&io->inbox, &first, x, memory_order_release,
                                                    memory_order_relaxed));
    if (!first)
        iothread_wake(io);
}
