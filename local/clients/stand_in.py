"""The scripted server that the clients of this folder are tried against, started and stopped; and what it answers."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

LOGIN = "reader"
PASSWORD = "Str0ng;{Pass}wörd"
DATABASE = "AIG_Nav_DW"
LONG_ASCII = "0123456789" * 10_000
LONG_WIDE = "é漢😀." * 10_000


@dataclass
class StandIn:
    """A running server; use it in a ``with`` statement."""

    program: Path
    strict: bool = False

    def __enter__(self) -> StandIn:
        """Start the server and wait for its port."""
        self._folder = tempfile.TemporaryDirectory()
        command = [str(self.program), self._folder.name] + (["strict"] if self.strict else [])
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port, authority = self._process.stdout.readline().split(maxsplit=1)
        self.port = int(port)
        self.authority = Path(authority.strip())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the server's input, which ends it."""
        self._process.communicate(timeout=30)
        self._folder.cleanup()
        if self._process.returncode != 0:
            raise RuntimeError(f"the server ended with {self._process.returncode}")
