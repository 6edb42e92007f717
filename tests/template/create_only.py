"""Which properties of a resource cannot change without replacing it: CloudFormation's own statement, kept as a table.

``python create_only.py`` writes ``create_only.json`` anew from the schemas in cfn-lint; a test compares the two wherever
cfn-lint is installed.
"""

from __future__ import annotations

import json
from pathlib import Path

TABLE = Path(__file__).with_name("create_only.json")
REGION = "eu-west-1"


def from_cfn_lint(types: set[str]) -> dict[str, list[str]]:
    """The create-only properties of these types, at their top level."""
    import cfnlint

    schemas = Path(cfnlint.__file__).parent / "data/schemas"
    files = json.loads((schemas / f"providers/{REGION}.json").read_text(encoding="utf-8"))
    found = {}
    for name in sorted(types):
        schema = json.loads((schemas / f"resources/{files[name]}.json").read_text(encoding="utf-8"))
        paths = schema.get("createOnlyProperties", [])
        found[name] = sorted({path.removeprefix("/properties/").split("/")[0] for path in paths})
    return found


def table() -> dict[str, list[str]]:
    """The table."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    from transformed import types_of_every_variant

    text = json.dumps(from_cfn_lint(types_of_every_variant()), indent=2)
    TABLE.write_text(text + "\n", encoding="utf-8")
