"""The programs of the benches: building them, and running the server."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import ROOT


def target_folder() -> Path:
    """Where cargo builds."""
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    return target if target.is_absolute() else ROOT / target


def built(symbols: bool = False) -> Path:
    """The folder of `serve` and `extract`, built with the settings of the deployed functions."""
    environment = {**os.environ, **({"CARGO_PROFILE_FUNCTION_STRIP": "none"} if symbols else {})}
    command = ["cargo", "build", "--locked", "--profile", "function", "-p", "soxauto-benches"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return target_folder() / "function"


def version() -> str:
    """The commit that is measured, and whether anything but figures and documents was changed since."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", ROOT, *arguments], check=True, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", ".", ":!docs", ":!benches/results", ":!benches/instructions.json")
    return git("rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def machine() -> dict[str, Any]:
    """What it is measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {"processors": os.cpu_count(), "architecture": platform.machine(), "model": models[0] if models else "unknown"}


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
