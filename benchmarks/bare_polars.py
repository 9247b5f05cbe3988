"""The yardstick for ingest: nothing but the Polars CSV tokenizer on a combined log, typed columns, one Parquet file.

    python -m benchmarks.bare_polars ACCESS.LOG OUT.parquet

No hashing, no line numbers, no rejects, no second look at lines that do not split: what any program must pay that reads the same file this way.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

COLUMNS = ("client_ip", "ident", "user", "time", "zone", "request", "status", "bytes_sent", "referer", "user_agent")


def convert(log: Path, out: Path) -> None:
    """Write ``log`` as typed columns to ``out``."""
    lines = pl.scan_csv(
        log, has_header=False, separator=" ", quote_char='"', schema=dict.fromkeys(COLUMNS, pl.String), truncate_ragged_lines=True, null_values=["-"]
    )
    request = pl.col("request").str.splitn(" ", 3)
    target = request.struct.field("field_1").str.splitn("?", 2)
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
    ).with_columns(
        ts=pl.col("local") - pl.duration(minutes=pl.col("zone") // 100 * 60 + pl.col("zone") % 100),
    ).drop("local").sink_parquet(out)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
