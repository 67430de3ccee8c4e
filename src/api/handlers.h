/*
 * The handlers, by the file they are in: what the table of routes names. What is settled before one
 * runs is said in req.h.
 */
#pragma once

#include "api/req.h"

/* v2_base.c */

enum err_code api_base_get(struct req *q, struct err *e);
bool api_base_quick(struct req *q);

/* v2_manifest.c */

enum err_code api_manifest_get(struct req *q, struct err *e);
bool api_manifest_quick(struct req *q);
enum err_code api_manifest_put(struct req *q, struct err *e);
enum err_code api_manifest_delete(struct req *q, struct err *e);

/* v2_sbom.c */
enum err_code api_sbom_get(struct req *q, struct err *e);

/* v2_scan.c */

enum err_code api_scan_get(struct req *q, struct err *e);
enum err_code api_scan_post(struct req *q, struct err *e);
enum err_code api_scan_summary_get(struct req *q, struct err *e);

/* v2_blob.c */

enum err_code api_blob_get(struct req *q, struct err *e);
enum err_code api_blob_delete(struct req *q, struct err *e);

/* v2_upload.c */

enum err_code api_upload_post(struct req *q, struct err *e);
enum err_code api_upload_get(struct req *q, struct err *e);
enum err_code api_upload_patch(struct req *q, struct err *e);
enum err_code api_upload_put(struct req *q, struct err *e);
enum err_code api_upload_delete(struct req *q, struct err *e);

/* v2_list.c */

enum err_code api_tag_list(struct req *q, struct err *e);
enum err_code api_catalog_list(struct req *q, struct err *e);

/* v2_referrer.c */

enum err_code api_referrer_list(struct req *q, struct err *e);
void api_referrer_none(struct req *q);

/* upload_image.c */

enum err_code api_image_put(struct req *q, struct err *e);

/* v1_upload_session.c */

enum err_code api_upload_session_options(struct req *q, struct err *e);
enum err_code api_upload_session_post(struct req *q, struct err *e);
enum err_code api_upload_session_head(struct req *q, struct err *e);
enum err_code api_upload_session_patch(struct req *q, struct err *e);
enum err_code api_upload_session_delete(struct req *q, struct err *e);
enum err_code api_upload_session_complete(struct req *q, struct err *e);

/* v1_upload.c */

enum err_code api_upload_record_list(struct req *q, struct err *e);
enum err_code api_upload_record_get(struct req *q, struct err *e);
enum err_code api_events(struct req *q, struct err *e);
enum err_code api_upload_record_events(struct req *q, struct err *e);

/* v1_repository.c */

enum err_code api_repository_list(struct req *q, struct err *e);
enum err_code api_tag_shown_list(struct req *q, struct err *e);
enum err_code api_repository_get(struct req *q, struct err *e);
enum err_code api_repository_delete(struct req *q, struct err *e);
enum err_code api_repository_tags_post(struct req *q, struct err *e);

/* v1_retention.c */

enum err_code api_retention_get(struct req *q, struct err *e);
enum err_code api_retention_post(struct req *q, struct err *e);

/* v1_tag.c */

enum err_code api_tag_history_get(struct req *q, struct err *e);
enum err_code api_tag_rollback_post(struct req *q, struct err *e);

/* v1_archive.c */

enum err_code api_archive_get(struct req *q, struct err *e);

/* v1_image.c */

enum err_code api_image_analysis_get(struct req *q, struct err *e);
enum err_code api_image_signatures_get(struct req *q, struct err *e);
enum err_code api_image_tree_get(struct req *q, struct err *e);
enum err_code api_image_file_get(struct req *q, struct err *e);
enum err_code api_image_diff_get(struct req *q, struct err *e);

/* v1_file.c */

enum err_code api_file_list(struct req *q, struct err *e);
enum err_code api_scan_data_get(struct req *q, struct err *e);
enum err_code api_scan_data_post(struct req *q, struct err *e);

/* v1_gc.c */

enum err_code api_gc_post(struct req *q, struct err *e);
enum err_code api_gc_run_list(struct req *q, struct err *e);
enum err_code api_gc_run_get(struct req *q, struct err *e);
enum err_code api_original_list(struct req *q, struct err *e);
enum err_code api_original_get(struct req *q, struct err *e);
enum err_code api_original_archive_get(struct req *q, struct err *e);
enum err_code api_original_delete(struct req *q, struct err *e);
enum err_code api_gc_run_undo_post(struct req *q, struct err *e);

/* v1_webhook.c */

enum err_code api_webhook_list(struct req *q, struct err *e);
enum err_code api_webhook_delivery_list(struct req *q, struct err *e);
enum err_code api_webhook_redeliver_post(struct req *q, struct err *e);
enum err_code api_webhook_test_post(struct req *q, struct err *e);

/* auth_token.c */

enum err_code api_token_get(struct req *q, struct err *e);
enum err_code api_token_post(struct req *q, struct err *e);
enum err_code api_jwks_get(struct req *q, struct err *e);

/* v1_user.c */

enum err_code api_user_list(struct req *q, struct err *e);
enum err_code api_user_post(struct req *q, struct err *e);
enum err_code api_user_get(struct req *q, struct err *e);
enum err_code api_user_patch(struct req *q, struct err *e);
enum err_code api_user_delete(struct req *q, struct err *e);
enum err_code api_user_password_put(struct req *q, struct err *e);

/* v1_access_token.c */

enum err_code api_access_token_list(struct req *q, struct err *e);
enum err_code api_access_token_post(struct req *q, struct err *e);
enum err_code api_access_token_delete(struct req *q, struct err *e);

/* v1_pull_policy.c */

enum err_code api_pull_policy_get(struct req *q, struct err *e);
enum err_code api_pull_policy_simulate(struct req *q, struct err *e);

/* v1_policy.c */

enum err_code api_policy_list(struct req *q, struct err *e);
enum err_code api_policy_post(struct req *q, struct err *e);
enum err_code api_policy_delete(struct req *q, struct err *e);
enum err_code api_policy_test(struct req *q, struct err *e);

/* v1_audit.c */

enum err_code api_audit_list(struct req *q, struct err *e);

/* v1_session.c */

enum err_code api_session_post(struct req *q, struct err *e);
enum err_code api_session_get(struct req *q, struct err *e);
enum err_code api_session_methods_get(struct req *q, struct err *e);
enum err_code api_session_delete(struct req *q, struct err *e);

/* auth_oidc.c */

enum err_code api_oidc_login(struct req *q, struct err *e);
enum err_code api_oidc_callback(struct req *q, struct err *e);

/* health.c */

enum err_code api_healthz_get(struct req *q, struct err *e);
bool api_healthz_quick(struct req *q);
enum err_code api_readyz_get(struct req *q, struct err *e);
enum err_code api_debug_health_get(struct req *q, struct err *e);

/* home.c */

enum err_code api_home_get(struct req *q, struct err *e);
bool api_home_quick(struct req *q);

/* ui.c */

enum err_code api_ui_asset_get(struct req *q, struct err *e);
bool api_ui_asset_quick(struct req *q);
enum err_code api_ui_page_get(struct req *q, struct err *e);
bool api_ui_page_quick(struct req *q);
