#!/usr/bin/env python3
"""A function for the tests of the laptop stack: answers, logs the event, fails or dies as its event says."""

import json
import os
import sys
import urllib.request

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"


def answer(event: dict) -> dict:
    """What the event asks for."""
    if event.get("die"):
        sys.exit(7)
    if "Records" in event:
        bad = [record["messageId"] for record in event["Records"] if "refuse" in record["body"]]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in bad]}
    if "requestContext" in event:
        body = {"path": event["rawPath"], "method": event["requestContext"]["http"]["method"]}
        return {"statusCode": 202, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}
    names = ("SOXAUTO_STAGE", "SOXAUTO_EVIDENCE_BUCKET", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_REDSHIFT_DATA")
    return {"event": event, "environment": {name: os.environ.get(name) for name in names}}


while True:
    with urllib.request.urlopen(f"{API}/next") as request:
        identifier = request.headers["Lambda-Runtime-Aws-Request-Id"]
        given = json.loads(request.read())
    print("event", json.dumps(given), flush=True)
    reply = urllib.request.Request(
        f"{API}/{identifier}/response", data=json.dumps(answer(given)).encode(), method="POST"
    )
    urllib.request.urlopen(reply).read()
