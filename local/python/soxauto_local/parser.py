"""Reads T-SQL batches: `sqlglot`'s grammar without its rewriting, and the statement boundaries
that T-SQL leaves unmarked (a semicolon is optional)."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.dialects.tsql import TSQL
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokens import Token, TokenType

from .errors import SqlError, syntax, unsupported


class EngineTsql(TSQL):
    """T-SQL whose function calls stay as written: their meaning is decided in `builtins`."""

    class Tokenizer(TSQL.Tokenizer):
        """`real` keeps apart from `float`, which is a double here."""

        KEYWORDS = {**TSQL.Tokenizer.KEYWORDS, "REAL": TokenType.DOUBLE}

    class Parser(TSQL.Parser):
        """Function calls become `exp.Anonymous`, but for the casts, which have a grammar of their own."""

        FUNCTIONS: dict = {}
        FUNCTION_PARSERS = {
            name: parser
            for name, parser in TSQL.Parser.FUNCTION_PARSERS.items()
            if name in ("CAST", "TRY_CAST", "CONVERT", "TRY_CONVERT")
        }
        NO_PAREN_FUNCTIONS: dict = {}
        NO_PAREN_FUNCTION_PARSERS = {
            name: parser for name, parser in TSQL.Parser.NO_PAREN_FUNCTION_PARSERS.items() if name == "CASE"
        }


_DIALECT = EngineTsql()

_STARTS = frozenset(
    "SELECT WITH INSERT UPDATE DELETE MERGE CREATE DROP ALTER TRUNCATE DECLARE SET USE IF WHILE BEGIN COMMIT "
    "ROLLBACK SAVE PRINT EXEC EXECUTE RAISERROR THROW RETURN GRANT DENY REVOKE WAITFOR KILL BACKUP RESTORE "
    "DBCC BULK GOTO BREAK CONTINUE".split()
)
_SET_OPERATORS = frozenset(("UNION", "ALL", "EXCEPT", "INTERSECT"))


@dataclass
class Statement:
    """One statement of a batch: its text, the line it starts on, and its first word in upper case."""

    text: str
    line: int
    verb: str
    tokens: list[Token] = field(repr=False, default_factory=list)


@dataclass
class If:
    """IF condition statement [ELSE statement]; a BEGIN … END block is a list."""

    condition: Statement
    then: list["Node"]
    otherwise: list["Node"]
    line: int
    verb: str = "IF"


Node = Statement | If


def split_batch(sql: str) -> list[Node]:
    """The statements of a batch in order; raises `SqlError` 102 or 105 when the text cannot be tokenised."""
    try:
        tokens = _DIALECT.tokenize(sql)
    except TokenError as error:
        raise SqlError(105, f"Unclosed quotation mark or comment. {error}", severity=15) from error
    return _Splitter(sql, tokens).statements(until=())


class _Splitter:
    """A cursor over the tokens of one batch."""

    def __init__(self, sql: str, tokens: list[Token]) -> None:
        self.sql, self.tokens, self.at = sql, tokens, 0

    def word(self, offset: int = 0) -> str:
        index = self.at + offset
        if not 0 <= index < len(self.tokens):
            return ""
        token = self.tokens[index]
        if token.token_type in (TokenType.IDENTIFIER, TokenType.STRING, TokenType.NATIONAL_STRING):
            return ""  # [SELECT] and 'SELECT' are not keywords
        return token.text.upper()

    def statements(self, until: tuple[str, ...]) -> list[Node]:
        found: list[Node] = []
        while self.at < len(self.tokens):
            if self.tokens[self.at].token_type == TokenType.SEMICOLON:
                self.at += 1
                continue
            if self.word() in until:
                return found
            found.extend(self.node())
        return found

    def node(self) -> list[Node]:
        if self.word() == "IF":
            return [self.conditional()]
        if self.word() == "BEGIN" and self.word(1) not in ("TRAN", "TRANSACTION", "DISTRIBUTED"):
            if self.word(1) in ("TRY", "CATCH"):
                raise unsupported("BEGIN TRY … CATCH")
            self.at += 1
            block = self.statements(until=("END",))
            if self.word() != "END":
                raise syntax("BEGIN")
            self.at += 1
            return block
        return [self.simple()]

    def conditional(self) -> If:
        line = self.tokens[self.at].line
        self.at += 1
        condition = self.simple(kind="IF")
        if self.at >= len(self.tokens):
            raise syntax("IF")
        then = self.node()
        while self.at < len(self.tokens) and self.tokens[self.at].token_type == TokenType.SEMICOLON:
            self.at += 1
        otherwise: list[Node] = []
        if self.word() == "ELSE":
            self.at += 1
            otherwise = self.node()
        return If(condition, then, otherwise, line)

    def simple(self, kind: str = "") -> Statement:
        """Consumes tokens up to the place where the next statement must begin."""
        begin = self.at
        verb = kind or self.word()
        depth = cases = 0
        selects = int(verb == "SELECT")  # VALUES counts too: what follows an INSERT's rows is new
        sets = int(verb == "SET")
        if not kind:
            self.at += 1
        while self.at < len(self.tokens):
            token, word = self.tokens[self.at], self.word()
            if token.token_type == TokenType.L_PAREN:
                depth += 1
            elif token.token_type == TokenType.R_PAREN:
                depth -= 1
            elif depth == 0:
                if token.token_type == TokenType.SEMICOLON:
                    break
                if word == "CASE":
                    cases += 1
                elif word == "END":
                    if not cases:
                        break
                    cases -= 1
                elif word == "ELSE" and not cases:
                    break
                elif word in _STARTS and not cases and self.begins(verb, word, selects, sets, begin):
                    break
                selects += word in ("SELECT", "VALUES")
                sets += word == "SET"
            self.at += 1
        if begin == self.at:
            raise syntax(self.word() or "IF")
        part = self.tokens[begin : self.at]
        return Statement(self.sql[part[0].start : part[-1].end + 1], part[0].line, verb, part)

    def begins(self, verb: str, word: str, selects: int, sets: int, begin: int) -> bool:
        """Whether `word`, met at depth 0 inside a statement of kind `verb`, starts the next statement."""
        before, after = self.word(-1), self.word(1)
        if word == "WITH":
            return False  # a CTE must follow a semicolon; anything else is a hint or an option
        if word == "SELECT":
            if before in _SET_OPERATORS:
                return False
            return not (verb in ("WITH", "INSERT") and selects == 0 or verb == "CREATE" and before == "AS")
        if word in ("INSERT", "UPDATE", "DELETE") and verb == "WITH" and selects == 0:
            return False
        if word == "SET":
            return not (verb == "UPDATE" and sets == 0 or verb in ("ALTER", "MERGE"))
        if word == "IF":
            return after != "EXISTS" or verb != "DROP"
        if word in ("EXEC", "EXECUTE"):
            return not (verb == "INSERT" and selects == 0)
        if word in ("UPDATE", "DELETE"):
            return before not in ("ON", "FOR", "GRANT", "DENY")
        if word in ("DROP", "ALTER"):
            return verb != "ALTER"
        return self.at > begin


def parse_statement(statement: Statement) -> exp.Expression:
    """The syntax tree of one statement; raises `SqlError` 102 on what the grammar does not know."""
    try:
        parsed = [tree for tree in _DIALECT.parse(statement.text) if tree is not None]
    except (ParseError, TokenError) as error:
        near = ""
        if isinstance(error, ParseError) and error.errors:
            near = str(error.errors[0].get("highlight") or "")
        raise syntax(near or statement.text[:40], str(error).split("\n", 1)[0]) from error
    except RecursionError as error:
        raise SqlError(191, "Some part of your SQL statement is nested too deeply.", severity=15) from error
    if len(parsed) != 1:
        raise syntax(statement.text[:40])
    return parsed[0]


def parse_condition(statement: Statement) -> exp.Expression:
    """The tree of an IF's condition."""
    wrapped = Statement(f"SELECT 1 WHERE {statement.text}", statement.line, "SELECT")
    tree = parse_statement(wrapped)
    where = tree.args.get("where")
    if where is None:
        raise syntax("IF")
    return where.this
