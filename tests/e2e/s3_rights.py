"""Keys of MinIO that may do no more than a policy says."""

import json

from s3_buckets import make_client

PREFIX = "registry/"
OBJECTS = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
]
BUCKET = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]


def policy(bucket, actions):
    """Those, on the bucket and on what is below the prefix; as MinIO takes it, which does not know all."""
    arn = f"arn:aws:s3:::{bucket.name}"
    statements = [
        {"Effect": "Allow", "Action": [a for a in actions if (a in OBJECTS) == below], "Resource": resource}
        for below, resource in ((False, arn), (True, f"{arn}/{PREFIX}*"))
    ]
    return {"Version": "2012-10-17", "Statement": [s for s in statements if s["Action"]]}


def limited(bucket, document):
    """A key that may do no more than that, as keys of the configuration."""
    sts = make_client(bucket.server, "sts")
    role = {"RoleArn": "arn:aws:iam::123456789012:role/registry", "RoleSessionName": "registry"}
    key = sts.assume_role(Policy=json.dumps(document), **role)["Credentials"]
    return {
        "access_key": key["AccessKeyId"],
        "secret_key": key["SecretAccessKey"],
        "session_token": key["SessionToken"],
    }
