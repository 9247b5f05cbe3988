"""Fragments of expressions: put in where they are named, and names that are none of some words."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breachscope.errors import ContentErrors
from breachscope.ingest.formats import parse_format
from breachscope.ingest.fragments import spelt_out
from breachscope.ingest.onepass import one_pass

FORMAT = """
title = "x"
spec = ["x"]
kind = "regex"
table = "network"
order = 1
time.formats = ["iso8601"]
[fragments]
key = {key}
pair = '{{key}}+=[0-9.]+'
[[pattern]]
match = {match}
[[sample]]
line = "x"
expect = {{}}
"""


def expression(match: str, key: str = "'[a-z]'") -> str:
    return parse_format(FORMAT.format(key=key, match=match), Path("x.toml")).patterns[0].regex or ""


def test_a_fragment_stands_where_its_name_does_and_holds_those_above_it() -> None:
    assert expression("""['^(?P<time>[0-9T:-]{19}) ', '{pair} src=(?P<src_ip>[^ ]+)$']""") == r"^(?P<time>[0-9T:-]{19}) [a-z]+=[0-9.]+ src=(?P<src_ip>[^ ]+)$"


def test_braces_that_name_no_fragment_stay() -> None:
    regex = r"^(?P<time>\x{41}\p{Greek}{2,3}{4})$"
    assert expression(f"'{regex}'") == regex


@pytest.mark.parametrize(("key", "match"), [("[1]", "'^(?P<time>x)$'"), ("'[a-z]'", "['^', 1]"), ("'[a-z]'", "'^(?P<time>{nokey})$'")])
def test_what_is_no_text_or_is_unknown_is_a_mistake(key: str, match: str) -> None:
    with pytest.raises(ContentErrors):
        expression(match, key)


WORD = st.text("ab_", min_size=1, max_size=4)


@given(st.lists(WORD, min_size=1, max_size=4), st.lists(st.text("ab_-", max_size=5), min_size=1))
def test_a_name_is_none_of_the_words_and_can_be_read_in_one_way(words: list[str], texts: list[str]) -> None:
    data = {"fragments": {"key": "[a-c_]"}, "pattern": [{"match": f"^{{key not {','.join(words)}}}$"}]}
    regex = spelt_out(data)["pattern"][0]["match"]
    told = [re.fullmatch("[a-c_]+", text) is not None and text not in words for text in [*texts, *words]]
    assert pl.Series([*texts, *words]).str.contains(regex).to_list() == told
    assert one_pass(regex) is not None
