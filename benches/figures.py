"""What the figures of the benches are called, what they are held to, and how they are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches/results"
INSTRUCTIONS = ROOT / "benches/instructions.json"

OURS = "soxauto"
DISCARDED = "soxauto, rows discarded"
TIBERIUS = "soxauto, rows by tiberius"
TWO_PARTITIONS = "soxauto, two partitions"

# The most processor seconds against each of these peers.
CPU_TARGETS = {"odbc2parquet": 0.45, "mssql_python_arrow": 0.60, "pandas_pyodbc": 0.15}
# The least rows a second against this peer, and against itself with two partitions on two processors.
SPEED_TARGET = ("odbc2parquet", 2.0)
PARTITIONS_TARGET = 1.7
# The most time against reading and discarding the same rows, when the server is the limit.
WALL_TARGET = 1.10
# The most memory, and how much of it more with ten times the rows.
PEAK_TARGET_MB = 96
GROWTH_TARGET = 0.05
# What a measurement needs to stand in the document without a warning.
FULL_ROWS, FULL_ROUNDS = 2_000_000, 5


def median(report: dict[str, Any], reader: str, figure: str) -> float | None:
    """A median of a comparison; none if that reader was not measured."""
    found = report["readers"].get(reader)
    return found and found[figure]["median"]


def chart(report: dict[str, Any]) -> str:
    """Bars of processor seconds, the fewest on top."""
    rows = report["rows"]
    order = sorted(report["readers"], key=lambda name: median(report, name, "cpu_seconds") or 0)
    longest = median(report, order[-1], "cpu_seconds") or 1
    height, top = 34, 46
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{top + height * len(order) + 10}" font-family="sans-serif" font-size="14" role="img">',
        f"<title>Processor seconds to read {rows:,} rows of 14 columns into Parquet</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="16" y="26" font-size="16" fill="#111">Processor seconds, {rows:,} rows × 14 columns into Parquet (fewer is better)</text>',
    ]
    for index, name in enumerate(order):
        y = top + index * height
        seconds, peak = median(report, name, "cpu_seconds") or 0, median(report, name, "peak_mb") or 0
        width = 430 * seconds / longest
        colour = "#0b6e4f" if name.startswith(OURS) else "#8a94a6"
        parts.append(f'<text x="210" y="{y + 19}" text-anchor="end" fill="#111">{name}</text>')
        parts.append(f'<rect x="220" y="{y + 4}" width="{width:.1f}" height="22" fill="{colour}"/>')
        parts.append(f'<text x="{228 + width:.1f}" y="{y + 20}" fill="#111">{seconds:.1f} s, {peak:,.0f} MB</text>')
    return "\n".join([*parts, "</svg>", ""])
