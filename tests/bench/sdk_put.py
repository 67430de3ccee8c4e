"""Puts objects into a bucket with boto3's upload_fileobj, at its defaults (parts of 8 MiB, ten at once),
from memory. Reads what to put as JSON; prints the seconds from the first byte to the last answer."""

import io
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import botocore.config

asked = json.load(sys.stdin)
client = boto3.client(
    "s3",
    endpoint_url=asked["endpoint"],
    region_name=asked["region"],
    aws_access_key_id=asked["access_key"],
    aws_secret_access_key=asked["secret_key"],
    config=botocore.config.Config(s3={"addressing_style": "path"}, max_pool_connections=100),
)
client.list_objects_v2(Bucket=asked["bucket"])  # what boto3 loads at first use is there

block = os.urandom(16 << 20)
data = (block * (asked["size"] // len(block) + 1))[: asked["size"]]


def put(number):
    client.upload_fileobj(io.BytesIO(data), asked["bucket"], f"object-{number}")


begin = time.monotonic()
with ThreadPoolExecutor(asked["objects"]) as pool:
    list(pool.map(put, range(asked["objects"])))
print(json.dumps({"seconds": time.monotonic() - begin}))
