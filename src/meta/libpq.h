/*
 * The functions of libpq, for the PostgreSQL adapter. The library is loaded at the first use
 * (net/library.h).
 */
#pragma once

#include <libpq-fe.h>

#define LIBPQ_FUNCTIONS(X)                                                                         \
    X(PQconnectdbParams)                                                                           \
    X(PQconninfoParse)                                                                             \
    X(PQconninfoFree)                                                                              \
    X(PQfreemem)                                                                                   \
    X(PQfinish)                                                                                    \
    X(PQstatus)                                                                                    \
    X(PQsocket)                                                                                    \
    X(PQpass)                                                                                      \
    X(PQconnectionUsedPassword)                                                                    \
    X(PQerrorMessage)                                                                              \
    X(PQparameterStatus)                                                                           \
    X(PQsetNoticeProcessor)                                                                        \
    X(PQsetnonblocking)                                                                            \
    X(PQenterPipelineMode)                                                                         \
    X(PQexitPipelineMode)                                                                          \
    X(PQpipelineSync)                                                                              \
    X(PQsendQuery)                                                                                 \
    X(PQsendQueryParams)                                                                           \
    X(PQflush)                                                                                     \
    X(PQconsumeInput)                                                                              \
    X(PQisBusy)                                                                                    \
    X(PQgetResult)                                                                                 \
    X(PQclear)                                                                                     \
    X(PQresultStatus)                                                                              \
    X(PQresultErrorField)                                                                          \
    X(PQresultErrorMessage)                                                                        \
    X(PQcmdStatus)                                                                                 \
    X(PQntuples)                                                                                   \
    X(PQgetisnull)                                                                                 \
    X(PQgetvalue)                                                                                  \
    X(PQgetlength)                                                                                 \
    X(PQtransactionStatus)

struct libpq {
#define LIBPQ_POINTER(name) __typeof__(name) *name;
    LIBPQ_FUNCTIONS(LIBPQ_POINTER)
#undef LIBPQ_POINTER
};

/* NULL: it can't be loaded. Any thread. */
const struct libpq *libpq(void);
