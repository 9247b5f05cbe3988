"""What an attacker writes into a log cannot act on a terminal or hide on a page."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breachscope.hostile import clipped, masked, padded, visible, width

ANY_TEXT = st.text(st.characters())


@given(ANY_TEXT)
def test_nothing_that_acts_or_hides_is_left(text: str) -> None:
    assert {unicodedata.category(c) for c in visible(text)}.isdisjoint({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@given(ANY_TEXT)
def test_making_visible_twice_changes_nothing_more(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd", "Po", "Zs"])))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("line\r\nforged", r"line\x0d\x0aforged"),
        ("gpj\u202eexe", r"gpj\u202eexe"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("\x9b31m", r"\x9b31m"),
        ("\U000e0041", r"\U000e0041"),
        ("が\u3099", "が\u3099"),
        ("e" + "\u0301" * 5, "e" + "\u0301" * 3 + r"\u0301\u0301"),
        ("山田 太郎", "山田 太郎"),
    ],
)
def test_what_acts_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tanaka@example.jp", "t***@example.jp"),
        ("user=taro.yamada+x@mail.example.co.jp ok", "user=t***@mail.example.co.jp ok"),
        ("/reset?mail=taro%40example.jp&step=2", "/reset?mail=…&step=…"),
        ("/p/taro%40example.jp", "/p/t***%40example.jp"),
        ("090-1234-5678", "09**"),
        ("4111 1111 1111 1111", "41**"),
        ("203.0.113.66", "203.0.113.66"),
        ("2026-08-30 02:10:04", "2026-08-30 02:10:04"),
        ("2001:db8::1", "2001:db8::1"),
        ("admin", "admin"),
        ("/api/customers/812", "/api/customers/812"),
    ],
)
def test_personal_values_are_masked_and_evidence_is_not(text: str, shown: str) -> None:
    assert masked(text) == shown


@given(ANY_TEXT, st.integers(1, 40))
def test_clipped_text_fits(text: str, cells: int) -> None:
    assert width(clipped(text, cells)) <= max(cells, 1)


@given(st.text("aあ漢ｱ｡Ａ", max_size=30), st.integers(0, 80))
def test_padding_reaches_the_column_for_wide_characters(text: str, cells: int) -> None:
    naive = sum(2 if c in "あ漢Ａ" else 1 for c in text)
    assert width(padded(text, cells)) == max(naive, cells)
