"""Lines of a block, and what an expression's groups or wanted keys hold in them, as columns: found by machine code (``native.c``).

The machine code is compiled when the package is built. Where it could not be, or where it does not vouch for a text, NumPy and
the regular expression engine read: the same, more slowly.
"""

from __future__ import annotations

import codecs
import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from breachscope.ingest.columns import NULL_TEXTS, canonical_addresses
from breachscope.ingest.keys import Keys
from breachscope.ingest.onepass import Program, one_pass
from breachscope.ingest.views import Offsets, as_series, view_of

_LIBRARY, _SOURCE = Path(__file__).with_name("libnative.bin"), Path(__file__).with_name("native.c")
_NULL_VIEWS = np.array([view_of(text.encode()) for text in NULL_TEXTS])
_EXPRESSION, _OBJECT, _PAIRS, _SPACED, _PARTED = range(5)
"""``enum syntax`` in ``native.c``."""
_WHOLE = one_pass("^(?P<text>.*)$")
_LONGEST_BESIDE = 64
"""Texts of up to so many bytes are put beside those of their column, so that who reads it finds them in the processor's cache; ``native.c`` knows it, too."""
UNNAMED = -1
"""A separator that the text does not name: a tab, or what rsyslog writes for one; ``native.c`` knows it, too."""
_NUMBERS = {2: pa.int16(), 4: pa.int32(), 8: pa.int64()}


class Kind(IntEnum):
    """What is made of a group. The numbers are those of ``enum kind`` in ``native.c``."""

    TEXT = 0
    """Its text."""
    TOLD = 1
    """Its text, null where that is a word for nothing."""
    ADDRESS = 2
    """The same in the canonical spelling of addresses."""
    NUMBER = 3
    """A whole number, null for a word for nothing; a text with any other does not match."""
    RUN = 4
    """The text of each run of neighbours that share it."""
    PLACE = 5
    """Where it begins and ends."""
    FEW = 6
    """The text of all that are alike, as far as they are remembered: of a column that holds few."""


_SHARED = (Kind.RUN, Kind.FEW)
"""Kinds of columns in which texts share values."""


@dataclass(frozen=True)
class Wanted:
    """A column that is to be made; of a number, up to which, and in how many bytes. Of keys no numbers can be made."""

    name: str
    kind: Kind
    of: tuple[str, ...] = ()
    """The groups or keys of which the first that is there, and of texts without words for nothing the first that says something, counts."""
    most: int = 0
    width: int = 8


@dataclass(frozen=True)
class Caught:
    """What was caught in the texts that matched."""

    texts: npt.NDArray[np.int32]
    """0-based numbers of the texts that matched."""
    refused: npt.NDArray[np.int32]
    """Of those that would have, but hold something else where a number is wanted."""
    columns: dict[str, pl.Series]
    """Column → its values in those texts; of those in which texts share values, these."""
    runs: dict[str, npt.NDArray[np.uint32]]
    """Column → which of its values each text has."""
    places: dict[str, Offsets]
    """Column → (begin, end) in each text; -1 where it took no part."""
    escaped: Offsets
    """Which of those texts, by place, hold the escape character that was asked for in a column."""


class _Program(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("classes", "steps", "final", "actions", "links")),
        *((name, ctypes.c_int64) for name in ("class_count", "is_whole", "is_ascii", "is_exact")),
    )


class _Keys(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("names", "begins", "lengths", "children", "siblings", "slots", "gaps", "arena")),
        ("without", ctypes.c_int64),
        ("used", ctypes.c_int64),
    )


class _Column(ctypes.Structure):
    _fields_ = (
        ("kind", ctypes.c_int64),
        ("slots", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("slot_count", "most", "width")),
        *((name, ctypes.c_void_p) for name in ("values", "views", "valid", "marked", "texts")),
        *((name, ctypes.c_int64) for name in ("used", "missing", "count")),
    )


@cache
def is_built() -> bool:
    """Whether there is machine code, and no newer source of it: that is beside it where the package is developed."""
    return _LIBRARY.exists() and not (_SOURCE.exists() and _SOURCE.stat().st_mtime > _LIBRARY.stat().st_mtime)


@cache
def _library() -> ctypes.CDLL:
    """The machine code; calls of it let other threads run."""
    library = ctypes.CDLL(str(_LIBRARY))
    library.breachscope_catch.restype = library.breachscope_days.restype = library.breachscope_not_utf_8.restype = ctypes.c_int64
    library.breachscope_has_mark.restype = ctypes.c_int64
    library.breachscope_keep_memory()
    return library


class Survey(NamedTuple):
    """What a block is made of."""

    newlines: int
    nuls: int
    is_ascii: bool


def survey(data: bytes, newline: bytes) -> Survey:
    """Look at every byte once; Python's own ways look again for each question, and let nobody else run."""
    if not is_built():
        read = np.frombuffer(data, np.uint8)
        return Survey(int(np.count_nonzero(read == newline[0])), int(np.count_nonzero(read == 0)), data.isascii())
    found = np.empty(3, np.int64)
    _library().breachscope_survey(data, ctypes.c_int64(len(data)), newline[0], ctypes.c_void_p(found.ctypes.data))
    return Survey(int(found[0]), int(found[1]), not found[2])


def clear_registers() -> None:
    """Clear what a decompressor left in vector registers: as long as it is there SHA-256 takes a third longer, in threads begun by this one, too."""
    if is_built():
        _library().breachscope_clear_registers()


def has_mark(data: bytes) -> bool:
    """Whether the byte order mark of UTF-8 stands anywhere; Python takes ten times as long to find that it does not."""
    return bool(_library().breachscope_has_mark(data, ctypes.c_int64(len(data)))) if is_built() else codecs.BOM_UTF8 in data


def find_lines(data: bytes, newline: bytes, count: int) -> tuple[Offsets, Offsets, npt.NDArray[np.uint8]]:
    """Where each of ``count`` lines begins, and the end of the last one; where the text of each ends, without line end and carriage returns;
    and its first byte, the newline for an empty one. There must be machine code.
    """
    starts, ends, firsts = np.empty(count + 1, np.int64), np.empty(count, np.int64), np.empty(count, np.uint8)
    places = (ctypes.c_void_p(a.ctypes.data) for a in (starts, ends, firsts))
    _library().breachscope_lines(data, ctypes.c_int64(len(data)), newline[0], ctypes.c_int64(count), *places)
    return starts, ends, firsts


def not_utf_8(data: bytes, starts: Offsets) -> Offsets:
    """0-based rows of the lines, which begin at ``starts``, with the end of the last one, that are not UTF-8."""
    count = len(starts) - 1
    if not is_built():
        return np.array([n for n in range(count) if not _is_utf_8(data[starts[n] : starts[n + 1]])], np.int64)
    rows = np.empty(count, np.int64)
    places = (ctypes.c_void_p(starts.ctypes.data), ctypes.c_int64(count), ctypes.c_void_p(rows.ctypes.data))
    return rows[: _library().breachscope_not_utf_8(data, *places)]


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def texts_at(data: bytes, starts: Offsets, ends: Offsets) -> pl.Series:
    """Texts of ``data``, which must be UTF-8, without copying them; none may hold a newline. There must be machine code."""
    if _WHOLE is None:
        raise AssertionError("any text is one-pass")
    return catch(data, starts, ends, _WHOLE, [Wanted("text", Kind.TEXT)]).columns["text"]


_rooms = threading.local()


def _room(place: int, size: int) -> npt.NDArray[np.uint8]:
    """Room for the texts of a column, the same again for the column at this place of the next block: new memory has to be cleared first."""
    rooms: dict[int, npt.NDArray[np.uint8]] = _rooms.__dict__.setdefault("at", {})
    if len(rooms.get(place, ())) < size:
        rooms[place] = np.empty(size, np.uint8)
    return rooms[place] if size else np.empty(0, np.uint8)


class _Output:
    """Room for one column of up to ``count`` values."""

    def __init__(self, wanted: Wanted, place: int, reader: Program | Keys, count: int) -> None:
        self.wanted = wanted
        per_value = {Kind.NUMBER: wanted.width, Kind.RUN: 4, Kind.FEW: 4}.get(wanted.kind, 16)
        self.values = np.empty(count * per_value, np.uint8)
        self.views = np.empty((count if wanted.kind in _SHARED else 0, 2), np.uint64)
        self.valid = np.zeros(count // 8 + 1, np.uint8)
        self.marked = np.empty(count if wanted.kind == Kind.ADDRESS else 0, np.uint8)
        self.texts = _room(place, count * _LONGEST_BESIDE if wanted.kind in (Kind.TEXT, Kind.TOLD, Kind.ADDRESS) else 0)
        self.slots = np.array([reader.slot_of[name] for name in wanted.of or (wanted.name,)], np.int32)

    def described(self) -> tuple[int | None, ...]:
        pointers = (a.ctypes.data for a in (self.values, self.views, self.valid, self.marked, self.texts))
        return self.wanted.kind, self.slots.ctypes.data, len(self.slots), self.wanted.most, self.wanted.width, *pointers, 0, 0, 0

    def series(self, rows: int, missing: int, used: int, texts: Sequence[pa.Buffer]) -> pl.Series:
        valid = pa.py_buffer(self.valid) if missing else None
        if self.wanted.kind == Kind.NUMBER:
            array = pa.Array.from_buffers(_NUMBERS[self.wanted.width], rows, [valid, pa.py_buffer(self.values)])
        else:
            views = self.views if self.wanted.kind in _SHARED else self.values
            array = pa.Array.from_buffers(pa.string_view(), rows, [valid, pa.py_buffer(views), *texts, pa.py_buffer(self.texts[:used].tobytes())])
        return as_series(self.wanted.name, array)


def _described(program: Program) -> _Program:
    tables = (program.classes, program.steps, program.final, program.actions, program.links)
    return _Program(*(t.ctypes.data for t in tables), len(program.steps) // len(program.final), program.is_whole, program.is_ascii, program.is_exact)


class _Form(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int64), ("pattern", ctypes.c_char_p), *((name, ctypes.c_int64) for name in ("must", "per_unit", "most", "year")))


class WrittenTime(NamedTuple):
    """One way to write times, as machine code knows it."""

    kind: Literal["iso8601", "epoch", "strptime"]
    pattern: str = ""
    """Of strptime, with no other fields than %Y %m %d %e %b %H %M %S %z."""
    must: str = ""
    """A character without which no text is such a time."""
    per_unit: int = 0
    """Microseconds in a unit of an epoch; 0 where a thousand units are one."""
    most: int = 0
    """Digits of an epoch."""
    year: int = -1
    """Of strptime without %Y."""


class TimesRead(NamedTuple):
    """Times read from texts: ``states`` tells what :data:`UNREAD`, :data:`LOCAL` and :data:`ZONED` are."""

    micros: npt.NDArray[np.int64]
    """Since 1970 in UTC or, of local ones, on the clock that showed them."""
    minutes: npt.NDArray[np.int32]
    """East of UTC."""
    states: npt.NDArray[np.uint8]


UNREAD, LOCAL, ZONED = range(3)


class _Views(NamedTuple):
    """Texts as machine code takes them."""

    array: pa.Array
    data: list[pa.Buffer]
    arguments: tuple[object, ...]
    """Views, buffers and count."""

    @classmethod
    def of(cls, texts: pl.Series) -> Self:
        array = texts.to_arrow(compat_level=pl.CompatLevel.newest())
        _, views, *data = array.buffers()
        addresses = (ctypes.c_void_p * len(data))(*(b.address for b in data))
        return cls(array, data, (ctypes.c_void_p(views.address + 16 * array.offset), addresses, ctypes.c_int64(len(array))))


def read_times(texts: pl.Series, forms: Sequence[WrittenTime], earliest: int, latest: int) -> TimesRead:
    """Read texts as the first of the forms that they are written in, from ``earliest`` to before ``latest`` (µs). There must be machine code.

    What is unread may be a time all the same: written in an unusual way, or of another year.
    """
    array, _, arguments = _Views.of(texts)
    count = len(array)
    read = TimesRead(np.empty(count, np.int64), np.empty(count, np.int32), np.empty(count, np.uint8))
    kinds = ("iso8601", "epoch", "strptime")
    _library().breachscope_times(
        *arguments,
        (_Form * len(forms))(*(_Form(kinds.index(f.kind), f.pattern.encode(), ord(f.must or "\0"), f.per_unit, f.most, f.year) for f in forms)),
        ctypes.c_int64(len(forms)),
        ctypes.c_int64(earliest),
        ctypes.c_int64(latest),
        *(ctypes.c_void_p(a.ctypes.data) for a in read),
    )
    if array.null_count:
        read.states[texts.is_null().to_numpy()] = UNREAD
    return read


def cut(texts: pl.Series, mark: str) -> tuple[pl.Series, pl.Series]:
    """What stands before the first ``mark``, a character of ASCII, and what stands behind it, null where there is none. There must be machine code."""
    array, data, arguments = _Views.of(texts)
    count = len(array)
    before, after = np.empty((count, 2), np.uint64), np.empty((count, 2), np.uint64)
    behind = np.zeros(count // 8 + 1, np.uint8)
    _library().breachscope_cut(
        *arguments,
        ord(mark),
        *(ctypes.c_void_p(a.ctypes.data) for a in (before, after, behind)),
    )
    first = pa.Array.from_buffers(array.type, count, [None, pa.py_buffer(before), *data])
    second = pa.Array.from_buffers(array.type, count, [pa.py_buffer(behind), pa.py_buffer(after), *data])
    is_null = texts.is_null()
    return as_series(texts.name, first).set(is_null, None), as_series(texts.name, second)


def days_begin(data: bytes, starts: Offsets, ends: Offsets) -> Offsets:
    """Which texts begin with another day, such as ``Aug 28``, than the one before, and may so be of another year. There must be machine code."""
    begins, closes = np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(ends, np.int64)
    texts = np.empty(len(starts), np.int64)
    places = [ctypes.c_void_p(a.ctypes.data) for a in (begins, closes)]
    found = _library().breachscope_days(data, *places, ctypes.c_int64(len(starts)), ctypes.c_void_p(texts.ctypes.data))
    return texts[:found]


def sort(data: bytes, starts: Offsets, ends: Offsets, programs: Sequence[Program]) -> npt.NDArray[np.uint64]:
    """Which of up to 64 programs match each text, as bits from the lowest on. There must be machine code."""
    begins, closes = np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(ends, np.int64)
    matched = np.empty(len(starts), np.uint64)
    _library().breachscope_sort(
        data,
        ctypes.c_int64(len(data)),
        *(ctypes.c_void_p(a.ctypes.data) for a in (begins, closes)),
        ctypes.c_int64(len(starts)),
        (_Program * len(programs))(*map(_described, programs)),
        ctypes.c_int64(len(programs)),
        ctypes.c_void_p(matched.ctypes.data),
    )
    return matched


def catch(
    data: bytes, starts: Offsets, ends: Offsets, reader: Program | Keys, wanted: Sequence[Wanted], further: Sequence[Program] = (), escape: str = "",
    separators: npt.NDArray[np.int16] | None = None,
) -> Caught:  # fmt: skip
    """Match texts of ``data``, which must be UTF-8. A text in which a number is none, or is more than its ``most``, does not count as matched.

    What a program surely refuses, the ``further`` ones are tried on in turn, up to three with the same groups. ``separators`` tell for each text
    what sets its pairs apart: a character of ASCII, another number for what is left out, or :data:`UNNAMED`. There must be machine code.
    """
    count = len(starts)
    begins, closes = np.ascontiguousarray(starts, np.int64), np.ascontiguousarray(ends, np.int64)
    texts = np.empty(count, np.int32)
    escaped = np.zeros(count if escape else 0, bool)
    outputs = [_Output(w, place, reader, count) for place, w in enumerate(wanted)]
    columns = (_Column * len(wanted))(*(_Column(*o.described()) for o in outputs))
    if isinstance(reader, Program):
        described: ctypes.Array[_Program] | _Keys = (_Program * (1 + len(further)))(*map(_described, (reader, *further)))
        syntax = _EXPRESSION
    else:
        arena = np.empty(len(data), np.uint8)
        tables = (reader.names, reader.begins, reader.lengths, reader.children, reader.siblings, reader.slots, reader.gaps)
        described = _Keys(*(t.ctypes.data for t in (*tables, arena)), reader.without, 0)
        syntax = _OBJECT if reader.are_paths else _PARTED if separators is not None else _SPACED if reader.are_spaced else _PAIRS
    matched = _library().breachscope_catch(
        data,
        ctypes.c_int64(len(data)),
        *(ctypes.c_void_p(a.ctypes.data) for a in (begins, closes)),
        ctypes.c_int64(count),
        ctypes.c_int64(syntax),
        ctypes.byref(described),
        ctypes.c_int64(1 + len(further)),
        ctypes.c_int64(reader.slot_count),
        columns,
        ctypes.c_int64(len(wanted)),
        ctypes.c_void_p(_NULL_VIEWS.ctypes.data),
        ctypes.c_int64(len(_NULL_VIEWS)),
        ord(escape or "\0"),
        ctypes.c_void_p(escaped.ctypes.data if escape else None),
        ctypes.c_void_p(None if separators is None else separators.ctypes.data),
        ctypes.c_void_p(texts.ctypes.data),
        ctypes.byref(refused := ctypes.c_int64(0)),
    )
    if matched < 0:
        raise AssertionError(f"{len(wanted)} columns or {len(further)} further programs are more than there is room for")
    buffers = [pa.py_buffer(data), pa.py_buffer(arena[: described.used].tobytes() if isinstance(described, _Keys) else b"")]
    caught = Caught(texts[:matched], texts[count - refused.value :], {}, {}, {}, np.flatnonzero(escaped))
    for output, column in zip(outputs, columns, strict=True):
        name, kind = output.wanted.name, output.wanted.kind
        if kind == Kind.PLACE:
            caught.places[name] = output.values.view(np.int64).reshape(-1, 2)[:matched]
            continue
        values = output.series(column.count if kind in _SHARED else matched, column.missing, column.used, buffers)
        if kind in _SHARED:
            caught.runs[name] = output.values.view(np.uint32)[:matched]
        if kind == Kind.ADDRESS and column.count:
            others = np.flatnonzero(output.marked[:matched])
            values = values.scatter(others, canonical_addresses(values[others]))
        caught.columns[name] = values
    return caught
