"""What the worker takes and costs by the memory that it is given, from what an extraction was measured to need.

Lambda gives processors in proportion to memory: one at 1,769 MB. What rows need is seconds of processor, so half the memory takes
twice the time and costs the same; what waits for the network costs as much time with any memory. Beyond one processor only as much
gets quicker as the worker's threads can share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Lambda's longest invocation in seconds, the MB that are one processor, and the temporary disk that costs nothing.
LIMIT_SECONDS, PROCESSOR_MB, FREE_STORAGE_MB = 900, 1769, 512
SIZES_MB = (512, 768, 1024, 1280, 1536, 1769, 2048, 2560, 3008, 3538)
PROCESSORS = ("arm64", "x86")
ENDLESS = float("inf")


@dataclass(frozen=True)
class Worker:
    """A worker of a memory size, and what it is measured and paid by (docs/cost.json)."""

    figures: dict[str, Any]
    memory_mb: int

    @property
    def processor_seconds_per_row(self) -> float:
        """Of a row as wide as the auditor's: its extraction, and reading it once more for the perturbed query."""
        extraction = self.figures["extraction"]
        seconds = extraction["cpu_seconds"] + extraction["cpu_seconds_discarded"]
        return seconds / extraction["rows"] * width(self.figures)

    def seconds(self, rows: float, source: float = ENDLESS) -> float:
        """How long an IPE takes, from a source that gives so many rows a second."""
        extraction = self.figures["extraction"]
        processor = rows * self.processor_seconds_per_row
        # On two processors, this much of the work was not shared.
        alone = min(1.0, extraction["wall_seconds"] / extraction["cpu_seconds"])
        working = max(processor * PROCESSOR_MB / self.memory_mb, processor * alone)
        return self.figures["measured"]["seconds_besides_rows"] + max(working, rows / source)

    def fits(self, rows: float) -> bool:
        """Whether memory and time are enough for an IPE, with the headroom that is wanted."""
        headroom = self.figures["headroom"]
        peak = max(self.figures["extraction"]["peak_mb"], self.figures["measured"]["worker_peak_mb"])
        return (
            peak * headroom["memory"] <= self.memory_mb
            and self.seconds(rows) * headroom["time"] <= LIMIT_SECONDS
        )

    def dollars(self, rows: list[float], processor: str = "arm64", source: float = ENDLESS) -> float:
        """One IPE for each of these row counts: compute and temporary disk."""
        prices = self.figures["prices"]
        disk = max(0, self.figures["storage_mb"]["worker"] - FREE_STORAGE_MB) / 1024
        second = self.memory_mb / 1024 * prices[f"lambda_{processor}_gb_second"] + disk * prices["lambda_storage_gb_second"]
        return sum(self.seconds(count, source) for count in rows) * second


def width(figures: dict[str, Any]) -> float:
    """How many times wider the auditor's rows are than those of the measurement, both as CSV."""
    scale = figures["scale"]
    return scale["csv_bytes_of_the_largest"] / scale["rows_of_the_largest"] / figures["extraction"]["csv_bytes_per_row"]


def cheapest(figures: dict[str, Any], rows: list[float]) -> Worker | None:
    """The size that does these IPEs for the least money, within memory and time."""
    fitting = [worker for size in SIZES_MB if (worker := Worker(figures, size)).fits(max(rows))]
    return min(fitting, key=lambda worker: worker.dollars(rows), default=None)
