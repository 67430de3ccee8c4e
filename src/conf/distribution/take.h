/* Taking values of the reference registry over: what one becomes, by kind. */
#pragma once

#include "conf/distribution/key.h"

/* Sets our key, and notes where the value came from. remark: what changed, for who converts a
 * file; NULL: nothing but the name. Error: CONFIG, with its place. */
ERR_CHECKED enum err_code take_set(struct taking *t, const char *key, const struct flat_entry *from,
                                   const char *remark, struct str text, struct err *e);

/* Adds to a list of ours; the first one takes the place of the default. */
ERR_CHECKED enum err_code take_add(struct taking *t, const char *key, const struct flat_entry *from,
                                   const char *remark, struct str text, struct err *e);

/* A map at the end of a list of maps; *ret_item is the struct of its keys. */
ERR_CHECKED enum err_code take_add_item(struct taking *t, const char *key,
                                        const struct flat_entry *from, const char *remark,
                                        void **ret_item, struct err *e);

/* Adds "PLACE: text" to the configuration's warnings. */
void take_warn(struct taking *t, const struct flat_entry *entry, const char *text);

/* e's detail is set to text with its place. Returns CONFIG. */
enum err_code take_refuse(const struct taking *t, const struct flat_entry *entry, const char *text,
                          struct err *e);

bool take_is_true(const char *value);        /* one of YAML 1.1's words for it */
bool take_validates(const struct taking *t); /* is `validation` on? */

/* Go's "1h2m3.5s", or nanoseconds; false for anything else. Rounded up to milliseconds. */
bool take_duration_parse(const char *text, uint64_t *ret_ms);

/* The part of the path behind that of the row, and its dot; "" when there is none. */
const char *take_rest(const struct distribution_row *row, const struct flat_entry *entry);

/* As it stands; a switch; a switch the other way round; a time; a time with its unit; one more of a
 * list. */
distribution_take take_text, take_switch, take_switch_not, take_duration, take_time, take_list;

/* take_http.c */
distribution_take take_addr, take_prefix, take_host, take_client_auth, take_min_tls, take_cipher,
    take_header;

/* When all headers were taken: credentials of pages go when every page is meant. */
void take_settle_cors(struct taking *t);

/* take_storage.c */
distribution_take take_storage, take_root, take_memory, take_cache, take_threads;

/* take_s3.c */
distribution_take take_bucket, take_s3_root, take_endpoint, take_secure, take_encrypt, take_key_id,
    take_storage_class, take_chunk_size, take_redirect;

/* Which of its two names the driver of S3 is given by; NULL: content is not in S3. */
const char *take_s3_kind(const struct taking *t);

/* What of it must be there, and what it does when it is not said. Error: CONFIG. */
ERR_CHECKED enum err_code take_settle_s3(struct taking *t, const struct flat_entry *version,
                                         struct err *e);

/* take_auth.c */
distribution_take take_auth, take_htpasswd, take_realm, take_autoredirect, take_algorithm;

/* take_content.c */
distribution_take take_level, take_formatter, take_field, take_unless_disabled, take_page,
    take_platforms, take_url_pattern, take_class;

/* take_notify.c */
distribution_take take_notified;

/* defaults.c: what the reference registry does when its file does not say so, and what it insists
 * on. Error: CONFIG. */
ERR_CHECKED enum err_code take_defaults(struct taking *t, struct err *e);
