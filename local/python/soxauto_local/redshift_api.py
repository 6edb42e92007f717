"""The Redshift Data API over HTTP: AWS JSON 1.1, `X-Amz-Target: RedshiftData.…`."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
import uuid
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .redshift_engine import Part, Request, Warehouse
from .redshift_errors import ApiError, not_found, validation
from .redshift_types import RedshiftType

LOG = logging.getLogger(__name__)
PAGE_ROWS = 1_000
"""Rows in one page of GetStatementResult."""
MAX_BODY = 16 * 1024 * 1024


class Api:
    """The operations, each a method that takes and returns the JSON of the service model."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._tokens: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def call(self, operation: str, body: dict) -> dict:
        """Runs an operation by its name in the service model."""
        methods: dict[str, Callable[[dict], dict]] = {
            "ExecuteStatement": self._execute,
            "BatchExecuteStatement": self._batch,
            "DescribeStatement": self._describe,
            "GetStatementResult": self._result,
            "ListStatements": self._list,
            "CancelStatement": self._cancel,
        }
        method = methods.get(operation)
        if method is None:
            raise ApiError("UnknownOperationException", f"The stand-in does not know {operation}.")
        return method(body)

    # --- submitting ---------------------------------------------------------------------------

    def _execute(self, body: dict) -> dict:
        sql = body.get("Sql")
        if not isinstance(sql, str) or not sql.strip():
            raise validation("Sql must not be empty.")
        return self._submit(body, [sql], batch=False)

    def _batch(self, body: dict) -> dict:
        statements = body.get("Sqls")
        if (
            not isinstance(statements, list)
            or not 1 <= len(statements) <= 40
            or not all(isinstance(s, str) and s.strip() for s in statements)
        ):
            raise validation("Sqls must hold 1 to 40 statements.")
        if body.get("ExecutionMode", "TRANSACTION") != "TRANSACTION":
            raise validation("The stand-in runs a batch as one transaction only.")
        return self._submit(body, statements, batch=True)

    def _submit(self, body: dict, statements: list[str], *, batch: bool) -> dict:
        if body.get("SessionId") or body.get("SessionKeepAliveSeconds"):
            raise validation("The stand-in has no sessions: SessionId and SessionKeepAliveSeconds are not supported.")
        if body.get("ResultFormat", "JSON") != "JSON":
            raise validation("The stand-in answers results in JSON only.")
        if bool(body.get("ClusterIdentifier")) == bool(body.get("WorkgroupName")):
            raise validation("Give either ClusterIdentifier or WorkgroupName.")
        if not body.get("Database"):
            raise validation("Database must not be empty.")
        parameters: dict[str, str] = {}
        for item in body.get("Parameters") or []:
            if item.get("name") in parameters or "value" not in item:
                raise validation(f"Parameter {item.get('name')} is given twice or without a value.")
            parameters[item["name"]] = item["value"]
        facts = {
            k: body[k]
            for k in ("Database", "WorkgroupName", "ClusterIdentifier", "SecretArn", "DbUser", "StatementName")
            if body.get(k)
        }
        seconds = self._seconds(body)
        token = body.get("ClientToken")
        asked = {k: v for k, v in body.items() if k not in ("ClientToken", "WaitTimeSeconds")}
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        with self._lock:
            known = self._tokens.get(token) if token else None
            if known is not None:
                if known[0] != digest:
                    raise validation("Idempotency token was already used with different request parameters.")
                request = self.warehouse.requests[known[1]]
            else:
                request = self.warehouse.submit(statements, batch=batch, parameters=parameters, facts=facts)
                if token:
                    self._tokens[token] = (digest, request.id)
        if seconds:
            self.warehouse.wait(request, seconds)
        answer: dict = {"Id": request.id, "CreatedAt": request.created, **_asked(request)}
        if seconds:
            answer.update(Status=request.status, HasResultSet=any(part.has_result for part in request.parts))
        return answer

    def _seconds(self, body: dict) -> int:
        seconds = body.get("WaitTimeSeconds")
        if seconds is None:
            return 0
        if not isinstance(seconds, int) or not 1 <= seconds <= 30:
            raise validation("WaitTimeSeconds must be between 1 and 30.")
        return seconds

    # --- asking -------------------------------------------------------------------------------

    def _find(self, body: dict) -> tuple[Request, Part | None]:
        """A request, and one of its parts when the id is `…:n`."""
        identifier = str(body.get("Id") or "")
        whole, _, number = identifier.partition(":")
        try:
            uuid.UUID(whole)
        except ValueError:
            raise validation("Id must be a statement's UUID.") from None
        request = self.warehouse.requests.get(whole)
        if request is None:
            raise not_found(identifier)
        if not number:
            return request, None
        for part in request.parts:
            if part.id == identifier:
                return request, part
        raise not_found(identifier)

    def _describe(self, body: dict) -> dict:
        request, part = self._find(body)
        seconds = self._seconds(body)
        if seconds:
            self.warehouse.wait(request, seconds)
        if part is not None:
            return {**_part(part), **_asked(request)}
        answer = {
            "Id": request.id,
            "Status": request.status,
            "CreatedAt": request.created,
            "UpdatedAt": request.updated,
            "Duration": request.duration,
            "RedshiftPid": 1,
            "RedshiftQueryId": 0 if request.batch else request.parts[0].query_id,
            "HasResultSet": any(p.has_result for p in request.parts),
            "ResultFormat": "JSON",
            **_asked(request),
        }
        if request.error:
            answer["Error"] = request.error
        if request.batch:
            answer["SubStatements"] = [_part(p) for p in request.parts]
            answer.update(ResultRows=-1, ResultSize=-1)
        else:
            answer["QueryString"] = request.parts[0].sql
            answer.update(ResultRows=request.parts[0].count, ResultSize=_size(request.parts[0]))
        if request.parameters:
            answer["QueryParameters"] = [{"name": n, "value": v} for n, v in request.parameters.items()]
        return answer

    def _result(self, body: dict) -> dict:
        request, part = self._find(body)
        seconds = self._seconds(body)
        if seconds:
            self.warehouse.wait(request, seconds)
        if part is None:
            if request.batch:
                raise validation(
                    f"Query {request.id} is a batch: ask for the result of one of its sub-statements, such as {request.id}:1."
                )
            part = request.parts[0]
        if request.status != "FINISHED" or not part.has_result:
            raise ApiError(
                "ResourceNotFoundException",
                "Query does not have result. Please check query status with DescribeStatement.",
                ResourceId=part.id,
            )
        start = 0
        if body.get("NextToken"):
            try:
                start = int(base64.b64decode(body["NextToken"], validate=True))
            except ValueError:
                raise validation("Invalid NextToken.") from None
        page = part.rows[start : start + PAGE_ROWS]
        answer = {
            "Records": [[_field(cell, kind) for cell, (_, kind) in zip(row, part.columns)] for row in page],
            "ColumnMetadata": [_metadata(name, kind) for name, kind in part.columns],
            "TotalNumRows": len(part.rows),
        }
        if start + PAGE_ROWS < len(part.rows):
            answer["NextToken"] = base64.b64encode(str(start + PAGE_ROWS).encode()).decode()
        return answer

    def _list(self, body: dict) -> dict:
        wanted = body.get("Status") or "ALL"
        found = sorted(self.warehouse.requests.values(), key=lambda r: -r.created)
        name = body.get("StatementName")
        shown = []
        for request in found:
            if wanted not in ("ALL", request.status):
                continue
            if name and not request.facts.get("StatementName", "").startswith(name):
                continue
            entry = {
                "Id": request.id, "Status": request.status, "CreatedAt": request.created, "UpdatedAt": request.updated,
                "IsBatchStatement": request.batch, "ResultFormat": "JSON",
            }  # fmt: skip
            if request.batch:
                entry["QueryStrings"] = [part.sql for part in request.parts]
            else:
                entry["QueryString"] = request.parts[0].sql
            for key in ("StatementName", "SecretArn"):
                if key in request.facts:
                    entry[key] = request.facts[key]
            shown.append(entry)
        start = int(base64.b64decode(body["NextToken"])) if body.get("NextToken") else 0
        most = body.get("MaxResults") or 100
        answer: dict = {"Statements": shown[start : start + most]}
        if start + most < len(shown):
            answer["NextToken"] = base64.b64encode(str(start + most).encode()).decode()
        return answer

    def _cancel(self, body: dict) -> dict:
        request, _ = self._find(body)
        if not self.warehouse.cancel(request):
            raise validation(
                f"Could not cancel a query that is already in {request.status} state with ID: {request.id}"
            )
        return {"Status": True}


def _asked(request: Request) -> dict:
    return {k: v for k, v in request.facts.items() if k != "StatementName"}


def _size(part: Part) -> int:
    return sum(len(str(cell)) for row in part.rows for cell in row) if part.has_result else -1


def _part(part: Part) -> dict:
    answer = {
        "Id": part.id, "Status": part.status, "QueryString": part.sql, "HasResultSet": part.has_result, "ResultRows": part.count,
        "ResultSize": _size(part), "RedshiftQueryId": part.query_id, "CreatedAt": part.created, "UpdatedAt": part.updated,
        "Duration": part.duration,
    }  # fmt: skip
    if part.error:
        answer["Error"] = part.error
    return answer


def _field(value: object, kind: RedshiftType) -> dict:
    """A cell as the service's `Field` union; numbers with a point and dates travel as texts."""
    if value is None:
        return {"isNull": True}
    if kind.name == "bool":
        return {"booleanValue": bool(value)}
    if kind.name in ("int2", "int4", "int8"):
        return {"longValue": int(str(value))}
    if kind.name in ("float4", "float8"):
        return {"doubleValue": value}
    if isinstance(value, bytes):
        return {"stringValue": value.hex()}
    if isinstance(value, Decimal):
        return {"stringValue": format(value, "f")}
    if isinstance(value, datetime):
        if kind.name == "timestamptz":
            return {"stringValue": value.isoformat(sep=" ") + "+00"}
        return {"stringValue": value.isoformat(sep=" ")}
    if isinstance(value, (date, time)):
        return {"stringValue": value.isoformat()}
    return {"stringValue": str(value)}


def _metadata(name: str, kind: RedshiftType) -> dict:
    lengths = {"int2": 5, "int4": 10, "int8": 19, "float4": 8, "float8": 17, "bool": 1}
    return {
        "name": name, "label": name, "typeName": kind.name, "nullable": 1, "precision": kind.precision or lengths.get(kind.name, 0),
        "scale": kind.scale, "length": kind.length, "isCaseSensitive": kind.name in ("varchar", "bpchar"), "isCurrency": False,
        "isSigned": kind.name.startswith(("int", "float", "numeric")), "schemaName": "", "tableName": "",
    }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    """One HTTP connection, kept alive."""

    protocol_version = "HTTP/1.1"
    api: Api

    def do_POST(self) -> None:
        """An operation."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self._answer(413, {"__type": "ValidationException", "message": "Request too large."})
            self.close_connection = True
            return
        raw = self.rfile.read(length)
        prefix, _, operation = (self.headers.get("X-Amz-Target") or "").partition(".")
        try:
            if prefix != "RedshiftData":
                raise ApiError("UnknownOperationException", "This endpoint serves the Redshift Data API only.")
            try:
                body = json.loads(raw or b"{}")
            except ValueError:
                raise ApiError("SerializationException", "The body is not JSON.") from None
            if not isinstance(body, dict):
                raise ApiError("SerializationException", "The body is not a JSON object.")
            self._answer(200, self.api.call(operation, body))
        except ApiError as error:
            LOG.info("%s refused: %s: %s", operation, error.code, error.message)
            body = {"__type": error.code, "message": error.message, "Message": error.message, **error.extra}
            self._answer(400, body, error.code)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as error:
            LOG.exception("%s failed", operation)
            self._answer(
                500,
                {"__type": "InternalServerException", "message": str(error), "Message": str(error)},
                "InternalServerException",
            )

    def _answer(self, status: int, body: dict, code: str = "") -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged; failures are, above."""


class RedshiftServer:
    """The HTTP listener on 127.0.0.1."""

    def __init__(self, warehouse: Warehouse, port: int = 0) -> None:
        handler = type("Handler", (_Handler,), {"api": Api(warehouse)})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Serves in the background."""
        threading.Thread(target=self._server.serve_forever, name="redshift-listener", daemon=True).start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
