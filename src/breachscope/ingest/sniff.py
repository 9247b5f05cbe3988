"""Which format the lines of an input are in: the one that reads most of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import polars as pl

from breachscope.ingest.block import read_block
from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.encoding import Encoding
from breachscope.ingest.engine import read_lines
from breachscope.ingest.formats import Format
from breachscope.ingest.headers import Headers
from breachscope.ingest.lines import split_lines
from breachscope.ingest.reading import Context
from breachscope.ingest.streams import Block


def sniff(
    lines: pl.DataFrame, catalog: FormatCatalog, candidates: Sequence[Format] = (), head: bytes = b"", encoding: Encoding = "utf-8"
) -> tuple[Format | None, float]:  # fmt: skip
    """The format that reads most of the sample (columns line and text), and the share of its lines that it reads; order decides among equals.

    ``head`` is the beginning of the input, where headers stand, in that encoding.
    """
    sample = lines.filter(lines["text"].str.strip_chars() != "")
    best: Format | None = None
    best_share = 0.0
    if not len(sample):
        return None, 0.0
    stands = cache(lambda header: header.encode() in head)
    block = split_lines(Block(1, 0, "".join(text + "\n" for text in sample["text"].to_list()).encode()), "utf-8", b"\n")
    left = sample["text"]

    def unread_by_best() -> pl.Series:
        return left  # what reads more than the best does reads one of these

    for fmt in candidates or catalog.likely(unread_by_best):
        if best_share and not fmt.needs_header and sample["text"].str.contains(fmt.likeness).sum() <= best_share * len(sample):
            continue  # it cannot read more than the best does
        if fmt.kind == "table":
            if fmt.needs_header and fmt.header and not stands(fmt.header):
                continue
            headers = Headers().with_those_of(head, 1, fmt, encoding)
            if fmt.needs_header and not headers.lines:
                continue
            reading = read_lines(sample, fmt, catalog, Context(source=0, headers=headers))
        else:
            reading = read_block(block, fmt, catalog, Context(source=0))
        share = (reading.event_lines + reading.skipped.total()) / len(sample)
        if share > best_share:
            best, best_share = fmt, share
            tried = sample if fmt.kind == "table" else block.frame
            left = tried["text"].filter(tried["line"].is_in(reading.rejects()["line"].implode()))
        if share == 1:
            break
    return best, best_share
