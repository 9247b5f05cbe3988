"""Entries of several lines, as statements are that a client sent so: each is read as one text and becomes the event of its first line.

The format tells which lines continue the one above. What is no entry of the format as a whole is read line by line, so that a
line of another log among them is read, too. Where further lines are lost, or more than are kept, the event says that its
statement is cut.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, takewhile

import numpy as np
import polars as pl

from breachscope.ingest.block import read_block
from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.encoding import Encoding
from breachscope.ingest.engine import UNKNOWN_KIND, messages_in, read_inner_lines, read_lines
from breachscope.ingest.formats import CONTINUES, Format, joined_parts
from breachscope.ingest.inner_entries import MOST_ENTRY_BYTES, entries_of
from breachscope.ingest.lines import Lines, split_lines
from breachscope.ingest.reading import Context, Reading
from breachscope.ingest.streams import Block
from breachscope.ingest.views import Mask, Offsets

_TAIL_BYTES = 64 << 10
_AHEAD_BYTES = 256 << 10
"""How far behind the end of a block further parts of its messages are looked for."""
_HEAD_CHARACTERS = 4_000
"""Where in a part its number and level stand; PostgreSQL's parts are a quarter as long."""
_MESSAGE = ["host", "program", "pid", "message"]
"""Whose message it is, and its number; of entries the stream."""


def blocks_of_entries(blocks: Iterator[Block], fmt: Format | None, catalog: FormatCatalog, encoding: Encoding, newline: bytes) -> Iterator[Block]:
    """Blocks cut between entries: the last one of a block goes on to the next block, if that begins with further lines of it."""
    if fmt is not None and fmt.kind == "envelope":
        yield from _blocks_of_messages(blocks, fmt, catalog, encoding, newline)
        return
    if fmt is None or not fmt.has_entries:
        yield from blocks
        return
    held: Block | None = None
    for block in blocks:
        if held is not None and not block.is_readable:
            held = replace(held, is_open=True)
        elif held is not None and held.is_readable and _begins_within(block, fmt, encoding, newline):
            begin = _last_entry(held.data, fmt, encoding, newline)
            if begin is not None:
                held, block = _recut(held, begin, block, newline)
        if held is not None and held.data:
            yield held
        held = block
    if held is not None:
        yield held


def _recut(held: Block, begin: int, block: Block, newline: bytes) -> tuple[Block, Block]:
    """Two blocks, the second with what the first has from ``begin`` on."""
    kept, moved = held.data[:begin], held.data[begin:]
    behind = replace(block, first_line=held.first_line + kept.count(newline), offset=held.offset + begin, data=moved + block.data, seen=None)
    return replace(held, data=kept, seen=None), behind


def _blocks_of_messages(blocks: Iterator[Block], fmt: Format, catalog: FormatCatalog, encoding: Encoding, newline: bytes) -> Iterator[Block]:
    """Blocks of envelopes cut between what goes on in several, as far as it does within some thousand lines of the cut."""
    ahead: deque[tuple[Block, Sequence[Format]]] = deque()
    for block in chain(blocks, [None]):
        if block is not None:
            ahead.append((block, _may_go_on(block, fmt, catalog, encoding, newline)))
        while ahead and (block is None or not ahead[0][1] or sum(len(b.data) for b, _ in ahead) - len(ahead[0][0].data) >= _AHEAD_BYTES):
            held, going_on = ahead.popleft()
            for inner in going_on:
                readable = list(takewhile(lambda b: b.is_readable, (b for b, _ in ahead)))
                following = b"".join(b.data[:_AHEAD_BYTES] for b in readable)[:_AHEAD_BYTES]
                begin, is_found = _between_messages(held.data, following, fmt, inner, encoding, newline)
                is_lost = not is_found or (len(readable) < len(ahead) and len(following) < _AHEAD_BYTES)
                if begin < len(held.data):
                    held, behind = _recut(held, begin, ahead[0][0], newline)
                    ahead[0] = behind, ahead[0][1]
                held = replace(held, is_open=held.is_open or is_lost)
            if held.data:
                yield held


def _may_go_on(block: Block, fmt: Format, catalog: FormatCatalog, encoding: Encoding, newline: bytes) -> list[Format]:
    """Formats of which something in the block's envelopes may go on behind it."""
    if not block.is_readable:
        return []
    if fmt.names_programs:
        return [e.format for e in catalog.entries if e.splits and _is_named(e.programs, block.data[-_AHEAD_BYTES:])]
    tail = split_lines(Block(1, 0, block.data[-_TAIL_BYTES:]), encoding, newline).frame
    paths = {path for p in fmt.patterns for alternative in p.sources.get("message", ()) for path in joined_parts(alternative)}
    # Starting the reader of JSON takes longer than all else that is done for a block here; Polars reads plain paths.
    is_plain = all(re.fullmatch(r"[$.\w]+", path) for path in paths)
    texts = pl.concat([tail["text"].str.json_path_match(p) for p in sorted(paths)]) if paths and is_plain else messages_in(tail, fmt)["text"]
    return [f for f in catalog.of_entries if texts.str.contains(f.likeness).any() or (f.marks_further_lines and texts.str.contains(f.continues or "").any())]


def _is_named(programs: Sequence[str], data: bytes) -> bool:
    """Whether one of the programs is named in the data."""
    return any(p.encode() in data for p in programs)


def _between_messages(data: bytes, following: bytes, envelope: Format, fmt: Format, encoding: Encoding, newline: bytes) -> tuple[int, bool]:
    """Where to cut, at the end or before it, so that no message has parts on both sides; and whether all that go on were found."""
    if not following:
        return len(data), True
    going_on = _messages(following, envelope, fmt, encoding, newline).filter(pl.col("run") == 0).select(_MESSAGE)
    if not len(going_on):
        return len(data), True
    for begin in _tails(data, newline):
        messages = _messages(data[begin:], envelope, fmt, encoding, newline)
        last = messages.filter(pl.col("run") == pl.col("run").max().over(_MESSAGE))
        is_open = last.join(going_on, on=_MESSAGE, how="semi", nulls_equal=True)
        if not len(is_open):
            continue
        is_found = len(is_open) == len(going_on) and bool((is_open["run"] > 0).all())
        cuts = messages.sort("begin").with_columns((pl.col("end").cum_max().shift().fill_null(-1) < pl.col("begin")).alias("is_between"))
        before = cuts.filter(pl.col("is_between") & (pl.col("begin") <= is_open["begin"].min()))["begin"].max()
        if is_found and isinstance(before, int):
            return begin + before, True
    return len(data), False


def _messages(data: bytes, envelope: Format, fmt: Format, encoding: Encoding, newline: bytes) -> pl.DataFrame:
    """Messages with parts, or entries: whose they are, run (0 where the beginning stands before), and where their first and last lines begin."""
    lines = split_lines(Block(1, 0, data), encoding, newline)
    if envelope.names_programs:
        told = _parts(lines, envelope, fmt).with_columns(pl.col("begins").cum_sum().over(_MESSAGE).alias("run"))
    else:
        told = entries_of(messages_in(lines.frame, envelope), fmt).select(
            "host", "program", "pid", pl.col("stream").alias("message"), pl.col("entry").alias("run"), (pl.col("line") - 1).alias("row")
        )
    grouped = told.with_columns(pl.Series("at", lines.in_input[1][told["row"]])).group_by(*_MESSAGE, "run", maintain_order=True)
    return grouped.agg(pl.when(pl.col("run").first() > 0).then(pl.col("at").min()).otherwise(-1).alias("begin"), pl.col("at").max().alias("end"))


def _has_parts(data: bytes, fmt: Format) -> bool:
    """Whether anything looks like the numbers of a part."""
    numbers = (fmt.parts or "").removeprefix("^").partition("(?P<text>")[0]
    return bool(pl.Series([data.decode("latin-1")]).str.contains(numbers)[0])


def _parts(lines: Lines, envelope: Format, fmt: Format) -> pl.DataFrame:
    """Parts of messages of the format's programs: row, whose, message, part, and whether a message may begin there."""
    texts = lines.frame.with_columns(pl.Series("line", np.arange(len(lines)))).filter(lines.frame["text"].str.contains_any(list(fmt.programs)))
    told = messages_in(texts, envelope).filter(pl.col("program").is_in(fmt.programs)).rename({"line": "row"})
    parts = told.hstack(told["text"].str.head(_HEAD_CHARACTERS).str.extract_groups(fmt.parts or "").struct.unnest().drop("text"))
    begins = (pl.col("part") == 1) | (pl.col("level").is_not_null() & pl.col("message").is_null())
    return parts.with_columns(pl.col("part").cast(pl.Int64)).filter(pl.col("part").is_not_null()).with_columns(begins.alias("begins"))


def _begins_within(block: Block, fmt: Format, encoding: Encoding, newline: bytes) -> bool:
    """Whether the first line of a block continues others."""
    first = block.data[: block.data.find(newline) + 1 or len(block.data)]
    return bool(_continued(split_lines(Block(1, 0, first), encoding, newline), fmt)[0])


def _last_entry(data: bytes, fmt: Format, encoding: Encoding, newline: bytes) -> int | None:
    """Where the last entry begins; None where it is longer than any that is read."""
    for begin in _tails(data, newline):
        if begin < len(data):
            lines = split_lines(Block(1, 0, data[begin:]), encoding, newline)
            begins = lines.in_input[1][:-1][~_continued(lines, fmt)]
            if len(begins):
                return begin + int(begins[-1])
    return None


def _tails(data: bytes, newline: bytes) -> Iterator[int]:
    """Where ever longer parts at the end begin, each with a whole line, up to all of the data or as much as is read of an entry."""
    size = _TAIL_BYTES
    while True:
        yield data.find(newline, len(data) - size) + 1 if size < len(data) else 0
        if size >= min(len(data), MOST_ENTRY_BYTES):
            return
        size *= 4


def _continued(lines: Lines, fmt: Format) -> Mask:
    """Which lines hold what a line has that continues others."""
    return lines.frame["text"].str.contains(fmt.continues or "").to_numpy()


def read_entries(lines: Lines, fmt: Format, catalog: FormatCatalog, context: Context) -> Reading:
    """As :func:`read_block`, of lines that may continue others. A further line of an entry is skipped as such."""
    if fmt.is_envelope:
        context = replace(context, is_open=lines.is_open, is_gathering=True)
        reading = _read_messages(lines, fmt, catalog, context)
        if reading.inner:
            read_inner_lines(reading.inner, catalog, context, reading)
            reading.inner = []
        return reading
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
    """As :func:`read_block`, of envelopes: where programs split their messages, the lines that hold parts are read together.

    They are looked for where some stand near the end of the block; where the others turn out to hold some, those are read again.
    """
    tail = lines.data[-_AHEAD_BYTES:]
    splitting = [e.format for e in catalog.entries if e.splits and _is_named(e.programs, tail) and _has_parts(tail, e.format)]
    reading = None if splitting else read_block(lines, fmt, catalog, context)
    is_part = np.zeros(len(lines), bool)
    headless = []
    for split in splitting if reading is None else _splitting(lines, reading, catalog):
        parts = _parts(lines, fmt, split)
        headless.append(parts.filter(pl.col("begins").cum_sum().over(_MESSAGE) == 0).select(_MESSAGE).unique())
        is_part[parts.filter(((pl.col("part") > 1) | lines.is_open).any().over(_MESSAGE))["row"]] = True
    if reading is not None and not is_part.any():
        return reading
    reading = read_block(lines.only(np.flatnonzero(~is_part)) if is_part.any() else lines, fmt, catalog, context)
    reading.add(read_lines(lines.take(np.flatnonzero(is_part)), fmt, catalog, context))
    reading.headless = [h for h in headless if len(h)]
    return reading


def lines_that_go_on(lines: Lines, headless: pl.DataFrame, fmt: Format, catalog: FormatCatalog) -> pl.Series:
    """The numbers of the lines that hold the last parts of messages of which further ones stand, ``headless``, in the block behind."""
    parts = pl.concat([_parts(lines, fmt, e.format) for e in catalog.entries if e.splits])
    runs = parts.with_columns(pl.col("begins").cum_sum().over(_MESSAGE).alias("run")).filter(pl.col("run") == pl.col("run").max().over(_MESSAGE))
    return lines.numbers(runs.join(headless, on=_MESSAGE, how="semi", nulls_equal=True)["row"].to_numpy())


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


def _splitting(lines: Lines, reading: Reading, catalog: FormatCatalog) -> list[Format]:
    """Formats whose programs split messages, where there may be parts: skipped as such, or rejected. Where lines are lost any may be one."""
    told = {*reading.skipped, *(reason for rejected in reading.rejected for reason in rejected["reason"].unique())}
    splitting = [e for e in catalog.entries if e.splits]
    return [e.format for e in splitting if lines.is_open or not told.isdisjoint({f"{e.id}{CONTINUES}", *(f"{p}{UNKNOWN_KIND}" for p in e.programs)})]
