"""The slow query log of MySQL, MariaDB and Percona Server, each entry a line of JSON: it alone tells how many rows a statement returned.

An entry is a few lines of comments and the statement as it was sent, over as many lines as that has. Nothing is escaped: a
client that sends a statement of several lines can write what looks like an entry.

Sources: https://dev.mysql.com/doc/refman/8.4/en/slow-query-log.html; https://mariadb.com/kb/en/slow-query-log-overview/;
https://docs.percona.com/percona-server/8.0/slow-extended.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from breachscope.ingest.encoding import first_fit
from breachscope.ingest.xml_records import as_line, json_line

_HELD_BYTES = 16 << 20
"""No entry is as long: statements that insert many rows may be, and are given out in parts, which are rejected."""
_FIRST_BYTES = 4096
_ENTRY = re.compile(rb"^(?:# Time: [^\n]*\n)?# User@Host: ", re.MULTILINE)
_BANNER = re.compile(r"(?m)^\S+, Version: .* started with:$")
_TIME = re.compile(r"# Time: (\d{4}-\d\d-\d\dT[\d:]{8}\.\d+(?:Z|[+-]\d\d:\d\d))$")
_WHO = re.compile(r"# User@Host: (.*)\[[^\[\]]*\] @ (\S*) \[([^\[\]]*)\](?: +Id: *(\d+))?\s*$")
_SAID = re.compile(r"\b(Thread_id|Schema|Last_errno|Errno|Rows_sent): *(\S+)")
_STAMPED = re.compile(r"SET timestamp=(\d{1,11}(?:\.\d+)?);$")
_USED = re.compile(r"use `?([^`;]+)`?;$")


class SlowRecords:
    """The entries of a slow query log."""

    name = "slow query log of MySQL"
    problem: str | None = None
    remarks: tuple[str, ...] = ()

    @staticmethod
    def reads(head: bytes) -> bool:
        r"""Whether a text that begins so is such a log.

        >>> SlowRecords.reads(b"# Time: 2026-03-02T01:15:04.120000Z\n# User@Host: app[app] @ gw []  Id: 8\n"), SlowRecords.reads(b"# Time\n")
        (True, False)
        """
        begun = _ENTRY.search(head[:_FIRST_BYTES])
        if begun is None:
            return False
        before = first_fit(head[: begun.start()])[0].strip()
        return not before or _BANNER.match(before) is not None

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        held = b""
        seen = least = 0
        for piece in pieces:
            held += piece
            begun = list(_ENTRY.finditer(held, seen))
            begins = [m.start() for m in begun]
            yield b"".join(_line(held[a:b]) for a, b in zip([0, *begins], begins, strict=False))
            if begun:
                held, least = held[begins[-1] :], begun[-1].end() - begins[-1]
            if len(held) > _HELD_BYTES:
                yield as_line(held)
                held, least = b"", 0
            # What begins an entry takes a line and a half, of which the end may be missing; its own beginning begins no other.
            seen = max(least, held.rfind(b"\n", 0, max(held.rfind(b"\n"), 0)) + 1)
        yield _line(held)


def _line(entry: bytes) -> bytes:
    """An entry as JSON; what is none, but for the server's banner, as it is on one line."""
    text = first_fit(entry)[0]
    if banner := _BANNER.search(text):
        text = text[: banner.start()]
    if not text.strip():
        return b""
    record: dict[str, object] = {}
    lines = text.rstrip("\r\n").split("\n")
    at = 0
    for at, line in enumerate(lines):
        line = line.rstrip("\r")
        if timed := _TIME.match(line):
            record["time"] = timed[1]
        elif who := _WHO.match(line):
            record |= {k: v for k, v in zip(("user", "host", "ip", "id"), who.groups(), strict=True) if v}
        elif stamped := _STAMPED.match(line):
            record.setdefault("time", stamped[1])
            at += 1
            break
        elif used := _USED.match(line):
            record.setdefault("schema", used[1])
        elif line.startswith("# "):
            said = dict(_SAID.findall(line))
            record |= {k: v for k, v in (("schema", said.get("Schema")), ("rows_sent", said.get("Rows_sent"))) if v}
            record |= {k: said[n] for n, k in (("Last_errno", "errno"), ("Errno", "errno"), ("Thread_id", "id")) if n in said}
        else:
            return as_line(entry)
    else:
        return as_line(entry)
    record["statement"] = "\n".join(lines[at:]).removesuffix(";")
    record["outcome"] = _outcome(record)
    return json_line({"slow_query": record})


def _outcome(record: dict[str, object]) -> str:
    """Rows that were sent were sent; without them only the number of an error tells."""
    if "errno" in record:
        return "success" if record["errno"] == "0" else "failure"
    return "unknown" if record.get("rows_sent", "0") == "0" else "success"
