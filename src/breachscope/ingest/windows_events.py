"""Windows events as text: XML, CSV and JSON exports, each event a line of JSON as evtx converters write it.

XML is what ``wevtutil qe /f:xml``, Event Viewer's "Save as XML" and PowerShell's ``ToXml()`` write. CSV is what Event
Viewer and PowerShell's ``Export-Csv`` write, JSON what its ``ConvertTo-Json`` does: there the event's message, a text of
many lines in the language of the machine, is all, and the fields of the event's data are read out of it. EvtxECmd's CSV
has them as JSON in its column Payload, and its times in UTC without saying so.

Sources: https://learn.microsoft.com/en-us/windows/win32/wes/eventschema-schema; the messages of the events under
https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/event-4624
and its neighbours, in English, and in Japanese as Windows writes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from xml.etree import ElementTree

from breachscope.ingest.documents import as_lines
from breachscope.ingest.encoding import first_fit
from breachscope.ingest.table_rows import HEADER_BYTES, rows_as_lines
from breachscope.ingest.xml_records import XmlKind, as_line, json_line

_HELD_BYTES = 1 << 20
"""No event is as long: of what is, the beginning is given out before its end is known."""
_DEEPEST = 32


def _shape(element: ElementTree.Element, deepest: int) -> object:
    """An element as evtx converters shape it: attributes under ``#attributes``, text as it is or under ``#text``, named data by name."""
    children = list(element)
    attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
    if not children and not attributes:
        return element.text
    if not deepest:
        raise ValueError("nested too deep")
    shaped: dict[str, object] = {"#attributes": attributes} if attributes else {}
    is_system = element.tag.endswith("}System")
    for child in children:
        key = child.tag.rpartition("}")[2]
        name = child.attrib.pop("Name", None) if key in ("Data", "ComplexData") else None
        value = _shape(child, deepest - 1)
        key = key if name is None else name
        if key not in shaped:
            shaped[key] = value
        elif is_system or name is not None:
            raise ValueError(f"{key} stands twice")
        else:
            before = shaped[key]
            shaped[key] = [*before, value] if isinstance(before, list) else [before, value]
    if not children:
        shaped["#text"] = element.text
    return shaped


def _event(element: ElementTree.Element) -> Mapping[str, object]:
    return {"Event": _shape(element, _DEEPEST)}


XML_EVENTS = XmlKind(
    "Event",
    "http://schemas.microsoft.com/win/2004/08/events/event",
    r"</?Events(?:\s[^<>]*)?>|Record [0-9]+(?=\s)",  # the root element, and what evtx_dump numbers records with
    _HELD_BYTES,
    _event,
    "Name",
)
"""The Event elements of an XML document, or of a file that has one after the other."""
_COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("event id", "イベント id", "eventid", "id"), "EventID"),
    **dict.fromkeys(("date and time", "日付と時刻", "timecreated", "timegenerated"), "TimeCreated"),
    **dict.fromkeys(("source", "ソース", "providername", "provider"), "ProviderName"),
    **dict.fromkeys(("log", "ログ", "logname", "log name", "ログの名前", "channel"), "Channel"),
    **dict.fromkeys(("computer", "コンピューター", "machinename", "computername"), "Computer"),
    **dict.fromkeys(("message", "description", "説明", "メッセージ"), "Message"),
}
"""Heads of columns in lower case, of Event Viewer, Get-WinEvent and Get-EventLog, by what they hold."""
_EXPORTED = ("Message", "Id", "EventID", "MachineName", "TimeCreated", "TimeGenerated")
_FIRST_BYTES = 64 << 10
"""The first event of a JSON export is shorter."""
_SECURITY = "Microsoft-Windows-Security-Auditing"
_NAMES: Mapping[str, str] = {
    "サブジェクト": "Subject",
    "新しいログオン": "New Logon",
    "ログオンを失敗したアカウント": "Account For Which Logon Failed",
    "資格情報が使用されたアカウント": "Account Whose Credentials Were Used",
    "新しいアカウント": "New Account",
    "ターゲット アカウント": "Target Account",
    "ロックアウトされたアカウント": "Account That Was Locked Out",
    "アカウント情報": "Account Information",
    "メンバー": "Member",
    "メンバ": "Member",
    "グループ": "Group",
    "セキュリティ ID": "Security ID",
    "アカウント名": "Account Name",
    "アカウント ドメイン": "Account Domain",
    "ログオン ID": "Logon ID",
    "グループ名": "Group Name",
    "ログオン タイプ": "Logon Type",
    "ログオンの種類": "Logon Type",
    "ログオン アカウント": "Logon Account",
    "認証パッケージ": "Authentication Package",
    "サービス名": "Service Name",
    "ワークステーション名": "Workstation Name",
    "ソース ワークステーション": "Source Workstation",
    "ソース ネットワーク アドレス": "Source Network Address",
    "ソース ポート": "Source Port",
    "ネットワーク アドレス": "Network Address",
    "ポート": "Port",
    "クライアント アドレス": "Client Address",
    "クライアント ポート": "Client Port",
    "状態": "Status",
    "サブ ステータス": "Sub Status",
    "結果コード": "Result Code",
    "失敗コード": "Failure Code",
    "エラー コード": "Error Code",
}
"""What the Japanese messages say, in English."""
_PARTIES: Mapping[str, str] = {
    "Subject": "Subject",
    "Member": "Member",
    **dict.fromkeys(("New Logon", "Account For Which Logon Failed", "Account Whose Credentials Were Used", "New Account", "Target Account"), "Target"),
    **dict.fromkeys(("Account That Was Locked Out", "Account Information", "Group"), "Target"),
}
"""Headings of a message under which an account or a group stands, by whose it is."""
_OF_PARTY: Mapping[str, str] = {
    "Account Name": "UserName",
    "Group Name": "UserName",
    "Security ID": "UserSid",
    "Account Domain": "DomainName",
    "Logon ID": "LogonId",
}
_FIELDS: Mapping[str, str] = {
    "Logon Type": "LogonType",
    "Logon Account": "TargetUserName",
    "Authentication Package": "AuthenticationPackageName",
    "Service Name": "ServiceName",
    **dict.fromkeys(("Workstation Name", "Source Workstation"), "WorkstationName"),
    **dict.fromkeys(("Source Network Address", "Network Address", "Client Address"), "IpAddress"),
    **dict.fromkeys(("Source Port", "Port", "Client Port"), "IpPort"),
    **dict.fromkeys(("Status", "Result Code", "Failure Code", "Error Code"), "Status"),
    "Sub Status": "SubStatus",
}
"""What a message calls a field of the event's data, wherever it stands."""
_ENDED = ("4634", "4647")
"""Their subject is whose session ended."""
_NEEDED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("4624", "4625"), ("TargetUserName", "IpAddress")),
    **dict.fromkeys(("4634", "4647", "4720", "4722", "4724", "4726", "4738", "4740"), ("TargetUserName",)),
    "4648": ("TargetUserName", "SubjectUserName"),
    **dict.fromkeys(("4672", "1102"), ("SubjectUserName",)),
    **dict.fromkeys(("4728", "4732", "4756"), ("MemberName", "TargetUserName")),
    **dict.fromkeys(("4768", "4769", "4771"), ("TargetUserName", "IpAddress", "Status")),
    "4776": ("TargetUserName", "Status"),
}
"""What the message of each of these events must name: where it does not, it is not understood, or nothing of use was left of it."""
_TOLD = re.compile(r"\n(\t?[^\t:\n]++)(?:(:[\t ]*+)(?=\n)|:\t++([^\n]*+))")
"""A line of a message that is a label with its value, or a label with none, or a heading: these two with what stands behind."""
_USUAL_LENGTH = 1 << 14
"""Of longer messages nothing is kept for the next: they may all be different."""
_WRITTEN_TIME = re.compile(
    r"(?P<a>\d{1,4})(?P<gap>[/.-])(?P<b>\d{1,2})(?P=gap)(?P<c>\d{1,4}),?\s+(?P<before>午前|午後)?\s*"
    r"(?P<h>\d{1,2}):(?P<m>\d\d):(?P<s>\d\d(?:\.\d+)?)\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
)


class CsvRecords:
    """The rows of a table of Windows events, each over as many lines as its message has."""

    name = "table of Windows events"
    problem: str | None = None

    def __init__(self, head: bytes) -> None:
        self._columns, self._separator, self._begin = _header(head) or ((), ",", 0)
        self._named = self._columns if "Message" in self._columns else (*self._columns, "Message")  # Event Viewer writes no name above it
        self._is_evtxecmd = {"Payload", "MapDescription"} <= set(self._columns)
        self._is_month_first: bool | None = None
        self._dated(head)

    @property
    def remarks(self) -> tuple[str, ...]:
        if self._is_month_first is None:
            return ()
        return (f"writes dates like 3/2/2026: they were read with the {'month' if self._is_month_first else 'day'} first",)

    @staticmethod
    def reads(head: bytes) -> bool:
        r"""Whether a text that begins so is such a table.

        >>> CsvRecords.reads("キーワード,日付と時刻,ソース,イベント ID,タスクのカテゴリ".encode() + b"\n"), CsvRecords.reads(b"id,time\n")
        (True, False)
        """
        return _header(head) is not None

    def _dated(self, head: bytes) -> None:
        """Find out whether the month stands first: the first dates that can be read in one way only tell it; where none does, AM and PM do."""
        days = [m for m in _WRITTEN_TIME.finditer(first_fit(head)[0]) if m["gap"] == "/" and len(m["a"]) < 4]
        if not days:
            return
        told = [int(m["b"]) > 12 for m in days if max(int(m["a"]), int(m["b"])) > 12]
        self._is_month_first = told[0] if told else any(m["half"] for m in days)

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        return rows_as_lines(pieces, self._begin, self._separator, self._line)

    def _line(self, cells: Sequence[str]) -> bytes:
        record: dict[str, object] = {}
        for column, cell in zip(self._named, cells, strict=False):
            if cell:
                record.setdefault(column, cell)
        if self._is_evtxecmd:
            record["TimeCreated"] = f"{record.get('TimeCreated', '')}Z"
            return _record_line(record, "cells are missing" if len(cells) < len(self._columns) else _take_payload(record))
        record["TimeCreated"] = self._time(str(record.get("TimeCreated", "")))
        return _record_line(record, "cells are missing" if len(cells) < len(self._columns) else _fault(record, self._columns))

    def _time(self, written: str) -> str:
        """A local time in the form of ISO 8601; as it is, where it is in no known form."""
        found = _WRITTEN_TIME.fullmatch(written.strip())
        if found is None:
            return written
        if len(found["a"]) == 4:
            year, month, day = found["a"], found["b"], found["c"]
        elif found["gap"] == "/" and self._is_month_first:
            month, day, year = found["a"], found["b"], found["c"]
        else:
            day, month, year = found["a"], found["b"], found["c"]
        hour = int(found["h"])
        if half := (found["half"] or found["before"]):
            if not (0 if found["before"] else 1) <= hour <= 12:
                return written
            hour = hour % 12 + (12 if half[0] in "Pp" or half == "午後" else 0)
        return f"{year:0>4}-{month:0>2}-{day:0>2}T{hour:02}:{found['m']}:{found['s']:0>2}" if len(year) == 4 else written


class JsonExportRecords:
    """The objects that PowerShell's ``Get-WinEvent | ConvertTo-Json`` or ``Get-EventLog | ConvertTo-Json`` writes: the data stand in the message alone."""

    name = "JSON document"
    problem: str | None = None
    remarks: tuple[str, ...] = ()

    def __init__(self, depth: int | None) -> None:
        self._depth = depth

    @staticmethod
    def reads(head: bytes) -> bool:
        """Whether a text that begins so is such an export.

        >>> JsonExportRecords.reads(b'{"Message":"x","Id":4625,"ProviderName":"y","MachineName":"z","TimeCreated":"..."}')
        True
        """
        if head.lstrip()[:1] not in (b"{", b"["):
            return False
        has = {key for key in _EXPORTED if f'"{key}":'.encode() in head[:_FIRST_BYTES]}
        return {"Message", "MachineName"} <= has and bool({"TimeCreated", "TimeGenerated"} & has) and bool({"Id", "EventID"} & has)

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        held = b""
        for piece in pieces if self._depth is None else as_lines(pieces, self._depth):
            *lines, held = (held + piece).split(b"\n")
            yield b"".join(self._line(line) for line in lines)
            if len(held) > _HELD_BYTES:
                yield as_line(held)
                held = b""
        if held:
            yield self._line(held)

    def _line(self, line: bytes) -> bytes:
        try:
            written = json.loads(line)
        except (ValueError, RecursionError):
            return as_line(line)
        record: dict[str, object] = {}
        for key, value in written.items() if isinstance(written, dict) else ():
            if (column := _COLUMNS.get(key.lower())) and value not in (None, ""):
                record.setdefault(column, value)
        if not {"EventID", "TimeCreated", "Message"} <= record.keys():
            return as_line(line)
        return _record_line(record, _fault(record, ()))


def _record_line(record: Mapping[str, object], fault: str | None) -> bytes:
    return json_line({"Fault": fault, "Record": record} if fault else record)


def _fault(record: dict[str, object], columns: Collection[str]) -> str | None:
    """Add the event's data to a record that tells them in its message; what is wrong with the record, if anything.

    ``columns`` are those of a table, which may be the event's data themselves.
    """
    event = str(record.get("EventID", ""))
    if record.get("ProviderName", _SECURITY) == _SECURITY:
        record.setdefault("Channel", "Security")
    if event not in _NEEDED:
        return None
    if "Message" not in record:
        return None if set(_NEEDED[event]) & set(columns) else "the message is missing"
    data, twice = _event_data(str(record["Message"]), event)
    if twice:
        return f"the message says {twice} twice"
    if any(name not in data for name in _NEEDED[event]):
        return f"the message of {event} is in no form that is known"
    record["EventData"] = data
    return None


def _take_payload(record: dict[str, object]) -> str | None:
    """Add the event's data to a record of EvtxECmd, whose payload is the XML of them as JSON; what is wrong with the record, if anything.

    >>> record = {"Payload": '{"EventData":{"Data":[{"@Name":"IpAddress","#text":"192.0.2.9"},{"@Name":"IpPort"}]}}'}
    >>> _take_payload(record), record
    (None, {'EventData': {'IpAddress': '192.0.2.9', 'IpPort': None}})
    """
    try:
        payload = json.loads(str(record.pop("Payload", "{}")))
    except (ValueError, RecursionError):
        return "the payload is no JSON"
    told = payload if isinstance(payload, dict) else {}
    if "UserData" in told:
        record["UserData"] = told["UserData"]
    data = told.get("EventData")
    fields = data.get("Data") if isinstance(data, dict) else None
    named = [f for f in (fields if isinstance(fields, list) else [fields]) if isinstance(f, dict) and "@Name" in f]
    event_data = {str(f["@Name"]): f.get("#text") for f in named}
    record["EventData"] = event_data
    return "the payload says a thing twice" if len(event_data) < len(named) else None


def _header(head: bytes) -> tuple[tuple[str, ...], str, int] | None:
    """What the columns of a table of Windows events hold, what sets them apart, and where its rows begin; None for what is no such table."""
    at, head = 0, head[:HEADER_BYTES]
    while True:
        end = head.find(b"\n", at) + 1
        if not end:
            return None
        line = first_fit(head[at:end])[0].strip("\ufeff\r\n")
        if line.strip() and not line.startswith("#TYPE "):
            break
        at = end
    for separator in ",;\t":
        names = [name.strip().strip('"').strip() for name in line.rstrip(separator + " ").split(separator)]
        columns = tuple(_COLUMNS.get(name.lower(), name) for name in names)
        if {"EventID", "TimeCreated"} <= set(columns) and {"Message", "ProviderName", "TargetUserName"} & set(columns):
            return columns, separator, end
    return None


def _event_data(message: str, event: str) -> tuple[dict[str, str], str | None]:
    """The event's data as its message tells them, and what it tells twice, if anything.

    A value may hold line ends that somebody chose, and behind them what looks like a line of the message: that is told twice.
    """
    lines = message.replace("\r\n", "\n").replace("\r", "\n")
    found = _TOLD.findall(f"\n{lines}\n")
    if not found:
        return {}, None
    labels, ends, values = zip(*found, strict=True)
    places, twice = (_places if len(message) <= _USUAL_LENGTH else _places.__wrapped__)(event, labels, ends)
    return {name: values[n].strip() for name, n in places}, twice


@lru_cache(maxsize=256)
def _places(event: str, labels: tuple[str, ...], ends: tuple[str, ...]) -> tuple[list[tuple[str, int]], str | None]:
    """Which fields of the event's data a message tells, in which of its lines, and what it tells twice, if anything; each line is a heading or a label.

    The messages of an event differ in their values alone, as long as nobody meddles.
    """
    places: dict[str, int] = {}
    heading = ""
    seen: set[tuple[str, str]] = set()
    for n, (written, end) in enumerate(zip(labels, ends, strict=True)):
        is_indented = written.startswith("\t")
        is_heading = bool(end) and not is_indented
        if is_indented and end.startswith(": ") and "\t" in end:
            continue
        if is_heading:
            heading = _NAMES.get(written, written)
            key = (heading, "")
        else:
            label = written.strip()
            heading = heading if is_indented else ""
            key = (heading, _NAMES.get(label, label))
        if key in seen:
            return list(places.items()), f"{key[1] or key[0]!r}"
        seen.add(key)
        if is_heading:
            continue
        party = _PARTIES.get(heading)
        if party == "Subject" and event in _ENDED:
            party = "Target"
        name = _field(party, key[1])
        if name is not None:
            if name in places:
                return list(places.items()), repr(key[1])
            places[name] = n
    return list(places.items()), None


def _field(party: str | None, label: str) -> str | None:
    if party is not None and label in _OF_PARTY:
        return {"MemberUserName": "MemberName", "MemberUserSid": "MemberSid"}.get(name := party + _OF_PARTY[label], name)
    return _FIELDS.get(label)
