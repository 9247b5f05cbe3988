"""Which lines a pattern matches, and what its groups and keys catch there, as columns of text.

Rust's regex engine reads "one-pass" expressions (no choice is ever open at a character) several times faster than
others, as fast as a CSV tokenizer; the first pattern of each format is written that way. Of a pattern that begins with
plain text, only the lines that begin so are tried. Of whole blocks, machine code does the same beforehand with what it can
tell (:mod:`breachscope.ingest.native_matching`).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl

from breachscope.ingest.formats import Pattern
from breachscope.ingest.pairs import FAULT, OPEN_QUOTE, TWICE, pair_values
from breachscope.ingest.reading import Reading
from breachscope.ingest.views import Mask

_TELLING = 2
"""Keys that tell a kind of line by themselves."""


def _with_pairs(matched: pl.DataFrame, pattern: Pattern) -> pl.DataFrame:
    """Add the columns that key=value pairs give; what a group caught counts where its key says nothing."""
    texts = matched["pairs" if "pairs" in matched.columns else "text"]
    separators = matched["separator"] if "separator" in matched.columns else None
    columns = pair_values(texts, pattern.keys, pattern.separator, spaced=pattern.spaced, separators=separators)
    joined = [pl.select(pl.coalesce(c, matched[c.name]).alias(c.name))[:, 0] if c.name in matched.columns else c for c in columns]
    return matched.drop("pairs", "separator", strict=False).with_columns(joined)


def match(lines: pl.DataFrame, pattern: Pattern) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that the pattern matches, with its groups and keys as columns, and the rows that it does not."""
    if not (pattern.prefix or pattern.contains):
        return _match_regex(lines, pattern)
    may_match = lines["text"].str.starts_with(pattern.prefix)
    if pattern.contains:
        may_match &= lines["text"].str.contains(pattern.contains, literal=True)
    if may_match.all():
        return _match_regex(lines, pattern)
    matched, further = _match_regex(lines.filter(may_match), pattern)
    rest = lines.filter(~may_match)
    return matched, pl.concat([rest, further]) if len(further) else rest


def _match_regex(lines: pl.DataFrame, pattern: Pattern) -> tuple[pl.DataFrame, pl.DataFrame]:
    if not len(lines):
        return lines, lines
    groups, is_match = groups_of(lines["text"], pattern.regex or "")
    if is_match is None:
        matched, rest = lines.hstack(named_groups(groups, lines.columns, pattern.conditions)), lines.clear()
    else:
        rest = lines.filter(~is_match)
        if len(rest) == len(lines):
            return lines.clear(), lines
        matched = lines.hstack(named_groups(groups, lines.columns, pattern.conditions)).filter(is_match)
    if pattern.keys:
        matched = _with_pairs(matched, pattern)
    if pattern.conditions:
        has = fits_pattern(matched, pattern)
        rest = pl.concat([rest, matched.filter(~has).select(lines.columns)])
        matched = matched.filter(has)
    return matched, rest


def groups_of(texts: pl.Series, regex: str) -> tuple[pl.DataFrame, Mask | None]:
    """What the groups of an expression catch in each text, and which texts it matches; None when that is all."""
    if "(?P<" not in regex:
        is_match = texts.str.contains(regex).to_numpy()
        return pl.DataFrame(), None if is_match.all() else is_match
    groups = texts.str.extract_groups(regex).struct.unnest()
    # An unmatched text has null in every group, a matched one in groups that took no part.
    if not groups[:, 0].null_count():
        return groups, None
    is_match = groups.select_seq(pl.any_horizontal(pl.all().is_not_null()))[:, 0].to_numpy().copy()
    unsure = np.flatnonzero(~is_match)
    is_match[unsure] = texts[unsure].str.contains(regex).to_numpy()
    return groups, None if is_match.all() else is_match


def named_groups(groups: pl.DataFrame, taken: Collection[str] = (), kept: Collection[str] = ()) -> list[pl.Series]:
    """Group columns by name: dropped where taken, or named ``_…`` and not kept; joined where a column was caught quoted or bare."""
    named = [groups[c] for c in groups.columns if (not c.startswith("_") or c in kept) and not c.endswith("__q")]
    quoted = {c.removesuffix("__q"): groups[c] for c in groups.columns if c.endswith("__q")}
    joined = [pl.select(pl.coalesce(quoted[s.name], s).alias(s.name))[:, 0] if s.name in quoted else s for s in named]
    return [s for s in joined if s.name not in taken]


def fits_pattern(caught: pl.DataFrame, pattern: Pattern, *, has_stamp: bool = False) -> pl.Series:
    """Which rows are where the pattern says and have what it requires.

    Where an envelope tells a time, they need none of their own, if enough else is required to tell what they are.
    """
    has = fits_conditions(caught, pattern)
    may_lack = {"time"} if has_stamp and len({*pattern.require} - {"time"}) >= _TELLING else set()
    for column in pattern.require:
        if column not in may_lack:
            has &= caught[column].is_not_null()
    return has


def fits_conditions(caught: pl.DataFrame, pattern: Pattern) -> pl.Series:
    """Which rows have the texts that the pattern's conditions name."""
    is_where = pl.Series("where", np.ones(len(caught), bool))
    for column, texts in pattern.where.items():
        is_where &= caught[column].is_not_null() if "*" in texts else caught[column].is_in(texts).fill_null(value=False)
    for column, texts in pattern.unless.items():
        is_where &= caught[column].is_not_null() & ~caught[column].is_in(texts).fill_null(value=True)
    return is_where


def without_faulty(matched: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Reject the rows whose pairs can be read in two ways."""
    if FAULT not in matched.columns:
        return matched
    for reason in (OPEN_QUOTE, TWICE):
        reading.reject(matched["line"].filter((matched[FAULT] == reason).fill_null(value=False)), reason)
    return matched.filter(pl.col(FAULT).is_null()).drop(FAULT)
