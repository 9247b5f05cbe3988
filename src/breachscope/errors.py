"""Errors a user can act on.

BreachscopeError            exit code 1: says what is wrong, where, and what to do
├── UsageError              exit code 2: the command line asks for something that cannot be
├── InputError              a log that cannot be read at all
├── FormatError             a log format file is wrong (file:line)
├── DetectorError           a detector is wrong (file:line)
├── DataMapError            datamap.toml is wrong (file:line)
├── SourcesError            sources.toml is wrong (file:line)
├── TableError              a customer table cannot be read
├── CaseError               the case folder is missing, locked, foreign or damaged
└── ContentErrors           many of the above at once

A line of a log that cannot be parsed is not an error: it is a row in ``rejects``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


class BreachscopeError(Exception):
    """One sentence for the user: what, where (``path:line``), what to do."""

    exit_code = 1

    def __init__(self, message: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        self.path = str(path) if path is not None else None
        self.line = line
        self.text = message
        where = "" if self.path is None else f"{self.path}: " if line is None else f"{self.path}:{line}: "
        super().__init__(where + message)


class UsageError(BreachscopeError):
    exit_code = 2


class InputError(BreachscopeError):
    pass


class FormatError(BreachscopeError):
    pass


class DetectorError(BreachscopeError):
    pass


class DataMapError(BreachscopeError):
    pass


class SourcesError(BreachscopeError):
    pass


class TableError(BreachscopeError):
    pass


class CaseError(BreachscopeError):
    pass


class ContentErrors(BreachscopeError):  # noqa: N818 - it is several errors
    """Every mistake found in one pass over user content, each with its place; wrong usage where each of them is."""

    def __init__(self, errors: Sequence[BreachscopeError]) -> None:
        self.errors = tuple(errors)
        self.exit_code = UsageError.exit_code if all(isinstance(e, UsageError) for e in errors) else BreachscopeError.exit_code
        self.path = self.line = None
        self.text = "\n".join(str(e) for e in self.errors)
        Exception.__init__(self, self.text)


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """A number with its English noun, in a message or a sentence.

    >>> counted(1, "request"), counted(1200, "request"), counted(2, "person", "people")
    ('1 request', '1,200 requests', '2 people')
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or the empty string.

    >>> did_you_mean("colour", ["color", "size"])
    "; did you mean 'color'?"
    """
    close = get_close_matches(wrong, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
