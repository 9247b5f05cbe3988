"""What the parity tests share: the engine on single lines, each on its own."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from breachscope.ingest import FormatCatalog, load_formats
from breachscope.ingest.block import read_block
from breachscope.ingest.engine import read_lines
from breachscope.ingest.formats import Sample
from breachscope.ingest.lines import split_lines
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.streams import Block
from breachscope.ingest.trial import sample_headers
from breachscope.timestamps import YearTimeline, Zone

SHOP_FORMATS = Path(__file__).parents[2] / "sample_logs" / "shop" / "formats"
CATALOG = load_formats([SHOP_FORMATS])
THIS_YEAR = YearTimeline(np.array([1]), np.array([2026], np.int32), "year 2026: told")
BOOKKEEPING = ("event_id", "source", "format", "ts_quality")

Event = Mapping[str, Any]


def engine_reads(
    lines: Sequence[str], fmt: str, catalog: FormatCatalog = CATALOG, zone: Zone | None = None, years: YearTimeline | None = None, header: str | None = None
) -> list[Event | None]:
    """What the engine makes of each line, without empty columns; None where it refuses or skips the line.

    Read twice: as rows of text, and as the block of bytes that a file would give, which takes a faster way.
    """
    context = Context(source=1, zone=zone or Zone(), years=years, headers=sample_headers(Sample("", None, header=header), catalog[fmt]))
    reading = read_lines(_numbered(lines), catalog[fmt], catalog, context)
    found = _by_line(reading, len(lines))
    if lines and not any({"\n", "\r", "\0", "\ufeff"} & set(line) for line in lines):
        for end in ("\n", "\r\n"):
            # The last bytes of a block take the slower way.
            padded = split_lines(Block(1, 0, ("".join(line + end for line in lines) + "\n" * 16).encode()), "utf-8", b"\n")
            at_once = read_block(padded, catalog[fmt], catalog, context)
            assert _by_line(at_once, len(padded))[: len(lines)] == found
            assert at_once.rejects().sort("line").rows() == reading.rejects().sort("line").rows()
    return found


def whole_reading(lines: Sequence[str], fmt: str, header: str | None = None) -> Reading:
    """What becomes of lines below a header, of the year 2026 where they write none."""
    context = Context(source=1, years=THIS_YEAR, headers=sample_headers(Sample("", None, header=header), CATALOG[fmt]))
    return read_lines(_numbered(lines), CATALOG[fmt], CATALOG, context)


def _numbered(lines: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame({"line": range(1, len(lines) + 1), "text": lines}, schema={"line": pl.Int64, "text": pl.String})


def _by_line(reading: Reading, lines: int) -> list[Event | None]:
    assert reading.event_lines + reading.skipped.total() + len(reading.rejects()) == lines
    found: list[Event | None] = [None] * lines
    for _, _, rows in reading.events:
        for row in rows.iter_rows(named=True):
            assert found[row["line"] - 1] is None, "one line became two events"
            found[row["line"] - 1] = {c: v for c, v in row.items() if v is not None and c not in BOOKKEEPING and c != "line"}
    return found


def slow_address(text: str) -> str:
    """The canonical spelling of an address, by the standard library; other text as it is."""
    bare = text.strip()
    if bare.startswith("[") and "]" in bare:
        bare = bare[1 : bare.index("]")]
    elif "." in bare and bare.count(":") == 1 and (not (port := bare.split(":")[1]) or (port.isascii() and port.isdigit() and len(port) <= 5)):
        bare = bare.split(":")[0]
    try:
        address = ipaddress.ip_address(bare.split("%")[0])
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
