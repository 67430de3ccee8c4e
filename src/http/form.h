/*
 * A form that comes as multipart/form-data (RFC 7578, RFC 2046 section 5.1), as a parser that is
 * fed pieces of any size and holds nothing but the head of a part. Pure: no I/O, no allocation.
 *
 * Strict: no preamble and no epilogue but a line break each, lines end in CRLF, every part has one
 * Content-Disposition of form-data with a name. Content-Transfer-Encoding may say what forms are
 * anyway (7bit, 8bit, binary); other fields of a part are not looked at (RFC 7578, 4.8).
 */
#pragma once

#include "base/str.h"

#define HTTP_FORM_BOUNDARY_MAX 70 /* RFC 2046, 5.1.1 */
#define HTTP_FORM_HEAD_MAX     4096
#define HTTP_FORM_NAME_MAX     127
#define HTTP_FORM_PARTS_MAX    16

enum http_form_event {
    HTTP_FORM_MORE, /* all of the piece was taken */
    HTTP_FORM_PART, /* a part begins, of name and file_name */
    HTTP_FORM_DATA, /* *ret_data is the next of it, and as long good as the piece and the form */
    HTTP_FORM_PART_END,
    HTTP_FORM_END, /* the last boundary has come */
    HTTP_FORM_BAD, /* why says why; nothing more is to be fed */
};

struct http_form {
    char name[HTTP_FORM_NAME_MAX + 1];      /* of the part */
    char file_name[HTTP_FORM_HEAD_MAX + 1]; /* as the sender has it, maybe "": not to be trusted */
    bool is_file;                           /* it was said to have a file name */
    const char *why;                        /* a constant text */

    char delimiter[HTTP_FORM_BOUNDARY_MAX + 4]; /* CRLF "--" boundary */
    size_t delimiter_n;
    size_t matched; /* bytes of it that came, and are data when the rest of it does not follow */
    unsigned state, n_parts;
    size_t head_n;
    char head[HTTP_FORM_HEAD_MAX];
};

/* By the Content-Type of the request. False: it is no form, or without one good boundary. */
bool http_form_init(struct http_form *f, struct str content_type);

/* Takes bytes from the front of *in, up to the next event. To be called until it says MORE. */
enum http_form_event http_form_next(struct http_form *f, struct str *in, struct str *ret_data);

/* The form may end here. */
bool http_form_ended(const struct http_form *f);
