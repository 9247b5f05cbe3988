"""Entries of several lines inside envelopes: each line of a statement stands behind an envelope of its own, as the runtime of a container writes it.

A program writes to one stream, so that the lines of its entries follow one another there, however those of others stand between.
"""

from __future__ import annotations

import polars as pl

from breachscope.ingest.formats import Format

MOST_ENTRY_BYTES = 16 << 20
"""Of a longer entry the further lines are counted, but not read."""


def entries_of(lines: pl.DataFrame, fmt: Format) -> pl.DataFrame:
    """The lines (text, stream) with the number of the entry in their stream that each is of, 0 where its beginning is missing, and whether it goes on there."""
    is_further = lines["text"].str.contains(fmt.continues or "").alias("is_further")
    return lines.with_columns(is_further).with_columns((~pl.col("is_further")).cum_sum().over("stream").alias("entry"))


def joined_entries(lines: pl.DataFrame, fmt: Format, *, is_open: bool) -> pl.DataFrame:
    """The entries of several lines that begin as the format's do: line, text, ``lines`` with all of them, and whether the text may be cut.

    ``lines`` are those inside envelopes (line, text, stream), by line. Where one is missing among those of an entry, it may be
    the entry's. Where ``is_open``, further lines of the last entry of each stream may be lost, so that it is given even if it is of one line.
    """
    told = entries_of(lines, fmt).with_columns((pl.col("line") - pl.int_range(pl.len())).alias("missing")).filter(pl.col("entry") > 0)
    is_last = pl.col("entry") == pl.col("entry").max().over("stream") if is_open else pl.lit(value=False)
    told = told.with_columns(is_last.alias("is_last")).filter((pl.len().over("stream", "entry") > 1) | pl.col("is_last"))
    is_kept = (pl.col("text").str.len_bytes() + 1).cum_sum() <= MOST_ENTRY_BYTES
    joined = told.group_by("stream", "entry", maintain_order=True).agg(
        pl.col("line").first(),
        pl.col("text").filter(is_kept | ~pl.col("is_further")).str.join("\n"),
        pl.col("line").alias("lines"),
        (~is_kept.all() | (pl.col("missing").first() != pl.col("missing").last()) | pl.col("is_last").any()).alias("is_cut"),
    )
    return joined.drop("stream", "entry").filter(pl.col("text").str.contains(fmt.likeness))
