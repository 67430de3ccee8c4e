/*
 * A database of this program's own on a PostgreSQL server, for the meta suite. The server is named
 * by the environment: REGISTRY_TEST_POSTGRESQL_URL is used, and REGISTRY_TEST_POSTGRESQL_SERVER
 * leads to the same without a pooler between; both are URLs of a server, without a database.
 * scripts/run_tests.py starts one; `scripts/services env postgresql` prints them of one that runs.
 */
#pragma once

#define DATABASE_NO_SERVER 77 /* what a program then ends with, so that meson says "skipped" */
#define DATABASE_URL_MAX   512

/* Makes it, to be dropped when the program ends, which it does with DATABASE_NO_SERVER when the
 * environment names no server. */
void database_make(void);

/* Takes away all that is in it. */
void database_clear(void);

/* Its URL, through the pooler if there is one. */
const char *database_url(void);

/* Runs a statement in it, directly. A failure fails the test. */
void database_run(const char *text);
