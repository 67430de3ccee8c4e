#include "http/inbox.h"

#include <errno.h>
#include <unistd.h>

void iothread_wake(struct iothread *io)
{
    uint64_t one = 1;

    while (write(io->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

void iothread_give(struct conn *c)
{
    struct iothread *io = c->io;
    struct conn *first = atomic_load_explicit(&io->inbox, memory_order_relaxed);

    do {
        c->next_given = first;
    } while (!atomic_compare_exchange_weak_explicit(&io->inbox, &first, c, memory_order_release,
                                                    memory_order_relaxed));
    if (!first)
        iothread_wake(io);
}
