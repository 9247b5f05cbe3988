"""Messages that a program hands to syslog in numbered parts, put together again.

PostgreSQL does so (elog.c, write_syslog): a part ends where a line of the message ends, or before a space within about 900
bytes, or at 900 bytes where there is no space. Behind each line end within a text it sets a tab, and what belongs to a message
(the statement that failed) comes in the same parts, behind a prefix of its own. So a part that begins with a tab begins a line,
one with a prefix begins a text, and any other goes on in the line. A tab at which a long line was divided is read as a line
end. Parts of several processes stand mixed, those of a message may stand in another order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from breachscope.ingest.formats import Format
from breachscope.ingest.reading import Reading

MOST_MESSAGE_BYTES = 16 << 20
"""Of a longer message the further parts are counted, but not read."""
_UNDIVIDED_BYTES = 897
"""So long is a part at least, less than a character below 900 bytes, that ends within a word; the next may begin with whatever a client wrote."""
UNPROVEN = "a text of its own, or the rest of a long line that is made to look so: the part before it does not tell"
_TABS = "^((?:#011|\t)+)"
"""As they are, or as rsyslog writes control characters."""


def whole_messages(texts: pl.DataFrame, envelopes: pl.DataFrame, fmt: Format, reading: Reading, *, is_open: bool) -> tuple[pl.DataFrame, pl.Series]:
    """The messages (row, text) of ``texts``, each at the row of its first part, and the lines of those that may be cut.

    ``row`` is the place in ``envelopes``, which hold line, program and what else is known of host and pid. Further parts are
    skipped. Where ``is_open``, further parts of the last message of each process may be lost.
    """
    told = texts["text"].str.extract_groups(fmt.parts or "").struct.unnest()
    told = told.with_columns(pl.col("part").cast(pl.Int64), (pl.col("level").is_not_null() & pl.col("message").is_null()).alias("level"))
    if not told.select((pl.col("part") > 1) & ~pl.col("level") | (pl.lit(is_open) & pl.col("part").is_not_null())).to_series().any():
        return texts, envelopes["line"].clear()
    process = [c for c in ("host", "program", "pid") if c in envelopes.columns]
    parts = envelopes[texts["row"]].select("line", *process).hstack([texts["row"], *told.get_columns()])
    parts = _in_entries(parts.filter(pl.col("part").is_not_null()).sort("line"), process)
    headless, parts = parts.filter(pl.col("entry") == 0), parts.filter(pl.col("entry") > 0)
    ends_open = pl.col("line") == pl.col("line").max().over(process) if is_open else pl.lit(value=False)
    parts = parts.with_columns((~pl.col("is_kept") | pl.col("is_doubted") | ends_open).alias("is_cut"))
    entry = [*process, "message", "run", "entry"]
    tabs = pl.col("text").str.extract(_TABS)
    line = pl.concat_str(pl.lit("\n"), tabs.str.replace_all("#011", "\t", literal=True), pl.col("text").str.replace(_TABS, ""))
    joined = parts.group_by(entry, maintain_order=True).agg(
        pl.col("row", "line", "is_unproven").first(),
        pl.col("is_cut").any(),
        pl.when(pl.col("is_first") | tabs.is_null()).then("text").otherwise(line).filter(pl.col("is_kept")).str.join("").alias("text"),
    )
    reading.reject(joined["line"].filter(joined["is_unproven"]), UNPROVEN)
    reading.skipped += Counter({fmt.continuation: len(parts) - len(joined), f"{fmt.id}: continues a line that is missing": len(headless)})
    whole = joined.filter(~pl.col("is_unproven"))
    return pl.concat([texts.filter(told["part"].is_null()), whole.select(texts.columns)]).sort("row"), whole["line"].filter(whole["is_cut"])


def _in_entries(parts: pl.DataFrame, process: Sequence[str]) -> pl.DataFrame:
    """Parts of rising lines, now by message and part, with the number of the entry that each is of, 0 where its beginning is missing.

    And whether it is the entry's first one, whether it goes on directly behind the others, whether it cannot be told to begin an
    entry though it looks so, and whether this is so of the next.
    """
    parts = parts.with_columns((pl.col("part") == 1).cum_sum().over(*process, "message").alias("run"))
    message = [*process, "message", "run"]
    parts = parts.sort(*message, "part", "line").with_columns(pl.col("text").str.len_bytes().cast(pl.Int64).alias("size"))
    parts = parts.with_columns((pl.col("part").shift() == pl.col("part") - 1).over(message).fill_null(value=False).alias("follows"))
    is_behind_undivided = pl.col("follows") & (pl.col("size").shift() >= _UNDIVIDED_BYTES).over(message).fill_null(value=False)
    is_further, is_fact = pl.col("part") > 1, pl.col("fact").is_not_null()
    parts = parts.with_columns(
        (is_further & (pl.col("level") | is_fact) & (is_behind_undivided | is_fact & ~pl.col("follows"))).alias("is_unproven"),
        (~is_further | pl.col("level") | is_fact).cum_sum().over(message).alias("entry"),
    )
    entry = [*message, "entry"]
    is_next = (pl.col("part") - pl.col("part").first() == pl.int_range(pl.len())) & (pl.col("size").cum_sum() <= MOST_MESSAGE_BYTES)
    return parts.with_columns(
        (pl.int_range(pl.len()) == 0).over(entry).alias("is_first"),
        is_next.cast(pl.Int8).cum_min().over(entry).cast(pl.Boolean).alias("is_kept"),
        pl.col("is_unproven").shift(-1).over(message).fill_null(value=False).alias("is_doubted"),
    )
