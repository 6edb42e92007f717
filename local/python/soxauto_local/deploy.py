"""Deploys template.yaml to the AWS emulator, as ``sam package`` and ``sam deploy`` do to AWS.

Each function's binary becomes a zip with one file, ``bootstrap``; the zips go to an artefact bucket; ``CodeUri`` points
there; nothing else of the template changes. The stack's outputs are printed as one line of JSON on stdout. Errors are
one line of JSON on stderr, ``{"error": ..., "reasons": [...]}``, with exit status 1.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any, Iterable
from urllib.parse import urlsplit

import botocore.session
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from soxauto_local import emulator_gaps
from soxauto_local.cfn_yaml import load_template

POLL_SECONDS = 0.05


class DeployError(Exception):
    """A deployment that cannot go on: what happened, and the reasons CloudFormation gave."""

    def __init__(self, message: str, reasons: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.reasons = list(reasons)


class Aws:
    """The clients of one emulator."""

    def __init__(self, endpoint: str) -> None:
        host = urlsplit(endpoint).hostname
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise DeployError(f"{endpoint} is not on this machine: use `sam deploy` for AWS")
        session = botocore.session.Session()
        session.set_credentials("test", "test")
        config = Config(
            connect_timeout=5,
            read_timeout=120,
            retries={"total_max_attempts": 2},
            s3={"addressing_style": "path"},
        )

        def client(name: str) -> Any:
            return session.create_client(name, region_name="eu-west-1", endpoint_url=endpoint, config=config)

        self.s3 = client("s3")
        self.cloudformation = client("cloudformation")
        self.functions = client("lambda")
        self.secrets = client("secretsmanager")
        self.keys = client("kms")


def main() -> int:
    """Parse the arguments, do the work, print the outcome."""
    arguments = _arguments()
    try:
        aws = Aws(arguments.endpoint_url or "")
        if arguments.teardown:
            teardown(aws, arguments.stack, arguments.timeout)
            print(json.dumps({"stack": arguments.stack, "status": "DELETED"}))
            return 0
        binaries = dict(_pair(text) for text in arguments.binary)
        parameters = dict(_pair(text) for text in arguments.parameter)
        status, outputs = deploy(
            aws, arguments.stack, arguments.template, binaries, parameters, arguments.timeout
        )
        if arguments.source_secret_from_stdin:
            aws.secrets.put_secret_value(
                SecretId=outputs["SourceSecretArn"], SecretString=sys.stdin.read().rstrip("\n")
            )
        print(json.dumps({"stack": arguments.stack, "status": status, "outputs": outputs}))
        return 0
    except DeployError as error:
        print(json.dumps({"error": str(error), "reasons": error.reasons}), file=sys.stderr)
    except (BotoCoreError, ClientError, OSError, yaml.YAMLError) as error:
        print(json.dumps({"error": str(error), "reasons": []}), file=sys.stderr)
    return 1


def deploy(
    aws: Aws,
    stack: str,
    template_path: Path,
    binaries: dict[str, str],
    parameters: dict[str, str],
    timeout: float,
) -> tuple[str, dict[str, str]]:
    """Create or update ``stack`` and return its status and outputs.

    ``binaries`` maps a function's ``CodeUri`` in the template to the binary to ship for it.
    """
    bucket = f"{stack}-artifacts"
    _make_bucket(aws, bucket)
    template = load_template(template_path)
    emulator_gaps.leave_out(template)
    for name, function in _functions(template):
        code_uri = function["CodeUri"]
        if code_uri not in binaries:
            raise DeployError(f"no binary given for {name}: add --binary {code_uri}=PATH")
        function["CodeUri"] = _upload_binary(aws, bucket, name, Path(binaries[code_uri]))
    body = json.dumps(template, separators=(",", ":")).encode()
    key = f"{hashlib.sha256(body).hexdigest()}.template"
    aws.s3.put_object(Bucket=bucket, Key=key, Body=body)
    request = {
        "StackName": stack,
        "TemplateURL": f"{aws.s3.meta.endpoint_url}/{bucket}/{key}",
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in sorted(parameters.items())],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    started = _describe(aws, stack)
    if started is not None and started["StackStatus"] in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        # A stack whose creation failed can only be deleted; `sam deploy` says the same.
        teardown(aws, stack, timeout, keep=bucket)
        started = None
    if started is None or started["StackStatus"] in ("DELETE_COMPLETE", "REVIEW_IN_PROGRESS"):
        aws.cloudformation.create_stack(**request)
    else:
        try:
            aws.cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            return started["StackStatus"], _outputs(started)
    description = _wait(aws, stack, timeout)
    status = description["StackStatus"]
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployError(f"the stack {stack} ended as {status}", _reasons(aws, stack))
    outputs = _outputs(description)
    emulator_gaps.close(aws.s3, aws.functions, stack, template, parameters, outputs["EvidenceBucketName"])
    return status, outputs


def teardown(aws: Aws, stack: str, timeout: float, keep: str | None = None) -> None:
    """Delete ``stack`` with all that its template retains: buckets with their objects (governance retention bypassed),
    keys, the secret; and the artefacts."""
    description = _describe(aws, stack)
    made = _made(aws, stack) if description is not None else []
    # By name: a stack that was rolled back no longer lists the buckets it retained.
    prefixes = tuple(f"{stack}-{role}" for role in ("artifacts", "evidence-", "state-"))
    buckets = [bucket["Name"] for bucket in aws.s3.list_buckets()["Buckets"]]
    buckets = [bucket for bucket in buckets if bucket.startswith(prefixes) and bucket != keep]
    for bucket in buckets:
        _empty_bucket(aws, bucket)
    if description is not None:
        aws.cloudformation.delete_stack(StackName=stack)
        final = _wait(aws, stack, timeout, gone_is_done=True)
        if final is not None and final["StackStatus"] != "DELETE_COMPLETE":
            raise DeployError(f"the stack {stack} ended as {final['StackStatus']}", _reasons(aws, stack))
    # The template retains these, as it must on AWS.
    for kind, name in made:
        _delete_retained(aws, kind, name)
    for bucket in buckets:
        try:
            aws.s3.delete_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise


def _made(aws: Aws, stack: str) -> list[tuple[str, str]]:
    """Type and physical id of what the stack has made."""
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    return [
        (resource["ResourceType"], resource.get("PhysicalResourceId", ""))
        for page in pages
        for resource in page["StackResourceSummaries"]
    ]


def _delete_retained(aws: Aws, kind: str, name: str) -> None:
    try:
        if kind == "AWS::KMS::Key":
            aws.keys.schedule_key_deletion(KeyId=name, PendingWindowInDays=7)
        elif kind == "AWS::SecretsManager::Secret":
            aws.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NotFoundException", "ResourceNotFoundException", "KMSInvalidStateException"):
            raise


def package_binary(binary: Path) -> bytes:
    """A zip with ``bootstrap`` in it: the same binary gives the same bytes. Stored, not deflated: it never travels."""
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, binary.read_bytes())
    return buffer.getvalue()


def _functions(template: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, resource["Properties"])
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    ]


def _upload_binary(aws: Aws, bucket: str, name: str, binary: Path) -> str:
    if not binary.is_file():
        raise DeployError(f"{binary} is missing: build it with `cargo build --release`")
    package = package_binary(binary)
    key = f"{name}/{hashlib.sha256(package).hexdigest()}.zip"
    try:
        aws.s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        aws.s3.put_object(Bucket=bucket, Key=key, Body=package)
    return f"s3://{bucket}/{key}"


def _make_bucket(aws: Aws, bucket: str) -> None:
    try:
        aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise


def _empty_bucket(aws: Aws, bucket: str) -> None:
    pages = aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    try:
        for page in pages:
            for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
                aws.s3.delete_object(
                    Bucket=bucket,
                    Key=entry["Key"],
                    VersionId=entry["VersionId"],
                    BypassGovernanceRetention=True,
                )
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def _describe(aws: Aws, stack: str) -> dict[str, Any] | None:
    try:
        return aws.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _wait(aws: Aws, stack: str, timeout: float, gone_is_done: bool = False) -> Any:
    deadline = time.monotonic() + timeout
    while True:
        description = _describe(aws, stack)
        if description is None and gone_is_done:
            return None
        if description is not None and not description["StackStatus"].endswith("_IN_PROGRESS"):
            return description
        if time.monotonic() > deadline:
            status = description["StackStatus"] if description else "unknown"
            raise DeployError(f"the stack {stack} is still {status} after {timeout:.0f} s", _reasons(aws, stack))
        time.sleep(POLL_SECONDS)


def _outputs(description: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}


def _reasons(aws: Aws, stack: str) -> list[str]:
    """Why resources failed, first failure first."""
    events = aws.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if "FAILED" in event.get("ResourceStatus", "")]
    return [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', 'no reason given')}"
        for event in reversed(failed)
    ]


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise DeployError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Deploy template.yaml to the AWS emulator.")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--template", type=Path, default=Path("template.yaml"))
    parser.add_argument("--endpoint-url", default=os.environ.get("AWS_ENDPOINT_URL"))
    parser.add_argument("--binary", action="append", default=[], metavar="CODEURI=PATH")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--source-secret-from-stdin", action="store_true", help="store what stdin holds in the source secret"
    )
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds")
    parser.add_argument("--teardown", action="store_true", help="delete the stack and everything in its buckets")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
