"""Lambda's runtime API on 127.0.0.1, for one process of one function: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from laptop import FUNCTIONS, ROOT, Refused


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Cuts the wait of a process that is ended while it asks for an event.
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self.answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.asked = threading.Event()
        self.asked_at = 0.0


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if not self.server.asked.is_set():
            self.server.asked_at = time.perf_counter()
            self.server.asked.set()
        self._send(200, self.server.events.get(), time.time() + 900)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.answers.put((self.path.rpartition("/")[2], json.loads(content or b"null")))
        self.server.asked.set()
        self._send(202, {}, 0)

    def _send(self, status: int, content: Any, deadline: float) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", f"{time.time_ns():032x}")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:000000000000:function:measured")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Function:
    """A process of a function, with the environment of the template; `variables` add to it, such as endpoints."""

    def __init__(self, build: Path, name: str, variables: dict[str, str]) -> None:
        settings = json.loads((ROOT / "events/env.local.json").read_text())[FUNCTIONS[name]]
        self._server = _Server()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **settings,
            **variables,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": f"soxauto-{name}",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/soxauto-{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "measured",
            "_HANDLER": "bootstrap",
        }
        binary = build / FUNCTIONS[name] / "bootstrap"
        started = time.perf_counter()
        self._process = subprocess.Popen([binary], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not self._server.asked.wait(20) or not self._server.answers.empty():
            self.end()
            raise Refused(f"{binary} did not start")
        # From the start of the process to its first request for an event.
        self.start_ms = (self._server.asked_at - started) * 1000

    def invoke(self, event: dict[str, Any], limit: float = 900) -> Any:
        """The answer to an event."""
        self._server.events.put(event)
        kind, answer = self._server.answers.get(timeout=limit)
        if kind == "error":
            raise Refused(json.dumps(answer))
        return answer

    def cpu_seconds(self) -> float:
        """What the process has used of processors so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        """Its largest memory so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found.group(1)) / 1024 if found else 0.0

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()
