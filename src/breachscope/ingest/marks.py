r"""Plain texts that must stand in a line for an expression to match it.

To look for some hundred plain texts at once takes less time than to compile one expression, so that of all formats only those
are asked by their expressions whose marks stand in some line. What is not known here has no marks: then nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import polars as pl

Marks = tuple[frozenset[str], ...]
"""Sets of texts, of each of which one must occur; no set where nothing is known."""

_REPEATED = r"(?:[*+?]|\{\d+(?:,\d*)?\})\??"
_CHOICE = rf"(?:\[\^?\]?(?:\\.|\[\^?(?:\\.|[^\]\\\[])*\]|[^\]\\\[])*\]|\\[dwsDWSbB]|[.^$])(?:{_REPEATED})?"
"""What may be one of several characters, or none."""
_BEGIN = r"\((?:\?(?:P?<\w+>|i?:)|(?!\?))"
_PARTS = re.compile(
    rf"(?P<plain>[^\\\[\](){{}}.*+?|^$]+)|(?P<gap>(?:{_CHOICE}|{_BEGIN}(?:{_CHOICE})*\)(?:{_REPEATED})?)+)"
    rf"|\\(?P<sign>[^A-Za-z0-9<>])|\\x(?P<code>[0-7][0-9A-Fa-f])|\\(?P<control>[tnr])"
    rf"|(?P<folded>\(\?i\))|(?P<begin>{_BEGIN})|(?P<end>\))|(?P<or>\|)|(?P<maybe>[*?]\??|\{{0+(?:,\d*)?\}}\??)"
    rf"|(?P<many>{_REPEATED})(?![*+?{{])|(?P<unknown>.)",
    re.DOTALL,
)
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}
_LEAST, _RARE = 2, "|\t{<\x1b"
"""Characters of a mark, for nearly every line holds a shorter one; but few hold one of these."""
_MOST = 3
"""Sets of an expression: that many tell it from others, and each must be looked for."""
_FIRST_LINES = 1_000
_ESCAPED_KEY = r'\\u00[2-7][0-9A-Fa-f](?:[^"\\]|\\.)*"\s*:'
"""A key of JSON that is not written as :func:`key_mark` has it, though it means the same (RFC 8259, section 8.3)."""


@dataclass
class _Sequence:
    """What is known of the parts that stand one behind the other in a group, or in the whole."""

    sets: list[frozenset[str]] = field(default_factory=list)
    """Of each of which one text must occur."""
    run: str = ""
    """The plain text that stands before the place that was reached."""
    options: list[list[frozenset[str]]] = field(default_factory=list)
    """The sets of the options before this one."""
    is_folded: bool = False
    """Whether letters stand for both cases from here on."""

    def close(self) -> None:
        """Note that something stands here that is not plain."""
        if len(self.run) >= _LEAST or (self.run and self.run in _RARE):
            self.sets.append(frozenset([self.run]))
        self.run = ""

    def next_option(self) -> None:
        self.close()
        self.options.append(self.sets)
        self.sets = []

    def whole(self) -> list[frozenset[str]]:
        """The sets of all: with options, one of which each holds the best set of one."""
        self.next_option()
        if len(self.options) == 1:
            return self.options[0]
        return [frozenset().union(*(max(sets, key=_worth) for sets in self.options))] if all(self.options) else []


def _worth(texts: frozenset[str]) -> tuple[int, int, list[str]]:
    return min(map(len, texts)), -len(texts), sorted(texts)


def marks_of(regex: str) -> Marks:
    r"""Of each set one text must stand in every text that the expression matches, whatever stands around it.

    >>> [sorted(s) for s in marks_of(r"^(?:Failed|Accepted) (?P<how>\S+) for (?:invalid user )?.* port [0-9]+$")]
    [[' port '], ['Accepted', 'Failed'], [' for ']]
    >>> marks_of("^a|bc"), marks_of("(?i)abc"), marks_of("abc?"), marks_of("(?:abc)*d"), marks_of(r"\p{Lu}ab")
    ((), (), (frozenset({'ab'}),), (), ())
    """
    here = _Sequence()
    around: list[_Sequence] = []
    group: list[frozenset[str]] = []  # sets of the group that ended before this place
    for found in _PARTS.finditer(regex):
        kind, text = found.lastgroup, found[found.lastgroup or 0]
        if kind == "plain" and not here.is_folded:
            here.run += text
        elif kind == "maybe":
            here.run = here.run[:-1]
            del here.sets[len(here.sets) - len(group) :]
            here.close()
        elif kind == "sign":
            here.run += text
        elif kind == "control":
            here.run += _CONTROLS[text]
        elif kind == "code" and not here.is_folded:
            here.run += chr(int(text, 16))
        elif kind == "begin":
            here.close()
            around.append(here)
            here = _Sequence(is_folded=here.is_folded or text == "(?i:")
        elif kind == "end" and around:
            group = here.whole()
            here = around.pop()
            here.sets += group
            continue
        elif kind in ("end", "unknown"):
            return ()
        elif kind == "or":
            here.next_option()
        else:
            here.close()
            here.is_folded |= kind == "folded"
        group = []
    return () if around else tuple(sorted(here.whole(), key=_worth, reverse=True)[:_MOST])


def key_mark(path: str) -> str:
    """The outermost key of a JSON path, as a line writes it.

    >>> key_mark("$.request.uri"), key_mark('$."@timestamp"')
    ('"request"', '"@timestamp"')
    """
    quoted = re.match(r'\$\.(?:"([^"]*)"|([^.\[]*))', path)
    return f'"{quoted[1] or quoted[2]}"' if quoted else ""


def occurring(texts: pl.Series, wanted: Collection[str]) -> set[str]:
    """Those of ``wanted`` that stand in one of the texts, or that are keys of JSON and one of the texts escapes some key."""
    found = set(_occurring(texts.head(_FIRST_LINES), wanted))  # most that stand in some stand in the first ones
    others = set(wanted) - found
    if len(texts) > _FIRST_LINES and others:
        found |= set(_occurring(texts.slice(_FIRST_LINES), others))
    keys = {text for text in others - found if text.startswith('"')}
    return found | keys if keys and texts.str.contains(_ESCAPED_KEY).any() else found


def _occurring(texts: pl.Series, wanted: Collection[str]) -> Iterator[str]:
    if wanted:
        yield from texts.str.extract_many(sorted(wanted), overlapping=True).explode().unique().drop_nulls().to_list()
