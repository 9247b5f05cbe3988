"""Plain texts that must stand in what an expression matches: none is named that need not."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breachscope.ingest.marks import marks_of, occurring

ATOMS = st.sampled_from(["ab", "b", "a c", r"\.", r"\|", r"\t", r"\x1b", r"\x41\x42", r"\d", "[ab]", "[^]a]", "[[:alpha:]b]", ".", "(?i)", r"\b"])
COUNTS = st.sampled_from(["", "", "", "*", "+", "?", "*?", "??", "{0}", "{0,2}", "{1}", "{2,}", "+*", "{2}*", "{00}"])
CUTS = st.sampled_from(["(?:{})", "(?P<g>{})", "(?i:{})", "(?:|{})", "(?:{}|ab)", "(?:b|{}|)"])


def _counted(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(parts, COUNTS), min_size=1, max_size=4).map(lambda some: "".join(p if p in ("(?i)", r"\b") else p + count for p, count in some))


EXPRESSIONS = st.recursive(_counted(ATOMS), lambda inner: _counted(ATOMS | st.tuples(CUTS, inner).map(lambda c: c[0].format(c[1]))), max_leaves=6)
TEXTS = st.lists(st.sampled_from(["a", "b", "ab", "a c", "A", "B", ".", "|", "\t", "\x1b", "7", " ", "é"]), max_size=8).map("".join)


@given(st.lists(EXPRESSIONS, min_size=1, max_size=2).map("|".join), st.lists(TEXTS, min_size=1, max_size=20))
def test_what_matches_holds_one_mark_of_each_set(regex: str, texts: list[str]) -> None:
    regex = regex.replace("(?P<g>", "(?:")  # a name can stand but once
    matched = pl.Series(texts).filter(pl.Series(texts).str.contains(regex))
    for of in marks_of(regex):
        assert all(any(mark in text for mark in of) for text in matched)


@pytest.mark.parametrize(
    ("regex", "marks"),
    [
        ("^Failed (?P<how>[a-z]+) for ", [{"Failed "}, {" for "}]),
        ("^(?:GET|POST) /", [{"GET", "POST"}, {" /"}]),
        ("^a(?:bc)?def", [{"def"}]),
        ("^ab{2}c", [{"ab"}]),
        ("^abc|^xyz", [{"abc", "xyz"}]),
        ("^abc|^[0-9]+", []),
        ("^[0-9]+ [0-9]+$", []),
        (r"\pLabc", []),
        ("^ab+*c", []),
        ("^ab{2}?{0,1}c", []),
        ("^ab{00}", []),
        ("^(?:ab){00}c", []),
        (r"(?i)^\x41\x42", []),
    ],
)
def test_marks_are_the_longest_texts_that_must_stand_there(regex: str, marks: list[set[str]]) -> None:
    assert [set(of) for of in marks_of(regex)] == marks


@given(st.lists(TEXTS, max_size=30), st.sets(st.sampled_from(["a", "ab", "b", "a c", "\t", "é", "AB"])))
def test_marks_are_found_wherever_they_stand(texts: list[str], wanted: set[str]) -> None:
    lines = pl.Series("text", [*["x"] * 990, *texts], dtype=pl.String)
    assert occurring(lines, wanted) == {mark for mark in wanted if any(mark in text for text in texts)}
