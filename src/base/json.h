/*
 * JSON of others, before it is parsed: jansson's parser and writer recurse as deep as their input,
 * and 2,000 levels, which it takes, are more than a worker's stack holds. And AUTO(json) for what
 * it has parsed.
 */
#pragma once

#include "base/str.h"

#include <jansson.h>

/* Deep enough for what people and machines write, and far from any stack's end. */
#define JSON_DEPTH_MAX 64

/* What is in the text, strings left out. */
struct json_extent {
    size_t depth; /* of lists and objects in each other; depth_max + 1: deeper, not counted on */
    size_t containers; /* lists and objects */
    size_t separators; /* commas and colons */
};

/* Of text that is not JSON, any numbers. */
struct json_extent json_extent(struct str text, size_t depth_max);

/* No list or object stands in JSON_DEPTH_MAX others. Of text that is not JSON, either answer. */
bool json_shallow(struct str text);

static inline void auto_json_(json_t **j)
{
    json_decref(*j);
}
