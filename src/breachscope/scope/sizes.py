"""How many bytes a row takes in a response: DuckDB expressions over text columns.

A :class:`Layout` says how rows are written. Where it leaves something open, the smallest and the largest size differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """How a response writes rows: ``form`` is csv, json, jsonl, or None when the map does not say."""

    columns: tuple[str, ...]
    form: str | None = None
    header: bool = True
    newline: str = "\n"
    encoding: str = "utf-8"

    @property
    def is_exact(self) -> bool:
        """Whether the size of a row follows from its values alone (RFC 4180, quotes only where needed)."""
        return self.form == "csv" and bool(self.columns)

    def preamble_bytes(self) -> int:
        """Bytes before the first row."""
        if self.form in ("json", "jsonl"):
            return 1 if self.form == "json" else 0
        if self.form != "csv" or not self.header:
            return 0
        bom = 3 if self.encoding == "utf-8-sig" else 0
        codec = "cp932" if self.encoding == "cp932" else "utf-8"
        names = [f'"{c.replace(chr(34), chr(34) * 2)}"' if any(x in c for x in ',"\r\n') else c for c in self.columns]
        return bom + len((",".join(names) + self.newline).encode(codec, "replace"))

    def smallest_sql(self, names: Mapping[str, str], may_quote: str = "true") -> str:
        """Size of a row in its tightest form; ``names`` maps a column to its SQL name.

        ``may_quote`` is a cheap condition that is true for every row with a value that CSV quotes (:func:`quotes_sql`).
        """
        if self.form == "csv":
            return self._csv_sql(names, may_quote, self.encoding)
        if self.form in ("json", "jsonl"):
            return self._json_sql(names, tight=True)
        return _sum(f"coalesce(length({names[c]}), 0)" for c in self.columns)

    def likely_sql(self, names: Mapping[str, str], may_quote: str = "true") -> str:
        if self.form in ("json", "jsonl"):
            return self._json_sql(names, tight=True)
        return self._csv_sql(names, may_quote, self.encoding if self.form == "csv" else "utf-8")

    def largest_sql(self, names: Mapping[str, str], may_quote: str = "true") -> str:
        """Size of a row in its widest usual form: JSON with spaces and escaped characters, where JSON is possible."""
        return self._csv_sql(names, may_quote, self.encoding) if self.form == "csv" else self._json_sql(names, tight=False)

    def _csv_sql(self, names: Mapping[str, str], may_quote: str, encoding: str) -> str:
        sizes, quotings = [], []
        for column in self.columns:
            name = names[column]
            size = f"(2 * length({name}) - {_count(name, _ONE_BYTE_IN_CP932)})" if encoding == "cp932" else f"strlen({name})"
            sizes.append(f"coalesce({size}, {2 if len(self.columns) == 1 else 0})")
            quotings.append(f"(CASE WHEN {quotes_sql(name)} THEN 2 + strlen({name}) - strlen(replace({name}, '\"', '')) ELSE 0 END)")
        quoting = f"CASE WHEN {may_quote} THEN {_sum(quotings)} ELSE 0 END"
        return f"{_sum(sizes)} + {quoting} + {max(0, len(self.columns) - 1) + len(self.newline)}"

    def _json_sql(self, names: Mapping[str, str], *, tight: bool) -> str:
        fields = []
        for column in self.columns:
            name = names[column]
            characters = f"strlen({name})" if tight else f"length({name}) + 5 * {_count(name, _NOT_ASCII)} + 6 * {_count(name, _BEYOND_BMP)}"
            text = f"{characters} + 2 + {_count(name, _ESCAPED)} + {1 if tight else 5} * {_count(name, _CONTROL)}"
            number = f"regexp_matches({name}, '^-?(0|[1-9][0-9]*)([.][0-9]+)?$')"
            value = f"CASE WHEN {number} THEN strlen({name}) ELSE {text} END" if tight else text
            label = len(column.encode()) + (3 if tight else 4)
            fields.append(f"coalesce({value}, 4) + {label}")
        between = max(0, len(self.columns) - 1) * (1 if tight else 2)
        row_end = len(self.newline) if self.form == "jsonl" else 1 if tight else 3
        return f"{_sum(fields)} + {2 + between + row_end}"


_ONE_BYTE_IN_CP932 = r"\x00-\x7F｡-ﾟ"
_NOT_ASCII = r"^\x00-\x7F"
_BEYOND_BMP = r"^\x00-\x{FFFF}"
_ESCAPED = r'"\\'
_CONTROL = r"\x00-\x1F"


def quotes_sql(text: str) -> str:
    """Whether a value, or one of several put together, is quoted in CSV."""
    return f"(contains({text}, ',') OR contains({text}, '\"') OR contains({text}, chr(13)) OR contains({text}, chr(10)))"


def _count(name: str, characters: str) -> str:
    """How many characters of a class, in regular expression notation, a text has."""
    inverse = characters[1:] if characters.startswith("^") else f"^{characters}"
    return f"length(regexp_replace({name}, '[{inverse}]', '', 'g'))"


def _sum(terms: Iterable[str]) -> str:
    parts = list(terms)
    return f"({' + '.join(parts)})" if parts else "0"
