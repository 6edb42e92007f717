"""FreeTDS's ``tsql`` against the stand-in: plain, encrypted, refused, every type, parameters."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from stand_in import DATABASE, LOGIN, LONG_ASCII, LONG_WIDE, PASSWORD, StandIn

PROGRAM = Path(sys.argv.pop(1))

# What tsql shows of each type: the low row and the high row. It shows times to the minute.
TYPES: dict[str, tuple[str, str]] = {
    "bit": ("0", "1"),
    "tinyint": ("0", "255"),
    "smallint": ("-32768", "32767"),
    "int": ("-2147483648", "2147483647"),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "real": ("-1.5", "0.25"),
    "float": ("-1.5000000000000001e+300", "0.10000000000000001"),
    "decimal(38,20)": ("-999999999999999999.99999999999999999999", "0.00000000000000000001"),
    "numeric(9,2)": ("-9999999.99", "12.50"),
    "money": ("-922337203685477.5808", "922337203685477.5807"),
    "smallmoney": ("-214748.3648", "214748.3647"),
    "date": ("Jan  1 1 12:00AM", "Dec 31 9999 12:00AM"),
    "time(7)": ("Jan  1 1900 12:00AM", "Jan  1 1900 11:59PM"),
    "time(0)": ("Jan  1 1900 12:00AM", "Jan  1 1900 11:59PM"),
    "datetime": ("Jan  1 1753 12:00AM", "Dec 31 9999 11:59PM"),
    "smalldatetime": ("Jan  1 1900 12:00AM", "Jun  6 2079 11:59PM"),
    "datetime2(7)": ("Jan  1 1 12:00AM", "Dec 31 9999 11:59PM"),
    "datetime2(3)": ("Apr  1 2024 12:00AM", "Apr  1 2024 12:30PM"),
    "datetimeoffset(7)": ("Apr  1 2024 08:30AM", "Apr  1 2024 02:00PM"),
    "char(4)": ("ab  ", "été!"),
    "varchar(20)": ("", "œuvre 12 €"),
    "varchar(20) COLLATE Cyrillic_General_CI_AS": ("x", "Привет"),
    "varchar(20) COLLATE Latin1_General_100_CI_AS_SC_UTF8": ("x", "é漢😀"),
    "varchar(max)": ("y", LONG_ASCII),
    "nchar(4)": ("ab  ", "漢字漢字"),
    "nvarchar(20)": ("", "é漢😀"),
    "nvarchar(max)": ("z", LONG_WIDE),
    "uniqueidentifier": ("00000000-0000-0000-0000-000000000000", "6F9619FF-8B86-D011-B42D-00C04FC964FF"),
    "binary(4)": ("01000000", "010203ff"),
    "varbinary(8)": ("", "00ff"),
    "varbinary(max)": ("07", "09" * 50_000),
    "rowversion": ("0000000000000000", "00000000000007d1"),
    "xml": ("<a/>", "<a>é</a>"),
}


class FreeTds(unittest.TestCase):
    """One server for all tests."""

    server: StandIn

    @classmethod
    def setUpClass(cls) -> None:
        """Start the server."""
        cls.server = StandIn(PROGRAM).__enter__()
        cls.addClassCleanup(cls.server.__exit__, None, None, None)

    def tsql(
        self,
        *statements: str,
        encryption: str = "off",
        password: str = PASSWORD,
        database: str = DATABASE,
        authority: Path | None = None,
    ) -> str:
        """What tsql prints for these statements, both of its outputs together."""
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
            config.write(
                f"[standin]\nhost = localhost\nport = {self.server.port}\ntds version = 7.4\n"
                f"encryption = {encryption}\nca file = {authority or self.server.authority}\n"
                "check certificate hostname = yes\nclient charset = UTF-8\ntext size = 1000000\n"
            )
            config.flush()
            done = subprocess.run(
                ["tsql", "-S", "standin", "-U", LOGIN, "-P", password, "-D", database, "-o", "q"],
                input="".join(f"{statement}\ngo\n" for statement in statements) + "exit\n",
                env={**os.environ, "FREETDSCONF": config.name, "LC_ALL": "C.UTF-8"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        return done.stdout + done.stderr

    def test_every_encryption(self) -> None:
        """Nothing, the login or everything encrypted."""
        for encryption in ("off", "request", "require"):
            with self.subTest(encryption):
                self.assertIn("one\n1\n", self.tsql("SELECT 1 AS one", encryption=encryption))

    def test_a_wrong_authority(self) -> None:
        """A certificate that another authority signed is refused by the client."""
        with StandIn(PROGRAM) as other:
            answer = self.tsql("SELECT 1 AS one", encryption="require", authority=other.authority)
        self.assertNotIn("one\n1\n", answer)
        self.assertIn("connect", answer)

    def test_refusals(self) -> None:
        """A wrong password and an unknown database, with SQL Server's numbers."""
        self.assertIn("Msg 18456", self.tsql("SELECT 1 AS one", password="wrong"))
        self.assertIn("Msg 4060", self.tsql("SELECT 1 AS one", database="nowhere"))

    def test_every_type(self) -> None:
        """Low values, high values and NULLs."""
        lines = self.tsql("SELECT types").splitlines()
        start = next(index for index, line in enumerate(lines) if line.startswith("bit\t"))
        rows = [line.split("\t") for line in lines[start : start + 4]]
        self.assertEqual(rows[0], list(TYPES))
        for name, low, high, null in zip(*rows, strict=True):
            with self.subTest(name):
                self.assertEqual((low, high, null), (*TYPES[name], "NULL"))

    def test_statements(self) -> None:
        """Two result sets, many rows, an error, and parameters in the text form of sp_executesql."""
        self.assertIn("n\tt\n0\trow 0\n1\trow 1\nx\n7\n", self.tsql("SELECT two"))
        self.assertIn("\n99999\trow 99999\n", self.tsql("SELECT many"))
        answer = self.tsql(
            "DEADLOCK",
            "EXEC sys.sp_executesql N'SELECT ECHO', N'@cutoff date, @n decimal(9,2)', @cutoff = '2024-05-01', @n = 1.5",
        )
        self.assertIn("Msg 1205", answer)
        self.assertIn("@cutoff\tdate\t2024-05-01\n@n\tdecimal(9,2)\t1.50\n", answer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
