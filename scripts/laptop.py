"""What the scripts beside it share about a running `soxauto local up`: its description, and the few calls that they make."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EVENTS = ROOT / "events"
# The functions, and the names that the template gives them.
FUNCTIONS = {"dispatcher": "DispatcherFunction", "worker": "WorkerFunction", "finalizer": "FinalizerFunction"}


class Refused(Exception):
    """Something is missing or wrong; the text says what to do."""


def stack(path: Path) -> dict[str, Any]:
    """What `soxauto local up --format json` says."""
    try:
        up: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        hint = "start `cargo run --release -- local up --format json > up.json` first"
        raise Refused(f"{path}: {error}; {hint}") from error
    return up


class Laptop:
    """The stack's emulator. It asks for no signature."""

    def __init__(self, up: dict[str, Any]) -> None:
        self.up = up

    def _request(self, method: str, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.up["aws"] + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            content: bytes = answer.read()
            return content

    def stop_deliveries(self) -> None:
        """The deployed worker and finalizer get no more messages: what happens, the script does."""
        path = "/2015-03-31/event-source-mappings/"
        for mapping in json.loads(self._request("GET", path))["EventSourceMappings"]:
            self._request("PUT", path + mapping["UUID"], {"Enabled": False})

    def evidence(self, key: str) -> bytes:
        """An object of the evidence bucket; empty when there is none."""
        try:
            return self._request("GET", f"/{self.up['evidence_bucket']}/{urllib.parse.quote(key)}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return b""
            raise

    def job(self, name: str, run: str, ipe: str) -> dict[str, Any]:
        """A file of `events/` with one job, made a job of this run's plan."""
        key = f"evidence/{run}/plan.json"
        event: dict[str, Any] = json.loads((EVENTS / name).read_text())
        body = json.loads(event["Records"][0]["body"])
        body |= {"run_id": run, "ipe_id": ipe}
        body["plan"] = {"key": key, "sha256": hashlib.sha256(self.evidence(key)).hexdigest()}
        event["Records"][0]["body"] = json.dumps(body)
        return event
