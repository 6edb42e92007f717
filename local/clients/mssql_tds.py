"""Microsoft's ``mssql-tds`` against the stand-in: starts the server, then the client built from ``mssql-tds/``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from stand_in import StandIn


def main() -> int:
    """Run the client; its exit code is this program's."""
    with StandIn(Path(sys.argv[1])) as server:
        environment = {**os.environ, "SSL_CERT_FILE": str(server.authority)}
        return subprocess.run([sys.argv[2], str(server.port)], env=environment, timeout=300, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
