#include "database.h"

#include "base/uuid.h"
#include "meta/libpq.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char name[64];
static char url[DATABASE_URL_MAX], direct[DATABASE_URL_MAX], server[DATABASE_URL_MAX];

static const char *named(const char *variable)
{
    const char *value = getenv(variable);

    if (value && value[0])
        return value;
    fprintf(stderr, "%s is not set: no PostgreSQL to use (see database.h)\n", variable);
    exit(DATABASE_NO_SERVER);
}

static void no_notice(void *ctx, const char *message)
{
    (void)ctx;
    (void)message;
}

static void run_on(const char *where, const char *text)
{
    const struct libpq *lib = libpq();
    const char *const names[] = {"dbname", NULL}, *const values[] = {where, NULL};
    PGconn *c = lib->PQconnectdbParams(names, values, 1);
    PGresult *r;
    ExecStatusType status = PGRES_FATAL_ERROR;

    lib->PQsetNoticeProcessor(c, no_notice, NULL);
    if (lib->PQsendQuery(c, text)) {
        while ((r = lib->PQgetResult(c))) {
            status = lib->PQresultStatus(r);
            lib->PQclear(r);
        }
    }
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s: %s\n", text, lib->PQerrorMessage(c));
        abort();
    }
    lib->PQfinish(c);
}

static void drop(void)
{
    char text[128];

    snprintf(text, sizeof(text), "DROP DATABASE %s WITH (FORCE)", name);
    run_on(server, text);
}

void database_make(void)
{
    char text[160];
    uint64_t number;

    random_bytes(&number, sizeof(number));
    snprintf(name, sizeof(name), "test_%016llx", (unsigned long long)number);
    snprintf(url, sizeof(url), "%s/%s", named("REGISTRY_TEST_POSTGRESQL_URL"), name);
    snprintf(direct, sizeof(direct), "%s/%s", named("REGISTRY_TEST_POSTGRESQL_SERVER"), name);
    snprintf(server, sizeof(server), "%s/postgres", named("REGISTRY_TEST_POSTGRESQL_SERVER"));
    snprintf(text, sizeof(text), "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'", name);
    run_on(server, text);
    atexit(drop);
}

void database_clear(void)
{
    run_on(direct, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}

const char *database_url(void)
{
    return url;
}

void database_run(const char *text)
{
    run_on(direct, text);
}
