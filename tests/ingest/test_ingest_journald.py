"""The journal's JSON hands its messages to the formats of their programs, as syslog does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.progress import Silent


def entry(number: int, program: str, message: object, **fields: object) -> str:
    stamp = str(1772414104120000 + number)
    return json.dumps({"__REALTIME_TIMESTAMP": stamp, "_HOSTNAME": "srv1", "_COMM": program, "MESSAGE": message, "PRIORITY": "6", **fields})


def test_messages_of_the_journal_are_read_by_their_programs_formats(tmp_path: Path) -> None:
    lines = [
        entry(0, "sshd", "Failed password for invalid user app 1 from 192.0.2.9 port 51512 ssh2"),
        entry(1, "sshd-session", "Accepted password for u1 from 192.0.2.9 port 51513 ssh2"),
        entry(2, "su", "FAILED SU (to root) ops1 on pts/0"),
        entry(3, "systemd", "Started a unit."),
        entry(4, "sshd", [72, 105]),  # as bytes
        entry(5, "sshd", None),
        entry(6, "evil", "Accepted password for root from 192.0.2.66 port 1 ssh2", SYSLOG_IDENTIFIER="sshd"),
        '{"__REALTIME_TIMESTAMP":"soon","_HOSTNAME":"srv1","_COMM":"sshd","MESSAGE":"Accepted password for u1 from 192.0.2.9 port 51513 ssh2"}',
        entry(7, "sshd", list("Failed password for 山 from 192.0.2.9 port 51514 ssh2".encode("cp932"))),
        entry(8, "sshd", list(b"Failed password for \x1b[1m from 192.0.2.9 port 51515 ssh2")),
        entry(9, "sshd", [70, 256]),
    ]
    (tmp_path / "journal.json").write_text("\n".join(lines) + "\n")
    case = Case.create_or_open(tmp_path / "case")
    source = ingest(case, [tmp_path / "journal.json"], IngestOptions(), Silent()).added[0]
    events = pq.read_table(case.event_files("auth")[0]).to_pylist()
    assert [(e["line"], e["format"], e["user"], e["outcome"], e["client_ip"], e["host"]) for e in events] == [
        (1, "sshd", "app 1", "failure", "192.0.2.9", "srv1"),
        (2, "sshd", "u1", "success", "192.0.2.9", "srv1"),
        (3, "su", "ops1", "failure", None, "srv1"),
        (9, "sshd", "山", "failure", "192.0.2.9", "srv1"),
        (10, "sshd", "\x1b[1m", "failure", "192.0.2.9", "srv1"),
    ]
    assert events[0]["ts"] == datetime(2026, 3, 2, 1, 15, 4, 120000, tzinfo=UTC)
    assert source.skipped == {"program systemd": 1, "program evil": 1}, "who calls itself sshd is not"
    rejects = pq.read_table(case.reject_files()[0]).to_pylist()
    assert [(r["line"], r["reason"]) for r in rejects] == [
        (5, "sshd: a message of unknown kind"),
        (6, "no format reads this line"),
        (8, "time cannot be read"),
        (11, "sshd: a message of unknown kind"),
    ]
