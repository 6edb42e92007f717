"""The programs of the benches: building them, and running the server."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from figures import ROOT


def built() -> Path:
    """The folder of `serve` and `extract`, built with the settings of the deployed functions."""
    subprocess.run(["cargo", "build", "--locked", "--profile", "function", "-p", "soxauto-benches"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    return (target if target.is_absolute() else ROOT / target) / "function"


@dataclass
class Server:
    """A running server."""

    port: int
    authority: Path
    process: int

    def peak_mb(self) -> float:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024


@contextlib.contextmanager
def server(programs: Path, folder: Path, *options: str) -> Iterator[Server]:
    """The server, until the block ends."""
    process = subprocess.Popen([programs / "serve", *options, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    try:
        port, authority = process.stdout.readline().split(maxsplit=1)
        yield Server(int(port), Path(authority.strip()), process.pid)
    finally:
        process.stdin.close()
        process.wait(30)
