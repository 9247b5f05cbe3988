"""The XML audit logs of MySQL Enterprise Audit and Percona Audit Log, each record a line of JSON as Percona's plugin writes it.

Sources: https://dev.mysql.com/doc/refman/8.4/en/audit-log-file-formats.html, new style (an element for every field) and old style
(an attribute for every field); https://docs.percona.com/percona-server/8.0/audit-log-plugin.html, whose OLD and NEW are the same two.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from breachscope.ingest.xml_records import XmlKind


def _record(element: ElementTree.Element) -> Mapping[str, object]:
    record = {name.lower(): value for name, value in element.attrib.items()}
    for child in element:
        key = child.tag.lower()
        if key in record or len(child):
            raise ValueError(f"{key} stands twice, or holds elements")
        record[key] = child.text or ""
    return {"audit_record": record}


AUDIT_RECORDS = XmlKind("AUDIT_RECORD", "", r"</?AUDIT>", 16 << 20, _record)
"""The AUDIT_RECORD elements of an audit log: statements that insert many rows are long."""
