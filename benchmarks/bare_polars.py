"""The yardstick for ingest: nothing but Polars' own reader on a web log, typed columns, one Parquet file.

    python -m benchmarks.bare_polars combined ACCESS.LOG OUT.parquet
    python -m benchmarks.bare_polars json ACCESS.LOG OUT.parquet

No hashing, no line numbers, no rejects, no second look at lines that do not split: what any program must pay that reads the same file this way.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

COMBINED = ("client_ip", "ident", "user", "time", "zone", "request", "status", "bytes_sent", "referer", "user_agent")
JSON = {
    "time_iso8601": pl.String, "remote_addr": pl.String, "remote_user": pl.String, "host": pl.String, "request_method": pl.String, "request_uri": pl.String,
    "server_protocol": pl.String, "status": pl.Int64, "body_bytes_sent": pl.Int64, "request_time": pl.Float64, "http_referer": pl.String,
    "http_user_agent": pl.String,
}  # fmt: skip


def combined(log: Path) -> pl.LazyFrame:
    """Read the combined format with the CSV tokenizer."""
    lines = pl.scan_csv(
        log, has_header=False, separator=" ", quote_char='"', schema=dict.fromkeys(COMBINED, pl.String), truncate_ragged_lines=True, null_values=["-"]
    )
    request = pl.col("request").str.splitn(" ", 3)
    target = request.struct.field("field_1").str.splitn("?", 2)
    return (
        lines.select(
            pl.col("time").str.strptime(pl.Datetime("us"), "[%d/%b/%Y:%H:%M:%S", strict=False).alias("local"),
            pl.col("zone").str.head(5).cast(pl.Int32, strict=False).alias("zone"),
            "client_ip",
            "user",
            request.struct.field("field_0").alias("method"),
            target.struct.field("field_0").alias("path"),
            target.struct.field("field_1").alias("query"),
            request.struct.field("field_2").alias("protocol"),
            pl.col("status").cast(pl.Int16, strict=False),
            pl.col("bytes_sent").cast(pl.Int64, strict=False),
            "referer",
            "user_agent",
        )
        .with_columns(ts=pl.col("local") - pl.duration(minutes=pl.col("zone") // 100 * 60 + pl.col("zone") % 100))
        .drop("local")
    )


def json(log: Path) -> pl.LazyFrame:
    """Read one JSON object a line, with nginx's names."""
    target = pl.col("request_uri").str.splitn("?", 2)
    return pl.scan_ndjson(log, schema=JSON).select(
        pl.col("time_iso8601").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us", time_zone="UTC", strict=False).alias("ts"),
        pl.col("remote_addr").alias("client_ip"),
        pl.col("remote_user").alias("user"),
        pl.col("host").alias("vhost"),
        pl.col("request_method").alias("method"),
        target.struct.field("field_0").alias("path"),
        target.struct.field("field_1").alias("query"),
        pl.col("server_protocol").alias("protocol"),
        pl.col("status").cast(pl.Int16),
        pl.col("body_bytes_sent").alias("bytes_sent"),
        (pl.col("request_time") * 1_000).alias("duration_ms"),
        pl.col("http_referer").alias("referer"),
        pl.col("http_user_agent").alias("user_agent"),
    )


READERS = {"combined": combined, "json": json}

if __name__ == "__main__":
    READERS[sys.argv[1]](Path(sys.argv[2])).sink_parquet(Path(sys.argv[3]))
