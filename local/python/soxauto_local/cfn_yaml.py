"""Reads a CloudFormation template: YAML with short tags (``!Ref``, ``!Sub``, …) becomes the long form of the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """SafeLoader that knows CloudFormation's tags."""


def _construct(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    return {name: value}


_Loader.add_multi_constructor("!", _construct)


def load_template(path: Path) -> dict[str, Any]:
    """The template as plain data, aliases expanded, ready to be sent as JSON."""
    with path.open(encoding="utf-8") as source:
        return yaml.load(source, Loader=_Loader)  # noqa: S506 - a SafeLoader
