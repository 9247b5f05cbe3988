"""Regular expressions of log formats as trees, as far as :mod:`breachscope.ingest.onepass` makes tables of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

ASCII = frozenset(range(0x80))
_NO_NEWLINE = ASCII - {0x0A}
_DIGITS, _SPACES = frozenset(b"0123456789"), frozenset(b" \t\n\v\f\r")
_WORD = _DIGITS | frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_PERL = {"d": _DIGITS, "s": _SPACES, "w": _WORD, "D": ASCII - _DIGITS, "S": ASCII - _SPACES, "W": ASCII - _WORD}
"""Of these classes only ASCII is known here: what is a space or a digit beyond it is left to the regular expression engine."""
_CONTROLS = {"n": 0x0A, "r": 0x0D, "t": 0x09, "f": 0x0C, "v": 0x0B, "a": 0x07}
_REGEX_PARTS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
"""One character, escape or class of a regular expression."""


class UnknownSyntaxError(Exception):
    """An expression uses what is not known here."""


def has_options(regex: str) -> bool:
    """Whether a ``|`` stands outside all groups and classes."""
    depth = 0
    for part in _REGEX_PARTS.findall(regex):
        if part == "|" and depth == 0:
            return True
        depth += {"(": 1, ")": -1}.get(part, 0)
    return False


@lru_cache(maxsize=1024)
def demands(regex: str, text: str) -> bool:
    r"""Whether every text that a one-pass expression matches holds this text of ASCII, as far as that is plain.

    >>> demands(r"^(?:a|b)\] (?P<n>IN=)[^ ]+$", "] IN="), demands("^a|^b IN=", "IN="), demands("^(?:IN=)?x", "IN=")
    (True, False, False)
    """
    try:
        tree = Parser(regex.removeprefix("^").removesuffix("$")).whole()
    except UnknownSyntaxError:
        return False
    return text in _demanded(tree)


def _demanded(node: Node) -> str:
    """The characters that stand in every text that matches, with a NUL byte in place of what may be anything."""
    match node:
        case Characters():
            return chr(*node.ascii) if len(node.ascii) == 1 and not node.is_wide else "\0"
        case Concatenation():
            return "".join(map(_demanded, node.parts))
        case Group():
            return _demanded(node.part)
        case _:
            return "\0"


@dataclass(frozen=True)
class Characters:
    """One character: which of ASCII, and whether any beyond."""

    ascii: frozenset[int]
    is_wide: bool = False


@dataclass(frozen=True)
class Concatenation:
    """Parts that stand one behind the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Alternation:
    """The first of some options that leads to a match."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repetition:
    """A part again and again, as often as may be, or as seldom where that is lazy; without an end where ``most`` is None."""

    part: Node
    least: int
    most: int | None
    is_lazy: bool


@dataclass(frozen=True)
class Group:
    """A part whose text is caught under a name."""

    name: str
    part: Node


Node = Characters | Concatenation | Alternation | Repetition | Group


class Parser:
    """Reads the part of the syntax that log formats use. What it does not know raises UnknownSyntaxError."""

    def __init__(self, regex: str, *, is_rough: bool = False) -> None:
        self.regex = regex
        self.is_rough = is_rough
        """Whether groups and the edges of words are taken for nothing."""
        self.at = 0
        self.is_ascii = False
        self.is_folded = False
        """Whether letters stand for both cases from here on."""
        self.is_narrow = False
        """Whether nothing beyond ASCII may be in the text, as it might be another case of a letter: of K and S there are such."""

    def whole(self) -> Node:
        tree = self._choice()
        if self.at < len(self.regex) or isinstance(tree, Alternation):  # the anchors belong to one option each
            raise UnknownSyntaxError
        return tree

    def first_parts(self) -> Iterator[Node]:
        """What stands one behind the other, without groups, before anything that is not known here."""
        while self.at < len(self.regex) and self.regex[self.at] not in "|)":
            try:
                part = self._repeated(self._part())
            except UnknownSyntaxError:
                break
            yield from _ungrouped(part)

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._skip("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Alternation(tuple(options))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self.at < len(self.regex) and self.regex[self.at] not in "|)":
            parts.append(self._repeated(self._part()))
        return Concatenation(tuple(parts))

    def _repeated(self, part: Node) -> Node:
        counted = re.compile(r"([*+?])|\{(\d+)(,?)(\d*)\}").match(self.regex, self.at)
        if counted is None:
            return part
        self.at = counted.end()
        if counted[1]:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[counted[1]]
        else:
            least = int(counted[2])
            most = least if not counted[3] else int(counted[4]) if counted[4] else None
        is_lazy = self._skip("?")
        if self.regex[self.at : self.at + 1] in ("*", "+", "{"):
            raise UnknownSyntaxError
        return Repetition(part, least, most, is_lazy)

    def _part(self) -> Node:
        if self._skip("(?i)"):
            self.is_folded = self.is_narrow = self.is_ascii = True
            return Concatenation(())
        if self.is_rough and self._skip(r"\b"):
            return Concatenation(())
        if self._skip("("):
            return self._group()
        if self._skip("["):
            return self._class()
        character = self.regex[self.at]
        self.at += 1
        if character == "\\":
            return self._escape()
        if character == ".":
            return Characters(_NO_NEWLINE, is_wide=True)
        if character in "^$*+?{":
            raise UnknownSyntaxError
        literal = _literal(character)
        return Characters(self._cases(literal.ascii)) if isinstance(literal, Characters) else literal

    def _group(self) -> Node:
        named = re.compile(r"\?P<(\w+)>").match(self.regex, self.at)
        if named:
            self.at = named.end()
        elif not self._skip("?:"):
            raise UnknownSyntaxError
        was_folded = self.is_folded
        part = self._choice()
        self.is_folded = was_folded
        if not self._skip(")"):
            raise UnknownSyntaxError
        return Group(named[1], part) if named and not self.is_rough else part

    def _escape(self) -> Node:
        character = self.regex[self.at : self.at + 1]
        self.at += 1
        if character in _PERL:
            self.is_ascii = True
            return Characters(_PERL[character])
        if character in _CONTROLS:
            return Characters(frozenset([_CONTROLS[character]]))
        if not character or character.isalnum():
            raise UnknownSyntaxError
        return _literal(character)

    def _class(self) -> Node:
        is_negated = self._skip("^")
        held: set[int] = set()
        is_perl = False
        first = True
        while first or self.regex[self.at : self.at + 1] != "]":
            first = False
            low = self._member()
            if len(low) > 1:
                is_perl = True
            elif self.regex[self.at : self.at + 1] == "-" and self.regex[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                (high,), (begin,) = self._member(), low
                low = frozenset(range(begin, high + 1))
            held |= low
        self.at += 1
        members = self._cases(frozenset(held))
        return Characters(ASCII - members, is_wide=not is_perl) if is_negated else Characters(members)

    def _cases(self, held: frozenset[int]) -> frozenset[int]:
        return held | frozenset(bytes(held).swapcase()) if self.is_folded else held

    def _member(self) -> frozenset[int]:
        character = self.regex[self.at : self.at + 1]
        self.at += 1
        if character == "\\":
            escaped = self._escape()
            if not isinstance(escaped, Characters):
                raise UnknownSyntaxError
            return escaped.ascii
        if not character or not character.isascii() or (character in "[&~-" and self.regex[self.at : self.at + 1] == character) or character == "[":
            raise UnknownSyntaxError  # POSIX classes and operations on sets
        return frozenset(character.encode())

    def _skip(self, text: str) -> bool:
        if self.regex.startswith(text, self.at):
            self.at += len(text)
            return True
        return False


def is_bounded(node: Node) -> bool:
    """Whether no texts of any length match."""
    match node:
        case Repetition():
            return node.most is not None and is_bounded(node.part)
        case Group():
            return is_bounded(node.part)
        case Concatenation():
            return all(map(is_bounded, node.parts))
        case Alternation():
            return all(map(is_bounded, node.options))
        case Characters():
            return True


def _ungrouped(node: Node) -> Iterator[Node]:
    """The parts that stand one behind the other, without groups around them."""
    match node:
        case Group():
            yield from _ungrouped(node.part)
        case Concatenation():
            for part in node.parts:
                yield from _ungrouped(part)
        case Repetition():
            yield Repetition(Concatenation(tuple(_ungrouped(node.part))), node.least, node.most, node.is_lazy)
        case Alternation():
            yield Alternation(tuple(Concatenation(tuple(_ungrouped(option))) for option in node.options))
        case _:
            yield node


def _literal(character: str) -> Node:
    bytes_ = [Characters(frozenset([byte])) for byte in character.encode()]
    return bytes_[0] if len(bytes_) == 1 else Concatenation(tuple(bytes_))
