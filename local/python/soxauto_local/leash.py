"""Ties a Python process to the launcher's life: when the pipe on standard input closes, its process group ends.

The launcher holds the other end of that pipe and, in normal times, writes nothing or lines of JSON. If the launcher
dies in any way, the system closes the pipe. ``python -m soxauto_local.leash MODULE ARGUMENT…`` runs any module so.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from typing import Callable


def hold(on_line: Callable[[str], None] | None = None) -> None:
    """Lead an own process group and end it when standard input closes. ``on_line`` gets what the launcher writes."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    threading.Thread(target=_watch, args=(on_line,), name="launcher-watch", daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: end_group())


def end_group() -> None:
    """End this process and all it has started, at once: there is nothing to save."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _watch(on_line: Callable[[str], None] | None) -> None:
    pending = b""
    while chunk := os.read(0, 65536):
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if on_line is not None and line.strip():
                on_line(line.decode())
    end_group()


def main() -> None:
    """Run the module named by the first argument with the others."""
    hold()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
