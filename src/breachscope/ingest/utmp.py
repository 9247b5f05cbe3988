"""Login records of Linux as they stand in wtmp, btmp, utmp and lastlog: each record of fixed size becomes a line of JSON.

The records are of 384 bytes where times have 32 bits (x86, POWER, s390), and of 400 where they have 64 (ARM, RISC-V); those of
lastlog, one for each user by number, are of 292 and 296. Which of the two it is, and which byte stands first, is told by what
can stand in each field.

Source: utmp(5), lastlog(8), bits/utmp.h and bits/wordsize.h of the GNU C library; who writes what: sshd's loginrec.c, pam_lastlog(8),
login of util-linux and shadow, agetty(8).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from breachscope.errors import InputError
from breachscope.ingest.views import Offsets

_TYPES = ("EMPTY", "RUN_LVL", "BOOT_TIME", "NEW_TIME", "OLD_TIME", "INIT_PROCESS", "LOGIN_PROCESS", "USER_PROCESS", "DEAD_PROCESS", "ACCOUNTING")
_BOOT, _LOGIN, _USER, _DEAD = 2, 6, 7, 8
_OFFSETS: dict[int, tuple[int, ...]] = {
    384: (0, 2, 4, 8, 40, 44, 76, 332, 334, 336, 340, 344, 348, 364),
    400: (0, 2, 4, 8, 40, 44, 76, 332, 334, 336, 344, 352, 360, 376),
}
_NAMES = ("type", "pad", "pid", "line", "id", "user", "host", "termination", "exit", "session", "sec", "usec", "addr", "unused")
_LAYOUTS: tuple[np.dtype[np.void], ...] = tuple(
    np.dtype(
        {
            "names": _NAMES,
            "formats": [f"{order}i2", "S2", f"{order}i4", "S32", "S4", "S32", "S256", f"{order}i2", f"{order}i2", *[f"{order}{t}" for t in wide], "V16", "S20"],
            "offsets": _OFFSETS[size],
            "itemsize": size,
        }
    )
    for size, wide in ((384, ("i4", "u4", "i4")), (400, ("i8", "i8", "i8")))
    for order in "<>"
)
_LASTLOG_LAYOUTS: tuple[np.dtype[np.void], ...] = tuple(
    np.dtype([("sec", f"{order}{wide}"), ("line", "S32"), ("host", "S256")]) for wide in ("i4", "i8") for order in "<>"
)
_LASTLOG_NAME = re.compile(r"(?:^|[!_.-])lastlog(?:[_.-]|$)")
_MOST_LASTLOG_BYTES = 2 << 30
"""A record for each of seven million users. One of user 4294967294 makes the file claim to be 1.2 TB long, nearly all of it holes."""
_EARLIEST = 631_152_000
"""1990: no Linux wrote earlier."""
_JUDGED_RECORDS = 64
_MOST_SECONDS = 1 << 33
_WAITING = ("", "LOGIN")
"""What stands for the user where a terminal waits for one."""

_Array = npt.NDArray[Any]


class UtmpRecords:
    """The records of such a file. What is no record becomes a line that tells its place and its bytes."""

    name = "file of login records"
    problem: str | None = None

    def __init__(self, layout: np.dtype[np.void], path: Path) -> None:
        self._layout = layout
        self._is_btmp = "btmp" in path.name
        self._rest = 0
        self._open: dict[str, str] = {}
        """Line → who is logged in there."""

    @classmethod
    def of(cls, head: bytes, path: Path) -> UtmpRecords | None:
        """What reads a file that begins so; None where it holds no login records."""
        for layout in _LAYOUTS:
            records = np.frombuffer(head, layout, min(len(head) // layout.itemsize, _JUDGED_RECORDS))
            sound = _are_sound(records)
            if len(records) and sound[0] and sound.mean() > 0.9 and ((records["type"] > 0) & (records["sec"] > 0)).any():
                return cls(layout, path)
        return None

    @property
    def remarks(self) -> tuple[str, ...]:
        told = _size_told(self._layout, "pid")
        cut = f"ends inside a record, {self._rest} bytes after its beginning: it was cut there, or was still being written"
        return (told, cut) if self._rest else (told,)

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        held, at = b"", 0
        for piece in pieces:
            held += piece
            whole = len(held) - len(held) % self._layout.itemsize
            if whole:
                yield self._piece(held[:whole], at)
                held, at = held[whole:], at + whole
        if held:
            self._rest = len(held)
            yield _damage(held, at, "utmp")

    def _piece(self, data: bytes, at: int) -> bytes:
        records = np.frombuffer(data, self._layout)
        sound = _are_sound(records)
        lines = self._frame(records[sound]).write_ndjson().encode()
        size = self._layout.itemsize
        return _with_damage(lines, sound, data, np.arange(len(records)) * size, at, size, "utmp")

    def _frame(self, records: _Array) -> pl.DataFrame:
        texts = {name: _texts(records[name]) for name in ("line", "id", "user", "host")}
        types = records["type"]
        waits = (types == _LOGIN) & texts["user"].is_in(_WAITING).to_numpy() & (texts["host"] == "").to_numpy()
        # sshd marks a failed login by its line, wherever it is written; shadow's login by nothing but the file that it writes to.
        fails = np.isin(types, (_LOGIN, _USER)) & ~waits if self._is_btmp else (types == _LOGIN) & ~waits
        fails |= (types == _USER) & (texts["line"] == "ssh:notty").to_numpy()
        seconds = records["sec"].astype(np.int64)
        return pl.DataFrame(
            {
                "time": pl.Series(seconds * 1_000_000 + records["usec"], dtype=pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"),
                "type": np.array(_TYPES)[types],
                "is_failure": fails,
                "user": texts["user"],
                "line": texts["line"],
                "host": texts["host"],
                "addr": _addresses(records["addr"]),
                "pid": records["pid"].astype(np.int32),
                "id": texts["id"],
                "session": records["session"].astype(np.int64),
                "termination": records["termination"].astype(np.int16),
                "exit": records["exit"].astype(np.int16),
                "ended": pl.Series(self._ended(types.tolist(), fails.tolist(), texts["line"].to_list(), texts["user"].to_list()), dtype=pl.String),
            }
        )

    def _ended(self, types: list[int], fails: list[bool], lines: list[str], users: list[str]) -> list[str | None]:
        """Whose login each record ends: a logout names the line alone. A loop, for what a line holds depends on all before."""
        ended: list[str | None] = []
        for kind, is_failure, line, user in zip(types, fails, lines, users, strict=True):
            if kind == _USER and not is_failure:
                self._open[line] = user
            elif kind == _BOOT:
                self._open.clear()
            ended.append(self._open.pop(line, None) if kind == _DEAD else None)
        return ended


class LastlogRecords:
    """The last login of each user, who is told by number alone. Users without one have an empty record, which is no line."""

    name = "file of last logins"
    problem: str | None = None

    def __init__(self, layout: np.dtype[np.void]) -> None:
        self._layout = layout

    @classmethod
    def of(cls, head: bytes, path: Path) -> LastlogRecords | None:
        """What reads a file that is called so and begins so; None where it holds no last logins, or begins with none that would tell.

        Raises InputError for one that is too long to be read in any time that is worth it.
        """
        if not _LASTLOG_NAME.search(path.name):
            return None
        spans: dict[int, int] = {}
        for number, layout in enumerate(_LASTLOG_LAYOUTS):
            records = np.frombuffer(head, layout, len(head) // layout.itemsize)
            times = records["sec"][records["sec"] != 0].astype(np.int64)
            if len(times) and times.min() >= _EARLIEST and _are_last_logins(records).all():
                spans[number] = int(times.max() - times.min())
        if not spans:
            return None
        size = path.stat().st_size if path.is_file() else 0
        if size > _MOST_LASTLOG_BYTES:
            raise InputError(f"{_too_long(size)}; nothing of it was read: wtmp tells the same logins, and with names", path=path)
        # Times whose bytes were swapped lie far apart; of a single one that may be either, the lowest byte stands first, as nearly everywhere.
        return cls(_LASTLOG_LAYOUTS[min(spans, key=lambda number: (spans[number], number))])

    @property
    def remarks(self) -> tuple[str, ...]:
        return (_size_told(self._layout, "sec"), "it names users by number (uid=…), and only their last login")

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        held, at = b"", 0
        size = self._layout.itemsize
        for piece in pieces:
            held += piece
            whole = len(held) - len(held) % size
            yield self._piece(held[:whole], at)
            held, at = held[whole:], at + whole
            if at > _MOST_LASTLOG_BYTES:
                self.problem = f"{_too_long(at)}; what follows was not read: wtmp tells the same logins, and with names"
                return
        if held.strip(b"\0"):
            yield _damage(held, at, "lastlog")

    def _piece(self, data: bytes, at: int) -> bytes:
        size = self._layout.itemsize
        records = np.frombuffer(data, self._layout)
        numbers = np.flatnonzero(np.frombuffer(data, np.uint8).reshape(-1, size).any(axis=1)) if data.strip(b"\0") else np.zeros(0, np.int64)
        sound = _are_last_logins(records[numbers])
        of = numbers[sound]
        texts = [_texts(records[name][of]).alias(name) for name in ("line", "host")]
        users = ("uid=" + pl.Series(of + at // size).cast(pl.String)).alias("user")
        frame = pl.DataFrame([pl.Series("time", records["sec"][of].astype(np.int64)), users, *texts])
        lines = frame.select(pl.struct(pl.all()).alias("lastlog")).write_ndjson().encode()
        return _with_damage(lines, sound, data, numbers * size, at, size, "lastlog")


def _are_last_logins(records: _Array) -> npt.NDArray[np.bool_]:
    """Which records are empty, or hold a time, a terminal and a host in writing, with nothing behind their ends."""
    has_time = (records["sec"] > 0) & (records["sec"] < _MOST_SECONDS)
    texts = np.ascontiguousarray(records).view(np.uint8).reshape(len(records), -1)[:, -288:]
    is_control = (texts < ord(" ")) & (texts != 0) | (texts == 0x7F)
    goes_on = (texts[:, :-1] == 0) & (texts[:, 1:] != 0)
    goes_on[:, 31] = False  # there the host begins
    is_sound = (records["sec"] == 0) & (texts == 0).all(axis=1) | has_time & (texts[:, 0] != 0)
    return np.asarray(is_sound & ~is_control.any(axis=1) & ~goes_on.any(axis=1), bool)


def _too_long(size: int) -> str:
    return f"is a lastlog of {size:,} bytes or more, one record for each user number up to the highest, nearly all of it holes"


def _size_told(layout: np.dtype[np.void], number: str) -> str:
    return f"its records have {layout.itemsize} bytes" + ("" if layout[number].byteorder in "<=|" else ", the highest byte of a number first")


def _are_sound(records: _Array) -> npt.NDArray[np.bool_]:
    """Which records hold in each field what can stand there."""
    is_sound = (records["type"] >= 0) & (records["type"] < len(_TYPES)) & (records["pad"] == b"") & (records["unused"] == b"")
    is_sound &= (records["sec"] >= 0) & (records["sec"] < _MOST_SECONDS) & (records["usec"] >= 0) & (records["usec"] < 1_000_000)
    return np.asarray(is_sound & (records["pid"] >= 0), bool)


def _with_damage(lines: bytes, sound: npt.NDArray[np.bool_], data: bytes, begins: Offsets, at: int, size: int, file: str) -> bytes:
    """The lines of the records that are sound, and between them what the others hold, which begin so far behind the place ``at``."""
    if sound.all():
        return lines
    of_sound = iter(lines.split(b"\n"))
    places = zip(sound.tolist(), begins.tolist(), strict=True)
    return b"".join(next(of_sound) + b"\n" if ok else _damage(data[begin : begin + size], at + begin, file) for ok, begin in places)


def _damage(data: bytes, at: int, file: str) -> bytes:
    return f"{file} bytes {at:,} to {at + len(data) - 1:,} are no record: {data.hex()}\n".encode()


def _texts(field: _Array) -> pl.Series:
    r"""Texts up to their first NUL; bytes that are no UTF-8 are written as ``\xHH``."""
    different, row_of = np.unique(field, return_inverse=True)
    decoded = [value.partition(b"\0")[0].decode("utf-8", "backslashreplace") for value in different.tolist()]
    return pl.Series(decoded, dtype=pl.String)[row_of]


def _addresses(field: _Array) -> pl.Series:
    """Addresses in network order: IPv4 has the last twelve bytes empty; null where all are."""
    different, row_of = np.unique(np.ascontiguousarray(field).view("S16"), return_inverse=True)
    decoded = []
    for value in different.tolist():
        packed = value.ljust(16, b"\0")
        is_v4 = not packed[4:].strip(b"\0")
        decoded.append(None if not packed.strip(b"\0") else str(ipaddress.ip_address(packed[:4] if is_v4 else packed)))
    return pl.Series(decoded, dtype=pl.String)[row_of]
