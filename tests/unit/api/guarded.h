/*
 * A server that asks who somebody is: its own users, their tokens and sessions, rules and an audit
 * trail, as `registry serve` puts them together. And stories: requests in a row, each with what is
 * to be answered.
 */
#pragma once

#include "exchange.h"

/* The users: root is an admin, alice is not, and has her groups. */
#define PASSWORD "Tr0ub4dor-and-9-geese"
#define ROOT     "Authorization: Basic cm9vdDpUcjB1YjRkb3ItYW5kLTktZ2Vlc2U=\r\n"
#define ALICE    "Authorization: Basic YWxpY2U6VHIwdWI0ZG9yLWFuZC05LWdlZXNl\r\n"
#define NOBODY   NULL

void guarded_init(struct server *s);
void guarded_done(struct server *s);

/* What was told to the trail is in meta when this returns; no more is taken. */
void guarded_end_audit(struct server *s);

struct step {
    const char *story, *line, *who; /* headers */
    const char *json;               /* the body; NULL: none */
    int status;
    const char *said; /* in the body, or the code of its error; NULL: whatever it is */
};

void tell(struct server *s, const struct step *steps, size_t n);

#define TELL(s, steps) tell(s, steps, sizeof(steps) / sizeof((steps)[0]))
