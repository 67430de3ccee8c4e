/* docs/routes.md, from the table of routes. */
#include "api/routes_page.h"

#include "api/match.h"
#include "api/routes.h"

static const char *const rights[] = {
    [ACCESS_NONE] = "everyone",
    [ACCESS_BASE] = "signed in",
    [ACCESS_PULL] = "`pull` of the repository, and of the tag when one is named",
    [ACCESS_PUSH] = "`push` or `overwrite` of the repository",
    [ACCESS_LOOK] = "`pull`, `push` or `overwrite` of the repository",
    [ACCESS_DELETE] = "`delete` of the repository, and of the tag when one is named",
    [ACCESS_SCAN] = "`scan` of the repository, and of the tag when one is named",
    [ACCESS_CATALOG] = "signed in, or anyone where a rule allows `anonymous` something",
    [ACCESS_ACCOUNT] = "a user, about themselves; an admin, about all",
    [ACCESS_ADMIN] = "`admin` of the registry",
};

static void add_route(const struct route *r, struct buf *page)
{
    buf_addf(page, "| %s%s | `%s` | %s%s | ", match_method_name(r->method),
             r->method == HTTP_GET ? ", HEAD" : "", r->pattern, rights[r->access],
             r->debug ? " who reaches `http.debug.listen`" : "");
    if (r->audit)
        buf_addf(page, "`%s` |\n", r->audit);
    else
        buf_add_text(page, "|\n");
}

void routes_page(struct buf *ret_markdown)
{
    buf_add_text(
        ret_markdown,
        "# Routes\n\n"
        "Everything that is served, and the right that it takes; [auth.md](auth.md) says what "
        "gives "
        "rights. This\npage is made by `registry routes` from the table that the server itself "
        "goes "
        "by; a test compares them.\n\n"
        "A push asks further for `push` of each tag that it makes and `overwrite` of each that it "
        "moves, a mount for\n`pull` of the repository that it takes from. Lists leave out what the "
        "caller may not see, and a repository\nthat they may not see answers as one that does not "
        "exist. Without authentication everyone may do everything,\nbut for what takes a user or "
        "an "
        "admin: that is refused. What stands under \"audit\" leaves an entry of that\naction also "
        "when it succeeds; a refusal of someone with a name always leaves one. `{image}` is "
        "`NAME:TAG` or `NAME@DIGEST`.\n"
        "A form at `/upload-image` may name its repository within: it is received from whoever "
        "may push somewhere.\n\n"
        "| method | path | right | audit |\n"
        "| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < api_routes_n; i++)
        add_route(&api_routes[i], ret_markdown);
}
