r"""Another yardstick for ingest: ClickHouse inside this process (``chdb``) turns a web log into one Parquet file of the same typed columns.

    python -m benchmarks.bare_chdb combined ACCESS.LOG OUT.parquet
    python -m benchmarks.bare_chdb json ACCESS.LOG OUT.parquet

The combined format is read as CSV with a space between its fields: that takes half the processor time of a regular expression, by the format ``Regexp`` or
by ``extractGroups``, and is right for logs like nginx's, where a quotation mark within a field stands as ``\x22``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import chdb

from benchmarks.peers import THREADS

COMBINED = """
SELECT
    parseDateTime(concat(time, substring(zone, 1, 5)), '[%d/%b/%Y:%H:%i:%s%z', 'UTC') AS ts,
    toInt32OrNull(substring(zone, 1, 5)) AS zone,
    client_ip, user,
    parts[1] AS method, cutQueryString(parts[2]) AS path, nullIf(queryString(parts[2]), '') AS query, parts[3] AS protocol,
    status, bytes_sent, nullIf(referer, '-') AS referer, nullIf(user_agent, '-') AS user_agent
FROM (
    SELECT *, splitByChar(' ', request) AS parts
    FROM file({log}, 'CSV', 'client_ip String, ident Nullable(String), user Nullable(String), time String, zone String, request String,
        status Nullable(Int16), bytes_sent Nullable(Int64), referer String, user_agent String')
)
SETTINGS format_csv_delimiter = ' ', format_csv_null_representation = '-', input_format_csv_allow_whitespace_or_tab_as_delimiter = 1,
    input_format_csv_allow_variable_number_of_columns = 1, prefer_column_name_to_alias = 1
"""
JSON = """
SELECT
    parseDateTimeBestEffort(time_iso8601, 'UTC') AS ts,
    remote_addr AS client_ip, remote_user AS user, host AS vhost,
    request_method AS method, cutQueryString(request_uri) AS path, nullIf(queryString(request_uri), '') AS query, server_protocol AS protocol,
    status, body_bytes_sent AS bytes_sent, request_time * 1000 AS duration_ms, http_referer AS referer, http_user_agent AS user_agent
FROM file({log}, 'JSONEachRow', 'time_iso8601 String, remote_addr String, remote_user String, host String, request_method String, request_uri String,
    server_protocol String, status Int16, body_bytes_sent Int64, request_time Float64, http_referer String, http_user_agent String')
SETTINGS prefer_column_name_to_alias = 1
"""


def convert(kind: str, log: Path, out: Path) -> None:
    """Write ``log`` as typed columns to ``out``."""
    select = {"combined": COMBINED, "json": JSON}[kind].format(log=_literal(log))
    chdb.query(f"INSERT INTO FUNCTION file({_literal(out)}, 'Parquet') {select}, max_threads = {THREADS}")


def _literal(path: Path) -> str:
    """Write a path as SQL text; chdb looks for relative ones elsewhere."""
    text = str(path.resolve()).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


if __name__ == "__main__":
    convert(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
