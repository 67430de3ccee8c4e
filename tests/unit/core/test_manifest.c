#include "core/manifest.h"

#include "base/mem.h"
#include "support.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D256  "\"sha256:" HEX64 "\""
#define D512  "\"sha512:" HEX64 HEX64 "\""

#define DESCRIPTOR(type)      "{\"mediaType\":\"" type "\",\"digest\":" D256 ",\"size\":3}"
#define DESCRIPTOR_WITH(more) "{\"mediaType\":\"a/b\",\"digest\":" D256 ",\"size\":3," more "}"
#define CONFIG                "\"config\":" DESCRIPTOR("application/vnd.oci.image.config.v1+json")
#define LAYER                 DESCRIPTOR("application/vnd.oci.image.layer.v1.tar+gzip")
#define TYPE(type)            "\"mediaType\":\"" type "\""
#define V2                    "{\"schemaVersion\":2,"
#define IMAGE(more)           V2 CONFIG ",\"layers\":[" LAYER "]" more "}"
#define INDEX(children, more) V2 "\"manifests\":[" children "]" more "}"

#define MAX_LINKS 10

static enum err_code parse_as(const char *json, const char *content_type, struct manifest *ret)
{
    struct err e = {0};
    enum err_code code = manifest_parse(str_of(json), str_of(content_type), MAX_LINKS, ret, &e);

    if (code != ERR_OK)
        assert_true(e.public_detail);
    return code;
}

static enum err_code parse(const char *json, struct manifest *ret)
{
    return parse_as(json, "", ret);
}

static void accept(const char *json)
{
    struct manifest m;

    assert_ok(parse(json, &m));
    manifest_done(&m);
}

static void refuse(const char *json)
{
    struct manifest m;

    assert_code(ERR_MANIFEST_INVALID, parse(json, &m));
}

static void refuse_as(const char *json, const char *content_type)
{
    struct manifest m;

    assert_code(ERR_MANIFEST_INVALID, parse_as(json, content_type, &m));
}

static void assert_type(const char *json, const char *content_type, const char *media_type,
                        enum manifest_shape shape)
{
    struct manifest m;

    assert_ok(parse_as(json, content_type, &m));
    assert_string_equal(m.media_type, media_type);
    assert_int_equal(m.shape, shape);
    manifest_done(&m);
}

/* The type. */

static void the_content_type_says_what_it_is(void **state)
{
    (void)state;
    assert_type(IMAGE(""), MEDIA_OCI_MANIFEST, MEDIA_OCI_MANIFEST, MANIFEST_IMAGE);
    assert_type(IMAGE(""), MEDIA_DOCKER_MANIFEST, MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE);
    assert_type(INDEX("", ""), MEDIA_OCI_INDEX, MEDIA_OCI_INDEX, MANIFEST_INDEX);
    assert_type(INDEX("", ""), MEDIA_DOCKER_LIST, MEDIA_DOCKER_LIST, MANIFEST_INDEX);
}

static void the_media_type_says_what_it_is(void **state)
{
    (void)state;
    assert_type(IMAGE("," TYPE(MEDIA_OCI_MANIFEST)), "", MEDIA_OCI_MANIFEST, MANIFEST_IMAGE);
    assert_type(IMAGE("," TYPE(MEDIA_DOCKER_MANIFEST)), "", MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE);
    assert_type(INDEX("", "," TYPE(MEDIA_OCI_INDEX)), "", MEDIA_OCI_INDEX, MANIFEST_INDEX);
    assert_type(INDEX("", "," TYPE(MEDIA_DOCKER_LIST)), "", MEDIA_DOCKER_LIST, MANIFEST_INDEX);
}

static void the_shape_says_what_it_is(void **state)
{
    (void)state;
    assert_type(IMAGE(""), "", MEDIA_OCI_MANIFEST, MANIFEST_IMAGE);
    assert_type(INDEX("", ""), "", MEDIA_OCI_INDEX, MANIFEST_INDEX);
}

static void parameters_of_the_content_type_do_not_matter(void **state)
{
    (void)state;
    assert_type(IMAGE(""), MEDIA_DOCKER_MANIFEST "; charset=utf-8", MEDIA_DOCKER_MANIFEST,
                MANIFEST_IMAGE);
    assert_type(IMAGE(""), " " MEDIA_DOCKER_MANIFEST " ;x=y;z", MEDIA_DOCKER_MANIFEST,
                MANIFEST_IMAGE);
}

/* RFC 9110, 8.3.1: case does not matter. */
static void case_of_the_content_type_does_not_matter(void **state)
{
    (void)state;
    assert_type(IMAGE(""), "Application/VND.oci.image.manifest.v1+JSON", MEDIA_OCI_MANIFEST,
                MANIFEST_IMAGE);
}

static void a_media_type_that_contradicts_the_content_type_is_refused(void **state)
{
    (void)state;
    refuse_as(IMAGE("," TYPE(MEDIA_OCI_MANIFEST)), MEDIA_DOCKER_MANIFEST);
    refuse_as(IMAGE("," TYPE(MEDIA_OCI_MANIFEST)), MEDIA_OCI_INDEX);
    refuse_as(INDEX("", "," TYPE(MEDIA_OCI_INDEX)), MEDIA_OCI_MANIFEST);
    refuse_as(INDEX("", "," TYPE(MEDIA_DOCKER_LIST)), MEDIA_OCI_INDEX);
    refuse_as(IMAGE("," TYPE(MEDIA_OCI_MANIFEST)), "application/json");
}

static void a_type_that_is_no_manifest_is_refused(void **state)
{
    (void)state;
    refuse_as(IMAGE(""), "application/json");
    refuse_as(IMAGE(""), "application/vnd.docker.distribution.manifest.v1+prettyjws");
    refuse(IMAGE("," TYPE("text/plain")));
    refuse(IMAGE(",\"mediaType\":7"));
}

/* CVE-2021-41190: what is an image to one client must not be an index to another. */
static void an_index_with_parts_of_an_image_is_refused(void **state)
{
    (void)state;
    refuse_as(INDEX("", ",\"layers\":[]"), MEDIA_OCI_INDEX);
    refuse_as(INDEX("", "," CONFIG), MEDIA_OCI_INDEX);
    refuse_as(INDEX("", ",\"fsLayers\":[]"), MEDIA_OCI_INDEX);
    refuse_as(INDEX("", ",\"layers\":[" LAYER "]"), MEDIA_DOCKER_LIST);
    refuse(INDEX("", "," CONFIG ",\"layers\":[]"));
}

static void an_image_with_parts_of_an_index_is_refused(void **state)
{
    (void)state;
    refuse(IMAGE(",\"manifests\":[]," TYPE(MEDIA_OCI_MANIFEST)));
    refuse_as(IMAGE(",\"manifests\":[]"), MEDIA_DOCKER_MANIFEST);
    refuse(IMAGE(",\"manifests\":{}," TYPE(MEDIA_OCI_MANIFEST)));
}

/* Go's decoder takes "Layers" for "layers": it would see another image than we checked. */
static void a_key_that_differs_in_case_only_is_refused(void **state)
{
    (void)state;
    refuse(IMAGE(",\"Layers\":[]"));
    refuse(IMAGE(",\"CONFIG\":{}"));
    refuse(IMAGE(",\"Manifests\":[]," TYPE(MEDIA_OCI_MANIFEST)));
    refuse(INDEX("", ",\"MediaType\":\"" MEDIA_OCI_MANIFEST "\""));
    refuse(V2 CONFIG ",\"layers\":[" DESCRIPTOR_WITH("\"Digest\":" D512) "]}");
}

static void a_null_is_the_same_as_nothing(void **state)
{
    (void)state;
    accept(IMAGE(",\"manifests\":null,\"subject\":null,\"annotations\":null,"
                 "\"artifactType\":null," TYPE(MEDIA_OCI_MANIFEST)));
    accept(INDEX("", ",\"config\":null,\"layers\":null"));
    accept(V2 CONFIG ",\"layers\":null}");
    accept(V2 "\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":null}");
}

/* JSON. */

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    refuse("");
    refuse(" ");
    refuse("{");
    refuse("hello");
    refuse(IMAGE("") "x");
    refuse(IMAGE("") IMAGE(""));
    refuse(IMAGE(",\"a\":\"\x01\""));
    refuse(IMAGE(",\"a\":\"\xff\xfe\""));
    refuse(IMAGE(",\"a\":\"\\u0000\""));
    refuse(IMAGE(",\"a\":\"\\ud800\""));
    refuse(IMAGE(",}"));
    refuse("\xef\xbb\xbf" IMAGE(""));
}

static void what_is_not_an_object_is_refused(void **state)
{
    (void)state;
    refuse("[]");
    refuse("[" IMAGE("") "]");
    refuse("7");
    refuse("null");
    refuse("\"text\"");
}

static void a_key_that_comes_twice_is_refused(void **state)
{
    (void)state;
    refuse(IMAGE(",\"layers\":[]"));
    refuse(IMAGE(",\"a\":1,\"a\":1"));
    refuse(IMAGE(",\"annotations\":{\"a\":\"b\",\"a\":\"c\"}"));
    refuse(IMAGE(",\"layer\\u0073\":[]"));
}

static void a_schema_version_other_than_2_is_refused(void **state)
{
    (void)state;
    refuse("{" CONFIG ",\"layers\":[]}");
    refuse("{\"schemaVersion\":1," CONFIG ",\"layers\":[]}");
    refuse("{\"schemaVersion\":\"2\"," CONFIG ",\"layers\":[]}");
    refuse("{\"schemaVersion\":2.0," CONFIG ",\"layers\":[]}");
    refuse("{\"schemaVersion\":null," CONFIG ",\"layers\":[]}");
}

static char *repeated(const char *head, const char *piece, const char *tail, size_t max_bytes)
{
    size_t n = strlen(piece), fixed = strlen(head) + strlen(tail);
    char *text = mem_alloc(max_bytes + 1), *at = text;

    at += sprintf(at, "%s", head);
    for (size_t used = fixed; used + n <= max_bytes; used += n, at += n)
        memcpy(at, piece, n);
    strcpy(at, tail);
    return text;
}

static void deeply_nested_json_is_refused(void **state)
{
    AUTO(mem) char *arrays = repeated(V2 "\"a\":", "[", "", 4 << 20);
    AUTO(mem) char *objects = repeated(V2 "\"a\":", "{\"a\":", "", 4 << 20);

    (void)state;
    refuse(arrays);
    refuse(objects);
}

/* Each of these took hundreds of megabytes as a tree. */
static void json_of_very_many_values_is_refused(void **state)
{
    static const char *const pieces[] = {"[],", "{},", "\"\",", "0,", "{\"a\":{}},"};

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        AUTO(mem)
        char *json = repeated(V2 CONFIG ",\"layers\":[],\"a\":[", pieces[i], "0]}", 4 << 20);

        refuse(json);
    }
}

static void four_megabytes_of_hostile_json_come_to_an_end(void **state)
{
    static const struct {
        const char *head, *piece, *tail;
    } texts[] = {
        {V2 "\"a\":\"", "\\u00e9", "\"}"},
        {V2 "\"a\":\"", "a", "\"}"},
        {V2 "\"a\":", "9", "}"},
        {V2 "\"a\":0.", "9", "}"},
        {V2 "\"a\":1e", "9", "}"},
        {V2 "\"a\":1e", "0", "}"},
        {V2 "\"a\":-", "0", "}"},
        {"", " ", "{}"},
        {"", "\n", "{}"},
        {V2 "\"a\":\"", "\\", "\"}"},
        {V2 "\"a\":\"", "\\\"", "\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        AUTO(mem) char *json = repeated(texts[i].head, texts[i].piece, texts[i].tail, 4 << 20);

        refuse(json);
    }
}

static void braces_in_texts_are_no_values(void **state)
{
    AUTO(mem)
    char *json = repeated(V2 CONFIG ",\"layers\":[],\"a\":\"", "[{,:\\\"", "\"}", 4 << 20);

    (void)state;
    accept(json);
}

static void a_large_manifest_of_common_shape_is_accepted(void **state)
{
    AUTO(mem)
    char *json = repeated(
        V2 "\"manifests\":[",
        "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":" D256
        ",\"size\":1000,\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"},"
        "\"annotations\":{\"a\":\"b\",\"c\":\"d\"}},",
        "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"digest\":" D256 ",\"size\":1}]}", 4 << 20);
    struct manifest m;

    (void)state;
    assert_ok(manifest_parse(str_of(json), STR_NONE, 100000, &m, ERR_IGNORED));
    assert_true(m.n_links > 10000);
    manifest_done(&m);
}

/* Descriptors. */

static void the_links_of_an_image_are_its_config_and_layers(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(parse(IMAGE(""), &m));
    assert_int_equal(m.n_links, 2);
    assert_int_equal(m.links[0].kind, LINK_BLOB);
    assert_int_equal(m.links[1].kind, LINK_BLOB);
    assert_int_equal(m.links[1].size_bytes, 3);
    assert_string_equal(m.links[1].digest.text, "sha256:" HEX64);
    assert_false(m.has_subject);
    manifest_done(&m);
}

static void an_image_without_config_is_refused(void **state)
{
    (void)state;
    refuse(V2 "\"layers\":[]}");
    refuse(V2 "\"config\":null,\"layers\":[]}");
    refuse(V2 "\"config\":[],\"layers\":[]}");
    refuse(V2 "\"config\":\"sha256:" HEX64 "\",\"layers\":[]}");
}

static void a_list_that_is_none_is_refused(void **state)
{
    (void)state;
    refuse(V2 CONFIG ",\"layers\":{}}");
    refuse(V2 CONFIG ",\"layers\":\"\"}");
    refuse(V2 "\"manifests\":{}}");
    refuse(V2 "\"manifests\":false}");
    refuse(V2 CONFIG ",\"layers\":[null]}");
    refuse(V2 CONFIG ",\"layers\":[[]]}");
    refuse(INDEX("7", ""));
}

static void a_descriptor_without_its_parts_is_refused(void **state)
{
    (void)state;
    refuse(V2 CONFIG ",\"layers\":[{}]}");
    refuse(V2 CONFIG ",\"layers\":[{\"digest\":" D256 ",\"size\":3}]}");
    refuse(V2 CONFIG ",\"layers\":[{\"mediaType\":\"\",\"digest\":" D256 ",\"size\":3}]}");
    refuse(V2 CONFIG ",\"layers\":[{\"mediaType\":3,\"digest\":" D256 ",\"size\":3}]}");
    refuse(V2 CONFIG ",\"layers\":[{\"mediaType\":\"a/b\",\"size\":3}]}");
    refuse(V2 CONFIG ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":" D256 "}]}");
}

static void a_bad_digest_is_refused(void **state)
{
    static const char *const digests[] = {"\"\"",
                                          "7",
                                          "null",
                                          "\"sha256\"",
                                          "\"sha256:\"",
                                          "\"sha256:zz\"",
                                          "\"md5:" HEX64 "\"",
                                          "\"sha512:" HEX64 "\"",
                                          "\"sha256:" HEX64 "0\""};

    (void)state;
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        char json[1024];

        snprintf(json, sizeof(json),
                 V2 CONFIG ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":%s,\"size\":3}]}",
                 digests[i]);
        refuse(json);
    }
}

static void a_bad_size_is_refused(void **state)
{
    static const char *const sizes[] = {"-1",
                                        "3.0",
                                        "3e0",
                                        "\"3\"",
                                        "null",
                                        "true",
                                        "9223372036854775808",
                                        "18446744073709551616",
                                        "-9223372036854775809",
                                        "[]"};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char json[1024];

        snprintf(json, sizeof(json),
                 V2 CONFIG ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":" D256 ",\"size\":%s}]}",
                 sizes[i]);
        refuse(json);
    }
}

static void the_largest_size_is_kept(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(parse(V2 CONFIG ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":" D256
                              ",\"size\":9223372036854775807}]}",
                    &m));
    assert_int_equal(m.links[1].size_bytes, INT64_MAX);
    manifest_done(&m);
}

static void too_many_descriptors_are_refused(void **state)
{
    struct manifest m;

    (void)state;
    accept(INDEX(LAYER "," LAYER "," LAYER "," LAYER "," LAYER "," LAYER "," LAYER "," LAYER
                       "," LAYER "," LAYER,
                 ""));
    refuse(INDEX(LAYER "," LAYER "," LAYER "," LAYER "," LAYER "," LAYER "," LAYER "," LAYER
                       "," LAYER "," LAYER "," LAYER,
                 ""));
    assert_ok(manifest_parse(STR(INDEX("", "")), STR_NONE, 0, &m, ERR_IGNORED));
    manifest_done(&m);
}

static void sha512_is_a_digest_like_another(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(parse(
        V2 CONFIG ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":" D512 ",\"size\":0}]}", &m));
    assert_int_equal(m.links[1].digest.algorithm, DIGEST_SHA512);
    manifest_done(&m);
}

static void foreign_layers_may_be_elsewhere(void **state)
{
    static const char *const types[] = {
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct manifest m;
        char json[1024];

        snprintf(json, sizeof(json),
                 V2 CONFIG ",\"layers\":[{\"mediaType\":\"%s\",\"digest\":" D256 ",\"size\":3,"
                           "\"urls\":[\"https://example.org/\"]}]}",
                 types[i]);
        assert_ok(parse(json, &m));
        assert_int_equal(m.links[1].kind, LINK_FOREIGN_BLOB);
        manifest_done(&m);
    }
}

static void urls_alone_make_no_foreign_layer(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(
        parse(V2 CONFIG ",\"layers\":[" DESCRIPTOR_WITH("\"urls\":[\"https://a/\"]") "]}", &m));
    assert_int_equal(m.links[1].kind, LINK_BLOB);
    manifest_done(&m);
}

static void urls_are_a_list_of_texts(void **state)
{
    static const char *const wrong[] = {
        V2 CONFIG ",\"layers\":[" DESCRIPTOR_WITH("\"urls\":\"https://a/\"") "]}",
        V2 CONFIG ",\"layers\":[" DESCRIPTOR_WITH("\"urls\":[1]") "]}",
        V2 CONFIG ",\"layers\":[" DESCRIPTOR_WITH("\"urls\":[[]]") "]}",
    };
    struct manifest m;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_code(ERR_MANIFEST_INVALID, parse(wrong[i], &m));
    assert_ok(parse(
        V2 CONFIG ",\"layers\":[" DESCRIPTOR_WITH("\"urls\":[\"https://a/\",\"b\"]") "]}", &m));
    assert_int_equal(m.n_urls, 2);
    assert_string_equal(m.urls[1], "b");
    manifest_done(&m);
}

static void children_of_an_index_are_manifests_or_unknown(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(parse(
        INDEX(DESCRIPTOR(MEDIA_OCI_MANIFEST) "," DESCRIPTOR(MEDIA_DOCKER_MANIFEST) "," DESCRIPTOR(
                  MEDIA_OCI_INDEX) "," DESCRIPTOR("application/vnd.example+json"),
              ""),
        &m));
    assert_int_equal(m.n_links, 4);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(m.links[i].kind, LINK_MANIFEST);
    assert_int_equal(m.links[3].kind, LINK_UNKNOWN);
    manifest_done(&m);
}

/* data: base64 of the content. */

static char *with_data(const char *bytes, const char *base64, uint64_t size, bool sha512)
{
    struct digest d;
    char *json;

    digest_of(sha512 ? DIGEST_SHA512 : DIGEST_SHA256, bytes, strlen(bytes), &d);
    assert_true(asprintf(&json,
                         V2 CONFIG ",\"layers\":[{\"mediaType\":\"a/b\",\"digest\":\"%s\","
                                   "\"size\":%llu,\"data\":\"%s\"}]}",
                         d.text, (unsigned long long)size, base64) > 0);
    return json;
}

static void data_that_is_the_content_is_accepted(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff", "+/8="},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        AUTO(mem) char *json = with_data(pairs[i][0], pairs[i][1], strlen(pairs[i][0]), i % 2);

        accept(json);
    }
}

static void data_of_another_size_is_refused(void **state)
{
    AUTO(mem) char *more = with_data("foo", "Zm9v", 4, false);
    AUTO(mem) char *less = with_data("foo", "Zm9v", 2, false);
    AUTO(mem) char *none = with_data("foo", "", 3, false);

    (void)state;
    refuse(more);
    refuse(less);
    refuse(none);
}

static void data_of_another_content_is_refused(void **state)
{
    AUTO(mem) char *json = with_data("foo", "Zm9w", 3, false);

    (void)state;
    refuse(json);
}

/* RFC 4648, 4: the standard alphabet with its padding, and nothing else. */
static void data_that_is_not_strict_base64_is_refused(void **state)
{
    static const char *const pairs[][2] = {
        {"f", "Zg"},
        {"f", "Zg="},
        {"f", "Zg==="},
        {"f", "Zg==\\n"},
        {"f", " Zg=="},
        {"f", "Zg== "},
        {"f", "Z g=="},
        {"f", "Zh=="},
        {"fo", "Zm9="},
        {"foo", "Zm9v===="},
        {"foo", "Zm9v\\n"},
        {"foo", " Zm9v   "},
        {"foo", "Zm9!"},
        {"foo", "Zm=v"},
        {"foo", "===="},
        {"\xfb\xff", "-_8="},
        {"f", "A==="},
        {"", "===="},
        {"foofoo", "Zm9v=m9v"},
        {"foofo", "Zg==Zm8="},
        {"foo", "Zm9v\\t\\t\\t\\t"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        AUTO(mem) char *json = with_data(pairs[i][0], pairs[i][1], strlen(pairs[i][0]), false);

        refuse(json);
    }
}

static void data_that_is_no_text_is_refused(void **state)
{
    (void)state;
    refuse(V2 CONFIG ",\"layers\":[" DESCRIPTOR_WITH("\"data\":7") "]}");
    accept(V2 CONFIG ",\"layers\":[" DESCRIPTOR_WITH("\"data\":null") "]}");
}

/* Subject, artifact type, annotations. */

static void the_subject_is_told(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(parse(IMAGE(",\"subject\":" DESCRIPTOR(MEDIA_OCI_MANIFEST)), &m));
    assert_true(m.has_subject);
    assert_string_equal(m.subject.text, "sha256:" HEX64);
    assert_int_equal(m.n_links, 2);
    manifest_done(&m);
}

static void an_index_may_have_a_subject(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(parse(INDEX("", ",\"subject\":" DESCRIPTOR(MEDIA_OCI_MANIFEST)), &m));
    assert_true(m.has_subject);
    manifest_done(&m);
}

static void a_bad_subject_is_refused(void **state)
{
    (void)state;
    refuse(IMAGE(",\"subject\":{}"));
    refuse(IMAGE(",\"subject\":\"sha256:" HEX64 "\""));
    refuse(IMAGE(",\"subject\":[]"));
    refuse(IMAGE(",\"subject\":false"));
}

static void assert_artifact_type(const char *json, const char *type)
{
    struct manifest m;

    assert_ok(parse(json, &m));
    assert_string_equal(m.artifact_type, type);
    manifest_done(&m);
}

static void the_artifact_type_is_told(void **state)
{
    (void)state;
    assert_artifact_type(IMAGE(",\"artifactType\":\"example/sbom\""), "example/sbom");
    assert_artifact_type(INDEX("", ",\"artifactType\":\"example/sbom\""), "example/sbom");
}

static void an_image_without_artifact_type_has_that_of_its_config(void **state)
{
    (void)state;
    assert_artifact_type(IMAGE(""), "application/vnd.oci.image.config.v1+json");
    assert_artifact_type(IMAGE(",\"artifactType\":\"\""),
                         "application/vnd.oci.image.config.v1+json");
    assert_artifact_type(IMAGE(",\"artifactType\":null"),
                         "application/vnd.oci.image.config.v1+json");
}

static void an_index_without_artifact_type_has_none(void **state)
{
    (void)state;
    assert_artifact_type(INDEX("", ""), "");
}

static void an_artifact_type_that_is_no_text_is_refused(void **state)
{
    (void)state;
    refuse(IMAGE(",\"artifactType\":7"));
    refuse(INDEX("", ",\"artifactType\":{}"));
}

static void annotations_are_kept_as_json(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(parse(IMAGE(",\"annotations\":{\"org.example.key\" : \"a \\\"b\\\" \\u00e9\"}"), &m));
    assert_string_equal(m.annotations_json, "{\"org.example.key\":\"a \\\"b\\\" \xc3\xa9\"}");
    manifest_done(&m);
}

static void empty_annotations_are_none(void **state)
{
    struct manifest m;

    (void)state;
    assert_ok(parse(IMAGE(",\"annotations\":{}"), &m));
    assert_string_equal(m.annotations_json, "");
    manifest_done(&m);
}

static void annotations_that_are_no_texts_are_refused(void **state)
{
    (void)state;
    refuse(IMAGE(",\"annotations\":[]"));
    refuse(IMAGE(",\"annotations\":\"a\""));
    refuse(IMAGE(",\"annotations\":{\"a\":1}"));
    refuse(IMAGE(",\"annotations\":{\"a\":null}"));
    refuse(IMAGE(",\"annotations\":{\"a\":{\"b\":\"c\"}}"));
}

static void unknown_fields_are_ignored(void **state)
{
    (void)state;
    accept(IMAGE(",\"org.example\":{\"a\":[1,2.5,true,null]}"));
}

static void only_four_media_types_are_manifests(void **state)
{
    (void)state;
    assert_true(manifest_media_type_known(STR(MEDIA_OCI_MANIFEST)));
    assert_true(manifest_media_type_known(STR(MEDIA_OCI_INDEX)));
    assert_true(manifest_media_type_known(STR(MEDIA_DOCKER_MANIFEST)));
    assert_true(manifest_media_type_known(STR(MEDIA_DOCKER_LIST)));
    assert_false(manifest_media_type_known(STR("")));
    assert_false(manifest_media_type_known(STR(MEDIA_OCI_INDEX "x")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_content_type_says_what_it_is),
        cmocka_unit_test(the_media_type_says_what_it_is),
        cmocka_unit_test(the_shape_says_what_it_is),
        cmocka_unit_test(parameters_of_the_content_type_do_not_matter),
        cmocka_unit_test(case_of_the_content_type_does_not_matter),
        cmocka_unit_test(a_media_type_that_contradicts_the_content_type_is_refused),
        cmocka_unit_test(a_type_that_is_no_manifest_is_refused),
        cmocka_unit_test(an_index_with_parts_of_an_image_is_refused),
        cmocka_unit_test(an_image_with_parts_of_an_index_is_refused),
        cmocka_unit_test(a_key_that_differs_in_case_only_is_refused),
        cmocka_unit_test(a_null_is_the_same_as_nothing),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(what_is_not_an_object_is_refused),
        cmocka_unit_test(a_key_that_comes_twice_is_refused),
        cmocka_unit_test(a_schema_version_other_than_2_is_refused),
        cmocka_unit_test(deeply_nested_json_is_refused),
        cmocka_unit_test(json_of_very_many_values_is_refused),
        cmocka_unit_test(four_megabytes_of_hostile_json_come_to_an_end),
        cmocka_unit_test(braces_in_texts_are_no_values),
        cmocka_unit_test(a_large_manifest_of_common_shape_is_accepted),
        cmocka_unit_test(the_links_of_an_image_are_its_config_and_layers),
        cmocka_unit_test(an_image_without_config_is_refused),
        cmocka_unit_test(a_list_that_is_none_is_refused),
        cmocka_unit_test(a_descriptor_without_its_parts_is_refused),
        cmocka_unit_test(a_bad_digest_is_refused),
        cmocka_unit_test(a_bad_size_is_refused),
        cmocka_unit_test(the_largest_size_is_kept),
        cmocka_unit_test(too_many_descriptors_are_refused),
        cmocka_unit_test(sha512_is_a_digest_like_another),
        cmocka_unit_test(foreign_layers_may_be_elsewhere),
        cmocka_unit_test(urls_alone_make_no_foreign_layer),
        cmocka_unit_test(urls_are_a_list_of_texts),
        cmocka_unit_test(children_of_an_index_are_manifests_or_unknown),
        cmocka_unit_test(data_that_is_the_content_is_accepted),
        cmocka_unit_test(data_of_another_size_is_refused),
        cmocka_unit_test(data_of_another_content_is_refused),
        cmocka_unit_test(data_that_is_not_strict_base64_is_refused),
        cmocka_unit_test(data_that_is_no_text_is_refused),
        cmocka_unit_test(the_subject_is_told),
        cmocka_unit_test(an_index_may_have_a_subject),
        cmocka_unit_test(a_bad_subject_is_refused),
        cmocka_unit_test(the_artifact_type_is_told),
        cmocka_unit_test(an_image_without_artifact_type_has_that_of_its_config),
        cmocka_unit_test(an_index_without_artifact_type_has_none),
        cmocka_unit_test(an_artifact_type_that_is_no_text_is_refused),
        cmocka_unit_test(annotations_are_kept_as_json),
        cmocka_unit_test(empty_annotations_are_none),
        cmocka_unit_test(annotations_that_are_no_texts_are_refused),
        cmocka_unit_test(unknown_fields_are_ignored),
        cmocka_unit_test(only_four_media_types_are_manifests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
