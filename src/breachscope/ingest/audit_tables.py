"""Audit trails that were exported as tables, whose rows may go on over several lines: each row a line of JSON by the names of its columns.

SQL Server's audit is read with ``sys.fn_get_audit_file``, Oracle's from the view ``UNIFIED_AUDIT_TRAIL``; CloudTrail's events come from
Athena or CloudTrail Lake, or from the console's event history, and become such events as CloudTrail itself writes.

Sources: https://learn.microsoft.com/en-us/sql/relational-databases/system-functions/sys-fn-get-audit-file-transact-sql;
https://docs.oracle.com/en/database/oracle/oracle-database/21/refrn/UNIFIED_AUDIT_TRAIL.html;
https://docs.aws.amazon.com/athena/latest/ug/create-cloudtrail-table-org-wide-trail.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from breachscope.ingest.encoding import first_fit
from breachscope.ingest.table_rows import HEADER_BYTES, rows_as_lines
from breachscope.ingest.xml_records import json_line

_NOTHING = ("", "NULL", "null", "(null)")
_ORACLE_TIME = re.compile(r"(\d\d)-([A-Z]{3})-(\d\d) (\d\d)\.(\d\d)\.(\d\d)(\.\d+)? (AM|PM)", re.IGNORECASE)
"""As ``NLS_TIMESTAMP_FORMAT`` has it where nobody changed it: DD-MON-RR HH.MI.SSXFF AM."""
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_IDENTITY = re.compile(r"(?:^\{|, )(type|principalid|arn|accountid|invokedby|accesskeyid|username|sessioncontext|inscopeof|identityprovider)=", re.IGNORECASE)
_IDENTITY_KEYS = {"username": "userName", "principalid": "principalId", "invokedby": "invokedBy", "arn": "arn", "type": "type"}
_EVENT_KEYS = (
    "eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent", "errorCode", "errorMessage", "requestParameters",
    "responseElements", "eventID", "userName",
)  # fmt: skip
_EVENT_COLUMNS = {key.lower(): key for key in _EVENT_KEYS}


@dataclass(frozen=True)
class _Trail:
    """One kind of audit trail: the columns that tell it, and what a row of it becomes."""

    name: str
    columns: frozenset[str]
    record: Callable[[Mapping[str, str]], Mapping[str, object]]


def _sql_server(row: Mapping[str, str]) -> Mapping[str, object]:
    return {"sqlserver_audit": row}


def _oracle(row: Mapping[str, str]) -> Mapping[str, object]:
    """The time is that in UTC where it was exported, else that in the zone of whoever exported it."""
    utc = row.get("event_timestamp_utc")
    time = f"{_iso_time(utc)}Z" if utc else _iso_time(row.get("event_timestamp", ""))
    return {"oracle_audit": {**row, "time": time}}


def _iso_time(written: str) -> str:
    r"""Oracle's usual form as ISO 8601; as it is, where it is in another.

    >>> _iso_time("02-MAR-26 01.15.04.123456 PM"), _iso_time("02-MAR-26 12.15.04 AM"), _iso_time("2026-03-02 13:15:04")
    ('2026-03-02T13:15:04.123456', '2026-03-02T00:15:04', '2026-03-02 13:15:04')
    """
    found = _ORACLE_TIME.fullmatch(written.strip())
    if found is None or found[2].upper() not in _MONTHS or not 1 <= int(found[4]) <= 12:
        return written.strip().removesuffix("Z")
    hour = int(found[4]) % 12 + (12 if found[8].upper() == "PM" else 0)
    return f"20{found[3]}-{_MONTHS.index(found[2].upper()) + 1:02}-{found[1]}T{hour:02}:{found[5]}:{found[6]}{found[7] or ''}"


def _cloudtrail(row: Mapping[str, str]) -> Mapping[str, object]:
    event: dict[str, object] = {_EVENT_COLUMNS[name]: text for name, text in row.items() if name in _EVENT_COLUMNS}
    for key in ("requestParameters", "responseElements"):
        event[key] = _object(str(event.get(key, "")))
    identity = _identity(row.get("useridentity", ""))
    name = event.pop("userName", None)
    return {"eventVersion": "not exported", **event, "userIdentity": identity or ({"userName": name} if name else None)}


def _object(text: str) -> object:
    try:
        return json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        return None


def _identity(text: str) -> object:
    """Who acted, as JSON or as Athena writes a row: ``{type=IAMUser, principalid=…, username=…}``, of which nothing counts where a key stands twice.

    >>> _identity("{type=IAMUser, principalid=null, arn=arn:x:user/a, username=a, sessioncontext={attributes={x=1}, sessionissuer={type=Role, arn=r}}}")
    {'type': 'IAMUser', 'arn': 'arn:x:user/a', 'userName': 'a'}
    """
    if text.startswith('{"'):
        return _object(text)
    if not (text.startswith("{") and text.endswith("}")):
        return None
    found = list(_IDENTITY.finditer(text))
    told: dict[str, str] = {}
    for n, key in enumerate(found):
        name = key[1].lower()
        end = found[n + 1].start() if n + 1 < len(found) else len(text) - 1
        if name in told:
            return None
        told[name] = text[key.end() : end]
        if name == "sessioncontext":
            break  # it stands last of what is of interest, and holds keys of the same names
    return {_IDENTITY_KEYS[name]: value for name, value in told.items() if name in _IDENTITY_KEYS and value not in _NOTHING}


_TRAILS = (
    _Trail("table of SQL Server's audit", frozenset(("event_time", "action_id", "succeeded", "server_principal_name")), _sql_server),
    _Trail("table of Oracle's unified audit trail", frozenset(("event_timestamp", "dbusername", "action_name", "return_code")), _oracle),
    _Trail("table of Oracle's unified audit trail", frozenset(("event_timestamp_utc", "dbusername", "action_name", "return_code")), _oracle),
    _Trail("table of CloudTrail's events", frozenset(("eventtime", "eventsource", "eventname", "useridentity")), _cloudtrail),
    _Trail("table of CloudTrail's events", frozenset(("eventtime", "eventsource", "eventname", "username")), _cloudtrail),
)


class AuditRecords:
    """The rows of an audit trail's table, each a line."""

    problem: str | None = None
    remarks: tuple[str, ...] = ()

    def __init__(self, head: bytes) -> None:
        found = _header(head)
        if found is None:
            raise AssertionError("no table of an audit trail")
        self._trail, self._columns, self._separator, self._begin = found

    @staticmethod
    def reads(head: bytes) -> bool:
        r"""Whether a text that begins so is such a table.

        >>> AuditRecords.reads(b'"event_time","action_id","succeeded","server_principal_name"\n'), AuditRecords.reads(b"event_time,action_id\n")
        (True, False)
        """
        return _header(head) is not None

    @property
    def name(self) -> str:
        return self._trail.name

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        return rows_as_lines(pieces, self._begin, self._separator, self._line)

    def _line(self, cells: Sequence[str]) -> bytes | None:
        if len(cells) != len(self._columns):
            return None
        told = {name: cell.strip() for name, cell in zip(self._columns, cells, strict=True) if cell.strip() not in _NOTHING}
        return json_line(self._trail.record(told))


def _header(head: bytes) -> tuple[_Trail, tuple[str, ...], str, int] | None:
    """Which trail's table begins so, its columns in lower case without spaces, what sets them apart, and where its rows begin."""
    head = head[:HEADER_BYTES]
    at = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    while head.startswith(b"#TYPE ", at) or head.startswith((b"\n", b"\r"), at):
        at = head.find(b"\n", at) + 1
        if not at:
            return None
    end = head.find(b"\n", at) + 1
    if not end:
        return None
    line = first_fit(head[at:end])[0].strip("\r\n")
    for separator in ",;\t|":
        columns = tuple(name.strip().strip('"').strip().lower().replace(" ", "") for name in line.split(separator))
        for trail in _TRAILS:
            if trail.columns <= set(columns) and len(set(columns)) == len(columns):
                return trail, columns, separator, end
    return None
