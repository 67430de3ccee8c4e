#include "api/cookie.h"

#include "api/proxy.h"

#define PREFIX         "__Host-"
#define NAME_MAX_BYTES 64

static bool secure(const struct req *q)
{
    return strcmp(client_scheme(q), "https") == 0;
}

static void full_name(const struct req *q, const char *name, char dst[static NAME_MAX_BYTES])
{
    snprintf(dst, NAME_MAX_BYTES, "%s%s", secure(q) ? PREFIX : "", name);
}

/* One Cookie field: "a=1; b=2" (RFC 6265, 4.2.1). False: two values. */
static bool find_in(struct str field, struct str name, struct str *ret_value)
{
    while (field.n > 0) {
        struct str value, key;

        str_cut(&field, ';', &value);
        str_cut(&value, '=', &key);
        if (!str_eq(str_trim(key), name))
            continue;
        value = str_trim(value);
        if (ret_value->p && !str_eq(*ret_value, value))
            return false;
        *ret_value = value.p ? value : STR("");
    }
    return true;
}

struct str cookie_find(const struct http_head *head, struct str name)
{
    struct str value = STR_NONE;

    for (size_t i = 0; i < head->n_fields; i++) {
        if (str_ieq(head->fields[i].name, STR("Cookie")) &&
            !find_in(head->fields[i].value, name, &value))
            return STR_NONE;
    }
    return value;
}

struct str cookie_get(const struct req *q, const char *name)
{
    char full[NAME_MAX_BYTES];

    full_name(q, name, full);
    return cookie_find(q->head, str_of(full));
}

struct str cookie_session(const struct req *q)
{
    return q->by_session ? cookie_get(q, COOKIE_SESSION) : STR_NONE;
}

void cookie_set(struct req *q, const char *name, const char *value, enum cookie_site site,
                uint64_t max_age_s)
{
    char full[NAME_MAX_BYTES];
    AUTO(buf) struct buf text = {0};

    full_name(q, name, full);
    buf_init(&text, 4096); /* what browsers keep of one cookie */
    buf_addf(&text, "%s=%s; Path=/; Max-Age=%llu; HttpOnly; SameSite=%s%s", full, value,
             (unsigned long long)max_age_s, site == COOKIE_STRICT ? "Strict" : "Lax",
             secure(q) ? "; Secure" : "");
    http_header(q->x, "Set-Cookie", buf_str(&text));
}
