/*
 * delay: a line with a delay between two network namespaces, for kernels without netem. Each has a
 * tun device with an address (10.77.0.1 and 10.77.0.2), and what goes into one comes out of the
 * other that much later, in order; packets that segmentation is left for stay whole. Needs
 * CAP_SYS_ADMIN.
 *
 *     delay milliseconds
 *
 * is for each way. Prints "PID FD FD": the namespaces are /proc/PID/fd/FD. Lives until standard
 * input ends. What is on its way is bounded: more is lost, as on any line.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX (128u << 10)
#define QUEUE_MAX  (64u << 20) /* bytes on their way, one way */
#define READS      32          /* before what is due is sent */

struct packet {
    struct packet *next;
    uint64_t due_ns;
    size_t n;
    char bytes[];
};

struct way {
    pthread_t thread;
    int from, to;
    uint64_t delay_ns;
    struct packet *first, **last;
    size_t queued;
    uint64_t lost;
};

static void interface_set(int s, const char *name, const char *address)
{
    struct ifreq r = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&r.ifr_addr;

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
    if (address) {
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = inet_addr(address);
        if (ioctl(s, SIOCSIFADDR, &r))
            fail("address of %s: %m", name);
        in->sin_addr.s_addr = inet_addr("255.255.255.0");
        if (ioctl(s, SIOCSIFNETMASK, &r))
            fail("netmask of %s: %m", name);
        r.ifr_qlen = 10000;
        if (ioctl(s, SIOCSIFTXQLEN, &r))
            fail("queue of %s: %m", name);
    }
    r.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(s, SIOCSIFFLAGS, &r))
        fail("%s up: %m", name);
}

/* A new namespace, which this thread is in afterwards, with a tun device of that address. */
static int end_open(const char *address, int *ret_namespace)
{
    struct ifreq r = {.ifr_name = "line", .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    int fd, s;

    if (unshare(CLONE_NEWNET))
        fail("a network namespace: %m");
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) || ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4))
        fail("/dev/net/tun: %m");
    s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    interface_set(s, "lo", NULL);
    interface_set(s, "line", address);
    close(s);
    *ret_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    return fd;
}

/* False: nothing is there. */
static bool take(struct way *w)
{
    static _Thread_local char buf[PACKET_MAX];
    ssize_t n = read(w->from, buf, sizeof(buf));
    struct packet *p;

    if (n <= 0)
        return false;
    if (w->queued + (size_t)n > QUEUE_MAX) {
        w->lost++;
        return true;
    }
    p = malloc(sizeof(*p) + (size_t)n);
    if (!p)
        fail("out of memory");
    *p = (struct packet){.due_ns = now_ns() + w->delay_ns, .n = (size_t)n};
    memcpy(p->bytes, buf, (size_t)n);
    w->queued += p->n;
    *w->last = p;
    w->last = &p->next;
    return true;
}

static void deliver(struct way *w)
{
    uint64_t now = now_ns();

    while (w->first && w->first->due_ns <= now) {
        struct packet *p = w->first;

        if (write(w->to, p->bytes, p->n) < 0)
            w->lost++;
        w->first = p->next;
        if (!w->first)
            w->last = &w->first;
        w->queued -= p->n;
        free(p);
    }
}

static void *way_run(void *arg)
{
    struct way *w = arg;
    struct pollfd ready = {.fd = w->from, .events = POLLIN};

    for (;;) {
        struct timespec wait = {.tv_sec = 1};

        if (w->first) {
            uint64_t now = now_ns(), due = w->first->due_ns;

            wait.tv_sec = 0;
            wait.tv_nsec = due > now ? (long)(due - now) : 0;
        }
        if (ppoll(&ready, 1, &wait, NULL) < 0 && errno != EINTR)
            fail("poll: %m");
        for (int i = 0; i < READS && take(w); i++)
            ;
        deliver(w);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct way there, back;
    int near, far, near_namespace, far_namespace;
    double ms = argc == 2 ? atof(argv[1]) : -1;

    if (ms < 0 || ms >= 1000)
        fail("usage: delay milliseconds");
    near = end_open("10.77.0.1", &near_namespace);
    far = end_open("10.77.0.2", &far_namespace);
    there = (struct way){.from = near, .to = far, .delay_ns = (uint64_t)(ms * 1e6)};
    back = (struct way){.from = far, .to = near, .delay_ns = there.delay_ns};
    there.last = &there.first;
    back.last = &back.first;
    if (pthread_create(&there.thread, NULL, way_run, &there) ||
        pthread_create(&back.thread, NULL, way_run, &back))
        fail("pthread_create");
    printf("%d %d %d\n", getpid(), near_namespace, far_namespace);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    if (there.lost + back.lost > 0)
        fprintf(stderr, "delay: %llu packets were lost\n",
                (unsigned long long)(there.lost + back.lost));
    return 0;
}
