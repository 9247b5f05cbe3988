"""Text that an attacker may have written, made harmless before a person reads it.

Everything that comes from a log, a table or a file name passes :func:`visible` before it reaches a terminal or a page.
HTML markup is not handled here: the page escapes every value (Jinja2 autoescape), the terminal has no markup.
"""

from __future__ import annotations

import re
import unicodedata

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls (ESC, CR, LF, NUL, C1), format characters (bidi overrides, zero-width, tags), lone surrogates, unassigned, line separators."""

_MARKS_KEPT = 3
"""Combining marks on one base character that a writing system can need; more is a text meant to cover its neighbours."""

_MAIL = re.compile(r"[^\s@%/?&=:;,<>\"'()\[\]]{1,64}(?=(?:@|%40)[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250})\.[A-Za-z]{2,})")
_LONG_NUMBER = re.compile(r"(?<![\w.-])(?!\d{4}-\d\d-\d\d)\+?\d(?:[ -]?\d){9,}(?![\w.])")
"""Ten digits and more, spaced or hyphenated; a date is none."""


_ARGUMENT_VALUE = re.compile(r"(?<=[?&])([^=&\s?]{1,64}=)[^&\s]+")
"""A value in a query string: search words and form fields are often names."""


def visible(text: str) -> str:
    r"""Return ``text`` with every character that could act or hide shown as an escape.

    >>> visible("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'
    """
    if text.isascii() and text.isprintable():
        return text
    shown = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        shown.append(_escape(character) if category in _UNSAFE_CATEGORIES or marks > _MARKS_KEPT else character)
    return "".join(shown)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def masked(text: str) -> str:
    """Return ``text`` without mail addresses, long numbers (telephone, card) and values of query arguments.

    An account name that is no mail address stays: it names the way in, and the reader needs it.

    >>> masked("tanaka@example.jp tried 4111-1111-1111-1111")
    't***@example.jp tried 41**'
    >>> masked("GET /search?q=%E5%B1%B1%E7%94%B0&page=2")
    'GET /search?q=…&page=…'
    """
    text = _ARGUMENT_VALUE.sub(lambda m: m[1] + "…", text)
    return _LONG_NUMBER.sub(lambda m: m[0][:2] + "**", _MAIL.sub(lambda m: m[0][:1] + "***", text))


def clipped(text: str, cells: int) -> str:
    """Return ``text`` cut to at most ``cells`` terminal cells, the cut shown by an ellipsis.

    >>> clipped("東京都千代田区", 7)
    '東京都…'
    """
    if width(text) <= cells:
        return text
    kept = []
    used = 1
    for character in text:
        used += width(character)
        if used > cells:
            break
        kept.append(character)
    return "".join(kept) + "…"


def width(text: str) -> int:
    """Cells that ``text`` takes on a terminal: two for wide and full-width characters (UAX #11), none for combining marks.

    >>> width("本人の数 12"), width("e\u0301")
    (11, 1)
    """
    return sum(0 if unicodedata.category(c) in {"Mn", "Me"} else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, cells: int) -> str:
    """Return ``text`` filled with spaces to ``cells`` terminal cells."""
    return text + " " * max(0, cells - width(text))
