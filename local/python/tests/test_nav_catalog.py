"""Every report of the catalog over the sample: it runs, it is complete and accurate by its own
checks, and each planted defect is caught by exactly the check that is meant for it."""

from __future__ import annotations

import datetime
import decimal
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any

from soxauto_local import nav_defects, nav_sample
from soxauto_local.store import Store
from soxauto_local.sqltypes import parse_type
from soxauto_local.translate import Translated, translate
from soxauto_local.values import bind

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

CATALOG = Path(__file__).parents[3] / "catalog" / "c-pg-1"
IPES = (
    "CR_03", "CR_04", "CR_05", "IPE_07", "IPE_08", "IPE_08_TIMING", "IPE_08_USAGE", "IPE_10", "IPE_11", "IPE_12",
    "IPE_31", "IPE_34",
)
ROWS = 3_000
# One key range over everything: what the worker binds range by range.
WHOLE_RANGE = {"after": "-2147483648", "upto": "2147483647", "high_water_mark": "2147483647"}
_TRANSLATED: dict[tuple, Translated] = {}


def periods(cutoff: str) -> dict[str, str]:
    """The dates that are derived from a cutoff."""
    end = datetime.date.fromisoformat(cutoff)
    closing = end - datetime.timedelta(days=1)
    return {
        "cutoff": cutoff,
        "closing_date": closing.isoformat(),
        "period_start": closing.replace(day=1).isoformat(),
        "year_start": closing.replace(month=1, day=1).isoformat(),
    }


def canonical(sql_type: str, text: str) -> Any:
    """The Python value of a canonical text of `sql_type`."""
    if sql_type.startswith("decimal"):
        return decimal.Decimal(text)
    if sql_type in ("int", "bigint", "smallint", "tinyint"):
        return int(text)
    if sql_type == "bit":
        return text == "1"
    if sql_type == "date":
        return datetime.date.fromisoformat(text)
    if sql_type.startswith("datetime"):
        return datetime.datetime.fromisoformat(text)
    return text


class Report:
    """One IPE of the catalog, run over one sample for one cutoff."""

    def __init__(self, sample: Store, ipe: str, cutoff: str) -> None:
        self._sample = sample
        self.dates = periods(cutoff)
        self.file = tomllib.loads((CATALOG / f"{ipe}.toml").read_text(encoding="utf-8"))
        self.columns = {c["name"]: c for c in self.file["columns"]}

    def _parameters(self) -> dict[str, list[str]]:
        return {name: self._values(parameter) for name, parameter in self.file["parameters"].items()}

    def _values(self, parameter: dict[str, Any]) -> list[str]:
        if "from" in parameter:
            return [self.dates[parameter["from"]]]
        if "partition" in parameter:
            return [WHOLE_RANGE[parameter["partition"]]]
        return [parameter["value"]] if "value" in parameter else parameter["values"]

    def run(self, file: str, changed: dict[str, list[str]] | None = None) -> tuple[list[tuple[str, str]], list[tuple]]:
        """Run a query of the catalog: the columns with their T-SQL types, and the rows."""
        parameters = self._parameters() | (changed or {})
        types: dict[str, str] = {}
        texts: dict[str, str] = {}

        def expand(match: re.Match[str]) -> str:
            name, values = match[1], parameters[match[1]]
            listed = "values" in self.file["parameters"][name]
            names = [f"@{name}_{i}" for i in range(len(values))] if listed else ["@" + name]
            types.update({n: self.file["parameters"][name]["type"] for n in names})
            texts.update(zip(names, values))
            return ", ".join(names)

        text = re.sub(r"@(\w+)", expand, (CATALOG / file).read_text(encoding="utf-8"))
        key = (text, self.file["database"], *types.items())
        if key not in _TRANSLATED:  # all samples have the same tables
            _TRANSLATED[key] = translate(text, self._sample.catalog, self.file["database"], types)
        query = _TRANSLATED[key]
        values = {f"v{name[1:]}": bind(texts[name], parse_type(types[name])) for name in query.used}
        with self._sample.cursor() as cursor:
            rows = cursor.execute(query.sql, values or None).fetchall()
        return [(c.name, str(c.type)) for c in query.columns], rows

    def extract(self) -> list[dict[str, Any]]:
        """The rows of the extraction, after comparing names and types with the contract."""
        columns, rows = self.run(self.file["query"])
        expected = [(c["name"], c["type"]) for c in self.file["columns"]]
        if columns != expected:
            raise AssertionError(f"{self.file['id']}: contract {expected}, query {columns}")
        return [dict(zip(self.columns, row)) for row in rows]

    def single(self, file: str) -> dict[str, Any]:
        """The one row of a completeness or witness query."""
        columns, rows = self.run(file)
        if len(rows) != 1:
            raise AssertionError(f"{file}: {len(rows)} rows instead of one")
        return dict(zip([name for name, _ in columns], rows[0]))

    def matching(self, rows: list[dict[str, Any]], values: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows in which every column of `values` has that value."""
        return [row for row in rows if all(row[name] == value for name, value in values.items())]

    def match_values(self, match: dict[str, str]) -> dict[str, Any]:
        """The values of a `match` table."""
        return {name: canonical(self.columns[name]["type"], text) for name, text in match.items()}

    def failed_checks(self) -> set[str]:
        """The checks that do not hold."""
        rows = self.extract()
        failed = set()
        if not rows:
            failed.add("not_empty")
        if len({tuple(row[k] for k in self.file["key"]) for row in rows}) != len(rows):
            failed.add("key_unique")
        independent = self.single(self.file["completeness"]["query"])
        if independent[self.file["completeness"]["rows"]] != len(rows):
            failed.add("completeness_rows")
        for total in self.file["completeness"].get("totals", []):
            function = {"sum": sum, "min": min, "max": max}[total["function"]]
            with decimal.localcontext(decimal.Context(prec=60)):
                measured = function(row[total["column"]] for row in rows if row[total["column"]] is not None)
            if measured != independent[total["result"]]:
                failed.add("completeness_total")
        witness = self.file["witness"]
        known = self.single(witness["query"]) if "query" in witness else self.match_values(witness["match"])
        if not self.matching(rows, known):
            failed.add("accuracy_positive")
        failed |= self._negative(rows) | self._columns(rows)
        return failed

    def _negative(self, rows: list[dict[str, Any]]) -> set[str]:
        negative = self.file["negative"]
        match = self.match_values(negative["match"])
        if not self.matching(rows, match):
            return {"accuracy_negative"}
        if "replace" in negative:
            changed = [negative["replace"]]
        else:
            changed = [v for v in self._parameters()[negative["parameter"]] if v != negative["remove"]]
        _, perturbed = self.run(self.file["query"], {negative["parameter"]: changed})
        remaining = [dict(zip(self.columns, row)) for row in perturbed]
        return {"accuracy_negative"} if self.matching(remaining, match) else set()

    def _columns(self, rows: list[dict[str, Any]]) -> set[str]:
        failed = set()
        for name, column in self.columns.items():
            values = [row[name] for row in rows]
            present = [v for v in values if v is not None]
            if not column["nullable"] and len(present) != len(values):
                failed.add("not_null")
            accepted = column.get("accepted")
            if accepted and set(present) - {canonical(column["type"], text) for text in accepted}:
                failed.add("accepted_values")
            low, high = column.get("min"), column.get("max")
            if low and any(v < decimal.Decimal(low) for v in present):
                failed.add("range")
            if high and any(v > decimal.Decimal(high) for v in present):
                failed.add("range")
            first, before = column.get("from"), column.get("before")
            days = [v.date().isoformat() if isinstance(v, datetime.datetime) else v.isoformat()
                    for v in (present if first or before else [])]
            if first and any(day < self.dates[first] for day in days):
                failed.add("period")
            if before and any(day >= self.dates[before] for day in days):
                failed.add("period")
        return failed


class CatalogOverSample(unittest.TestCase):
    """The catalog over a sound sample and over each defect."""

    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)

    def sample(self, rows: int = ROWS, seed: int = 1, defects: tuple[str, ...] = ()) -> Store:
        """Build and open a sample."""
        folder = Path(self._folder.name) / "-".join(("sample", str(rows), str(seed), *defects))
        nav_sample.build(folder, rows, seed, defects)
        store = Store(folder)
        self.addCleanup(store.close)
        return store

    def failures(self, sample: Store, cutoff: str) -> dict[str, set[str]]:
        """The failed checks of each report that has any."""
        found = {ipe: Report(sample, ipe, cutoff).failed_checks() for ipe in IPES}
        return {ipe: failed for ipe, failed in found.items() if failed}

    def test_every_report_passes_on_a_sound_sample(self) -> None:
        for rows, seed in ((ROWS, 1), (nav_sample.MINIMUM_ROWS, 7)):
            sample = self.sample(rows, seed)
            for cutoff in ("2024-04-01", "2024-05-01", "2024-06-01"):
                with self.subTest(rows=rows, seed=seed, cutoff=cutoff):
                    self.assertEqual(self.failures(sample, cutoff), {})

    def test_each_defect_is_caught_by_its_check_and_no_other(self) -> None:
        # rows that are missing are missing from the control totals too
        companions = {"completeness_rows": {"completeness_total"}}
        for defect in nav_defects.DEFECTS:
            sample = self.sample(defects=(defect.name,))
            for cutoff in ("2024-04-01", "2024-05-01"):
                with self.subTest(defect=defect.name, cutoff=cutoff):
                    found = self.failures(sample, cutoff)
                    self.assertEqual(set(found), {defect.ipe})
                    self.assertEqual(found[defect.ipe] - companions.get(defect.check, set()), {defect.check})


if __name__ == "__main__":
    unittest.main()
