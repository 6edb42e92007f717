"""`events/` is what AWS would send, and `events/env.local.json` sets what the template declares, no more and no less."""

from __future__ import annotations

import hashlib
import json
import unittest
from pathlib import Path
from typing import Any

from resolve import ROOT, Template

EVENTS = ROOT / "events"


def event(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


class LocalEvents(unittest.TestCase):
    def test_sam_local_gets_every_variable_of_the_template(self) -> None:
        template = Template({"Stage": "dev"})
        common = set(template.raw["Globals"]["Function"]["Environment"]["Variables"])
        local = event(EVENTS / "env.local.json")
        self.assertEqual(set(local), {"DispatcherFunction", "WorkerFunction", "FinalizerFunction"})
        for name, values in local.items():
            declared = template.resources[name]["Properties"]["Environment"]["Variables"]
            self.assertEqual(set(values), common | set(declared), name)

    def test_messages_carry_the_digest_of_their_body(self) -> None:
        messages = 0
        for path in EVENTS.glob("sqs-*.json"):
            for record in event(path)["Records"]:
                self.assertEqual(record["md5OfBody"], hashlib.md5(record["body"].encode()).hexdigest(), path.name)
                messages += 1
        self.assertGreater(messages, 3)

    def test_a_redriven_job_is_the_same_job_in_a_new_message(self) -> None:
        (first,) = event(EVENTS / "sqs-job.json")["Records"]
        (redriven,) = event(EVENTS / "sqs-job-redriven.json")["Records"]
        self.assertEqual(redriven["body"], first["body"])
        self.assertNotEqual(redriven["messageId"], first["messageId"])
        self.assertEqual(redriven["attributes"]["DeadLetterQueueSourceArn"], first["eventSourceARN"])


if __name__ == "__main__":
    unittest.main()
