r"""TOML that a user wrote, with the line of every key, so that each complaint about it can name its place.

``tomllib`` decides what the file means and whether it is valid; it keeps no positions. A second, small walk over the
already validated text notes the line of every table, key and array element.

>>> text = '[tables.t]\nkey = "id"\n[[routes]]\nmatch = "GET /"\ndefault = { page = 1 }\n'
>>> TomlFile.parse(text, Path("map.toml")).line_of("routes", 0, "default", "page")
5
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from breachscope.errors import BreachscopeError, DataMapError

Key = str | int
"""A step into the document: a table's key, or a 0-based array index."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\r\n#]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'  # multi-line basic string: up to two quotes may stand before its end
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True)
class TomlFile:
    """A parsed document and where each of its keys stands."""

    path: Path
    data: Mapping[str, Any]
    error: type[BreachscopeError] = DataMapError
    text: str = field(default="", repr=False)

    @classmethod
    def load(cls, path: Path, error: type[BreachscopeError] = DataMapError) -> TomlFile:
        """Read ``path``; whatever is wrong with it is raised as ``error`` with the place."""
        try:
            raw = path.read_bytes()
        except OSError as exc:
            raise error(f"cannot be read: {exc.strerror or exc}", path=path) from exc
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            line = raw.count(b"\n", 0, exc.start) + 1
            raise error("is not UTF-8 text, as TOML must be; save it as UTF-8", path=path, line=line) from exc
        return cls.parse(text, path, error)

    @classmethod
    def parse(cls, text: str, path: Path, error: type[BreachscopeError] = DataMapError) -> TomlFile:
        """Parse ``text``; ``path`` only names it in complaints."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            message = str(exc)
            place = _PLACE.search(message)
            line = int(place.group(1)) if place and place.group(1) else text.count("\n") + 1
            reason = _PLACE.sub("", message)
            raise error(f"not valid TOML: {reason[:1].lower()}{reason[1:]}", path=path, line=line) from exc
        except RecursionError as exc:
            raise error("not valid TOML: nested too deeply", path=path) from exc
        return cls(path, data, error, text)

    @cached_property
    def _lines(self) -> Mapping[tuple[Key, ...], int]:
        return _Walk(self.text.replace("\r\n", "\n")).lines()

    def line_of(self, *keys: Key) -> int:
        """Return the 1-based line of the key reached by ``keys``, or of its nearest ancestor that stands in the file."""
        for length in range(len(keys), 0, -1):
            line = self._lines.get(keys[:length])
            if line is not None:
                return line
        return 1

    def complain(self, message: str, *keys: Key) -> BreachscopeError:
        """Make (not raise) the error for the key reached by ``keys``."""
        return self.error(message, path=self.path, line=self.line_of(*keys))


class _Walk:
    """Notes the line of each key of a document that ``tomllib`` has accepted."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted_to = 0
        self._lines: dict[tuple[Key, ...], int] = {}
        self._arrays: dict[tuple[Key, ...], int] = {}

    def lines(self) -> Mapping[tuple[Key, ...], int]:
        table: tuple[Key, ...] = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text.startswith("[", self._at):
                table = self._header(1)
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self, brackets: int) -> tuple[Key, ...]:
        line = self._current_line()
        self._at += brackets
        names = self._dotted()
        self._at += brackets
        path = self._resolve(names[:-1]) if brackets == 2 else self._resolve(names)
        if brackets == 2:
            path = (*path, names[-1])
            index = self._arrays.get(path, -1) + 1
            self._arrays[path] = index
            self._lines.setdefault(path, line)
            path = (*path, index)
        self._note(path, line)
        return path

    def _resolve(self, names: list[str]) -> tuple[Key, ...]:
        """Step through ``names``, into the last element of each array of tables on the way."""
        path: tuple[Key, ...] = ()
        for name in names:
            path = (*path, name)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _note(self, path: tuple[Key, ...], line: int) -> None:
        for length in range(1, len(path)):
            self._lines.setdefault(path[:length], line)
        self._lines[path] = line

    def _pair(self, table: tuple[Key, ...]) -> None:
        line = self._current_line()
        path = (*table, *self._dotted())
        self._note(path, line)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _dotted(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACE)
            quoted = _STRING.match(self._text, self._at)
            bare = quoted or _BARE.match(self._text, self._at)
            if bare is None:
                raise AssertionError("tomllib accepted a key that this walk cannot read")
            token = bare.group()
            names.append(tomllib.loads(f"v = {token}")["v"] if quoted else token)
            self._at = bare.end()
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _value(self, path: tuple[Key, ...]) -> None:
        first = self._text[self._at]
        if first == "[":
            self._at += 1
            self._skip(_BLANK)
            index = 0
            while not self._text.startswith("]", self._at):
                self._note((*path, index), self._current_line())
                self._value((*path, index))
                index += 1
                self._separator()
            self._at += 1
        elif first == "{":
            self._at += 1
            self._skip(_BLANK)
            while not self._text.startswith("}", self._at):
                self._pair(path)
                self._separator()
            self._at += 1
        else:
            self._skip(_STRING if first in "\"'" else _SCALAR)

    def _separator(self) -> None:
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise AssertionError("tomllib accepted a document that this walk cannot read")
        self._at = match.end()

    def _current_line(self) -> int:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        return self._line
