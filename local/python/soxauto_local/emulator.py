"""Runs the AWS emulator (ministack) so that it can never outlive the launcher.

``python -m soxauto_local.emulator`` binds 127.0.0.1 (a port chosen by the system unless ``--port`` names one), prints
``{"endpoint": "http://127.0.0.1:<port>"}`` on stdout once it answers, and logs to stderr. Its standard input is its
lease on life (see ``leash``): when that closes, for whatever reason, every function process ends with it.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import socket
import sys
import threading
import time

from soxauto_local import leash

REGION = "eu-west-1"
START_TIMEOUT_SECONDS = 60.0


def main() -> int:
    """Start the emulator and stay until told to stop."""
    parser = argparse.ArgumentParser(description="Run the AWS emulator on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    arguments = parser.parse_args()

    announcement = _take_over_stdout()
    leash.hold(on_line=_take_line)
    listener = _listen(arguments.port)
    port = listener.getsockname()[1]
    _set_environment(port)
    threading.Thread(target=_announce, args=(port, announcement), name="announce", daemon=True).start()
    _serve(listener)
    return 1


def _take_over_stdout() -> int:
    """Keep stdout for the one line that the launcher reads; everything else goes to stderr."""
    announcement = os.dup(1)
    os.set_inheritable(announcement, False)
    os.dup2(2, 1)
    return announcement


def _take_line(line: str) -> None:
    """The launcher sends what it learns later, such as ``{"environment": {"AWS_ENDPOINT_URL_REDSHIFT_DATA": …}}``."""
    # Function processes get this process's environment when they are started.
    os.environ.update(json.loads(line)["environment"])


def _listen(port: int) -> socket.socket:
    """Bind before the emulator starts, so that no other process can take the port in between."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(256)
    return listener


def _set_environment(port: int) -> None:
    """What the emulator reads when it is imported, and what the function processes inherit."""
    endpoint = f"http://127.0.0.1:{port}"
    os.environ.update(
        {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "MINISTACK_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": endpoint,
            # No container daemon: nothing here needs one, and a slow one would delay the start.
            "DOCKER_HOST": "unix:///nonexistent",
        }
    )
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "PERSIST_STATE", "S3_PERSIST", "USE_SSL"):
        os.environ.pop(name, None)


def _announce(port: int, announcement: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/_ministack/health")
            if connection.getresponse().status == 200:
                line = json.dumps({"endpoint": f"http://127.0.0.1:{port}"}) + "\n"
                os.write(announcement, line.encode())
                os.close(announcement)
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    print(f"the emulator did not answer within {START_TIMEOUT_SECONDS:.0f} s", file=sys.stderr, flush=True)
    leash.end_group()


def _serve(listener: socket.socket) -> None:
    # Imported late: the emulator reads its environment while it is imported.
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    sys.exit(main())
