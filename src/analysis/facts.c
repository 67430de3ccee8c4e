#include "analysis/facts.h"

#include "analysis/go_modules.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

#define LINE_MAX_BYTES  1024u /* of databases: names and versions are shorter */
#define WHOLE_MAX_BYTES (128u << 10)
#define NAME_BYTES      256u
#define PROGRAM_BYTES   (64u << 10) /* no program of Go is smaller */

enum reading { NOTHING, OS_RELEASE, DPKG, APK, NPM, GO };

struct facts {
    struct layer_files *list;
    uint32_t file;
    enum reading reading;
    struct buf line, whole;
    struct go_modules *go;
    bool cut_line; /* the rest of it is passed over */
    char name[NAME_BYTES], version[NAME_BYTES];
    bool installed; /* of a paragraph of dpkg */
};

struct facts *facts_new(void)
{
    struct facts *x = NEW(struct facts);

    buf_init(&x->line, LINE_MAX_BYTES);
    buf_init(&x->whole, WHOLE_MAX_BYTES);
    x->go = go_modules_new();
    return x;
}

void facts_free(struct facts *x)
{
    if (!x)
        return;
    buf_done(&x->line);
    buf_done(&x->whole);
    go_modules_free(x->go);
    free(x);
}

static enum err_code add(struct facts *x, enum layer_package_kind kind, struct str name,
                         struct str version, struct err *e)
{
    const struct layer_package p = {kind, name, version, x->file};

    if (name.n == 0 || name.n > NAME_BYTES || version.n > NAME_BYTES || !str_is_text(name) ||
        !str_is_text(version))
        return ERR_OK;
    return layer_files_add_package(x->list, &p, e);
}

/* ---- names that say it all */

/* "name-1.2.jar": the version begins behind the first '-' with a digit after it. */
static void split_version(struct str stem, struct str *ret_name, struct str *ret_version)
{
    *ret_name = stem;
    *ret_version = STR_NONE;
    for (size_t i = 1; stem.p && i + 1 < stem.n; i++) {
        if (stem.p[i] == '-' && stem.p[i + 1] >= '0' && stem.p[i + 1] <= '9') {
            *ret_name = str_sub(stem, 0, i);
            *ret_version = str_sub(stem, i + 1, stem.n - i - 1);
            return;
        }
    }
}

static bool ends_with(struct str *s, struct str suffix)
{
    if (!str_ends(*s, suffix))
        return false;
    *s = str_sub(*s, 0, s->n - suffix.n);
    return true;
}

static struct str last_of(struct str path)
{
    struct str part;

    while (str_cut(&path, '/', &part)) {
    }
    return part;
}

/* "…/requests-2.31.0.dist-info/METADATA": of the folder. */
static enum err_code add_python(struct facts *x, struct str folder, struct str suffix,
                                struct err *e)
{
    struct str stem = last_of(folder), name, rest, version;

    if (!ends_with(&stem, suffix))
        return ERR_OK;
    split_version(stem, &name, &rest);
    /* egg-info may have the Python behind it: "name-1.0-py3.11". */
    str_cut(&rest, '-', &version);
    return add(x, PACKAGE_PYTHON, name, version, e);
}

static enum err_code by_name(struct facts *x, struct str path, struct err *e)
{
    struct str rest = path, name, version;

    if (ends_with(&rest, STR(".dist-info/METADATA")))
        return add_python(x, str_sub(path, 0, path.n - 9), STR(".dist-info"), e);
    if (ends_with(&rest, STR(".egg-info/PKG-INFO")))
        return add_python(x, str_sub(path, 0, path.n - 9), STR(".egg-info"), e);
    if (ends_with(&rest, STR(".jar")) || ends_with(&rest, STR(".war")) ||
        ends_with(&rest, STR(".ear"))) {
        split_version(last_of(rest), &name, &version);
        return add(x, PACKAGE_JAVA, name, version, e);
    }
    return ERR_OK;
}

static bool is_rpm(struct str path)
{
    static const char *const names[] = {"var/lib/rpm/Packages",
                                        "var/lib/rpm/rpmdb.sqlite",
                                        "var/lib/rpm/Packages.db",
                                        "usr/lib/sysimage/rpm/rpmdb.sqlite",
                                        "usr/lib/sysimage/rpm/Packages.db",
                                        "usr/share/rpm/rpmdb.sqlite"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(path, str_of(names[i])))
            return true;
    }
    return false;
}

static enum reading reading_of(const struct layer_file *file)
{
    struct str path = file->path;

    if (str_eq(path, STR("etc/os-release")) || str_eq(path, STR("usr/lib/os-release")))
        return OS_RELEASE;
    if (str_eq(path, STR("var/lib/dpkg/status")) || str_starts(path, STR("var/lib/dpkg/status.d/")))
        return DPKG;
    if (str_eq(path, STR("lib/apk/db/installed")) || str_eq(path, STR("usr/lib/apk/db/installed")))
        return APK;
    /* Of packages that are installed, not of those of which they are built. */
    if (str_ends(path, STR("/package.json")) && str_contains(path, STR("node_modules/")) &&
        file->size_bytes <= WHOLE_MAX_BYTES)
        return NPM;
    if (file->size_bytes >= PROGRAM_BYTES && (file->mode & 0111))
        return GO;
    return NOTHING;
}

enum err_code facts_begin(struct facts *x, struct layer_files *list, const struct layer_file *file,
                          bool *ret_wanted, struct err *e)
{
    x->list = list;
    x->file = (uint32_t)(layer_files_count(list) - 1);
    x->reading = reading_of(file);
    x->cut_line = x->installed = false;
    x->name[0] = x->version[0] = '\0';
    buf_clear(&x->line);
    buf_clear(&x->whole);
    x->line.full = x->whole.full = false;
    TRY(by_name(x, file->path, e));
    if (is_rpm(file->path))
        TRY(add(x, PACKAGE_RPM, STR("rpm"), STR_NONE, e));
    if (x->reading == GO)
        go_modules_begin(x->go);
    *ret_wanted = x->reading != NOTHING;
    return ERR_OK;
}

/* ---- databases of lines */

static void copy(struct str s, char *dst)
{
    if (!str_copy(str_trim(s), dst, NAME_BYTES))
        dst[0] = '\0';
}

/* A paragraph has ended. */
static enum err_code end_paragraph(struct facts *x, struct err *e)
{
    enum layer_package_kind kind = x->reading == DPKG ? PACKAGE_DEB : PACKAGE_APK;

    if (x->name[0] && x->installed)
        TRY(add(x, kind, str_of(x->name), str_of(x->version), e));
    x->name[0] = x->version[0] = '\0';
    x->installed = false;
    return ERR_OK;
}

static void dpkg_line(struct facts *x, struct str line)
{
    struct str key;

    if (!str_cut(&line, ':', &key))
        return;
    if (str_eq(key, STR("Package"))) {
        copy(line, x->name);
        x->installed = true; /* where there is no Status, as in status.d/ */
    } else if (str_eq(key, STR("Version"))) {
        copy(line, x->version);
    } else if (str_eq(key, STR("Status"))) {
        x->installed = str_ends(str_trim(line), STR(" installed"));
    }
}

static void apk_line(struct facts *x, struct str line)
{
    if (str_starts(line, STR("P:"))) {
        copy(str_sub(line, 2, line.n - 2), x->name);
        x->installed = true;
    } else if (str_starts(line, STR("V:"))) {
        copy(str_sub(line, 2, line.n - 2), x->version);
    }
}

static enum err_code end_line(struct facts *x, struct err *e)
{
    struct str line = buf_str(&x->line);

    if (line.n == 0 && !x->cut_line)
        TRY(end_paragraph(x, e));
    else if (x->reading == DPKG)
        dpkg_line(x, line);
    else
        apk_line(x, line);
    buf_clear(&x->line);
    x->line.full = false;
    x->cut_line = false;
    return ERR_OK;
}

static enum err_code lines(struct facts *x, struct str s, struct err *e)
{
    while (s.n > 0) {
        const char *end = memchr(s.p, '\n', s.n);
        size_t n = end ? (size_t)(end - s.p) : s.n;
        size_t room = LINE_MAX_BYTES - x->line.n;

        x->cut_line = x->cut_line || n > room;
        buf_add(&x->line, s.p, n < room ? n : room);
        s = str_sub(s, n, s.n - n);
        if (end) {
            s = str_sub(s, 1, s.n - 1);
            TRY(end_line(x, e));
        }
    }
    return ERR_OK;
}

/* ---- files that are read whole */

static enum err_code end_npm(struct facts *x, struct err *e)
{
    struct str text = buf_str(&x->whole);
    AUTO(json) json_t *j = NULL;
    const json_t *name, *version;

    if (!json_shallow(text))
        return ERR_OK;
    j = json_loadb(text.p, text.n, 0, NULL);
    name = json_object_get(j, "name");
    version = json_object_get(j, "version");
    if (!json_is_string(name) || !json_is_string(version))
        return ERR_OK;
    return add(x, PACKAGE_NPM, str_of(json_string_value(name)), str_of(json_string_value(version)),
               e);
}

enum err_code facts_data(struct facts *x, const void *p, size_t n, struct err *e)
{
    if (x->reading == DPKG || x->reading == APK)
        return lines(x, (struct str){p, n}, e);
    if (x->reading == GO) {
        go_modules_feed(x->go, p, n);
        return ERR_OK;
    }
    buf_add(&x->whole, p, n);
    return ERR_OK;
}

static enum err_code add_go(void *ctx, struct str name, struct str version, struct err *e)
{
    return add(ctx, PACKAGE_GO, name, version, e);
}

enum err_code facts_end(struct facts *x, struct err *e)
{
    if (x->reading == DPKG || x->reading == APK) {
        TRY(end_line(x, e));
        return end_paragraph(x, e);
    }
    if (x->reading == GO)
        return go_modules_end(x->go, add_go, x, e);
    if (x->whole.full)
        return ERR_OK;
    return x->reading == NPM ? end_npm(x, e)
                             : layer_files_set_os_release(x->list, buf_str(&x->whole), e);
}
