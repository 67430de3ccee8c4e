/* Files of vulnerability data that are right in form, and empty. What fails, fails the running
 * test.
 */
#pragma once

/* DIR/db/{trivy.db,metadata.json}, of that time ("2026-11-01T00:00:00Z"); made or replaced. */
void data_files_db(const char *dir, const char *updated);

/* DIR/java-db/... */
void data_files_java(const char *dir, const char *updated);

/* One byte less of trivy.db than its pages need. */
void data_files_cut(const char *dir);
