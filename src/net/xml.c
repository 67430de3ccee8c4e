#include "net/xml.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "net/library.h"

#include <expat.h>
#include <pthread.h>

#define TEXT_MAX 65536

#define FUNCTIONS(X)                                                                               \
    X(XML_ParserCreate)                                                                            \
    X(XML_ParserFree)                                                                              \
    X(XML_SetUserData)                                                                             \
    X(XML_SetElementHandler)                                                                       \
    X(XML_SetCharacterDataHandler)                                                                 \
    X(XML_SetStartDoctypeDeclHandler)                                                              \
    X(XML_StopParser)                                                                              \
    X(XML_Parse)

/* lib.XML_Parse() and so on. */
static struct {
    bool ready;
#define POINTER(name) __typeof__(name) *name;
    FUNCTIONS(POINTER)
#undef POINTER
} lib;

static void load(void)
{
    static const char *const names[] = {"libexpat.so.1", NULL};
    static const struct library_function functions[] = {
#define FUNCTION(name) {#name, &lib.name},
        FUNCTIONS(FUNCTION)
#undef FUNCTION
    };

    lib.ready = library_load(names, functions, sizeof(functions) / sizeof(functions[0]));
}

static bool ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return lib.ready;
}

struct reading {
    XML_Parser parser;
    xml_fn fn;
    void *ctx;
    struct buf path, text;
    bool holds_elements; /* the one that is open */
    bool refused;
};

static void refuse(struct reading *r)
{
    r->refused = true;
    lib.XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *r = ctx;

    (void)attributes;
    if (r->path.n > 0)
        buf_add_char(&r->path, '/');
    buf_add_text(&r->path, name);
    buf_clear(&r->text);
    r->holds_elements = false;
    if (r->path.full)
        refuse(r);
}

/* Of an element without content it is called even when its start was refused. */
static void on_end(void *ctx, const XML_Char *name)
{
    struct reading *r = ctx;
    size_t n = strlen(name);

    if (r->refused)
        return;
    r->fn(r->ctx, buf_str(&r->path), r->holds_elements ? STR("") : buf_str(&r->text));
    r->path.n -= n + (r->path.n > n);
    buf_clear(&r->text);
    r->holds_elements = true;
}

static void on_text(void *ctx, const XML_Char *p, int n)
{
    struct reading *r = ctx;

    buf_add(&r->text, p, (size_t)n);
    if (r->text.full)
        refuse(r);
}

/* Entities come with one: no server of ours sends any. */
static void on_doctype(void *ctx, const XML_Char *name, const XML_Char *system,
                       const XML_Char *public, int has_internal)
{
    (void)name, (void)system, (void)public, (void)has_internal;
    refuse(ctx);
}

enum err_code xml_each(struct str document, xml_fn fn, void *ctx, struct err *e)
{
    struct reading r = {.fn = fn, .ctx = ctx};
    bool well;

    if (!ready())
        return err_set(e, ERR_UNAVAILABLE, "libexpat can't be loaded; install libexpat1");
    r.parser = lib.XML_ParserCreate(NULL);
    if (!r.parser)
        return err_set(e, ERR_INTERNAL, "libexpat can't be used");
    buf_init(&r.path, XML_PATH_MAX);
    buf_init(&r.text, TEXT_MAX);
    lib.XML_SetUserData(r.parser, &r);
    lib.XML_SetElementHandler(r.parser, on_start, on_end);
    lib.XML_SetCharacterDataHandler(r.parser, on_text);
    lib.XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    well = document.n <= INT32_MAX &&
           lib.XML_Parse(r.parser, document.p, (int)document.n, XML_TRUE) == XML_STATUS_OK;
    lib.XML_ParserFree(r.parser);
    buf_done(&r.path);
    buf_done(&r.text);
    if (!well || r.refused)
        return err_set(e, ERR_UNAVAILABLE, "the answer is not XML");
    return ERR_OK;
}
