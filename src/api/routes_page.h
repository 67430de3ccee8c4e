/* The table of routes, each with its right, as a page of Markdown: docs/routes.md. */
#pragma once

#include "base/buf.h"

void routes_page(struct buf *ret_markdown);
