"""Which rights each function needs, read from its code.

A function reaches AWS only through the ports of ``shared/cloud``. So: the port methods that a function calls
(`functions/*/src`, and on its behalf `shared/runs` and the leases), the SDK operations behind each method
(`shared/cloud/src`), the IAM actions behind each operation (the table below), and the keys (`shared/domain/src/layout.rs`).
Whatever is not understood is an error: new code needs a look at this file and at the role.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Iterable

from resolve import ROOT
from rust_source import Call, arguments, calls, closing, functions, sources

CLOUD = ROOT / "shared/cloud/src"
RUNS = ROOT / "shared/runs/src"
LAYOUT = ROOT / "shared/domain/src/layout.rs"

# A right: an action on a resource. Resources are spelt as `resolve.Template` spells them.
Right = tuple[str, str]

EVIDENCE = "arn:aws:s3:::{EvidenceBucket}"
STATE = "arn:aws:s3:::{StateBucket}"
ENCRYPTION = "{EncryptionKey.Arn}"
PREFIX = "evidence/"

# SDK operation → (IAM action, whether S3 needs the right to list to answer 404, KMS actions on the encryption key).
OPERATIONS: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "get_object": ("s3:GetObject", True, ("kms:Decrypt",)),
    "head_object": ("s3:GetObject", True, ("kms:Decrypt",)),
    "put_object": ("s3:PutObject", False, ("kms:GenerateDataKey",)),
    "create_multipart_upload": ("s3:PutObject", False, ("kms:GenerateDataKey", "kms:Decrypt")),
    "upload_part": ("s3:PutObject", False, ("kms:GenerateDataKey", "kms:Decrypt")),
    "complete_multipart_upload": ("s3:PutObject", False, ("kms:GenerateDataKey", "kms:Decrypt")),
    "abort_multipart_upload": ("s3:AbortMultipartUpload", False, ()),
    "delete_object": ("s3:DeleteObject", False, ()),
    "list_objects_v2": ("s3:ListBucket", False, ()),
    "send_message_batch": ("sqs:SendMessage", False, ("kms:GenerateDataKey", "kms:Decrypt")),
    "receive_message": ("sqs:ReceiveMessage", False, ("kms:Decrypt",)),
    "change_message_visibility": ("sqs:ChangeMessageVisibility", False, ()),
    "delete_message": ("sqs:DeleteMessage", False, ()),
    "get_queue_attributes": ("sqs:GetQueueAttributes", False, ()),
    "get_secret_value": ("secretsmanager:GetSecretValue", False, ("kms:Decrypt",)),
    "sign": ("kms:Sign", False, ()),
    "get_public_key": ("kms:GetPublicKey", False, ()),
    "execute_statement": ("redshift-data:ExecuteStatement", False, ()),
    "batch_execute_statement": ("redshift-data:BatchExecuteStatement", False, ()),
    "describe_statement": ("redshift-data:DescribeStatement", False, ()),
    "get_statement_result": ("redshift-data:GetStatementResult", False, ()),
    "cancel_statement": ("redshift-data:CancelStatement", False, ()),
}

# Constructor in a context.rs → trait, folder or file of the implementation.
PORTS = {
    "S3Lake": ("Lake", "lake/s3"),
    "SqsQueue": ("Queue", "queue/sqs.rs"),
    "SecretsManager": ("Secrets", "secrets/manager.rs"),
    "KmsSigner": ("Signer", "signer/kms.rs"),
    "RedshiftWarehouse": ("Warehouse", "warehouse/redshift.rs"),
}

# Setting that a port is built from → the resource behind it.
SETTINGS = {
    "evidence_bucket": EVIDENCE,
    "state_bucket": STATE,
    "jobs_queue_url": "{JobsQueue.Arn}",
    "receipts_queue_url": "{ReceiptsQueue.Arn}",
    "jobs_dead_letters_url": "{JobsDeadLetters.Arn}",
    "source_secret": "{SourceSecret}",
    "signing_key": "{SigningKey.Arn}",
    "warehouse": "warehouse",
}

# Last name of a receiver → field of the context. Where the name is only `lake`, the folder says which bucket.
RECEIVERS = {name: name for name in ("evidence", "state", "jobs", "dead_jobs", "receipts", "signer", "warehouse", "secret")}
LAKE_OF = {"worker": "evidence", "runs": "evidence", "lease": "state"}

# Keys that a reader of the code knows and this parser does not: (part, file, function) → key function of layout.rs.
KNOWN_KEYS = {
    # `job.plan.key` is compared with `layout.plan` before it is read.
    ("worker", "plan.rs", "fetch"): "plan",
    # The keys come from a listing of the open runs.
    ("finalizer", "sweep.rs", "sweep"): "state::open_run",
    # And from one of what is staged.
    ("finalizer", "leftovers.rs", "staged"): "state::staged_manifest",
}

# Method names that port traits share with other awaited methods: (part, file, receiver).
NOT_PORTS = {
    ("worker", "attempt.rs", "self"),  # Folder::write, which ends in lake.create
    ("worker", "attempt.rs", "folder"),  # the same
}


class NotUnderstood(Exception):
    """The code does something that this file does not know yet."""


@dataclass
class Port:
    """A port of a function's context: what it implements and which resource is behind it."""

    trait: str
    implementation: str
    resource: str


@dataclass
class Part:
    """A function, with the code that runs on its behalf."""

    name: str
    files: list[tuple[str, str]]
    ports: dict[str, Port] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)


@cache
def traits() -> dict[str, set[str]]:
    """The methods of each port."""
    found: dict[str, set[str]] = {}
    for _, text in sources(CLOUD):
        for match in re.finditer(r"pub trait (\w+)[^{;]*\{", text):
            body = text[match.end() : closing(text, match.end() - 1)]
            found[match[1]] = set(re.findall(r"\bfn (\w+)", body))
    return {name: found[name] for name in ("Lake", "Upload", "Download", "Queue", "Secrets", "Signer", "Warehouse")}


@cache
def operations(implementation: str, method: str) -> frozenset[str]:
    """The SDK operations behind a method of a port's implementation, whatever it calls on the way."""
    graph: dict[tuple[str, str], tuple[set[str], set[tuple[str, str]]]] = {}
    chosen = [(file, text) for file, text in sources(CLOUD) if file.startswith(implementation)]
    stems = {file: file.rsplit("/", 1)[-1][:-3] for file, _ in chosen}
    for file, text in chosen:
        for name, _, body in functions(text):
            direct, callees = graph.setdefault((stems[file], name), (set(), set()))
            direct.update(re.findall(r"\bclient\s*\.\s*(\w+)\(\)", body))
            direct.discard("clone")
            for match in re.finditer(r"(?:(\w+)::|\bself\s*\.\s*|(?<![\w.:]))(\w+)\(", body):
                callees.add((match[1] or stems[file], match[2]))
    if any(file.endswith("upload.rs") for file in stems) and method == "start_upload":
        reached = {key for key in graph if key[0] == "upload"}
    else:
        reached = {(stem, method) for stem in ("mod", *stems.values()) if (stem, method) in graph}
        reached = {key for key in reached if key[0] == "mod"} or reached
    if not reached:
        raise NotUnderstood(f"{implementation} has no {method}")
    todo = list(reached)
    while todo:
        for callee in graph[todo.pop()][1]:
            if callee in graph and callee not in reached:
                reached.add(callee)
                todo.append(callee)
    found = frozenset(operation for key in reached for operation in graph[key][0])
    unknown = found - OPERATIONS.keys()
    if unknown:
        raise NotUnderstood(f"{implementation}: {method} calls {sorted(unknown)}: add them to OPERATIONS")
    return found


@cache
def key_pattern(function: str, path: str = "*") -> str:
    """The keys that a function of layout.rs makes, as IAM spells them, below their bucket."""
    text = LAYOUT.read_text(encoding="utf-8")
    inner, _, state = text.partition("pub mod state {")
    in_state = function.startswith("state::")
    for name, _, body in functions(state if in_state else inner):
        made = re.search(r"format!\(", body)
        if name != function.removeprefix("state::") or made is None:
            continue
        template, *values = arguments(body[made.end() : closing(body, made.end() - 1)])
        filled = template.strip('"').replace("{path}", path)
        for value in values:
            called = re.match(r"self\s*\.\s*(\w+)\(", value)
            text_of = PREFIX if value == "self.prefix" else key_pattern(called[1]) if called else "*"
            filled = filled.replace("{}", text_of, 1)
        return re.sub(r"\{\w+\}", "*", filled)
    raise NotUnderstood(f"layout.rs makes no keys in {function}")


def constant(name: str) -> str:
    """A file name of layout.rs."""
    found = re.search(rf'pub const {name}: &str = "([^"]+)";', LAYOUT.read_text(encoding="utf-8"))
    if found is None:
        raise NotUnderstood(f"layout.rs has no {name}")
    return found[1]


def part(name: str) -> Part:
    """A function, with the ports that its context builds."""
    files = list(sources(ROOT / "functions" / name / "src"))
    found = Part(name, files)
    for file, text in files:
        if "aws_sdk_" in text or "aws_config" in text:
            raise NotUnderstood(f"functions/{name}/src/{file} uses an SDK: go through a port of shared/cloud")
    context = dict(files)["context.rs"]
    for match in re.finditer(r"\b(\w+)::new\(", context):
        inside = context[match.end() : closing(context, match.end() - 1)]
        if re.match(r"\s*clients\.", inside):
            if match[1] not in PORTS:
                raise NotUnderstood(f"functions/{name}: {match[1]} is a new port: add it to PORTS")
            trait, implementation = PORTS[match[1]]
            # The secret's name goes to the cache around the port.
            setting = re.search(r"settings\s*\.\s*(\w+)", inside) or re.search(
                r"settings\s*\.\s*(\w+)", context[match.end() + len(inside) :]
            )
            if setting is None or setting[1] not in SETTINGS:
                raise NotUnderstood(f"functions/{name}: which resource is behind {match[1]}::new({inside.strip()})?")
            owner = {"evidence_bucket": "evidence", "state_bucket": "state", "jobs_queue_url": "jobs"}
            owner |= {"jobs_dead_letters_url": "dead_jobs"}
            owner |= {"receipts_queue_url": "receipts", "source_secret": "secret", "signing_key": "signer"}
            owner |= {"warehouse": "warehouse"}
            found.ports[owner[setting[1]]] = Port(trait, implementation, SETTINGS[setting[1]])
        elif match[1] in ("RunReader", "Leases"):
            found.helpers.add(match[1])
    used = set(re.findall(r"\bclients\s*\.\s*(\w+)", context))
    if len(used) > len({port.implementation for port in found.ports.values()}):
        raise NotUnderstood(f"functions/{name}: of {sorted(used)} not every client is behind a known port")
    return found


def port_calls(part_name: str, files: Iterable[tuple[str, str]]) -> list[tuple[Call, str]]:
    """Each call of a port's method, with the field of the context on which it is made."""
    names = set().union(*traits().values())
    found = []
    for file, text in files:
        for call in calls(file, text):
            last = call.receiver.rsplit(".", 1)[-1]
            owner = RECEIVERS.get(last) or (LAKE_OF.get(part_name) if last == "lake" else None)
            if call.method not in names:
                continue
            if owner is None:
                # The methods of an upload or download belong to the call that began it.
                stream = call.method in traits()["Upload"] | traits()["Download"] and last in ("upload", "download")
                if not call.awaited or stream or (part_name, file, call.receiver) in NOT_PORTS:
                    continue
                if last in ("leases", "lease", "reader", "secrets"):
                    continue
                raise NotUnderstood(f"functions/{part_name}/src/{call}: on which port is this?")
            found.append((call, owner))
    return found


def key_of(part_name: str, files: list[tuple[str, str]], call: Call) -> str | None:
    """The keys that a call is about; `None` when the code does not say."""
    if known := KNOWN_KEYS.get((part_name, call.file, call.function)):
        return key_pattern(known)
    return _resolve_key(files, call.file, call.function, call.arguments[0], 0)


def _resolve_key(files: list[tuple[str, str]], file: str, function: str, text: str, depth: int) -> str | None:
    text = re.sub(r"\s*\.\s*", ".", text.lstrip("&* "))
    if depth > 4:
        return None
    if match := re.search(r"\bstate::(\w+)\(", text):
        return key_pattern(f"state::{match[1]}")
    if match := re.search(r"\blayout(?:\(\))?\.(\w+)\(", text):
        inside = arguments(text[match.end() : closing(text, match.end() - 1)])
        fixed = re.fullmatch(r"layout::(\w+)", inside[-1]) if inside else None
        return key_pattern(match[1], constant(fixed[1])) if fixed else key_pattern(match[1])
    if not re.fullmatch(r"\w+", text):
        return None
    own = dict(files)[file]
    for name, parameters, body in functions(own):
        if name != function:
            continue
        # Of several, the last: the first ones are in closures.
        if bound := re.findall(rf"\blet {text} = (.*?);", body, re.S):
            return _resolve_key(files, file, function, bound[-1], depth + 1)
        names = [re.match(r"(?:mut )?(\w+)", p)[1] for p in arguments(parameters) if re.match(r"(?:mut )?\w+", p)]
        if text in names:
            return _key_from_callers(files, file, function, names.index(text), depth)
    return None


def _key_from_callers(files: list[tuple[str, str]], home: str, function: str, index: int, depth: int) -> str | None:
    found = set()
    for file, text in files:
        for name, _, body in functions(text):
            for match in re.finditer(rf"(?<![\w.:])(?:(\w+)::)?{function}\(", body):
                if name == function or (file != home if match[1] is None else f"{match[1]}.rs" != home):
                    continue
                given = arguments(body[match.end() : closing(body, match.end() - 1)])
                found.add(_resolve_key(files, file, name, given[index], depth + 1))
    return found.pop() if len(found) == 1 else None


def rights_of_operations(port: Port, names: Iterable[str], key: str | None) -> set[Right]:
    """The rights behind SDK operations on one port and one kind of key."""
    found: set[Right] = set()
    for name in names:
        action, lists, kms = OPERATIONS[name]
        resource = port.resource
        if action == "s3:ListBucket":
            pass
        elif action.startswith("s3:"):
            anything = f"{PREFIX}*" if resource == EVIDENCE else "*"
            resource = f"{resource}/{key or anything}"
        found.add((action, resource))
        found.update((kind, ENCRYPTION) for kind in kms)
        if lists:
            found.add(("s3:ListBucket", port.resource))
    return found


def code_rights(name: str) -> set[Right]:
    """Everything that the code of one function does on AWS."""
    this = part(name)
    found: set[Right] = set()
    for call, owner in port_calls(name, this.files):
        if owner not in this.ports:
            raise NotUnderstood(f"functions/{name}: {call} uses a port that context.rs does not build")
        port = this.ports[owner]
        if owner == "secret":
            # The cache in front of the port; its only call is Secrets::get.
            found |= rights_of_operations(port, operations(port.implementation, "get"), None)
            continue
        if call.method not in traits()[port.trait]:
            raise NotUnderstood(f"functions/{name}: {call}: {port.trait} has no {call.method}")
        key = key_of(name, this.files, call) if port.trait == "Lake" else None
        found |= rights_of_operations(port, operations(port.implementation, call.method), key)
    # What shared/cloud does in a queue that is looked through.
    for _, text in this.files:
        for method in {"search": ("receive_for", "change_visibility"), "release": ("change_visibility",)}.items():
            if port := re.search(rf"dead_letters::{method[0]}\(\s*context\s*\.\s*(\w+)", text):
                queue = this.ports[port[1]]
                for name in method[1]:
                    found |= rights_of_operations(queue, operations(queue.implementation, name), None)
    if "RunReader" in this.helpers:
        found |= reader_rights(this.ports["evidence"])
    if "Leases" in this.helpers:
        found |= lease_rights(this)
    return found


def reader_rights(port: Port) -> set[Right]:
    """What shared/runs does: lists, and reads the plan, manifests and the records of attempts."""
    files = list(sources(RUNS))
    found: set[Right] = set()
    text = dict(files)["reader.rs"]
    keys = {key_pattern("plan")} if "layout.plan(" in text else set()
    keys |= {key_pattern("manifest")} if "layout.manifest(" in text else set()
    keys |= {key_pattern("file", constant(name)) for name in set(re.findall(r"\blayout::([A-Z]+)\b", text))}
    # `record` reads a load record where the name is neither of the two others.
    keys.add(key_pattern("file", constant("LOAD")))
    for call, _ in port_calls("runs", files):
        for key in keys:
            found |= rights_of_operations(port, operations(port.implementation, call.method), key)
    return found


def lease_rights(this: Part) -> set[Right]:
    """What shared/cloud's leases do in the state bucket, on the keys for which a function acquires them."""
    files = [(f"lease/{file}", text) for file, text in sources(CLOUD / "lease")]
    # A lease may be the only thing that a function has in the state bucket.
    port = this.ports.get("state") or Port(*PORTS["S3Lake"], resource=STATE)
    keys = {
        key_of(this.name, this.files, call)
        for file, text in this.files
        for call in calls(file, text)
        if call.method == "acquire" and call.receiver.endswith("leases")
    }
    if not keys or None in keys:
        raise NotUnderstood(f"functions/{this.name}: for which keys are leases acquired?")
    found: set[Right] = set()
    for call, _ in port_calls("lease", files):
        for key in keys:
            found |= rights_of_operations(port, operations(port.implementation, call.method), key)
    # Leases that a function only looks at.
    for file, text in this.files:
        for call in calls(file, text):
            if call.method == "read" and call.receiver.endswith("leases"):
                key = key_of(this.name, this.files, call)
                if key is None:
                    raise NotUnderstood(f"functions/{this.name}: {call}: which lease is read?")
                found |= rights_of_operations(port, operations(port.implementation, "get"), key)
    clears = any(
        call.method == "clear" and call.receiver.endswith("leases")
        for file, text in this.files
        for call in calls(file, text)
    )
    # Whoever clears, clears everybody's.
    for method in ("get", "delete_if") if clears else ():
        key = key_pattern("state::ipe_lease")
        found |= rights_of_operations(port, operations(port.implementation, method), key)
    return found
