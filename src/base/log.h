/*
 * The log: JSON lines or text, to standard error or a file that is re-opened on request.
 *
 * A record is built of typed fields, so nothing a client sends reaches the log unescaped:
 *
 *     log_event(LOG_ERROR, "upload failed", LOG_TEXT("repository", name), LOG_U64("bytes", n));
 *
 * Any thread. A record of level WARNING or ERROR is written at once; others are buffered and
 * written within 100 ms, when the buffer fills and at log_stop(). Only the edges log (api, cli,
 * background jobs, a store of what it finds at its start and goes on with): everything below them
 * returns a struct err.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

enum log_field_kind { LOG_FIELD_END, LOG_FIELD_STR, LOG_FIELD_U64, LOG_FIELD_I64 };

struct log_field {
    const char *key;
    enum log_field_kind kind;
    union {
        struct str str;
        uint64_t u64;
        int64_t i64;
    };
};

#define LOG_STR(k, s)  ((struct log_field){.key = (k), .kind = LOG_FIELD_STR, .str = (s)})
#define LOG_TEXT(k, t) LOG_STR(k, str_of(t))
#define LOG_U64(k, v)  ((struct log_field){.key = (k), .kind = LOG_FIELD_U64, .u64 = (v)})
#define LOG_I64(k, v)  ((struct log_field){.key = (k), .kind = LOG_FIELD_I64, .i64 = (v)})

#define log_event(level, message, ...)                                                             \
    do {                                                                                           \
        if (log_enabled(level))                                                                    \
            log_record(level, message,                                                             \
                       (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}});       \
    } while (0)

struct log_options {
    enum log_level level;
    enum log_format format;
    const char *path;          /* NULL or "": standard error */
    const char *const *fields; /* "name=value": every record gets them; names are plain text */
    size_t n_fields;
};

/* Starts the writer. Before it, and after log_stop(), records go to standard error at once. */
ERR_CHECKED enum err_code log_start(const struct log_options *o, struct err *e);
void log_stop(void);

void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* Opens the path anew, after a rotation moved the file; async-signal-safe (a flag is set). */
void log_reopen(void);

/* fields end with one whose kind is LOG_FIELD_END. Every record gets "time", "level", "message". */
void log_record(enum log_level level, const char *message, const struct log_field *fields);

/* An error that came up from below: its code's name and its detail. */
void log_err(enum log_level level, const char *message, const struct err *e);
