"""What reading lines needs to know, and what becomes of the lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from breachscope.ingest.clients import Network
from breachscope.ingest.formats import Format
from breachscope.ingest.headers import Headers
from breachscope.ingest.lines import Lines
from breachscope.timestamps import YearTimeline, Zone

UNREAD = "no format reads this line"


@dataclass(frozen=True)
class Context:
    """What reading a line needs to know of its source."""

    source: int
    zone: Zone = field(default_factory=Zone)
    years: YearTimeline | None = None
    headers: Headers = field(default_factory=Headers)
    trusted_proxies: tuple[Network, ...] = ()
    stamps: pl.DataFrame | None = None
    """What the envelopes of lines tell of their times, by line, for lines that tell none themselves."""
    is_open: bool = False
    """Whether lines may be lost, or cannot be read, that continue the last ones."""
    is_gathering: bool = False
    """Whether the lines inside envelopes are to be gathered in :attr:`Reading.inner`, to be read at once."""


@dataclass
class Reading:
    """What became of some lines. ``unread`` (line, text) are those that the format did not recognise."""

    events: list[tuple[str, str, pl.DataFrame]] = field(default_factory=list)
    """(event table, format id, rows)."""
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: list[pl.DataFrame] = field(default_factory=list)
    """Frames of (line, reason)."""
    inner: list[pl.DataFrame] = field(default_factory=list)
    """Envelopes of lines that are still to be read."""
    headless: list[pl.DataFrame] = field(default_factory=list)
    """Whose messages go on here that began before these lines, or whose beginning is missing."""
    unread: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"line": pl.Int64, "text": pl.String}))

    @property
    def event_lines(self) -> int:
        return sum(len(rows) for _, _, rows in self.events)

    def reject(self, lines: pl.Series, reason: str) -> None:
        if len(lines):
            self.rejected.append(pl.DataFrame([lines.alias("line"), pl.repeat(reason, len(lines), eager=True).alias("reason")]))

    def refused(self, lines: Lines) -> pl.DataFrame:
        """Those of ``lines`` that became neither event nor skipped."""
        if not any(map(len, self.rejected)):
            return self.unread
        refused = pl.concat([self.unread["line"], *(r["line"] for r in self.rejected)]).unique()
        return lines.frame.filter(pl.col("line").is_in(refused.implode()))

    def add(self, other: Reading) -> None:
        """Add what was found in other lines."""
        self.events += other.events
        self.skipped += other.skipped
        self.rejected += other.rejected
        self.inner += other.inner
        self.unread = pl.concat([self.unread, other.unread])

    def absorb(self, other: Reading) -> None:
        """Add what another format found in the lines that were refused so far; a line keeps the first reason given for it."""
        self.events += other.events
        self.skipped += other.skipped
        still = pl.concat([other.unread["line"], *(r["line"] for r in other.rejected)])
        reasons = pl.concat([*self.rejected, *other.rejected]) if self.rejected or other.rejected else None
        if reasons is not None:
            reasons = reasons.unique("line", keep="first", maintain_order=True).filter(pl.col("line").is_in(still.implode()))
            self.rejected = [reasons]
            other.unread = other.unread.filter(~pl.col("line").is_in(reasons["line"].implode()))
        self.unread = other.unread

    def skip_continued(self, fmt: Format | None) -> None:
        """Of what no format reads, skip the lines that continue others in a file of this format."""
        if fmt is None or fmt.continues is None or not len(self.unread):
            return
        is_continued = self.unread["text"].str.contains(fmt.continues)
        lines = self.unread["line"].filter(is_continued).sort().to_numpy()
        headless = int((lines == np.arange(1, len(lines) + 1)).sum())
        self.skipped += Counter({fmt.continuation: len(lines) - headless, f"{fmt.id}: continues a line that is not in this file": headless})
        self.unread = self.unread.filter(~is_continued)

    def tell_cut(self, lines: pl.Series) -> None:
        """Let the events of some lines say that their statements are cut."""
        if len(lines):
            is_cut = pl.col("line").is_in(lines.implode()) & pl.col("statement").is_not_null()
            told = pl.when(is_cut).then(pl.lit("cut")).otherwise("completeness").alias("completeness")
            self.events = [(table, format_id, rows.with_columns(told) if "statement" in rows.columns else rows) for table, format_id, rows in self.events]

    def rejects(self) -> pl.DataFrame:
        """(line, reason) of every line that no format read, by line."""
        unread = self.unread.select("line", pl.lit(UNREAD).alias("reason"))
        return pl.concat([unread, *self.rejected]).sort("line")
