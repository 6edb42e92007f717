"""Microsoft's ODBC driver (from the wheel of mssql-python) against the stand-in.

The driver verifies certificates with OpenSSL's own store, which the environment variable SSL_CERT_FILE names; so this
script starts itself again for every server, with the server's authority in it.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import time
import unittest
import uuid
from decimal import Decimal
from pathlib import Path

from stand_in import DATABASE, LOGIN, LONG_ASCII, LONG_WIDE, PASSWORD, StandIn


def offset(minutes: int) -> dt.timezone:
    """A zone so many minutes east of UTC."""
    return dt.timezone(dt.timedelta(minutes=minutes))


# The low row and the high row of each type; Python's times end at microseconds, so the driver cuts the seventh digit.
TYPES: dict[str, tuple[object, object]] = {
    "bit": (False, True),
    "tinyint": (0, 255),
    "smallint": (-32768, 32767),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
    "real": (-1.5, 0.25),
    "float": (-1.5e300, 0.1),
    "decimal(38,20)": (Decimal("-999999999999999999.99999999999999999999"), Decimal("0.00000000000000000001")),
    "numeric(9,2)": (Decimal("-9999999.99"), Decimal("12.50")),
    "money": (Decimal("-922337203685477.5808"), Decimal("922337203685477.5807")),
    "smallmoney": (Decimal("-214748.3648"), Decimal("214748.3647")),
    "date": (dt.date.min, dt.date.max),
    "time(7)": (dt.time.min, dt.time.max),
    "time(0)": (dt.time.min, dt.time(23, 59, 59)),
    "datetime": (dt.datetime(1753, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 997_000)),
    "smalldatetime": (dt.datetime(1900, 1, 1), dt.datetime(2079, 6, 6, 23, 59)),
    "datetime2(7)": (dt.datetime.min, dt.datetime.max),
    "datetime2(3)": (dt.datetime(2024, 4, 1, 0, 0, 0, 123_000), dt.datetime(2024, 4, 1, 12, 30, 0, 123_000)),
    "datetimeoffset(7)": (
        dt.datetime(2024, 4, 1, 8, 30, tzinfo=offset(-210)),
        dt.datetime(2024, 4, 1, 14, 0, tzinfo=offset(840)),
    ),
    "char(4)": ("ab  ", "été!"),
    "varchar(20)": ("", "œuvre 12 €"),
    "varchar(20) COLLATE Cyrillic_General_CI_AS": ("x", "Привет"),
    "varchar(20) COLLATE Latin1_General_100_CI_AS_SC_UTF8": ("x", "é漢😀"),
    "varchar(max)": ("y", LONG_ASCII),
    "nchar(4)": ("ab  ", "漢字漢字"),
    "nvarchar(20)": ("", "é漢😀"),
    "nvarchar(max)": ("z", LONG_WIDE),
    "uniqueidentifier": (uuid.UUID(int=0), uuid.UUID("6F9619FF-8B86-D011-B42D-00C04FC964FF")),
    "binary(4)": (b"\1\0\0\0", b"\1\2\3\xff"),
    "varbinary(8)": (b"", b"\0\xff"),
    "varbinary(max)": (b"\7", b"\t" * 50_000),
    "rowversion": (bytes(8), bytes([0, 0, 0, 0, 0, 0, 7, 209])),
    "xml": ("<a/>", "<a>é</a>"),
}

# Arguments, the type that the driver declares for them, and their text.
PARAMETERS: list[tuple[object, str, str | None]] = [
    (1, "tinyint", "1"),
    (2**40, "bigint", "1099511627776"),
    (True, "bit", "1"),
    (0.1, "float", "0.1"),
    (Decimal("-12.3400"), "numeric(6,4)", "-12.3400"),
    ("été 😀", "nvarchar(6)", "été 😀"),
    (LONG_WIDE, "nvarchar(max)", LONG_WIDE),
    (b"\0\xff", "varbinary(2)", "00ff"),
    (dt.date(2024, 5, 1), "date", "2024-05-01"),
    (dt.datetime(2024, 5, 1, 10, 11, 12, 123_456), "datetime2(7)", "2024-05-01T10:11:12.123456"),
    (dt.time(1, 2, 3), "time(7)", "01:02:03"),
    (uuid.UUID(int=7), "uniqueidentifier", "00000000-0000-0000-0000-000000000007"),
]


class Odbc(unittest.TestCase):
    """The server's port comes through the environment."""

    def connect(self, encrypt: str = "yes", password: str = PASSWORD, database: str = DATABASE):  # noqa: ANN201
        """A connection; the certificate is verified whenever there is one."""
        import mssql_python  # only here: the outer run needs no driver

        quoted = "{" + password.replace("}", "}}") + "}"
        return mssql_python.connect(
            f"SERVER=localhost,{os.environ['STANDIN_PORT']};DATABASE={database};UID={LOGIN};PWD={quoted};"
            f"Encrypt={encrypt};TrustServerCertificate=no;"
        )

    def test_every_encryption(self) -> None:
        """The login alone encrypted, everything by TDS 7.4, everything by TDS 8.0."""
        for encrypt in ("no", "yes", "strict"):
            with self.subTest(encrypt):
                cursor = self.connect(encrypt).cursor()
                cursor.execute("SELECT 1 AS one")
                self.assertEqual([tuple(row) for row in cursor.fetchall()], [(1,)])

    def test_refusals(self) -> None:
        """A wrong password and an unknown database."""
        with self.assertRaisesRegex(Exception, "Login failed for user 'reader'"):
            self.connect(password="wrong")
        # Of the server's two errors the driver shows the more severe one first, and the wheel shows only the first.
        with self.assertRaisesRegex(Exception, "Login failed for user 'reader'"):
            self.connect(database="nowhere")

    def test_every_type(self) -> None:
        """Low values, high values and NULLs."""
        cursor = self.connect().cursor()
        cursor.execute("SELECT types")
        self.assertEqual([column[0] for column in cursor.description], list(TYPES))
        rows = cursor.fetchall()
        for index, (name, (low, high)) in enumerate(TYPES.items()):
            with self.subTest(name):
                self.assertEqual([row[index] for row in rows], [low, high, None])

    def test_parameters(self) -> None:
        """Each kind alone, then all together, then a NULL."""
        cursor = self.connect().cursor()
        for value, declared, text in PARAMETERS:
            with self.subTest(declared):
                cursor.execute("SELECT ECHO ?", (value,))
                self.assertEqual([tuple(row) for row in cursor.fetchall()], [("@P1", declared, text)])
        cursor.execute(f"SELECT ECHO {', '.join('?' * len(PARAMETERS))}", [value for value, _, _ in PARAMETERS])
        self.assertEqual([row[2] for row in cursor.fetchall()], [text for _, _, text in PARAMETERS])
        cursor.execute("SELECT ECHO ?", (None,))
        self.assertIsNone(cursor.fetchall()[0][2])

    def test_statements(self) -> None:
        """Two result sets, many rows, an error, a transaction, and the same statement prepared and run again."""
        connection = self.connect()
        cursor = connection.cursor()
        cursor.execute("SELECT two")
        self.assertEqual([tuple(row) for row in cursor.fetchall()], [(0, "row 0"), (1, "row 1")])
        self.assertTrue(cursor.nextset())
        self.assertEqual([tuple(row) for row in cursor.fetchall()], [(7,)])
        self.assertFalse(cursor.nextset())
        cursor.execute("SELECT many")
        self.assertEqual(sum(1 for _ in cursor.fetchall()), 100_000)
        with self.assertRaisesRegex(Exception, "deadlock victim"):
            cursor.execute("DEADLOCK")
        for number in range(5):
            cursor.execute("SELECT ECHO prepared ?", (number,))
            self.assertEqual(cursor.fetchall()[0][2], str(number))
        connection.commit()
        connection.rollback()

    def test_cancel(self) -> None:
        """A query past its time is cancelled by an attention, and the connection goes on."""
        connection = self.connect()
        connection.timeout = 1
        cursor = connection.cursor()
        started = time.monotonic()
        with self.assertRaisesRegex(Exception, "(?i)timeout"):
            cursor.execute("WAITFOR")
        self.assertLess(time.monotonic() - started, 10)
        cursor = connection.cursor()
        cursor.execute("SELECT 1 AS one")
        self.assertEqual(cursor.fetchall()[0][0], 1)


class WrongAuthority(unittest.TestCase):
    """The same server, with an authority that did not sign its certificate."""

    def test_it_is_refused(self) -> None:
        """By TDS 7.4 and by TDS 8.0."""
        for encrypt in ("yes", "strict"):
            with self.subTest(encrypt), self.assertRaisesRegex(Exception, "certificate verify failed"):
                Odbc.connect(self, encrypt)  # type: ignore[arg-type]


def main() -> int:
    """Start a server and run the tests in a process that trusts it, then in one that does not."""
    program = Path(sys.argv[1])
    with StandIn(program) as server, StandIn(program) as other:
        for tests, authority in (("Odbc", server.authority), ("WrongAuthority", other.authority)):
            environment = {**os.environ, "SSL_CERT_FILE": str(authority), "STANDIN_PORT": str(server.port)}
            done = subprocess.run([sys.executable, __file__, "-v", tests], env=environment, timeout=300, check=False)
            if done.returncode != 0:
                return done.returncode
    return 0


if __name__ == "__main__":
    if "STANDIN_PORT" in os.environ:
        unittest.main()
    sys.exit(main())
