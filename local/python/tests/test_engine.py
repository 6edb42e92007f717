"""The sidecar as a process: its one line of output, its end with its parent, the file it leaves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import Client, make_sample
import duckdb

ROOT = Path(__file__).resolve().parents[1]


class Engine(unittest.TestCase):
    def start(self, folder: Path) -> tuple[subprocess.Popen, dict]:
        process = subprocess.Popen(
            [sys.executable, "-m", "soxauto_local.engine", "--nav-dir", str(folder), "--warehouse", str(folder / "out" / "w.duckdb"),
             "--s3-endpoint", "http://127.0.0.1:9"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.addCleanup(process.kill)
        return process, json.loads(process.stdout.readline())

    def test_it_ends_with_its_parent_and_leaves_the_warehouse(self) -> None:
        for way in ("eof", "term"):
            with self.subTest(way), tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                make_sample(folder)
                process, ports = self.start(folder)
                self.assertEqual(sorted(ports), ["redshift", "sql"])
                client = Client(int(ports["sql"].rsplit(":", 1)[1]))
                self.assertEqual(client.answer(), [("D", {})])
                self.assertEqual(client.query("SELECT COUNT(*) FROM dbo.[G_L Entries]")[-1], ("D", {}))
                if way == "eof":
                    process.stdin.close()
                else:
                    process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(10), 0)
                self.assertEqual(process.stdout.read(), "")
                client.close()
                process.stdout.close()
                if way == "term":
                    process.stdin.close()
                with duckdb.connect(str(folder / "out" / "w.duckdb"), read_only=True) as again:
                    self.assertTrue(again.execute("SELECT 1").fetchall())

    def test_a_sample_that_does_not_match_its_schema_is_refused(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_sample(folder)
            document = json.loads((folder / "schema.json").read_text())
            document["tables"][0]["columns"].append({"name": "Extra", "type": "int", "nullable": True})
            (folder / "schema.json").write_text(json.dumps(document))
            ended = subprocess.run(
                [sys.executable, "-m", "soxauto_local.engine", "--nav-dir", name, "--warehouse", str(folder / "w.duckdb"), "--s3-endpoint", "http://x"],
                cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
            )  # fmt: skip
            self.assertNotEqual(ended.returncode, 0)
            self.assertIn("declares column 'Extra'", ended.stderr)
            self.assertEqual(ended.stdout, "")


if __name__ == "__main__":
    unittest.main()
