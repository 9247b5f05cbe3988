"""Entries of several lines, as statements are that a client sent so: each is read as one text and becomes the event of its first line.

The format tells which lines continue the one above. What is no entry of the format as a whole is read line by line, so that a
line of another log among them is read, too. Where further lines are lost, or more than are kept, the event says that its
statement is cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from breachscope.ingest.block import read_block
from breachscope.ingest.encoding import Encoding
from breachscope.ingest.engine import UNKNOWN_KIND, read_lines
from breachscope.ingest.formats import CONTINUES, Format, FormatCatalog
from breachscope.ingest.lines import Lines, split_lines
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.streams import Block
from breachscope.ingest.views import Mask, Offsets

MOST_ENTRY_BYTES = 16 << 20
"""Of a longer entry the further lines are counted, but not read."""
_TAIL_BYTES = 64 << 10


def blocks_of_entries(blocks: Iterator[Block], fmt: Format | None, encoding: Encoding, newline: bytes) -> Iterator[Block]:
    """Blocks cut between entries: the last one of a block goes on to the next block, if that begins with further lines of it."""
    if fmt is None or not fmt.has_entries:
        yield from blocks
        return
    held: Block | None = None
    for block in blocks:
        if held is not None and (block.fault or block.overlong_bytes is not None):
            held = replace(held, is_open=True)
        elif held is not None and held.fault is None and held.overlong_bytes is None and _begins_within(block, fmt, encoding, newline):
            begin = _last_entry(held.data, fmt, encoding, newline)
            if begin is not None:
                kept, moved = held.data[:begin], held.data[begin:]
                first_line = held.first_line + kept.count(newline)
                block = replace(block, first_line=first_line, offset=held.offset + begin, data=moved + block.data, seen=None)
                held = replace(held, data=kept, seen=None)
        if held is not None and held.data:
            yield held
        held = block
    if held is not None:
        yield held


def _begins_within(block: Block, fmt: Format, encoding: Encoding, newline: bytes) -> bool:
    """Whether the first line of a block continues others."""
    first = block.data[: block.data.find(newline) + 1 or len(block.data)]
    return bool(_continued(split_lines(Block(1, 0, first), encoding, newline), fmt)[0])


def _last_entry(data: bytes, fmt: Format, encoding: Encoding, newline: bytes) -> int | None:
    """Where the last entry begins; None where it is longer than any that is read."""
    size = _TAIL_BYTES
    while True:
        begin = data.find(newline, len(data) - size) + 1 if size < len(data) else 0
        if begin < len(data):
            lines = split_lines(Block(1, 0, data[begin:]), encoding, newline)
            begins = lines.starts[:-1][~_continued(lines, fmt)]
            if len(begins):
                return begin + int(begins[-1])
        if size >= min(len(data), MOST_ENTRY_BYTES):
            return None
        size *= 4


def _continued(lines: Lines, fmt: Format) -> Mask:
    """Which lines hold what a line has that continues others."""
    return lines.frame["text"].str.contains(fmt.continues or "").to_numpy()


def read_entries(lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context) -> Reading:
    """As :func:`read_block`, of lines that may continue others. A further line of an entry is skipped as such."""
    if fmt.is_envelope:
        return _read_messages(lines, fmt, catalog, context)
    continued = _continued(lines, fmt) if fmt.has_entries else np.zeros(0, bool)
    first, last, cut = _entries(lines, continued)
    is_several = last > first
    if not is_several.any():
        reading = read_block(lines, fmt, catalog, context)
        reading.tell_cut(cut)
        return reading
    begins, ends = first[is_several], last[is_several]
    is_single = np.ones(len(lines), bool)
    is_single[_rows(begins, ends)] = False
    reading = read_block(lines.only(np.flatnonzero(is_single)), fmt, catalog, context)
    whole = read_lines(lines.joined(begins, ends), fmt, catalog, context)
    unread = pl.concat([whole.unread["line"], *(r["line"] for r in whole.rejected)])
    is_whole = ~lines.numbers(begins).is_in(unread.implode()).to_numpy()
    whole.skipped[fmt.continuation] += int((ends - begins)[is_whole].sum())
    whole.unread, whole.rejected = whole.unread.clear(), []
    reading.add(whole)
    if not is_whole.all():
        reading.add(read_lines(lines.take(_rows(begins[~is_whole], ends[~is_whole])), fmt, catalog, context))
    reading.tell_cut(pl.concat([cut, lines.numbers(begins[~is_whole])]))
    return reading


def _read_messages(lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context) -> Reading:
    """As :func:`read_block`, of envelopes: where programs split their messages, the lines that may hold parts are read together."""
    context = replace(context, is_open=lines.is_open)
    reading = read_block(lines, fmt, catalog, context)
    is_part = np.zeros(len(lines), bool)
    for split in _splitting(reading, catalog):
        likeness = f"(?:{'|'.join(map(re.escape, split.programs))}).*?{(split.parts or '').removeprefix('^')}"
        told = lines.frame["text"].str.extract_groups(likeness).struct.unnest().select(pl.col("message").fill_null(""), pl.col("part").cast(pl.Int64))
        split_messages = told.filter(pl.col("part") > 1)["message"].unique()
        is_part |= told.select(pl.col("message").is_in(split_messages.implode()) & pl.col("part").is_not_null())[:, 0].to_numpy()
    if not is_part.any():
        return reading
    reading = read_block(lines.only(np.flatnonzero(~is_part)), fmt, catalog, context)
    reading.add(read_lines(lines.take(np.flatnonzero(is_part)), fmt, catalog, context))
    return reading


def _entries(lines: Lines, continued: Mask) -> tuple[Offsets, Offsets, pl.Series]:
    """First and last row of each entry, as far as it is read; and the numbers of those of which lines are not read, or may be lost."""
    first = np.flatnonzero(~continued)
    entry_of = np.cumsum(~continued) - 1
    is_further = continued & (entry_of >= 0)
    further = np.flatnonzero(is_further)
    is_kept = lines.starts[further + 1] - lines.starts[first[entry_of[further]]] <= MOST_ENTRY_BYTES
    last = first + np.bincount(entry_of[further[is_kept]], minlength=len(first)) if len(first) else first
    cut = first[np.unique(entry_of[further[~is_kept]])]
    if lines.is_open and len(first) and last[-1] == len(lines) - 1:
        cut = np.append(cut, first[-1])
    return first, last, lines.numbers(cut)


def _rows(first: Offsets, last: Offsets) -> Offsets:
    """All rows from each first to each last one."""
    counts = last - first + 1
    rows: Offsets = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
    return rows


def _splitting(reading: Reading, catalog: FormatCatalog) -> list[Format]:
    """Formats whose programs split messages, where there may be parts: skipped as such, or rejected."""
    reasons = {reason for rejected in reading.rejected for reason in rejected["reason"].unique()}
    programs = {reason.removesuffix(UNKNOWN_KIND) for reason in reasons if reason.endswith(UNKNOWN_KIND)}
    claimed = catalog.messages_of(programs) if programs else ()
    skipping = [e.format for e in catalog.entries if f"{e.id}{CONTINUES}" in reading.skipped]
    return [fmt for fmt in {f.id: f for f in (*skipping, *claimed)}.values() if fmt.parts is not None]
