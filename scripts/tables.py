"""Tables of documents that are computed: a place in the document begins with `<!-- name -->` and ends with `<!-- /name -->`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def markdown(head: list[str], body: list[list[str]]) -> str:
    """A table; all columns but the first are to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def filled(document: Path, tables: dict[str, str]) -> str:
    """The document's text with these tables in their places."""
    text = document.read_text()
    for name, table in tables.items():
        place = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
        text, found = place.subn(lambda m, table=table: f"{m[1]}{table}\n{m[2]}", text)
        if found != 1:
            raise SystemExit(f"{document.name} has no place for the table {name!r}")
    return text


def written(files: dict[Path, str], check: bool, remedy: str) -> int:
    """Writes the files, or with `check` compares them; the exit code."""
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    if check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what its figures give: run {remedy}", file=sys.stderr)
        return int(bool(stale))
    for path in stale:
        path.write_text(files[path])
    return 0
