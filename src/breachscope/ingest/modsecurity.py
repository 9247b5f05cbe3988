"""The audit log of ModSecurity in its own form (serial logging), each transaction a line of JSON as the same program writes it with ``SecAuditLogFormat JSON``.

A transaction is written in sections, each behind a line such as ``--a1b2c3d4-A--`` (version 2, Coraza) or ``---aB3dE6gH---A--``
(version 3), from ``A`` to ``Z``. The digits are drawn for every transaction. Bodies of requests and answers stand in
sections of their own, so a client can write such lines as well; but not with these digits, and only these count until
the transaction ends.

Source: https://github.com/owasp-modsecurity/ModSecurity/wiki/ModSecurity-2-Data-Formats, "Audit Log".
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from breachscope.ingest.encoding import first_fit
from breachscope.ingest.xml_records import as_line, json_line, on_one_line

_HELD_BYTES = 32 << 20
"""No transaction is as long: the bodies that it may hold are limited to 12.5 MiB by default."""
_BEGIN = re.compile(rb"^(--[0-9A-Za-z]{6,32}-|---[0-9A-Za-z]{6,32}---)A--\r?\n", re.MULTILINE)
_BODIES = (b"C", b"D", b"E", b"G", b"I", b"J", b"")
"""Sections in which a client's or an application's text stands as it is."""
_HEAD = re.compile(r"\[([^\]]+)\] (\S+) (\S+) (\d{1,5}) (\S+) (\d{1,5})")
_DENIED = re.compile(r"^(?:Action: Intercepted\b|(?:ModSecurity|Coraza): Access denied )", re.MULTILINE)
_MESSAGE = re.compile(r"^(?:Message: |ModSecurity: |Coraza: )(.*)", re.MULTILINE)


class SerialRecords:
    """The transactions of a serial audit log.

    One that does not end is rejected. Where it breaks off inside a body, so is all that follows: a client may have written that.
    """

    name = "audit log of ModSecurity in sections"
    problem: str | None = None
    remarks: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._mark: bytes | None = None
        """What the lines of the transaction begin with, while it goes on."""
        self._seen = 0
        """How far its end was sought in what is held."""

    @staticmethod
    def reads(head: bytes) -> bool:
        r"""Whether a text that begins so is such a log.

        >>> SerialRecords.reads(b"--a1b2c3d4-A--\n[02/Mar"), SerialRecords.reads(b"--a1b2c3d4-B--\n")
        (True, False)
        """
        return _BEGIN.match(head.lstrip()) is not None

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        held = b""
        for piece in pieces:
            held = yield from self._cut(held + piece)
            if len(held) > _HELD_BYTES:
                held = yield from self._given_up(held)
            if self.problem:
                break
        while held and not self.problem:
            held = yield from self._given_up(held)
        yield on_one_line(held)  # a single line, however long the rest is
        for piece in pieces:
            yield on_one_line(piece)

    def _cut(self, held: bytes) -> Generator[bytes, None, bytes]:
        """Give out lines of the whole transactions and of what stands between them; return the rest."""
        begin = 0
        while True:
            if self._mark is None:
                begun = _BEGIN.search(held, max(begin, self._seen))
                if begun is None:
                    self._seen = max(begin, held.rfind(b"\n") + 1) - begin
                    return held[begin:]
                yield _between(held[begin : begun.start()])
                self._mark, begin, self._seen = begun[1], begun.start(), begun.end() - 1
            end = held.find(b"\n" + self._mark + b"Z--", self._seen)
            if end < 0:
                self._seen = max(self._seen, len(held) - len(self._mark) - len("\nZ--")) - begin
                return held[begin:]
            end += len(self._mark) + len("\nZ--")
            yield _transaction(held[begin:end], self._mark)
            self._mark, begin, self._seen = None, end, end

    def _given_up(self, held: bytes) -> Generator[bytes, None, bytes]:
        """Give up a transaction that does not end where the next one begins, if no client can have written that; return what is left."""
        mark, self._mark, self._seen = self._mark, None, 0
        if mark is None:
            yield _between(held)
            return b""
        last = held.rfind(b"\n" + mark) + 1
        if held[last + len(mark) :][:1] in _BODIES:
            self.problem = "a transaction of the audit log breaks off inside a body; what follows was not read, for it may be what a client sent"
            return held
        begun = _BEGIN.search(held, last + len(mark))
        end = len(held) if begun is None else begun.start()
        yield as_line(held[:end])
        return (yield from self._cut(held[end:]))


def _between(text: bytes) -> bytes:
    return as_line(text) if text.strip() else b""


def _transaction(text: bytes, mark: bytes) -> bytes:
    """A whole transaction as JSON; as it is, on one line, where its first section is not as it should be."""
    sections: dict[str, str] = {}
    for section in (b"\n" + text).split(b"\n" + mark)[1:]:
        letter, _, content = section.partition(b"--")
        sections.setdefault(letter.decode("latin-1"), first_fit(content.strip(b"\r\n"))[0])
    head = _HEAD.fullmatch(sections.get("A", "").strip())
    if head is None:
        return as_line(text)
    told = sections.get("H", "")
    time, unique, client, client_port, server, server_port = head.groups()
    return json_line(
        {
            "transaction": {
                "time": time,
                "transaction_id": unique,
                "remote_address": client,
                "remote_port": client_port,
                "local_address": server,
                "local_port": server_port,
            },
            "request": {"request_line": sections.get("B", "").partition("\n")[0].strip("\r")},
            "response": {"status_line": sections.get("F", "").partition("\n")[0].strip("\r")},
            "audit_data": {"messages": _MESSAGE.findall(told), "action": {"intercepted": bool(_DENIED.search(told))}},
        }
    )
