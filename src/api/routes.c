#include "api/routes.h"

#include "api/handlers.h"

/* clang-format off */
const struct route api_routes[] = {
    {HTTP_GET, "/v2/{name}/manifests/{reference}", ACCESS_PULL, api_manifest_get, /* end-3 */
     .quick = api_manifest_quick, .unknown = ERR_MANIFEST_UNKNOWN},
    {HTTP_GET, "/v2/{name}/blobs/{digest}", ACCESS_PULL, api_blob_get, /* end-2 */
     .unknown = ERR_BLOB_UNKNOWN},
    {HTTP_GET, "/v2/", ACCESS_BASE, api_base_get, .quick = api_base_quick}, /* end-1 */
    {HTTP_GET, "/v2", ACCESS_BASE, api_base_get, .quick = api_base_quick},
    {HTTP_POST, "/v2/{name}/blobs/uploads/", ACCESS_PUSH, api_upload_post}, /* end-4, end-11 */
    {HTTP_POST, "/v2/{name}/blobs/uploads", ACCESS_PUSH, api_upload_post},
    {HTTP_GET, "/v2/{name}/blobs/uploads/{upload}", ACCESS_PUSH, api_upload_get},       /* end-13 */
    {HTTP_PATCH, "/v2/{name}/blobs/uploads/{upload}", ACCESS_PUSH, api_upload_patch},   /* end-5 */
    {HTTP_PUT, "/v2/{name}/blobs/uploads/{upload}", ACCESS_PUSH, api_upload_put, /* end-6 */
     .audit = "upload"},
    {HTTP_DELETE, "/v2/{name}/blobs/uploads/{upload}", ACCESS_PUSH, api_upload_delete}, /* end-14 */
    {HTTP_DELETE, "/v2/{name}/blobs/{digest}", ACCESS_DELETE, api_blob_delete, /* end-10 */
     .audit = "delete"},
    {HTTP_PUT, "/v2/{name}/manifests/{reference}", ACCESS_PUSH, api_manifest_put, /* end-7 */
     .audit = "push"},
    {HTTP_DELETE, "/v2/{name}/manifests/{reference}", ACCESS_DELETE, api_manifest_delete, /* end-9 */
     .audit = "delete"},
    {HTTP_GET, "/v2/{name}/tags/list", ACCESS_PULL, api_tag_list, /* end-8 */
     .unknown = ERR_NAME_UNKNOWN},
    {HTTP_GET, "/v2/{name}/referrers/{digest}", ACCESS_PULL, api_referrer_list, /* end-12 */
     .hidden = api_referrer_none},
    {HTTP_GET, "/v2/_catalog", ACCESS_CATALOG, api_catalog_list},
    {HTTP_GET, "/api/v1/users", ACCESS_ADMIN, api_user_list},
    {HTTP_POST, "/api/v1/users", ACCESS_ADMIN, api_user_post, .audit = "user add"},
    {HTTP_GET, "/api/v1/users/{user}", ACCESS_ADMIN, api_user_get},
    {HTTP_PATCH, "/api/v1/users/{user}", ACCESS_ADMIN, api_user_patch, .audit = "user set"},
    {HTTP_DELETE, "/api/v1/users/{user}", ACCESS_ADMIN, api_user_delete, .audit = "user rm"},
    {HTTP_PUT, "/api/v1/users/{user}/password", ACCESS_ACCOUNT, api_user_password_put,
     .audit = "user passwd"},
    {HTTP_GET, "/api/v1/tokens", ACCESS_ACCOUNT, api_access_token_list},
    {HTTP_POST, "/api/v1/tokens", ACCESS_ACCOUNT, api_access_token_post, .audit = "token create"},
    {HTTP_DELETE, "/api/v1/tokens/{token}", ACCESS_ACCOUNT, api_access_token_delete,
     .audit = "token revoke"},
    {HTTP_GET, "/api/v1/policy", ACCESS_ADMIN, api_policy_list},
    {HTTP_POST, "/api/v1/policy", ACCESS_ADMIN, api_policy_post, .audit = "policy add"},
    {HTTP_POST, "/api/v1/policy/test", ACCESS_ADMIN, api_policy_test},
    {HTTP_DELETE, "/api/v1/policy/{rule}", ACCESS_ADMIN, api_policy_delete,
     .audit = "policy rm"},
    {HTTP_GET, "/api/v1/pull-policy", ACCESS_ADMIN, api_pull_policy_get},
    {HTTP_POST, "/api/v1/pull-policy/simulate", ACCESS_ADMIN, api_pull_policy_simulate},
    {HTTP_GET, "/api/v1/audit", ACCESS_ADMIN, api_audit_list},
    {HTTP_GET, "/api/v1/repositories/{name}/tags/{tag}/history", ACCESS_PULL, api_tag_history_get,
     .unknown = ERR_MANIFEST_UNKNOWN},
    {HTTP_POST, "/api/v1/repositories/{name}/tags/{tag}/rollback", ACCESS_PUSH,
     api_tag_rollback_post, .audit = "rollback"},
    {HTTP_GET, "/api/v1/repositories/{name}", ACCESS_PUSH, api_repository_get},
    {HTTP_DELETE, "/api/v1/repositories/{name}", ACCESS_DELETE, api_repository_delete,
     .audit = "repo rm"},
    {HTTP_POST, "/api/v1/repositories/{name}/delete-tags", ACCESS_DELETE, api_repository_tags_post,
     .audit = "tag rm"},
    {HTTP_GET, "/api/v1/retention", ACCESS_ADMIN, api_retention_get},
    {HTTP_POST, "/api/v1/retention", ACCESS_ADMIN, api_retention_post, .audit = "retention"},
    {HTTP_GET, "/api/v1/images/{name}/{reference}/analysis", ACCESS_PULL, api_image_analysis_get,
     .unknown = ERR_MANIFEST_UNKNOWN},
    {HTTP_GET, "/api/v1/images/{name}/{reference}/tree", ACCESS_PULL, api_image_tree_get,
     .unknown = ERR_MANIFEST_UNKNOWN},
    {HTTP_GET, "/api/v1/images/{name}/{reference}/file", ACCESS_PULL, api_image_file_get,
     .unknown = ERR_MANIFEST_UNKNOWN},
    {HTTP_GET, "/api/v1/images/{name}/{reference}/diff", ACCESS_PULL, api_image_diff_get,
     .unknown = ERR_MANIFEST_UNKNOWN},
    {HTTP_GET, "/api/v1/archive/{image}", ACCESS_PULL, api_archive_get,
     .unknown = ERR_MANIFEST_UNKNOWN},
    {HTTP_GET, "/api/v1/files", ACCESS_BASE, api_file_list},
    {HTTP_PUT, "/upload-image", ACCESS_PUSH, api_image_put, .audit = "upload image",
     .by_query = true},
    {HTTP_POST, "/upload-image", ACCESS_PUSH, api_image_put, .audit = "upload image",
     .by_query = true},
    {HTTP_OPTIONS, "/api/v1/uploads", ACCESS_NONE, api_upload_session_options, .tus = true},
    {HTTP_POST, "/api/v1/uploads", ACCESS_PUSH, api_upload_session_post, .by_query = true,
     .tus = true},
    {HTTP_OPTIONS, "/api/v1/uploads/{upload}", ACCESS_NONE, api_upload_session_options,
     .tus = true},
    {HTTP_HEAD, "/api/v1/uploads/{upload}", ACCESS_PUSH, api_upload_session_head, .tus = true},
    {HTTP_PATCH, "/api/v1/uploads/{upload}", ACCESS_PUSH, api_upload_session_patch, .tus = true},
    {HTTP_DELETE, "/api/v1/uploads/{upload}", ACCESS_PUSH, api_upload_session_delete, .tus = true},
    {HTTP_POST, "/api/v1/uploads/{upload}/complete", ACCESS_PUSH, api_upload_session_complete},
    {HTTP_GET, "/api/v1/uploads", ACCESS_BASE, api_upload_record_list},
    {HTTP_GET, "/api/v1/uploads/{id}", ACCESS_BASE, api_upload_record_get},
    {HTTP_GET, "/api/v1/uploads/{id}/events", ACCESS_BASE, api_upload_record_events},
    {HTTP_GET, "/api/v1/originals", ACCESS_BASE, api_original_list},
    {HTTP_GET, "/api/v1/originals/{original}", ACCESS_BASE, api_original_get},
    {HTTP_GET, "/api/v1/originals/{original}/archive", ACCESS_BASE, api_original_archive_get},
    {HTTP_DELETE, "/api/v1/originals/{original}", ACCESS_ADMIN, api_original_delete,
     .audit = "original rm"},
    {HTTP_POST, "/api/v1/gc", ACCESS_ADMIN, api_gc_post, .audit = "gc"},
    {HTTP_GET, "/api/v1/gc/runs", ACCESS_ADMIN, api_gc_run_list},
    {HTTP_GET, "/api/v1/gc/runs/{run}", ACCESS_ADMIN, api_gc_run_get},
    {HTTP_POST, "/api/v1/gc/runs/{run}/undo", ACCESS_ADMIN, api_gc_run_undo_post,
     .audit = "gc undo"},
    {HTTP_GET, "/auth/token", ACCESS_NONE, api_token_get},
    {HTTP_POST, "/auth/token", ACCESS_NONE, api_token_post},
    {HTTP_GET, "/.well-known/jwks.json", ACCESS_NONE, api_jwks_get},
    {HTTP_GET, "/auth/oidc/login", ACCESS_NONE, api_oidc_login},
    {HTTP_GET, "/auth/oidc/callback", ACCESS_NONE, api_oidc_callback},
    {HTTP_POST, "/api/v1/session", ACCESS_NONE, api_session_post},
    {HTTP_GET, "/api/v1/session", ACCESS_BASE, api_session_get},
    {HTTP_GET, "/api/v1/session/methods", ACCESS_NONE, api_session_methods_get},
    {HTTP_DELETE, "/api/v1/session", ACCESS_BASE, api_session_delete, .audit = "sign-out"},
    {HTTP_GET, "/", ACCESS_NONE, api_home_get, .quick = api_home_quick},
    {HTTP_GET, "/healthz", ACCESS_NONE, api_healthz_get, .quick = api_healthz_quick},
    {HTTP_GET, "/readyz", ACCESS_NONE, api_readyz_get},
    {HTTP_GET, "/debug/health", ACCESS_NONE, api_debug_health_get, .debug = true},
};
/* clang-format on */

const size_t api_routes_n = sizeof(api_routes) / sizeof(api_routes[0]);
