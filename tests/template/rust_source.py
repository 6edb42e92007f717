"""Reads just enough Rust to know which functions a file has, what they call, and with what arguments.

Comments, texts in comments and test code are left out; nothing else of the language is understood, and nothing else is
needed: rustfmt fixes the form of a call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator


@dataclass(frozen=True)
class Call:
    """``receiver.method(arguments)``, with whether ``.await`` follows."""

    file: str
    function: str
    receiver: str
    method: str
    arguments: tuple[str, ...]
    awaited: bool

    def __str__(self) -> str:
        return f"{self.file}: {self.function}: {self.receiver}.{self.method}({', '.join(self.arguments)})"


def sources(folder: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each file below ``folder`` that is in a release: no tests, no in-memory twins."""
    for path in sorted(folder.rglob("*.rs")):
        if path.stem in ("tests", "memory", "faulty", "scripted") or "conformance" in path.parts:
            continue
        yield path.relative_to(folder).as_posix(), without_tests(path.read_text(encoding="utf-8"))


def without_tests(text: str) -> str:
    """The text without comments and without what only tests see."""
    text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
    text = re.sub(r"\s//\s.*$", "", text, flags=re.M)
    while match := re.search(r"#\[cfg\((?:test|any\(test[^\]]*)\)\]\s*(?:pub(?:\([a-z]+\))?\s+)?(?:mod|use|fn|impl)[^;{]*([;{])", text):
        end = match.end() if match[1] == ";" else closing(text, match.end() - 1) + 1
        text = text[: match.start()] + text[end:]
    return text


def closing(text: str, start: int) -> int:
    """Where the bracket at ``start`` closes."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    stack: list[str] = []
    position = start
    while position < len(text):
        char = text[position]
        if char == '"':
            position = _end_of_string(text, position)
        elif char == "'" and (literal := re.match(r"'(?:\\.[^']*|[^\\'])'", text[position:])):
            position += literal.end() - 1
        elif char in pairs:
            stack.append(pairs[char])
        elif stack and char == stack[-1]:
            stack.pop()
            if not stack:
                return position
        position += 1
    raise ValueError(f"no end of {text[start:start + 60]!r}")


def _end_of_string(text: str, start: int) -> int:
    position = start + 1
    while text[position] != '"':
        position += 2 if text[position] == "\\" else 1
    return position


def functions(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, parameters and body of each function."""
    for match in re.finditer(r"\bfn (\w+)(?:<[^>(]*>)?\(", text):
        end = closing(text, match.end() - 1)
        rest = re.match(r"[^;{]*([;{])", text[end + 1 :])
        if rest is None or rest[1] == ";":
            continue
        begin = end + rest.end()
        yield match[1], text[match.end() : end], text[begin : closing(text, begin) + 1]


def calls(file: str, text: str) -> Iterator[Call]:
    """Every method call of a file."""
    for name, _, body in functions(text):
        for match in re.finditer(r"\.\s*(\w+)\(", body):
            end = closing(body, match.end() - 1)
            before = re.search(r"[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*\s*$", body[: match.start()])
            yield Call(
                file=file,
                function=name,
                receiver=re.sub(r"\s", "", before[0]) if before else "…",
                method=match[1],
                arguments=tuple(arguments(body[match.end() : end])),
                awaited=re.match(r"\s*\.await\b", body[end + 1 :]) is not None,
            )


def arguments(text: str) -> list[str]:
    """The arguments of a call."""
    found, start, position = [], 0, 0
    while position < len(text):
        if text[position] in "({[":
            position = closing(text, position)
        elif text[position] == '"':
            position = _end_of_string(text, position)
        elif text[position] == ",":
            found.append(text[start:position])
            start = position + 1
        position += 1
    found.append(text[start:])
    return [re.sub(r"\s+", " ", argument).strip() for argument in found if argument.strip()]
