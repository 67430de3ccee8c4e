#include "api/upload_image_form.h"

#include "api/access.h"
#include "api/parameter.h"
#include "api/route.h"
#include "base/mem.h"

#include <stdlib.h>

struct field {
    const char *name;
    /* NULL: it is the file. The value is not empty. */
    enum err_code (*set)(struct image_form *f, struct req *q, struct str value, struct err *e);
};

static enum err_code set_repository(struct image_form *f, struct req *q, struct str value,
                                    struct err *e);
static enum err_code set_tag(struct image_form *f, struct req *q, struct str value, struct err *e);
static enum err_code set_image(struct image_form *f, struct req *q, struct str value,
                               struct err *e);
static enum err_code set_platform(struct image_form *f, struct req *q, struct str value,
                                  struct err *e);

enum { FILE_FIELD, FIELDS = 5 };

static const struct field fields[FIELDS] = {
    [FILE_FIELD] = {"file", NULL}, {"repository", set_repository}, {"tag", set_tag},
    {"image", set_image},          {"platform", set_platform},
};

struct image_form {
    struct http_form form;
    struct refusal refusal;
    bool seen[FIELDS];
    const struct field *field; /* of the part */
    size_t value_n;
    char value[512];
    char image[512], platform[OUT_PLATFORM_MAX];
};

enum err_code image_form_new(const struct req *q, struct image_form **ret_form, struct err *e)
{
    struct image_form *f = NEW(struct image_form);

    if (!http_form_init(&f->form, http_field_get(q->head, STR("Content-Type")))) {
        free(f);
        return err_tell(e, ERR_REQUEST_INVALID,
                        "the Content-Type of a form has one boundary, of at most %d characters",
                        HTTP_FORM_BOUNDARY_MAX);
    }
    *ret_form = f;
    return ERR_OK;
}

void image_form_free(struct image_form *f)
{
    free(f);
}

const char *image_form_image(const struct image_form *f)
{
    return f->image;
}

const char *image_form_platform(const struct image_form *f)
{
    return f->platform;
}

const struct refusal *image_form_refusal(const struct image_form *f)
{
    return &f->refusal;
}

static enum err_code refuse_field(struct image_form *f, const char *wrong, struct err *e)
{
    return refuse(&f->refusal, REFUSAL_FIELD, str_of(f->form.name), e, "%s", wrong);
}

static enum err_code set_repository(struct image_form *f, struct req *q, struct str value,
                                    struct err *e)
{
    (void)f;
    TRY(route_set_name(q, value, e));
    TRY(access_need_push(q, e));
    image_upload_set_repo(q->receiving.image, &q->name);
    return ERR_OK;
}

static enum err_code set_tag(struct image_form *f, struct req *q, struct str value, struct err *e)
{
    (void)f;
    TRY(route_set_tag(q, value, e));
    return access_need_push(q, e);
}

static enum err_code set_image(struct image_form *f, struct req *q, struct str value, struct err *e)
{
    (void)q;
    if (!str_copy(value, f->image, sizeof(f->image)))
        return refuse_field(f, "it is no text", e);
    return ERR_OK;
}

static enum err_code set_platform(struct image_form *f, struct req *q, struct str value,
                                  struct err *e)
{
    (void)q;
    TRY(out_platform_parse(value, &(struct out_platform){0}, e));
    if (!str_copy(value, f->platform, sizeof(f->platform)))
        return refuse_field(f, "it is no platform", e);
    return ERR_OK;
}

static enum err_code begin_part(struct image_form *f, struct req *q, struct err *e)
{
    size_t i = 0;

    while (i < FIELDS && strcmp(fields[i].name, f->form.name) != 0)
        i++;
    if (i == FIELDS)
        return refuse_field(f, "there is no such field", e);
    if (f->seen[i])
        return refuse_field(f, "the field is there twice", e);
    if (i != FILE_FIELD && f->form.is_file)
        return refuse_field(f, "the field is a file", e);
    if (i != FILE_FIELD && query_has(q, fields[i].name))
        return refuse_field(f, "the field is in the query as well", e);
    f->seen[i] = true;
    f->field = &fields[i];
    f->value_n = 0;
    return ERR_OK;
}

static enum err_code take_data(struct image_form *f, struct req *q, struct str data, struct err *e)
{
    if (!f->field->set)
        return image_upload_feed(q->receiving.image, data.p, data.n, e);
    if (data.n >= sizeof(f->value) - f->value_n)
        return refuse_field(f, "the field is too long", e);
    memcpy(f->value + f->value_n, data.p, data.n);
    f->value_n += data.n;
    return ERR_OK;
}

/* What is left empty in a page's form is not there. */
static enum err_code end_part(struct image_form *f, struct req *q, struct err *e)
{
    if (!f->field->set || f->value_n == 0)
        return ERR_OK;
    return f->field->set(f, q, (struct str){f->value, f->value_n}, e);
}

enum err_code image_form_feed(struct image_form *f, struct req *q, struct str bytes, struct err *e)
{
    struct str data;

    for (;;) {
        switch (http_form_next(&f->form, &bytes, &data)) {
        case HTTP_FORM_MORE:
            return ERR_OK;
        case HTTP_FORM_PART:
            TRY(begin_part(f, q, e));
            break;
        case HTTP_FORM_DATA:
            TRY(take_data(f, q, data, e));
            break;
        case HTTP_FORM_PART_END:
            TRY(end_part(f, q, e));
            break;
        case HTTP_FORM_END:
            break;
        case HTTP_FORM_BAD:
            return refuse(&f->refusal, REFUSAL_FORM, STR_NONE, e, "%s", f->form.why);
        }
    }
}

enum err_code image_form_end(struct image_form *f, struct err *e)
{
    if (!http_form_ended(&f->form))
        return refuse(&f->refusal, REFUSAL_FORM, STR_NONE, e, "it breaks off");
    if (!f->seen[FILE_FIELD])
        return refuse(&f->refusal, REFUSAL_FIELD, STR_NONE, e, "there is no file");
    return ERR_OK;
}
