"""What CodeDeploy would do with a new version on the laptop stack: runs a pre-traffic check of the template against the
deployed function, with a stand-in for CodeDeploy alone (the emulator has none).

With ``--set NAME=VALUE`` a new version with that setting is published first; ``live`` does not move.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import types
from contextlib import redirect_stdout
from typing import Any

import botocore.session

from resolve import Template


class CodeDeploy:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []

    def put_lifecycle_event_hook_execution_status(self, **request: str) -> None:
        """As the service."""
        self.told.append(request)


def run_check(check: str, functions: Any, version: str) -> dict[str, Any]:
    """Runs the code of the template's ``check`` for a ``version``; what it returned, printed and told CodeDeploy."""
    properties = Template().resources[check]["Properties"]
    variables = properties["Environment"]["Variables"] | {"NEW_VERSION": version}
    deployments = CodeDeploy()
    clients = {"lambda": functions, "codedeploy": deployments}
    boto3 = types.ModuleType("boto3")
    boto3.client = lambda name, config=None: clients[name]  # type: ignore[attr-defined]
    before = sys.modules.get("boto3"), dict(os.environ)
    printed = io.StringIO()
    try:
        sys.modules["boto3"] = boto3
        os.environ.update(variables)
        scope: dict[str, Any] = {}
        with redirect_stdout(printed):
            exec(properties["Code"]["ZipFile"], scope)
            returned = scope["handler"]({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "h-1"}, None)
    finally:
        if before[0] is None:
            del sys.modules["boto3"]
        else:
            sys.modules["boto3"] = before[0]
        os.environ.clear()
        os.environ.update(before[1])
    return {"returned": returned, "printed": printed.getvalue(), "told": deployments.told}


def new_version(functions: Any, name: str, settings: dict[str, str]) -> str:
    """Publishes a version of the function with these settings changed."""
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables | settings})
    return functions.publish_version(FunctionName=name)["FunctionArn"]


def main() -> None:
    """Tries a version and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint-url", required=True)
    parser.add_argument("--function", required=True)
    parser.add_argument("--check", required=True, help="logical id in template.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    session = botocore.session.Session()
    session.set_credentials("test", "test")
    functions = session.create_client("lambda", region_name="eu-west-1", endpoint_url=arguments.endpoint_url)
    settings = dict(pair.split("=", 1) for pair in arguments.set)
    if settings:
        version = new_version(functions, arguments.function, settings)
    else:
        version = functions.get_alias(FunctionName=arguments.function, Name="live")["AliasArn"]
    print(json.dumps(run_check(arguments.check, functions, version)))


if __name__ == "__main__":
    main()
