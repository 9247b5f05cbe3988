"""Tables of text whose columns are named by a header: a line that begins in a certain way, wherever it stands, or the first one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from breachscope.ingest.encoding import decode_line
from breachscope.ingest.formats import JOINED, Format


@dataclass(frozen=True)
class Headers:
    """The headers of one input so far: the line of each, and its column names in lower case."""

    lines: tuple[int, ...] = ()
    names: tuple[tuple[str, ...], ...] = ()

    def at(self, lines: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Index of the header that stands above each line; -1 where none does."""
        return np.searchsorted(np.array(self.lines, np.int64), lines, side="left").astype(np.int64) - 1

    def layout(self, header: int, fmt: Format) -> Layout | None:
        """How lines under a header are read, by its index or, for -1, by the names that always hold; None where it lacks what the format requires."""
        names = self.names[header] if header >= 0 else fmt.columns
        layout = layout_of(names, fmt.separator, fmt.quote, fmt.names)
        return layout if set(fmt.require) <= layout.fields.keys() else None

    def with_those_of(self, data: bytes, first_line: int, fmt: Format) -> Headers:
        """Add the headers that stand in a block of UTF-8 or CP932 text which begins with line ``first_line``."""
        if fmt.kind != "table":
            return self
        lines, names = list(self.lines), list(self.names)
        for line, text in _header_lines(data, first_line, (fmt.header or "").encode()):
            found = _names(text, fmt)
            if fmt.header is None and not set(fmt.require) <= layout_of(found, fmt.separator, fmt.quote, fmt.names).fields.keys():
                continue  # the first line is one like the others
            if not names or found != names[-1]:  # a restart repeats its header
                lines.append(line)
                names.append(found)
        return Headers(tuple(lines), tuple(names))


def _header_lines(data: bytes, first_line: int, start: bytes) -> list[tuple[int, bytes]]:
    if not start:
        return [(1, data.partition(b"\n")[0])] if first_line == 1 else []
    found: list[tuple[int, bytes]] = []
    line, counted = first_line, 0
    at = next((len(mark) for mark in (b"", b"\xef\xbb\xbf") if data.startswith(mark + start)), data.find(b"\n" + start) + 1 or -1)
    while at >= 0:
        end = data.find(b"\n", at)
        line, counted = line + data.count(b"\n", counted, at), at
        found.append((line, data[at : end if end >= 0 else None]))
        at = data.find(b"\n" + start, at) + 1 or -1
    return found


def _names(header: bytes, fmt: Format) -> tuple[str, ...]:
    text = decode_line(header.rstrip(b"\r\n")).removeprefix("\ufeff").removeprefix(fmt.header or "")
    separator = fmt.separator or ","
    if fmt.header and separator not in text.strip():
        separator = " "  # CloudFront names its tab-separated columns so
    parts = text.split() if separator == " " else text.strip(separator).split(separator) if fmt.header else text.split(separator)
    return tuple(part.strip().strip('"').strip().lower() for part in parts)


@dataclass(frozen=True)
class Layout:
    """How the lines under one header are read: an expression with a group ``_n`` for column n, and which columns make which field."""

    regex: str
    plain_regex: str
    """The same for lines in which no quote is doubled."""
    fields: Mapping[str, tuple[tuple[int, ...], ...]]
    """Field → alternatives, each the columns that are joined by a space."""

    @property
    def columns(self) -> list[int]:
        """The columns that are wanted."""
        return sorted({n for alternatives in self.fields.values() for numbers in alternatives for n in numbers})


@lru_cache(maxsize=256)
def layout_of(names: tuple[str, ...], separator: str, quote: str | None, keys: tuple[tuple[str, tuple[str, ...]], ...]) -> Layout:
    """The layout under a header; fields whose columns it does not name are left out."""
    place = {name: n for n, name in reversed(list(enumerate(names)))}
    fields: dict[str, tuple[tuple[int, ...], ...]] = {}
    for field, alternatives in keys:
        joined = [tuple(part.strip().lower() for part in a.split(JOINED)) for a in alternatives]
        if found := tuple(tuple(place[part] for part in parts) for parts in joined if all(part in place for part in parts)):
            fields[field] = found
    wanted = {n for alternatives in fields.values() for numbers in alternatives for n in numbers}
    regex, plain_regex = (_row_regex(len(names), wanted, separator, quote, may_double=double) for double in (True, False))
    return Layout(regex, plain_regex, fields)


def _row_regex(count: int, wanted: Collection[int], separator: str, quote: str | None, *, may_double: bool) -> str:
    within = f"(?:[^{quote}]|{quote}{quote})*" if may_double else f"[^{quote}]*"
    bare = f"[^{re.escape(separator)}{quote or ''}]*"
    columns = []
    for n in range(count):
        held, held_quoted = (f"(?P<_{n}>{bare})", f"{quote}(?P<_{n}__q>{within}){quote}") if n in wanted else (bare, f"{quote}{within}{quote}")
        columns.append(f"(?:{held_quoted}|{held})" if quote else held)
    return "^" + re.escape(separator).join(columns) + "$"
