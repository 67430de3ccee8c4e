/*
 * `registry upload`: an archive of images, pushed to any registry (docs/upload.md). It is read and
 * checked to its end before anything is sent, and becomes the same manifests as at /upload-image.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/image_push.h"

#include <inttypes.h>
#include <stdlib.h>

#define JOBS_USUAL   4
#define JOBS_MOST    32
#define TAGS_MOST    32
#define SPOOL_FOLDER "/var/tmp"
#define ANSWER_MAX   (16u << 20)
#define SCOPES_SIZE  (2 * REPO_NAME_MAX + 64)

/* What registries take unless they are told otherwise. */
static const struct image_plan_rules rules = {.manifest_bytes = 4u << 20,
                                              .manifest_references = 10000,
                                              .repositories = 1000,
                                              .name_bytes = REPO_NAME_MAX};

struct upload {
    struct cli *cli;
    bool json, dry_run;
    unsigned jobs;
    struct repo_name repo; /* n is 0: the archive's own names say it */
    struct tag_name tags[TAGS_MOST];
    size_t n_tags;
    const char *from, *image;
    struct out_platform platform; /* os is "": none is wished */
    struct remote_server server;
    struct archive_file archive;
    struct resume_notes notes;
    struct image_plan plan;
    struct refusal refusal; /* of the plan */
};

static void upload_done(struct upload *u)
{
    image_plan_done(&u->plan);
    archive_file_done(&u->archive);
    resume_notes_done(&u->notes);
    remote_server_done(&u->server);
}

static inline void auto_upload_(struct upload *u)
{
    upload_done(u);
}

/* ---- what is asked for */

static enum err_code add_tag(struct upload *u, struct str text, struct err *e)
{
    if (u->n_tags == TAGS_MOST)
        return err_set(e, ERR_CONFIG, "no more than %u tags", TAGS_MOST);
    if (tag_name_parse(text, &u->tags[u->n_tags], e) != ERR_OK)
        return e->code = ERR_CONFIG;
    u->n_tags++;
    return ERR_OK;
}

/* NAME[:TAG], without its host. */
static enum err_code take_name(struct upload *u, struct str image, struct err *e)
{
    struct str name = image, tag = STR_NONE;

    for (size_t i = image.n; i-- > 0 && image.p[i] != '/';) {
        if (image.p[i] == ':') {
            name = str_sub(image, 0, i);
            tag = str_sub(image, i + 1, image.n - i - 1);
        }
    }
    if (repo_name_parse(name, &u->repo, e) != ERR_OK)
        return e->code = ERR_CONFIG;
    return tag.p ? add_tag(u, tag, e) : ERR_OK;
}

static enum err_code take_flags(struct upload *u, const struct cli_args *args, struct err *e)
{
    const char *jobs = cli_flag(args, "--jobs"), *platform = cli_flag(args, "--platform"), *tag;
    uint64_t n = JOBS_USUAL;

    if (jobs && (!str_to_u64(str_of(jobs), JOBS_MOST, &n) || n == 0))
        return err_set(e, ERR_CONFIG, "--jobs is a number from 1 to %u", JOBS_MOST);
    u->jobs = (unsigned)n;
    u->json = cli_flag(args, "--json");
    u->dry_run = cli_flag(args, "--dry-run");
    u->from = cli_flag(args, "--from");
    u->image = cli_flag(args, "--image");
    if (platform && out_platform_parse(str_of(platform), &u->platform, e) != ERR_OK)
        return e->code = ERR_CONFIG;
    if (u->from && !repo_name_valid(str_of(u->from)))
        return err_set(e, ERR_CONFIG, "--from is the name of a repository");
    for (size_t i = 0; (tag = cli_flag_nth(args, "--tag", i)); i++)
        TRY(add_tag(u, str_of(tag), e));
    return ERR_OK;
}

static enum err_code open_server(struct upload *u, const struct cli_args *args, struct err *e)
{
    struct str image = args->n_operands > 1 ? str_of(args->operands[1]) : STR("");
    AUTO(buf) struct buf url = {0};

    buf_init(&url, REMOTE_URL_MAX);
    remote_server_split(args, &image, &url);
    if (image.n > 0)
        TRY(take_name(u, image, e));
    TRY(take_flags(u, args, e));
    return remote_server_open(u->cli, args, buf_text(&url), &u->server, e);
}

/* ---- one repository of the server */

struct target {
    char scopes[SCOPES_SIZE];
    char url[REMOTE_URL_MAX];
    struct remote_registry registry;
};

/* repo is NULL when it is not known yet; from may be. */
static void target_init(struct target *t, struct upload *u, const struct repo_name *repo,
                        const char *from)
{
    t->scopes[0] = '\0';
    if (repo)
        snprintf(t->scopes, sizeof(t->scopes), "repository:%s:pull,push%s%s%s", repo->text,
                 from ? " repository:" : "", from ? from : "", from ? ":pull" : "");
    snprintf(t->url, sizeof(t->url), STR_FMT "/v2/%s", STR_ARG(buf_str(&u->server.url)),
             repo ? repo->text : "");
    remote_registry_init(&t->registry, &u->server, t->scopes);
}

static inline void auto_target_(struct target *t)
{
    remote_registry_done(&t->registry);
}

/* dist-spec end-1: is it a registry, and will it have this user? Before all of a file is read. */
static enum err_code knock(struct upload *u, struct err *e)
{
    AUTO(remote_answer) struct remote_answer a = {0};
    AUTO(target) struct target t = {0};
    char url[REMOTE_URL_MAX];

    target_init(&t, u, u->repo.n > 0 ? &u->repo : NULL, u->from);
    snprintf(url, sizeof(url), STR_FMT "/v2/", STR_ARG(buf_str(&u->server.url)));
    TRY(remote_registry_run(&t.registry, &(struct remote_request){.method = "GET", .url = url}, &a,
                            e));
    if (a.status == 200)
        return ERR_OK;
    if (a.status == 401 || a.status == 403)
        return remote_registry_refused(&t.registry, &a, e);
    return err_set(e, ERR_UNSUPPORTED, "the server does not answer as a registry does (%d)",
                   a.status);
}

/* ---- reading */

static void on_read(void *ctx, uint64_t done_bytes)
{
    progress_bar_show(ctx, done_bytes);
}

static enum err_code read_archive(struct upload *u, struct err *e)
{
    struct progress_bar bar = {0};
    enum err_code code;

    if (u->archive.n_bytes > 0 && !u->json)
        progress_bar_begin(&bar, u->cli->err, 0, u->archive.n_bytes);
    code = archive_file_read(&u->archive, on_read, &bar, e);
    progress_bar_end(&bar);
    return code;
}

/* More tags than one are of the image that got the first. */
static void add_tags(struct upload *u, struct image_place *place)
{
    for (size_t i = 0; i < place->n; i++) {
        struct image_plan_item *item = &place->items[i];

        if (item->n_tags == 0)
            continue;
        item->tags = mem_resize(item->tags, u->n_tags * sizeof(*item->tags));
        memcpy(item->tags, u->tags, u->n_tags * sizeof(*item->tags));
        item->n_tags = u->n_tags;
    }
}

static enum err_code make_plan(struct upload *u, struct err *e)
{
    const struct image_wish wish = {.repo = u->repo.n > 0 ? &u->repo : NULL,
                                    .image = u->image ? u->image : "",
                                    .tag = u->n_tags > 0 ? &u->tags[0] : NULL,
                                    .platform = u->platform.os[0] ? &u->platform : NULL};

    TRY(image_plan_make(&rules, u->archive.verdict, &wish, &u->plan, &u->refusal, e));
    for (size_t i = 0; u->n_tags > 1 && i < u->plan.n; i++)
        add_tags(u, &u->plan.places[i]);
    return ERR_OK;
}

/* ---- what is told */

static void tell_blob(void *ctx, const struct archive_blob *b, enum blob_result r)
{
    static const char *const words[] = {
        [BLOB_SENT] = "sent", [BLOB_THERE] = "there", [BLOB_MOUNTED] = "mounted"};
    const struct upload *u = ctx;

    if (u->json)
        fprintf(u->cli->out, "{\"blob\":\"%s\",\"bytes\":%" PRIu64 ",\"result\":\"%s\"}\n",
                b->digest.text, b->size_bytes, words[r]);
    else
        fprintf(u->cli->out, "%s: %" PRIu64 " bytes, %s\n", b->digest.text, b->size_bytes,
                words[r]);
    fflush(u->cli->out);
}

/* What all of it came to, in each repository. */
struct sums {
    size_t n_blobs, n_new;
    uint64_t new_bytes;
};

static void tell_json(const struct upload *u, const struct sums *sums)
{
    AUTO(buf) struct buf b = {0};

    buf_init(&b, ANSWER_MAX);
    buf_add_char(&b, '{');
    image_plan_add_json(&b, u->archive.verdict, &u->plan);
    buf_addf(&b, ",\"blobs\":%zu,\"newBlobs\":%zu,\"newBytes\":%" PRIu64 "%s}\n", sums->n_blobs,
             sums->n_new, sums->new_bytes, u->dry_run ? ",\"dryRun\":true" : "");
    fwrite(b.p, 1, b.n, u->cli->out);
}

static void tell_image(const struct upload *u, const struct image_place *place,
                       const struct image_plan_item *item)
{
    const struct archive_manifest *m = &u->archive.verdict->manifests[item->manifest];

    for (size_t t = 0; t < item->n_tags; t++)
        fprintf(u->cli->out, "%s:%s: %s\n", place->repo.text, item->tags[t].text, m->digest.text);
    if (item->n_tags == 0)
        fprintf(u->cli->out, "%s@%s\n", place->repo.text, m->digest.text);
    if (item->partial)
        fprintf(u->cli->out, "  in place of %s, of which %zu manifests are not in the archive\n",
                item->partial->digest.text, item->partial->n_missing);
}

static void tell_end(const struct upload *u, const struct sums *sums)
{
    if (u->json) {
        tell_json(u, sums);
        return;
    }
    for (size_t i = 0; i < u->plan.n; i++) {
        for (size_t k = 0; k < u->plan.places[i].n; k++)
            tell_image(u, &u->plan.places[i], &u->plan.places[i].items[k]);
    }
    fprintf(u->cli->out, "%zu of %zu blobs %s, %" PRIu64 " bytes\n", sums->n_new, sums->n_blobs,
            u->dry_run ? "would be sent" : "sent", sums->new_bytes);
}

static void add_member(struct buf *b, const char *name, const char *value)
{
    if (!*value)
        return;
    buf_addf(b, ",\"%s\":", name);
    buf_add_json(b, str_of(value));
}

/* A refused archive says why also to machines, in the words of /upload-image. */
static void tell_failure(const struct upload *u, const struct err *why)
{
    const struct refusal *f = u->refusal.code != REFUSAL_NONE || !u->archive.archive
                                  ? &u->refusal
                                  : archive_refusal(u->archive.archive);
    AUTO(buf) struct buf b = {0};

    fprintf(u->cli->err, "registry: %s\n", why->detail);
    if (!u->json)
        return;
    buf_init(&b, ANSWER_MAX);
    buf_add_text(&b, "{\"error\":{\"message\":");
    buf_add_json(&b, str_of(why->detail));
    if (f->code != REFUSAL_NONE) {
        add_member(&b, "code", refusal_name(f->code));
        add_member(&b, "member", f->member);
        add_member(&b, "wrong", f->wrong);
        add_member(&b, "expected", refusal_expected(f->code));
    }
    buf_add_text(&b, "}}\n");
    fwrite(b.p, 1, b.n, u->cli->out);
}

/* ---- all of it */

static void add_to(struct sums *sums, const struct upload *u, const struct image_push *p)
{
    sums->n_blobs += p->n_blobs;
    sums->n_new += u->dry_run ? p->n_missing : p->n_sent;
    sums->new_bytes += u->dry_run ? p->missing_bytes : p->sent_bytes;
}

/* What goes to a repository. */
struct place_push {
    struct target target;
    struct image_push images;
};

struct pushes {
    struct place_push *places;
    size_t n;
};

static inline void auto_pushes_(struct pushes *p)
{
    for (size_t i = 0; i < p->n; i++) {
        image_push_done(&p->places[i].images);
        remote_registry_done(&p->places[i].target.registry);
    }
    free(p->places);
}

/* What the first repository has got the others mount from it, when nothing else is said. */
static void place_push_init(struct place_push *p, struct upload *u, size_t i)
{
    const struct image_place *place = &u->plan.places[i];
    const char *from = u->from || i == 0 ? u->from : u->plan.places[0].repo.text;

    target_init(&p->target, u, &place->repo, from);
    p->images = (struct image_push){.registry = &p->target.registry,
                                    .repository_url = p->target.url,
                                    .from = from,
                                    .notes = &u->notes,
                                    .archive = &u->archive,
                                    .place = place,
                                    .jobs = u->jobs,
                                    .one_of_several = u->plan.n > 1,
                                    .bar = u->json ? NULL : u->cli->err,
                                    .tell = tell_blob,
                                    .ctx = u};
}

static void make_pushes(struct pushes *p, struct upload *u)
{
    p->places = mem_zero((u->plan.n + 1) * sizeof(*p->places));
    p->n = u->plan.n;
    for (size_t i = 0; i < p->n; i++)
        place_push_init(&p->places[i], u, i);
}

/* A step of all repositories comes before the next of any: no tag is set anywhere before everything
 * that needs no tag is everywhere. */
static enum err_code push_all(struct pushes *p, bool dry_run, struct err *e)
{
    static enum err_code (*const steps[])(struct image_push *, struct err *) = {
        image_push_look, image_push_blobs, image_push_manifests, image_push_tags};
    size_t n = dry_run ? 1 : sizeof(steps) / sizeof(steps[0]);

    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < p->n; i++)
            TRY(steps[k](&p->places[i].images, e));
    }
    return ERR_OK;
}

static enum err_code push(struct upload *u, struct err *e)
{
    AUTO(pushes) struct pushes p = {.n = 0};
    struct sums sums = {0};

    if (!u->dry_run)
        resume_notes_open(u->cli->environment, &u->notes);
    make_pushes(&p, u);
    TRY(push_all(&p, u->dry_run, e));
    for (size_t i = 0; i < p.n; i++)
        add_to(&sums, u, &p.places[i].images);
    tell_end(u, &sums);
    return ERR_OK;
}

static enum err_code upload(struct upload *u, const struct cli_args *args, struct err *e)
{
    const char *folder = cli_variable(u->cli->environment, "TMPDIR");

    if (strcmp(args->operands[0], "-") == 0 && cli_flag(args, "--password-stdin"))
        return err_set(e, ERR_CONFIG, "standard input can't be the archive and the password");
    TRY(open_server(u, args, e));
    TRY(archive_file_open(args->operands[0], folder ? folder : SPOOL_FOLDER, &u->archive, e));
    TRY(knock(u, e));
    TRY(read_archive(u, e));
    TRY(make_plan(u, e));
    return push(u, e);
}

int cli_upload(struct cli *cli, const struct cli_args *args)
{
    AUTO(upload)
    struct upload u = {.cli = cli, .archive = {.fd = -1, .spool_fd = -1}, .notes = {-1}};
    struct err e = {0};

    if (args->n_operands < 1) {
        fprintf(cli->err, "registry: a file (or -) is needed\n"
                          "`registry upload --help` shows what there is.\n");
        return CLI_USAGE;
    }
    if (upload(&u, args, &e) == ERR_OK)
        return CLI_OK;
    tell_failure(&u, &e);
    return CLI_FAILED;
}
