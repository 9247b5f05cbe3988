"""Counting people and rows where the evidence names neither."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

COMPRESSION_RATIO_UPPER = 20
"""Assumed: tables of text are hardly ever packed tighter than 20 to 1 in transit (stated in the answer wherever it is used)."""


@dataclass(frozen=True)
class DistinctPeople:
    """How many different people an estimated number of unknown rows can concern.

    ``lower``: the fewest that the lower number of rows can; ``expected``: by the likely number; ``upper``: the most that the upper number can.
    """

    lower: int
    expected: float
    upper: int


def expected_distinct(rows_per_person: Mapping[int, int], rows: int, taken: int) -> float:
    """Expected number of distinct people when ``taken`` of ``rows`` rows were read, which ones unknown.

    ``rows_per_person`` maps a number of rows to how many people have that many. Rows of nobody count in ``rows`` only.
    Exact for a draw without replacement in which every choice of rows is as likely:
    ``sum over people of 1 - C(rows - r, taken) / C(rows, taken)`` (S. B. Yao, "Approximating block accesses in
    database organizations", CACM 20(4), 1977).

    >>> expected_distinct({1: 2, 2: 1}, rows=4, taken=1)
    1.0
    """
    if not 0 <= taken <= rows:
        raise ValueError("taken must lie between 0 and rows")
    return math.fsum(people * (1.0 - _untouched(rows, r, taken)) for r, people in sorted(rows_per_person.items()))


def distinct_people(rows_per_person: Mapping[int, int], rows: int, taken: RowEstimate) -> DistinctPeople:
    """Bound and expect the number of distinct people behind ``taken`` unknown rows of ``rows``.

    >>> distinct_people({1: 10}, rows=10, taken=RowEstimate(0, 4, 10))
    DistinctPeople(lower=0, expected=4.0, upper=10)
    """
    people = sum(rows_per_person.values())
    of_nobody = rows - sum(r * n for r, n in rows_per_person.items())
    left = max(0, taken.lower - of_nobody)
    lower = 0
    for r, n in sorted(rows_per_person.items(), reverse=True):
        if left <= 0:
            break
        used = min(n, -(-left // r))
        lower += used
        left -= used * r
    return DistinctPeople(lower, expected_distinct(rows_per_person, rows, taken.likely), min(people, taken.upper))


def _untouched(rows: int, own: int, taken: int) -> float:
    """Probability that none of one person's ``own`` rows is among the ``taken``: C(rows - own, taken) / C(rows, taken)."""
    if own + taken > rows:
        return 0.0
    fewer, more = sorted((own, taken))
    if fewer <= 10_000:
        return math.prod((rows - more - i) / (rows - i) for i in range(fewer))
    return math.exp(math.lgamma(rows - own + 1) + math.lgamma(rows - taken + 1) - math.lgamma(rows + 1) - math.lgamma(rows - own - taken + 1))


@dataclass(frozen=True)
class RowBytes:
    """Serialised sizes of the rows of a table, in bytes: smallest row of the tightest form, and the likely sum of all rows."""

    rows: int
    smallest: int
    likely_total: int


@dataclass(frozen=True)
class RowEstimate:
    """How many rows a number of bytes can hold."""

    lower: int
    likely: int
    upper: int


def rows_in_bytes(transferred: int, sizes: RowBytes) -> RowEstimate:
    """Rows that ``transferred`` bytes of unknown content can hold: none at least, as bytes prove no content."""
    if sizes.rows == 0 or transferred <= 0:
        return RowEstimate(0, 0, 0)
    likely = min(sizes.rows, -(-transferred * sizes.rows // max(1, sizes.likely_total)))
    upper = min(sizes.rows, -(-transferred * COMPRESSION_RATIO_UPPER // max(1, sizes.smallest)))
    return RowEstimate(0, likely, max(likely, upper))
