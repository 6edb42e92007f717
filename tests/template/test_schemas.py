"""The published JSON Schemas, by a validator that is not ours: the examples conform, and a changed example does not.

`SOXAUTO_MANIFEST=<manifest-1.dsse.json>` has a real envelope checked as well, as the end-to-end test of the month does.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import unittest
from pathlib import Path
from typing import Any

import jsonschema

DOCS = Path(__file__).resolve().parents[2] / "docs"


def load(name: str) -> Any:
    return json.loads((DOCS / name).read_text(encoding="utf-8"))


class Schemas(unittest.TestCase):
    def validator(self, kind: str) -> Any:
        schema = load(f"{kind}.schema.json")
        jsonschema.Draft202012Validator.check_schema(schema)
        return jsonschema.Draft202012Validator(schema)

    def test_examples_conform_and_changed_ones_do_not(self) -> None:
        for path in sorted(DOCS.glob("*.example.json")):
            kind = path.name.removesuffix(".example.json")
            validator, example = self.validator(kind), load(path.name)
            self.assertEqual([], [e.message for e in validator.iter_errors(example)], kind)
            for change in (
                lambda e: e["predicate"].pop(sorted(e["predicate"])[0]),
                lambda e: e["predicate"].update(unheard_of=1),
                lambda e: e.update(predicateType="https://example.com/other/v1"),
                lambda e: e["subject"][0]["digest"].update(sha256="00"),
            ):
                changed = copy.deepcopy(example)
                change(changed)
                self.assertFalse(validator.is_valid(changed), kind)

    @unittest.skipUnless("SOXAUTO_MANIFEST" in os.environ, "the end-to-end test of the month gives one")
    def test_a_real_manifest_conforms(self) -> None:
        envelope = json.loads(Path(os.environ["SOXAUTO_MANIFEST"]).read_text(encoding="utf-8"))
        payload = json.loads(base64.b64decode(envelope["payload"]))
        self.assertEqual([], [e.message for e in self.validator("manifest").iter_errors(payload)])


if __name__ == "__main__":
    unittest.main()
