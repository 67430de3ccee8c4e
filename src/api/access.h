/*
 * Who asks, and may they: settled for every request before its handler runs. Without authentication
 * everyone may everything.
 *
 * A repository that the caller may not see answers exactly as one that does not exist: a pull that
 * is not allowed is answered with the route's own "unknown", a push or delete with DENIED in either
 * case. Who has not signed in is asked to, whatever they asked for.
 */
#pragma once

#include "api/access_refusal.h"
#include "auth/core/identity.h"

/*
 * Fills q->who and q->identity, and counts the request. Once a request: on its I/O thread, or, when
 * that says LATER, on the worker, to which q->who is carried else.
 */
enum access_verdict access_settle(struct req *q);

/*
 * For a request that has waited for its body, which can take hours: may it still go on? Whoever has
 * done nothing yet is looked up anew, as a credential can have been taken back; during an upload
 * only the rights are, as a token that runs out is not to cut a layer. Counts nothing. Worker only;
 * GRANTED or REFUSED.
 */
enum access_verdict access_settle_again(struct req *q);

/* May the caller do this as well? For rights that depend on more than the route. */
bool access_may(const struct req *q, enum action action, const struct repo_name *repo,
                const struct tag_name *tag);

/* The right to push, of a request whose repository or tag was not known before. Errors: DENIED,
 * UNAUTHORIZED with its challenge, told. */
ERR_CHECKED enum err_code access_need_push(struct req *q, struct err *e);

/* The same, of a repository that became known when all of the body had come. It stays that of the
 * request when it is refused, for the trail and the answer. */
ERR_CHECKED enum err_code access_need_push_to(struct req *q, const struct repo_name *repo,
                                              struct err *e);

/* NAME_UNKNOWN, told: what the registry keeps for itself is not there for anybody. */
enum err_code access_own_name(struct err *e);

/* The same of somebody whose request has been answered, as the rules are now. */
bool access_may_by(struct api *a, const struct identity *who, enum action action,
                   const struct repo_name *repo, const struct tag_name *tag);

/* May the caller see that this repository exists? */
bool access_sees(const struct req *q, const struct repo_name *repo);

/* May the caller pull every tag of it? */
bool access_pulls_all(const struct req *q, const struct repo_name *repo);

/* A list of tags is to be all there is for who has not signed in, or none: a client that gets a
 * list does not sign in for more. Error: UNAUTHORIZED, told, with its challenge. */
ERR_CHECKED enum err_code access_need_all_tags(struct req *q, struct err *e);

void access_done(struct req *q); /* lets go of q->who */
