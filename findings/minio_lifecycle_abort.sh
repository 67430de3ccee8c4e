#!/usr/bin/env bash
# MinIO (RELEASE of 2026-02-12, the last one of its Go module) and lifecycle rules for uploads that were begun and
# never completed ("Aborting incomplete multipart uploads using a bucket lifecycle configuration", Amazon S3 user
# guide). A rule whose one action is AbortIncompleteMultipartUpload, the example of that page, is refused as an
# invalid argument. Beside another action it is taken, answered 200, and not there when the rules are read back; the
# other action is. So a tool that writes the rule and does not read it again believes that such uploads go: they stay
# until the server's own stale_uploads_expiry, which is not a matter of the bucket.
set -euo pipefail

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"
export HOME=$work GOBIN=$work/bin GOPATH=$work/go GOCACHE=$work/cache CGO_ENABLED=0 GOFLAGS=-mod=mod

go install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c 2>/dev/null
go version -m bin/minio | sed -n "s/^\tmod\t\(\S*\)\t\(\S*\).*/\1 \2/p"
python3 -m venv venv
venv/bin/pip install -q boto3==1.40.50 botocore==1.40.50
venv/bin/pip list 2>/dev/null | grep boto3

export AWS_ACCESS_KEY_ID=someone AWS_SECRET_ACCESS_KEY=some-secret-key AWS_DEFAULT_REGION=us-east-1
port=$((20000 + RANDOM % 10000))
MINIO_ROOT_USER=$AWS_ACCESS_KEY_ID MINIO_ROOT_PASSWORD=$AWS_SECRET_ACCESS_KEY \
    bin/minio server data --address "127.0.0.1:$port" --quiet >/dev/null 2>&1 &
server=$!
curl -sf --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$port/minio/health/ready"

cat >rules.py <<'PY'
import sys

import boto3
from botocore.exceptions import ClientError

ABORT = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
EXPIRE = {"NoncurrentVersionExpiration": {"NoncurrentDays": 30}}
s3 = boto3.client("s3", endpoint_url=sys.argv[1])


def what_becomes_of(bucket, actions):
    rule = {"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": ""}, **actions}
    s3.create_bucket(Bucket=bucket)
    try:
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    except ClientError as error:
        return error.response["Error"]["Code"]
    (kept,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    return sorted(name for name in actions if name in kept)


seen = {
    "abort": what_becomes_of("alone", ABORT),
    "expire": what_becomes_of("other", EXPIRE),
    "abort and expire": what_becomes_of("both", {**ABORT, **EXPIRE}),
}
for actions, answer in seen.items():
    print(f"{actions}: {answer if isinstance(answer, str) else 'kept ' + ', '.join(answer)}")
expected = {
    "abort": "InvalidArgument",
    "expire": ["NoncurrentVersionExpiration"],
    "abort and expire": ["NoncurrentVersionExpiration"],
}
sys.exit(0 if seen == expected else 1)
PY
venv/bin/python rules.py "http://127.0.0.1:$port"
