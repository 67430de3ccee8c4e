#include "s3_place.h"

#include <stdio.h>
#include <stdlib.h>

static const char *named(const char *name)
{
    const char *value = getenv(name);

    if (value && value[0])
        return value;
    fprintf(stderr, "%s is not set: no S3 server to use (see s3_place.h)\n", name);
    exit(S3_NO_PLACE);
}

struct s3_place s3_place(void)
{
    return (struct s3_place){
        .name = named("REGISTRY_TEST_S3_NAME"),
        .endpoint = named("REGISTRY_TEST_S3_ENDPOINT"),
        .access_key = named("REGISTRY_TEST_S3_ACCESS_KEY"),
        .secret_key = named("REGISTRY_TEST_S3_SECRET_KEY"),
        .region = named("REGISTRY_TEST_S3_REGION"),
        .bucket = named("REGISTRY_TEST_S3_BUCKET"),
    };
}
