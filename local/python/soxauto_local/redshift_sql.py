"""Redshift SQL to DuckDB: what `sqlglot` translates, and the statements it does not know.

A statement becomes a `Plan`: DuckDB SQL to run, a COPY, or nothing (ANALYZE, GRANT, LOCK, …).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from .expr import ident
from .redshift_errors import StatementError
from .redshift_types import read_type

_DIALECT = Redshift()
_NOTHING = frozenset("ANALYZE VACUUM GRANT REVOKE LOCK COMMENT SET RESET".split())
_TRANSACTION = frozenset("BEGIN START COMMIT END ROLLBACK ABORT".split())
_COLUMN_WORDS = frozenset(
    "NOT NULL DEFAULT ENCODE DISTKEY SORTKEY PRIMARY UNIQUE REFERENCES IDENTITY GENERATED COLLATE CONSTRAINT CHECK".split()
)


@dataclass(frozen=True)
class Copy:
    """COPY table [(columns)] FROM 's3://…' … FORMAT AS PARQUET MANIFEST."""

    schema: str
    table: str
    columns: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Plan:
    """What to do for one statement."""

    sql: str = ""
    copy: Copy | None = None
    returns_rows: bool = False
    writes: bool = False
    commands: tuple[str, ...] = field(default=())


def plan(sql: str, parameters: dict[str, str], *, last_copy_count: int = 0, query_id: int = 0) -> Plan:
    """Reads one statement; `:name` parameters become literals of the tree, never of the text."""
    try:
        tokens = _DIALECT.tokenize(sql)
    except TokenError as error:
        raise StatementError(f"ERROR: syntax error: {error}") from error
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise StatementError("ERROR: The statement is empty")
    words = [token.text.upper() for token in tokens]
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        raise StatementError("ERROR: cannot insert multiple commands into a prepared statement")
    if words[0] == "COPY":
        return Plan(copy=_copy(tokens, words, parameters), writes=True)
    if words[0] in _NOTHING:
        return Plan()
    if words[0] in _TRANSACTION:
        raise StatementError(f"ERROR: {words[0]} is not supported: a batch is one transaction already")
    if (
        words[0] == "CREATE"
        and "TABLE" in words[1:4]
        and "AS" not in words[: _first_paren(tokens)]
        and _first_paren(tokens) < len(tokens)
    ):
        return Plan(_create_table(sql, tokens, words), writes=True)
    return _general(sql, parameters, last_copy_count, query_id)


def _first_paren(tokens: list[Token]) -> int:
    return next((i for i, token in enumerate(tokens) if token.token_type == TokenType.L_PAREN), len(tokens))


def _general(
    sql: str, parameters: dict[str, str], last_copy_count: int = 0, query_id: int = 0, *, named: bool = True
) -> Plan:
    try:
        trees = [tree for tree in _DIALECT.parse(sql) if tree is not None]
    except ParseError as error:
        near = error.errors[0].get("highlight") if error.errors else ""
        raise StatementError(f'ERROR: syntax error at or near "{near}"') from error
    if len(trees) != 1 or isinstance(trees[0], exp.Command):
        raise StatementError(f"ERROR: the Redshift stand-in does not support: {sql.strip()[:80]}")
    tree = trees[0]
    if isinstance(tree, exp.Create):
        tree.set("no_schema_binding", None)
        properties = tree.args.get("properties")
        if properties is not None:
            tree.set("properties", None)

    def rewrite(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Placeholder) and node.name:
            if node.name not in parameters:
                raise StatementError(f"ERROR: Cannot find parameter: {node.name}")
            return exp.Literal.string(parameters[node.name])
        if isinstance(node, exp.CurrentTimestamp):
            return exp.cast(exp.func("now"), exp.DataType.build("TIMESTAMP"))
        if isinstance(node, exp.Anonymous) and node.name.lower() == "pg_last_copy_count":
            return exp.Literal.number(last_copy_count)
        if isinstance(node, exp.Anonymous) and node.name.lower() == "pg_last_query_id":
            return exp.Literal.number(query_id)
        return node

    used = {node.name for node in tree.find_all(exp.Placeholder)}
    for name in parameters:
        if name not in used:
            raise StatementError(f"ERROR: Parameters list contains unused parameters. Unused parameters: [{name}]")
    tree = tree.transform(rewrite)
    if named:
        _name_outputs(tree)
    rows = isinstance(tree, (exp.Select, exp.SetOperation, exp.Subquery, exp.Show, exp.Describe))
    text = tree.sql("duckdb")
    if isinstance(tree, exp.Create) and "NO SCHEMA BINDING" in text.upper():
        text = re.sub(r"\s+WITH\s+NO\s+SCHEMA\s+BINDING\s*$", "", text, flags=re.I)
    return Plan(text, returns_rows=rows, writes=not rows)


def _name_outputs(tree: exp.Expression) -> None:
    """Unnamed columns of a SELECT get Redshift's names: the function's, or `?column?`."""
    while isinstance(tree, (exp.SetOperation, exp.Subquery)):
        tree = tree.this
    if not isinstance(tree, exp.Select):
        return
    named = []
    for item in tree.expressions:
        inner = item
        while isinstance(inner, (exp.Cast, exp.Paren)):
            inner = inner.this
        if isinstance(item, (exp.Alias, exp.Column, exp.Star)) or item.is_star:
            named.append(item)
        elif isinstance(inner, exp.Column):
            named.append(exp.alias_(item, inner.name, quoted=True))
        else:
            name = (
                inner.name.lower()
                if isinstance(inner, exp.Anonymous)
                else inner.sql_name().lower()
                if isinstance(inner, exp.Func)
                else "?column?"
            )
            named.append(exp.alias_(item, name, quoted=True))
    tree.set("expressions", named)


# --- CREATE TABLE ---------------------------------------------------------------------------------


def _name(parts: list[Token]) -> str:
    return ".".join(ident(_folded(token)) for token in parts if token.token_type != TokenType.DOT)


def _folded(token: Token) -> str:
    """Identifiers fold to lower case, quoted or not, as Redshift does by default."""
    return token.text.lower()


def _create_table(sql: str, tokens: list[Token], words: list[str]) -> str:
    """CREATE TABLE without Redshift's storage words; lengths become CHECKs that count bytes."""
    at = words.index("TABLE") + 1
    exists = words[at : at + 3] == ["IF", "NOT", "EXISTS"]
    at += 3 if exists else 0
    start = _first_paren(tokens)
    name = _name(tokens[at:start])
    depth, items, current, end = 0, [], [], len(tokens)
    for place in range(start, len(tokens)):
        token = tokens[place]
        if token.token_type == TokenType.L_PAREN:
            depth += 1
            if depth == 1:
                continue
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
            if depth == 0:
                end = place
                break
        elif token.token_type == TokenType.COMMA and depth == 1:
            items.append(current)
            current = []
            continue
        current.append(token)
    if depth:
        raise StatementError('ERROR: syntax error at or near ")"')
    _check_attributes(words[end + 1 :])
    columns = [part for item in [*items, current] if (part := _column(sql, item))]
    temporary = "TEMP " if "TEMP" in words[1:3] or "TEMPORARY" in words[1:3] else ""
    return f"CREATE {temporary}TABLE {'IF NOT EXISTS ' if exists else ''}{name} ({', '.join(columns)})"


def _check_attributes(words: list[str]) -> None:
    known = {
        "DISTSTYLE",
        "DISTKEY",
        "SORTKEY",
        "COMPOUND",
        "INTERLEAVED",
        "ENCODE",
        "BACKUP",
        "AUTO",
        "EVEN",
        "KEY",
        "ALL",
        "NO",
        "YES",
        "NONE",
        "(",
        ")",
        ",",
    }
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if depth == 0 and word not in known:
            raise StatementError(f'ERROR: syntax error at or near "{word.lower()}"')


def _column(sql: str, item: list[Token]) -> str:
    """One column of a CREATE TABLE; empty for a table constraint, which Redshift does not enforce."""
    if not item:
        raise StatementError('ERROR: syntax error at or near ","')
    words = [token.text.upper().split()[0] for token in item]  # "PRIMARY KEY" is one token
    if item[0].token_type != TokenType.IDENTIFIER and words[0] in ("PRIMARY", "UNIQUE", "FOREIGN", "CONSTRAINT"):
        return ""
    if words[0] == "LIKE":
        raise StatementError("ERROR: the Redshift stand-in does not support CREATE TABLE (LIKE …)")
    depth, stop = 0, len(item)
    for place in range(1, len(item)):
        depth += (words[place] == "(") - (words[place] == ")")
        if depth == 0 and words[place] in _COLUMN_WORDS:
            stop = place
            break
    if stop == 1:
        raise StatementError(f'ERROR: syntax error at or near "{item[0].text}"')
    kind = read_type(sql[item[1].start : item[stop - 1].end + 1])
    rest = words[stop:]
    name = ident(_folded(item[0]))
    extra = " NOT NULL" if "NOT" in rest and rest[rest.index("NOT") + 1 : rest.index("NOT") + 2] == ["NULL"] else ""
    if "PRIMARY" in rest and not extra:
        extra = " NOT NULL"
    if "IDENTITY" in rest or "GENERATED" in rest:
        raise StatementError("ERROR: the Redshift stand-in does not support IDENTITY columns")
    if "DEFAULT" in rest:
        tail = item[stop + rest.index("DEFAULT") + 1 :]
        cut = next((i for i, token in enumerate(tail) if i and token.text.upper() in _COLUMN_WORDS), len(tail))
        default = _general(f"SELECT {sql[tail[0].start : tail[cut - 1].end + 1]}", {}, named=False).sql.removeprefix(
            "SELECT "
        )
        extra += f" DEFAULT {default}"
    return f"{name} {kind.stored()}{extra}{kind.check(name)}"


# --- COPY -----------------------------------------------------------------------------------------


def _copy(tokens: list[Token], words: list[str], parameters: dict[str, str]) -> Copy:
    try:
        from_at = words.index("FROM")
    except ValueError:
        raise StatementError('ERROR: syntax error at or near "COPY"') from None
    paren = next((i for i in range(1, from_at) if words[i] == "("), from_at)
    parts = [_folded(token) for token in tokens[1:paren] if token.token_type != TokenType.DOT]
    if not 1 <= len(parts) <= 2:
        raise StatementError("ERROR: syntax error in COPY: expected schema.table")
    columns = tuple(_folded(token) for token in tokens[paren + 1 : from_at] if token.text not in (",", ")"))
    source = tokens[from_at + 1] if from_at + 1 < len(tokens) else None
    if source is None or source.token_type != TokenType.STRING or not source.text.startswith("s3://"):
        raise StatementError("ERROR: COPY FROM needs an 's3://…' location in the stand-in")
    rest, at = words[from_at + 2 :], 0
    texts = tokens[from_at + 2 :]
    parquet = manifest = role = False
    while at < len(rest):
        word = rest[at]
        if word == "IAM_ROLE":
            value = texts[at + 1] if at + 1 < len(texts) else None
            if value is None or not (value.text.lower() == "default" or value.text.startswith("arn:")):
                raise StatementError("ERROR: IAM_ROLE needs default or a role's ARN")
            role, at = True, at + 2
        elif word == "FORMAT":
            at += 2 if rest[at + 1 : at + 2] == ["AS"] else 1
            if rest[at : at + 1] != ["PARQUET"]:
                raise StatementError(
                    f"ERROR: the Redshift stand-in copies PARQUET only, not {' '.join(rest[at : at + 1])}"
                )
            parquet, at = True, at + 1
        elif word == "PARQUET":
            parquet, at = True, at + 1
        elif word == "MANIFEST":
            manifest, at = True, at + 1
        elif word in ("STATUPDATE", "COMPUPDATE", "FILLRECORD"):
            if word == "FILLRECORD":
                raise StatementError("ERROR: FILLRECORD is not supported by the stand-in")
            at += 2 if rest[at + 1 : at + 2] in (["ON"], ["OFF"], ["TRUE"], ["FALSE"]) else 1
        else:
            # REGION, MAXERROR and every option of the text formats: refused with PARQUET, as in Redshift.
            raise StatementError(f"ERROR: {word} argument is not supported for PARQUET based COPY")
    if not parquet or not manifest:
        raise StatementError("ERROR: the Redshift stand-in copies FORMAT AS PARQUET with MANIFEST only")
    if not role:
        raise StatementError("ERROR: COPY needs IAM_ROLE")
    return Copy(parts[0] if len(parts) == 2 else "public", parts[-1], columns, source.text)
