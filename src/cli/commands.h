/* The functions that the table of commands names. */
#pragma once

#include "cli/cli.h"

/* The commands, by the file they are in. */

/* command_analyze.c */
int cli_analyze(struct cli *cli, const struct cli_args *args);
int cli_diff(struct cli *cli, const struct cli_args *args);

/* command_audit.c */
int cli_events(struct cli *cli, const struct cli_args *args);
int cli_audit(struct cli *cli, const struct cli_args *args);

/* command_backup.c */
int cli_backup(struct cli *cli, const struct cli_args *args);
int cli_restore(struct cli *cli, const struct cli_args *args);

/* command_check.c */
int cli_gc(struct cli *cli, const struct cli_args *args);
int cli_gc_undo(struct cli *cli, const struct cli_args *args);
int cli_gc_explain(struct cli *cli, const struct cli_args *args);
int cli_gc_runs(struct cli *cli, const struct cli_args *args);
int cli_scan_data(struct cli *cli, const struct cli_args *args);
int cli_check(struct cli *cli, const struct cli_args *args);
int cli_findings(struct cli *cli, const struct cli_args *args);

/* command_config.c */
int cli_config_check(struct cli *cli, const struct cli_args *args);
int cli_config_print(struct cli *cli, const struct cli_args *args);
int cli_config_convert(struct cli *cli, const struct cli_args *args);
int cli_config_distribution(struct cli *cli, const struct cli_args *args);
int cli_config_reference(struct cli *cli, const struct cli_args *args);
int cli_routes(struct cli *cli, const struct cli_args *args);

/* command_copy.c */
int cli_copy_store(struct cli *cli, const struct cli_args *args);

/* command_download.c */
int cli_download(struct cli *cli, const struct cli_args *args);
int cli_sbom(struct cli *cli, const struct cli_args *args);
int cli_scan(struct cli *cli, const struct cli_args *args);
int cli_webhook_list(struct cli *cli, const struct cli_args *args);
int cli_webhook_deliveries(struct cli *cli, const struct cli_args *args);
int cli_webhook_redeliver(struct cli *cli, const struct cli_args *args);
int cli_webhook_test(struct cli *cli, const struct cli_args *args);
int cli_find_file(struct cli *cli, const struct cli_args *args);

/* command_health.c */
int cli_health(struct cli *cli, const struct cli_args *args);

/* command_import.c */
int cli_import_distribution(struct cli *cli, const struct cli_args *args);

/* command_jobs.c */
int cli_jobs_cancel(struct cli *cli, const struct cli_args *args);
int cli_jobs_list(struct cli *cli, const struct cli_args *args);
int cli_jobs_retry(struct cli *cli, const struct cli_args *args);
int cli_jobs_show(struct cli *cli, const struct cli_args *args);

/* command_migrate.c */
int cli_migrate(struct cli *cli, const struct cli_args *args);

/* command_policy.c */
int cli_policy_add(struct cli *cli, const struct cli_args *args);
int cli_policy_list(struct cli *cli, const struct cli_args *args);
int cli_policy_rm(struct cli *cli, const struct cli_args *args);
int cli_policy_test(struct cli *cli, const struct cli_args *args);

/* command_reindex.c */
int cli_reindex(struct cli *cli, const struct cli_args *args);

/* command_repo.c */
int cli_repo_ls(struct cli *cli, const struct cli_args *args);
int cli_repo_rm(struct cli *cli, const struct cli_args *args);

/* command_policy_simulate.c */
int cli_policy_simulate(struct cli *cli, const struct cli_args *args);

/* command_retention.c */
int cli_retention(struct cli *cli, const struct cli_args *args);

/* command_verify.c */
int cli_verify(struct cli *cli, const struct cli_args *args);

/* command_sweep.c */
int cli_sweep(struct cli *cli, const struct cli_args *args);

/* command_take_over.c */
int cli_take_over(struct cli *cli, const struct cli_args *args);

/* command_upload.c */
int cli_upload(struct cli *cli, const struct cli_args *args);

/* serve.c */
int cli_serve(struct cli *cli, const struct cli_args *args);

/* command_tag.c */
int cli_tag_history(struct cli *cli, const struct cli_args *args);
int cli_tag_rm(struct cli *cli, const struct cli_args *args);
int cli_tag_rollback(struct cli *cli, const struct cli_args *args);

/* command_token.c, command_token_aws.c */
int cli_token_aws(struct cli *cli, const struct cli_args *args);
int cli_token_create(struct cli *cli, const struct cli_args *args);
int cli_token_list(struct cli *cli, const struct cli_args *args);
int cli_token_revoke(struct cli *cli, const struct cli_args *args);

/* command_user.c */
int cli_user_add(struct cli *cli, const struct cli_args *args);
int cli_user_disable(struct cli *cli, const struct cli_args *args);
int cli_user_enable(struct cli *cli, const struct cli_args *args);
int cli_user_list(struct cli *cli, const struct cli_args *args);
int cli_user_passwd(struct cli *cli, const struct cli_args *args);
int cli_user_rm(struct cli *cli, const struct cli_args *args);
int cli_user_set(struct cli *cli, const struct cli_args *args);
int cli_user_totp(struct cli *cli, const struct cli_args *args);

/* command_version.c */
int cli_version(struct cli *cli, const struct cli_args *args);
