"""Evaluates a template for given parameters: what CloudFormation would see, with readable stand-ins for what it makes.

``!Ref Bucket`` becomes ``{Bucket}`` and ``!GetAtt Queue.Arn`` becomes ``{Queue.Arn}``; pseudo parameters have fixed
values. Resources whose condition is false are left out.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "local" / "python"))

from soxauto_local.cfn_yaml import load_template  # noqa: E402

TEMPLATE = ROOT / "template.yaml"

PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "soxauto",
    "AWS::URLSuffix": "amazonaws.com",
}


class _NoValue:
    """``AWS::NoValue``: the property is not there."""


NO_VALUE = _NoValue()

# A VPC whose endpoints are created, and each kind of warehouse: together they reach every branch.
VPC = {
    "VpcId": "vpc-1",
    "WorkerSubnetIds": "subnet-1,subnet-2",
    "SourceCidr": "10.20.0.15/32",
    "S3PrefixListId": "pl-1",
    "WorkerRouteTableIds": "rtb-1",
}
WORKGROUP = {
    "RedshiftWorkgroup": "finance",
    "RedshiftWorkgroupArn": "arn:aws:redshift-serverless:eu-west-1:111122223333:workgroup/w-1",
}
CLUSTER = {"RedshiftCluster": "finance"}
REVIEWER = "arn:aws:iam::111122223333:role/finance-reviewers"
VARIANTS: list[dict[str, str]] = [
    {"Stage": "dev"},
    {"Stage": "staging", **WORKGROUP},
    {"Stage": "prod", **VPC, **CLUSTER, "AlarmEmail": "a@example.com", "ReviewerArns": REVIEWER},
    {"Stage": "prod", **VPC, "EndpointSecurityGroupId": "sg-1", "CreateWarehouse": "serverless"},
    {"Stage": "prod", **WORKGROUP, "RedshiftSecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:r"},
]


@cache
def _source() -> str:
    return json.dumps(load_template(TEMPLATE))


def source() -> dict[str, Any]:
    """template.yaml as plain data."""
    return json.loads(_source())


class Template:
    """A template with its parameters filled in."""

    def __init__(self, parameters: dict[str, str] | None = None, raw: dict[str, Any] | None = None) -> None:
        raw = source() if raw is None else raw
        self.raw = raw
        unknown = set(parameters or {}) - set(raw["Parameters"])
        if unknown:
            raise KeyError(f"the template has no parameters {sorted(unknown)}")
        self.parameters: dict[str, Any] = {}
        for name, declared in raw["Parameters"].items():
            value = (parameters or {}).get(name, declared.get("Default"))
            is_list = declared["Type"] == "CommaDelimitedList"
            self.parameters[name] = [v for v in str(value).split(",") if v] if is_list else str(value)
        self.resources: dict[str, dict[str, Any]] = {}
        for name, resource in raw["Resources"].items():
            if "Condition" in resource and not self.condition(resource["Condition"]):
                continue
            self.resources[name] = {
                "Type": resource["Type"],
                "Properties": self.value(resource.get("Properties", {})),
                "DeletionPolicy": resource.get("DeletionPolicy"),
                "UpdateReplacePolicy": resource.get("UpdateReplacePolicy"),
            }
        self.outputs = {name: self.value(output["Value"]) for name, output in raw["Outputs"].items()}

    def of_type(self, *types: str) -> dict[str, dict[str, Any]]:
        """Properties of the resources of these types, by logical id."""
        return {name: r["Properties"] for name, r in self.resources.items() if r["Type"] in types}

    def condition(self, name: str) -> bool:
        """Whether a named condition holds."""
        return bool(self.value(self.raw["Conditions"][name]))

    def value(self, node: Any) -> Any:
        """A node with every intrinsic function evaluated."""
        if isinstance(node, list):
            return [v for v in map(self.value, node) if v is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (key, argument), = node.items()
            if key in ("Ref", "Condition") and isinstance(argument, str):
                return self.condition(argument) if key == "Condition" else self.ref(argument)
            if key.startswith("Fn::"):
                return self.intrinsic(key[4:], argument)
        return {k: v for k, v in ((k, self.value(v)) for k, v in node.items()) if v is not NO_VALUE}

    def ref(self, name: str) -> Any:
        """``!Ref name``."""
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        if name.split(".")[0] not in self.raw["Resources"]:
            raise KeyError(f"nothing is called {name}")
        return f"{{{name}}}"

    def intrinsic(self, name: str, argument: Any) -> Any:
        """Any other function."""
        if name == "GetAtt":
            return "{" + (argument if isinstance(argument, str) else ".".join(argument)) + "}"
        if name == "Sub":
            text, own = (argument, {}) if isinstance(argument, str) else (argument[0], self.value(argument[1]))

            def fill(match: re.Match[str]) -> str:
                key = match[1]
                if key in own:
                    return str(own[key])
                if key.startswith("!"):
                    return "${" + key[1:] + "}"
                return "{" + key + "}" if "." in key else str(self.ref(key))

            return re.sub(r"\$\{([^}]+)\}", fill, text)
        if name == "If":
            return self.value(argument[1] if self.condition(argument[0]) else argument[2])
        values = self.value(argument)
        if name == "FindInMap":
            return self.raw["Mappings"][values[0]][values[1]][values[2]]
        if name == "Equals":
            return str(values[0]) == str(values[1])
        if name == "Not":
            return not values[0]
        if name == "And":
            return all(values)
        if name == "Or":
            return any(values)
        if name == "Join":
            return values[0].join(values[1])
        raise KeyError(f"this test does not know Fn::{name}: teach it")


def as_list(value: Any) -> list[Any]:
    """IAM allows one where it allows many."""
    return value if isinstance(value, list) else [value]
