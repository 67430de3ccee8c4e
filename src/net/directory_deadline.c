#include "net/directory_deadline.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>

#define ANSWER_MAX (4u << 20) /* bytes of one message */

/* Right above the socket, which is at LBER_SBIOD_LEVEL_PROVIDER. */
#define LEVEL (LBER_SBIOD_LEVEL_PROVIDER + 1)

static int fd_of(Sockbuf_IO_Desc *d)
{
    ber_socket_t fd = -1;

    libldap()->ber_sockbuf_ctrl(d->sbiod_sb, LBER_SB_OPT_GET_FD, &fd);
    return fd;
}

/* False, with errno: the deadline is past. */
static bool wait_for(Sockbuf_IO_Desc *d, short events)
{
    const struct directory_deadline *deadline = d->sbiod_pvt;
    struct pollfd p = {.fd = fd_of(d), .events = events};
    int64_t left_ms;
    int n;

    do {
        left_ms = deadline->at_ms - clock_mono_ms();
        n = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    return n > 0;
}

static int setup(Sockbuf_IO_Desc *d, void *deadline)
{
    d->sbiod_pvt = deadline;
    return 0;
}

static int nothing(Sockbuf_IO_Desc *d)
{
    (void)d;
    return 0;
}

static int control(Sockbuf_IO_Desc *d, int option, void *value)
{
    return LBER_SBIOD_CTRL_NEXT(d, option, value);
}

static ber_slen_t read_in_time(Sockbuf_IO_Desc *d, void *p, ber_len_t n)
{
    return wait_for(d, POLLIN) ? LBER_SBIOD_READ_NEXT(d, p, n) : -1;
}

static ber_slen_t write_in_time(Sockbuf_IO_Desc *d, void *p, ber_len_t n)
{
    return wait_for(d, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(d, p, n) : -1;
}

static Sockbuf_IO layer = {
    .sbi_setup = setup,
    .sbi_remove = nothing,
    .sbi_ctrl = control,
    .sbi_read = read_in_time,
    .sbi_write = write_in_time,
    .sbi_close = nothing,
};

/* An ldap_conn_add_f: there is a socket, and nothing was sent. */
static int connected(LDAP *handle, Sockbuf *socket, LDAPURLDesc *server, struct sockaddr *address,
                     ldap_conncb *watch)
{
    ber_len_t max = ANSWER_MAX;

    (void)handle, (void)server, (void)address;
    libldap()->ber_sockbuf_ctrl(socket, LBER_SB_OPT_SET_MAX_INCOMING, &max);
    return libldap()->ber_sockbuf_add_io(socket, &layer, LEVEL, watch->lc_arg);
}

static void closed(LDAP *handle, Sockbuf *socket, ldap_conncb *watch)
{
    (void)handle, (void)socket, (void)watch;
}

bool directory_deadline_watch(struct directory_deadline *d, LDAP *handle)
{
    d->watch = (ldap_conncb){.lc_add = connected, .lc_del = closed, .lc_arg = d};
    return libldap()->ldap_set_option(handle, LDAP_OPT_CONNECT_CB, &d->watch) == 0;
}

void directory_deadline_set(struct directory_deadline *d, uint64_t timeout_ms)
{
    d->at_ms = clock_mono_ms() + (int64_t)timeout_ms;
}
