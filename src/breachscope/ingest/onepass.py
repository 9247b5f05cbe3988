r"""Regular expressions as tables that :mod:`breachscope.ingest.native` runs over bytes.

An expression is *one-pass* when at every byte at most one way goes on (R. Cox, "Regular Expression Matching in the Wild",
2010); here also when several do that agree on where groups begin and end. Then a table of states and bytes says which
state follows and which groups begin or end there, and there is one reading of a text, whatever the engine. Expressions
that are not, or that use what this module does not know, have no table: those are left to the regular expression engine,
and so is every text that a table refuses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, takewhile

import numpy as np
import numpy.typing as npt

from breachscope.ingest.expressions import (
    ASCII,
    Alternation,
    Characters,
    Concatenation,
    Group,
    Node,
    Parser,
    Repetition,
    UnknownSyntaxError,
    has_options,
    is_bounded,
)

_MOST_STEPS = 12_000
_MOST_GROUPS = 127
"""``native.c`` has room for the places of as many."""
_LEAST_STAYING, _LEAST_LINKS, _LEAST_LEAP = 8, 4, 4
"""It takes longer to look ahead where fewer bytes stay in a state, for fewer fields that nobody wants, and for fewer bytes that must be there
before anything but a stay."""
_AT_ONCE = 32
"""So many bytes ``native.c`` looks at in one go."""
_MOST_PARTS = {False: 16, True: 24}
"""So many characters and repetitions tell most messages apart, and more would take longer to make tables of. Of those of any length more are needed."""
_ROW_BITS = 20
_LARGEST_TABLE, _MOST_ACTIONS = 1 << 18, 1 << 11
_LARGEST_REFUTING, _LARGEST_BEGINNING = 1 << 15, 1 << 12
"""To make larger ones takes longer than it saves."""
NO_STEP = 0xFFFFFFFF
_STAY, _CHAIN, _LEAP = range(1, 4)
"""``enum ahead`` in ``native.c``."""
_MOST_SET = 12
"""Slots that one step may set, and one more."""
_ACTION = np.dtype(
    [
        ("slots", np.int16, _MOST_SET),
        *((name, np.int32) for name in ("kind", "first", "count", "separator", "inside", "slot")),
        ("leaves", np.uint8, 16),
        ("lows", np.uint8, _AT_ONCE),
        ("highs", np.uint8, _AT_ONCE),
    ]
)

_BEYOND, _TAIL = frozenset(range(0x80, 0x100)), frozenset(range(0x80, 0xC0))
_WIDE = ((range(0xC2, 0xE0), 1), (range(0xE0, 0xF0), 2), (range(0xF0, 0xF5), 3))
"""First bytes of UTF-8 characters beyond ASCII, and how many follow (RFC 3629 section 4). The text was checked to be UTF-8 before."""


@dataclass(frozen=True)
class Program:
    """A one-pass expression. State 0 is the first."""

    groups: tuple[str, ...]
    classes: npt.NDArray[np.uint8]
    """Byte → its class: bytes of one class are alike in every state. There are ``len(steps) / len(final)`` classes."""
    steps: npt.NDArray[np.uint32]
    """Row + class → the row of the next state and, in the upper bits, the action on the way; :data:`NO_STEP` where there is none.

    The row of a state is its number times the number of classes. Action 0 does nothing.
    """
    final: npt.NDArray[np.int16]
    """State → the action where the text ends in it; -1 where it must not."""
    actions: npt.NDArray[np.void]
    """``action_t`` in ``native.c``: slots that are set to the place of the byte, and what follows, where many bytes can be passed in one go.

    Group ``n`` begins at slot 2n and ends at 2n + 1.
    """
    links: npt.NDArray[np.uint32]
    """Field of a chain → the row where it begins, and the one behind any of its bytes."""
    is_whole: bool
    """Whether the expression must reach the end of the text; else it goes as far as it can."""
    is_ascii: bool
    """Whether the expression has classes of which only ASCII is known here."""
    is_exact: bool
    """Whether a text of ASCII that is refused, and holds nothing it must do without, is one that the expression does not match."""

    @property
    def slot_count(self) -> int:
        return 2 * len(self.groups)

    @property
    def slot_of(self) -> dict[str, int]:
        """Group → the slot where its begin is noted; its end is in the next one."""
        return {group: 2 * n for n, group in enumerate(self.groups)}


class _NotOnePassError(UnknownSyntaxError):
    """An expression has no table."""


@lru_cache(maxsize=1024)
def one_pass(regex: str, without: str = "", groups: tuple[str, ...] = ()) -> Program | None:
    """The tables of an expression that begins with ``^``, for texts that hold none of the characters ``without``; None where it has none.

    Its groups stand behind those of ``groups``, which programs have in common that are run together.

    >>> one_pass("^(?P<a>[^ ]+) x$").groups, one_pass("^(?P<a>.*)(?P<b>.*)$"), one_pass("(?i)^a")
    (('a',), None, None)
    """
    return _program(regex, without, groups, is_rough=False)


def _program(regex: str, without: str, groups: tuple[str, ...], *, is_rough: bool) -> Program | None:
    if not regex.startswith("^"):
        return None
    is_whole = regex.endswith("$") and not regex.endswith(r"\$")
    try:
        parser = Parser(regex[1 : -1 if is_whole else None], is_rough=is_rough)
        tree = parser.whole()
        excluded = frozenset(without.encode()) | (_BEYOND if parser.is_narrow else frozenset())
        return _Automaton(tree, is_whole, excluded, groups, is_ascii=parser.is_ascii).program(_LARGEST_REFUTING if is_rough else _LARGEST_TABLE)
    except UnknownSyntaxError:
        return None


@lru_cache(maxsize=1024)
def refuting(regex: str, without: str = "") -> Program | None:
    r"""A program without groups that what it refuses, and is ASCII and holds nothing of ``without``, the expression surely refuses, too.

    Of what it matches nothing is known: it takes no notice of where words begin and end.

    >>> [program and program.groups for program in (refuting(r"^(?P<a>.*)\b(?P<b>.*)$"), refuting("a"))]
    [(), None]
    """
    return _program(regex, without, (), is_rough=True)


@lru_cache(maxsize=4096)
def beginning(regex: str, *, is_long: bool = False) -> Program:
    r"""A program that matches, among other texts, those of ASCII that begin as the expression demands: what it refuses, the expression does too.

    Where it is not to be a long one, it ends before anything that may be of any length.

    >>> [set(beginning(r).classes) == {0} for r in (r"^(?:CEF: ?)?[01]\|(?i)x", "a", "^[^ ]+ x")]
    [False, True, True]
    >>> set(beginning("^[^ ]+ x", is_long=True).classes) == {0}
    False
    """
    parts = Parser(regex[1:]).first_parts() if regex.startswith("^") and not has_options(regex) else iter(())
    return _beginning(tuple(islice(parts if is_long else takewhile(is_bounded, parts), _MOST_PARTS[is_long])))


@lru_cache(maxsize=4096)
def _beginning(parts: tuple[Node, ...]) -> Program:
    """The same program for all expressions that begin alike."""
    try:
        return _Automaton(Concatenation(parts), is_whole=False, is_shortest=True).program(_LARGEST_BEGINNING)
    except UnknownSyntaxError:
        return _beginning(parts[: len(parts) // 2])


@dataclass
class _Step:
    """One step of the automaton: read a byte, branch, note the place, or end (none of these)."""

    read: frozenset[int] | None = None
    ways: list[int] | None = None
    slot: int | None = None
    then: int = -1


_Move = tuple[int, tuple[int, ...]]
"""The next state, and the slots that are set on the way to it."""


class _Automaton:
    """Thompson's construction, then its steps behind a byte as states."""

    def __init__(
        self, tree: Node, is_whole: bool, without: frozenset[int] = frozenset(), groups: tuple[str, ...] = (), *,
        is_ascii: bool = False, is_shortest: bool = False,
    ) -> None:  # fmt: skip
        self.is_whole, self.without, self.is_ascii = is_whole, without, is_ascii
        self.is_shortest = is_shortest
        """Whether nothing is read behind the first place where the expression may end."""
        self.groups = list(groups)
        self.steps: list[_Step] = []
        self.first = self._emit(tree, self._add(_Step()))

    def _add(self, step: _Step) -> int:
        if len(self.steps) > _MOST_STEPS:
            raise _NotOnePassError
        self.steps.append(step)
        return len(self.steps) - 1

    def _emit(self, node: Node, then: int) -> int:
        """The step that begins ``node`` and goes on to ``then``."""
        match node:
            case Characters():
                return self._character(node, then)
            case Concatenation():
                for part in reversed(node.parts):
                    then = self._emit(part, then)
                return then
            case Alternation():
                return self._add(_Step(ways=[self._emit(option, then) for option in node.options]))
            case Group():
                if node.name not in self.groups:
                    self.groups.append(node.name)
                if len(self.groups) > _MOST_GROUPS:
                    raise _NotOnePassError
                number = self.groups.index(node.name)
                return self._add(_Step(slot=2 * number, then=self._emit(node.part, self._add(_Step(slot=2 * number + 1, then=then)))))
            case Repetition():
                return self._repeat(node, then)

    def _repeat(self, node: Repetition, then: int) -> int:
        begin = then
        if node.most is None:
            begin = self._add(_Step(ways=[]))
            self.steps[begin].ways = self._preferred(self._emit(node.part, begin), then, node)
        for _ in range((node.most or node.least) - node.least):
            begin = self._add(_Step(ways=self._preferred(self._emit(node.part, begin), then, node)))
        for _ in range(node.least):
            begin = self._emit(node.part, begin)
        return begin

    @staticmethod
    def _preferred(more: int, then: int, node: Repetition) -> list[int]:
        return [then, more] if node.is_lazy else [more, then]

    def _character(self, node: Characters, then: int) -> int:
        ascii_ = self._add(_Step(read=node.ascii - self.without, then=then))
        if not node.is_wide or self.without >= _BEYOND:
            # A part of a character beyond ASCII stands in a literal by itself; it is no byte to do without.
            return ascii_
        ways = [ascii_]
        for leads, more in _WIDE:
            tail = then
            for _ in range(more):
                tail = self._add(_Step(read=_TAIL, then=tail))
            ways.append(self._add(_Step(read=frozenset(leads), then=tail)))
        return self._add(_Step(ways=ways))

    def program(self, largest: int = _LARGEST_TABLE) -> Program:
        """The tables; a state is a set of steps that the same bytes lead to with the same places noted, the preferred first."""
        classes, members, classes_of = self._byte_classes()
        state_of: dict[tuple[int, ...], int] = {(self.first,): 0}
        moves: list[list[_Move | None]] = []
        ends: list[tuple[int, ...] | None] = []
        todo: list[tuple[int, ...]] = [(self.first,)]
        is_exact = True
        while todo:
            ways: list[tuple[dict[int, None], tuple[int, ...]] | None] = [None] * len(members)
            end = None
            reachable = list(self._reachable(todo.pop(0)))
            if self.is_shortest and any(step.read is None for step, _ in reachable):
                reachable = [(_Step(), ())]
            for step, slots in reachable:
                if step.read is None:
                    if end is None:
                        end = slots
                    if not self.is_whole:
                        break  # to end here is preferred to what follows
                    continue
                for number in classes_of[step.read]:
                    way = ways[number]
                    if way is None:
                        ways[number] = ({step.then: None}, slots)
                    elif way[1] != slots:
                        raise _NotOnePassError
                    else:
                        way[0][step.then] = None
            row: list[_Move | None] = []
            for way in ways:
                if way is None:
                    row.append(None)
                    continue
                following = tuple(way[0])
                if following not in state_of:
                    state_of[following] = len(state_of)
                    todo.append(following)
                row.append((state_of[following], way[1]))
            if len(state_of) * len(members) > largest:
                raise _NotOnePassError
            # Who goes on beyond an end and fails may have ended there.
            is_exact &= self.is_whole or end is None or not any(row)
            moves.append(row)
            ends.append(end)
        return _tabled(self.groups, classes, members, moves, ends, self.is_whole, self.is_ascii, is_exact)

    def _byte_classes(self) -> tuple[list[int], list[list[int]], dict[frozenset[int], list[int]]]:
        """Byte → its class, the bytes of each class (those that no step tells apart), and the classes that each step reads."""
        sets = list(dict.fromkeys(step.read for step in self.steps if step.read is not None))
        readers = [0] * 256
        for number, read in enumerate(sets):
            for byte in read:
                readers[byte] |= 1 << number
        number_of: dict[int, int] = {}
        classes = [number_of.setdefault(some, len(number_of)) for some in readers]
        members: list[list[int]] = [[] for _ in number_of]
        for byte, number in enumerate(classes):
            members[number].append(byte)
        return classes, members, {read: sorted({classes[byte] for byte in read}) for read in sets}

    def _reachable(self, starts: tuple[int, ...]) -> Iterator[tuple[_Step, tuple[int, ...]]]:
        """Steps that read a byte or end, reached without one, and the places noted on the way; the preferred first.

        What is reached twice counts the first time: it would go on in the same way.
        """
        seen: set[int] = set()
        left: list[tuple[int, tuple[int, ...]]] = [(start, ()) for start in reversed(starts)]
        while left:
            number, slots = left.pop()
            if number in seen:
                continue
            seen.add(number)
            step = self.steps[number]
            if step.ways is not None:
                left += [(way, slots) for way in reversed(step.ways)]
            elif step.slot is not None:
                left.append((step.then, (*slots, step.slot)))
            else:
                yield step, slots


@dataclass(frozen=True)
class _Ahead:
    """What follows in a state, where many bytes can be passed in one go. The names are those of ``action_t`` in ``native.c``."""

    kind: int
    first: int = 0
    count: int = 0
    separator: int = 0
    inside: int = 0
    slot: int = -1
    leaves: frozenset[int] = ASCII
    ranges: tuple[tuple[int, int], ...] = ()

    def behind(self, slots: tuple[int, ...], class_count: int) -> tuple[object, ...]:
        """The action that sets slots, as ``native.c`` reads it, and is followed by this."""
        leaves = [sum(1 << high for high in range(8) if 16 * high + low in self.leaves) for low in range(16)]
        lows, highs = ([r[n] for r in self.ranges] + [rest] * (_AT_ONCE - len(self.ranges)) for n, rest in ((0, 0), (1, 0xFF)))
        first = self.first * (class_count if self.kind == _LEAP else 1)
        padded = [*slots, *[-1] * (_MOST_SET - len(slots))]
        return padded, self.kind, first, self.count, self.separator, self.inside * class_count, self.slot, leaves, lows, highs


_NOTHING = _Ahead(0)


def _tabled(
    groups: list[str], classes: list[int], members: list[list[int]], moves: list[list[_Move | None]], ends: list[tuple[int, ...] | None],
    is_whole: bool, is_ascii: bool, is_exact: bool,
) -> Program:  # fmt: skip
    """The tables of an automaton: state → class → (next state, slots to set), and state → slots to set at the end."""
    stays = {state: leaving for state, row in enumerate(moves) if (leaving := _leaving(state, row, members)) is not None}
    chains, links = _chains(stays, classes, moves)
    aheads = {state: _Ahead(_STAY, leaves=leaving) for state, leaving in stays.items()} | chains
    aheads |= _leaps(moves, members, stays, chains)
    actions: dict[tuple[tuple[int, ...], _Ahead], int] = {((), _NOTHING): 0}
    step_of: dict[tuple[_Move | None, bool], int] = {(None, False): NO_STEP}
    steps = []
    for state, row in enumerate(moves):
        for move in row:
            key = move, move is not None and move[0] == state
            if key not in step_of and move is not None:
                # Who stays is on the way through its texts already.
                action = (move[1], _NOTHING if key[1] else aheads.get(move[0], _NOTHING))
                step_of[key] = move[0] * len(members) | actions.setdefault(action, len(actions)) << _ROW_BITS
            steps.append(step_of[key])
    final = [-1 if end is None else actions.setdefault((end, _NOTHING), len(actions)) for end in ends]
    if len(actions) > _MOST_ACTIONS or any(len(slots) >= _MOST_SET for slots, _ in actions):
        raise _NotOnePassError
    return Program(
        tuple(groups),
        np.array(classes, np.uint8),
        np.array(steps, np.uint32),
        np.array(final, np.int16),
        np.array([ahead.behind(slots, len(members)) for slots, ahead in actions], _ACTION),
        np.array(links, np.uint32).reshape(-1, 2) * len(members),
        is_whole,
        is_ascii,
        is_exact,
    )


def _leaving(state: int, row: list[_Move | None], members: list[list[int]]) -> frozenset[int] | None:
    """The bytes of ASCII that leave a state; None where few others stay in it."""
    staying = ASCII.intersection(*[[byte for move, bytes_ in zip(row, members, strict=True) if move == (state, ()) for byte in bytes_]])
    return ASCII - staying if len(staying) >= _LEAST_STAYING else None


def _chains(stays: dict[int, frozenset[int]], classes: list[int], moves: list[list[_Move | None]]) -> tuple[dict[int, _Ahead], list[tuple[int, int]]]:
    """State → the chain of the fields that follow it; and their links: the state where a field begins, and the one behind any of its bytes."""
    following: dict[tuple[int, int], tuple[int, int]] = {}
    for state, leaving in stays.items():
        for byte in sorted(leaving):
            if field := _next_field(state, classes[byte], stays, moves):
                following[byte, state] = field
    chains: dict[int, _Ahead] = {}
    links: list[tuple[int, int]] = []
    behind = {(byte, field[1]) for (byte, _), field in following.items()}
    for byte, first in sorted(following.keys() - behind):  # where chains begin
        fields = [(first, first)]
        seen = {first}
        while (field := following.get((byte, fields[-1][1]))) and field[1] not in seen:
            fields.append(field)
            seen.add(field[1])
        if len(fields) <= _LEAST_LINKS:
            continue
        for n, field in enumerate(fields[:-1]):
            # The last separator is not passed, for what follows it may be a leap.
            ahead = _Ahead(_CHAIN, len(links) + n, len(fields) - 2 - n, byte, leaves=stays[field[1]] - {byte})
            chains |= dict.fromkeys(field, ahead)
        links += fields
    return chains, links


def _next_field(state: int, separator: int, stays: dict[int, frozenset[int]], moves: list[list[_Move | None]]) -> tuple[int, int] | None:
    """The states behind a separator, and behind another byte of that field, where nothing but that is to be known of the field."""
    move = moves[state][separator]
    if move is None or move[1] or move[0] == state:
        return None
    begun = moves[move[0]]
    within = {begun[number] for number, stay in enumerate(moves[state]) if stay == (state, ())}
    inner = within.pop()
    is_alike = not within and inner is not None and not inner[1] and stays.get(inner[0]) == stays[state] and begun[separator] == moves[inner[0]][separator]
    return (move[0], inner[0]) if inner is not None and is_alike else None


def _leaps(
    moves: list[list[_Move | None]], members: list[list[int]], stays: Mapping[int, frozenset[int]], chains: Collection[int]
) -> dict[int, _Ahead]:  # fmt: skip
    """State → the bytes that must follow it, each within a range, the state behind them, and the stay that is entered there with most bytes.

    In states of ``stays`` and ``chains`` something else follows.
    """
    others = stays.keys() | chains
    only: dict[int, tuple[int, tuple[int, int]]] = {}
    for state, row in islice(enumerate(moves), 1, None):  # no step leads to the first
        ways = {move for move in row if move is not None} if state not in others else ()
        if len(ways) != 1:
            continue
        bytes_ = sorted(byte for move, some in zip(row, members, strict=True) if move is not None for byte in some)
        if bytes_[-1] in ASCII and bytes_[-1] - bytes_[0] == len(bytes_) - 1:
            ((then, slots),) = ways
            if not slots and then != state:
                only[state] = then, (bytes_[0], bytes_[-1])
    inner = {then for then, _ in only.values()}
    leaps: dict[int, _Ahead] = {}
    for head in range(1, len(moves)):
        if head in others or (head in only and head in inner):
            continue
        path = [head]
        while path[-1] in only and len(path) <= _AT_ONCE:
            path.append(only[path[-1]][0])
        if path[-1] in chains:
            path.pop()  # what follows there is known to the step that leads to it
        entered = _entered(path[-1], moves[path[-1]], members, stays, chains)
        if entered is None and len(path) <= _LEAST_LEAP:
            continue
        inside, slot = entered or (path[-1], -1)
        leaving = stays[inside] if entered else ASCII
        leaps[head] = _Ahead(_LEAP, path[-1], len(path) - 1, 0, inside, slot, leaving, tuple(only[state][1] for state in path[:-1]))
    return leaps


def _entered(
    state: int, row: list[_Move | None], members: list[list[int]], stays: Mapping[int, frozenset[int]], chains: Collection[int]
) -> tuple[int, int] | None:  # fmt: skip
    """The stay that all its bytes lead to from a state, and the slot that is set where it begins, -1 for none; None where there is no such stay."""
    if state in stays:
        return state, -1
    for move in dict.fromkeys(row):
        if move is not None and move[0] in stays and move[0] not in chains and len(move[1]) <= 1:
            entering = {byte for way, bytes_ in zip(row, members, strict=True) if way == move for byte in bytes_}
            if ASCII - stays[move[0]] <= entering:
                return move[0], next(iter(move[1]), -1)
    return None
