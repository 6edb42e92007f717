"""The session protocol's frames over one TCP connection (see PROTOCOL.md), and the session's threads.

One thread runs requests; another reads frames all the time, so that a cancel is seen while a query runs.
"""

from __future__ import annotations

import io
import json
import logging
import queue
import socket
import struct
import threading

import pyarrow as pa

from .errors import SqlError
from .query import Output
from .session import Session
from .store import Store

LOG = logging.getLogger(__name__)
MAX_FRAME = 256 * 1024 * 1024
"""Bytes of one incoming frame; a longer one ends the connection."""
FRAME_BYTES = 16 * 1024 * 1024
"""Bytes of rows in one outgoing frame, about; a single row may be more."""


class Connection:
    """The server's side of one connection; also the session's `Sink`."""

    def __init__(self, sock: socket.socket, store: Store) -> None:
        self.sock, self.store = sock, store
        self.session: Session | None = None
        self.requests: queue.Queue[tuple[bytes, bytes] | None] = queue.Queue()

    def serve(self) -> None:
        """Answers requests until the stand-in closes the connection."""
        reader = threading.Thread(target=self._read, name="frames", daemon=True)
        reader.start()
        try:
            while True:
                request = self.requests.get()
                if request is None:
                    break
                self._answer(*request)
        except OSError as error:
            LOG.debug("session ended: %s", error)
        finally:
            if self.session is not None:
                self.session.close()
            self.sock.close()

    def _read(self) -> None:
        try:
            while True:
                head = self._exactly(5)
                kind, length = head[:1], struct.unpack(">I", head[1:])[0]
                if length > MAX_FRAME:
                    LOG.warning("frame of %d bytes refused", length)
                    break
                payload = self._exactly(length)
                if kind == b"X":
                    if self.session is not None:
                        self.session.cancel()
                else:
                    self.requests.put((kind, payload))
        except (OSError, EOFError):
            pass
        finally:
            self.requests.put(None)
            if self.session is not None:
                self.session.cancel()

    def _exactly(self, count: int) -> bytes:
        parts, missing = [], count
        while missing:
            part = self.sock.recv(min(missing, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _answer(self, kind: bytes, payload: bytes) -> None:
        try:
            body = json.loads(payload) if payload else {}
            if kind == b"L":
                self.session = Session(self.store, body)
            elif self.session is None:
                raise SqlError(18456, "Login failed: no session.", severity=14)
            elif kind == b"Q":
                self.session.run(body["sql"], body.get("params") or [], self)
            elif kind == b"P":
                self.columns(self.session.describe(body["sql"], body.get("params") or ""))
            else:
                raise SqlError(50000, f"unknown frame {kind!r}")
        except SqlError as error:
            LOG.info("error %d: %s", error.number, error.message)
            self._send(b"E", error.to_json())
            return
        except OSError:
            raise
        except RecursionError:
            self._send(
                b"E", SqlError(191, "Some part of your SQL statement is nested too deeply.", severity=15).to_json()
            )
            return
        except Exception as error:  # a defect of the engine must not look like an empty answer
            LOG.exception("the engine failed")
            self._send(b"E", SqlError(50000, f"The engine failed: {type(error).__name__}: {error}").to_json())
            return
        self._send(b"D", {})

    # --- sink ---------------------------------------------------------------------------------

    def columns(self, columns: tuple[Output, ...]) -> None:
        """`C`."""
        self._send(b"C", [{"name": c.name, "type": str(c.type), "nullable": c.nullable} for c in columns])

    def batch(self, batch: pa.RecordBatch) -> None:
        """`B`; a batch of wide values goes in several frames."""
        most = max(1, batch.num_rows * FRAME_BYTES // max(batch.nbytes, 1))
        for start in range(0, batch.num_rows, most):
            self._batch(batch.slice(start, most))

    def _batch(self, batch: pa.RecordBatch) -> None:
        out = io.BytesIO()
        with pa.ipc.new_stream(out, batch.schema) as writer:
            writer.write_batch(batch)
        self._frame(b"B", out.getbuffer())

    def rows(self, count: int) -> None:
        """`R`."""
        self._send(b"R", {"rows": count})

    def database(self, name: str) -> None:
        """`V`."""
        self._send(b"V", {"database": name})

    def _send(self, kind: bytes, body: object) -> None:
        self._frame(kind, json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))

    def _frame(self, kind: bytes, payload: bytes | memoryview) -> None:
        self.sock.sendall(kind + struct.pack(">I", len(payload)))
        self.sock.sendall(payload)


class SqlServer:
    """The listener on 127.0.0.1; a thread per connection."""

    def __init__(self, store: Store, port: int = 0) -> None:
        self.store = store
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]

    def start(self) -> None:
        """Accepts in the background."""
        threading.Thread(target=self._accept, name="sql-listener", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(sock, self.store).serve, name="session", daemon=True).start()

    def close(self) -> None:
        """Stops accepting."""
        self._listener.close()
