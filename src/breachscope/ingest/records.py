"""Inputs that are no lines of text but hold records: which kinds there are, and by what each is recognised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from breachscope.ingest import evtx
from breachscope.ingest.audit_tables import AuditRecords
from breachscope.ingest.containers import ContainerRecords
from breachscope.ingest.documents import FLOW_TUPLES, as_lines, record_depth, unfolded
from breachscope.ingest.evtx import EvtxRecords
from breachscope.ingest.journal_export import ExportRecords
from breachscope.ingest.modsecurity import SerialRecords
from breachscope.ingest.mysql_audit import AUDIT_RECORDS
from breachscope.ingest.mysql_slow import SlowRecords
from breachscope.ingest.table_rows import WrappedRows
from breachscope.ingest.utmp import LastlogRecords, UtmpRecords
from breachscope.ingest.windows_events import XML_EVENTS, CsvRecords, JsonExportRecords
from breachscope.ingest.xml_records import XmlRecords


class Records(Protocol):
    """An input as its records, each of which becomes a line. After the last one ``problem`` and ``remarks`` are final."""

    @property
    def name(self) -> str | None:
        """What such an input is called; None where, after all, its lines are what counts."""

    @property
    def problem(self) -> str | None:
        """What of the input could not be read."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What else is to be known of it."""

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The records as lines of UTF-8, in order."""


class JsonRecords:
    """The records of a JSON document; where they stand a line each already, only such as list flows are taken apart."""

    problem: str | None = None

    def __init__(self, depth: int | None, *, holds_flows: bool) -> None:
        self._depth, self._holds_flows = depth, holds_flows

    @property
    def name(self) -> str:
        return "log whose records list flows" if self._depth is None else "JSON document"

    @property
    def remarks(self) -> tuple[str, ...]:
        return ("its records list flows: each flow counts as a line",) if self._holds_flows else ()

    def lines(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        records = pieces if self._depth is None else as_lines(pieces, self._depth)
        return unfolded(records) if self._holds_flows else records


def binary_records(head: bytes, path: Path) -> Records | None:
    """What reads an input that begins with these bytes and is no text, or not only text; None for text and for what no format is known of."""
    if ExportRecords.reads(head):
        return ExportRecords()
    return EvtxRecords(path) if head.startswith(evtx.MAGIC) else UtmpRecords.of(head, path) or LastlogRecords.of(head, path)


def text_records(head: bytes) -> Records | None:
    """What takes a text that begins so, in UTF-8 or CP932, apart into its records; None where its lines are what counts."""
    depth, holds_flows = record_depth(head), FLOW_TUPLES in head
    if JsonExportRecords.reads(head):
        return JsonExportRecords(depth)
    if depth is not None or holds_flows:
        return JsonRecords(depth, holds_flows=holds_flows)
    for kind in (XML_EVENTS, AUDIT_RECORDS):
        if kind.begins(head):
            return XmlRecords(kind)
    if ContainerRecords.reads(head):
        return ContainerRecords()
    if SerialRecords.reads(head):
        return SerialRecords()
    if SlowRecords.reads(head):
        return SlowRecords()
    if AuditRecords.reads(head):
        return AuditRecords(head)
    if CsvRecords.reads(head):
        return CsvRecords(head)
    return WrappedRows() if WrappedRows.reads(head) else None
