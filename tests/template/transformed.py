"""The template as CloudFormation gets it from the SAM transform: functions become functions, versions, aliases, …"""

from __future__ import annotations

import json
import logging
import os
from functools import cache
from typing import Any

from resolve import VARIANTS, Template, source

logging.getLogger("samtranslator").setLevel(logging.CRITICAL)


class _NoManagedPolicies:
    """SAM asks for a map of AWS's own policies, of which the template uses none."""

    def load(self) -> dict[str, str]:
        return {}


@cache
def _transform(parameters: tuple[tuple[str, str], ...]) -> str:
    from samtranslator.translator.transform import transform

    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-west-1")
    template = source()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://artifacts/code.zip"
    return json.dumps(transform(template, dict(parameters), _NoManagedPolicies()))


def transform(parameters: dict[str, str], again: bool = False) -> dict[str, Any]:
    """The transformed template, still with intrinsic functions; `again` does the work anew."""
    defaults = {n: str(p.get("Default", "")) for n, p in source()["Parameters"].items()}
    expand = _transform.__wrapped__ if again else _transform
    return json.loads(expand(tuple(sorted((defaults | parameters).items()))))


def evaluated(parameters: dict[str, str]) -> Template:
    """The transformed template with its parameters filled in."""
    return _evaluated(tuple(sorted(parameters.items())))


@cache
def _evaluated(pairs: tuple[tuple[str, str], ...]) -> Template:
    return Template(dict(pairs), transform(dict(pairs)))


def types_of_every_variant() -> set[str]:
    """Every type of resource that some choice of parameters creates."""
    return {r["Type"] for parameters in VARIANTS for r in evaluated(parameters).resources.values()}
