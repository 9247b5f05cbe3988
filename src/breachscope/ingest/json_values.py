"""Values of JSON lines by path, as columns of text.

DuckDB's reader takes any scalar as text, tells JSON null from "null", and survives bad lines. Of a key that stands
twice the first value counts; objects and arrays are taken as their JSON text.
"""

from __future__ import annotations

import polars as pl

from breachscope.ingest.columns import NULL_TEXTS
from breachscope.ingest.formats import Format, joined_parts
from breachscope.ingest.marks import key_mark, occurring

IS_JSON = "_is_json"


def json_values(texts: pl.Series, fmt: Format) -> pl.DataFrame:
    """What the format's :attr:`~Format.sources` hold; the column :data:`IS_JSON` is null where a text is not JSON.

    A value that is there but says nothing leaves the word to the next alternative.
    """
    paths: list[str] = []
    columns = []
    # Every path costs; most alternatives name keys that no line of a log has.
    present = occurring(texts, {key_mark(path) for alternatives in fmt.sources.values() for joined in alternatives for path in joined_parts(joined)})
    for name, alternatives in fmt.sources.items():
        told = []
        for alternative in alternatives:
            parts = joined_parts(alternative)
            if {key_mark(path) for path in parts} <= present:
                told.append(" || ' ' || ".join(f"told(v[{len(paths) + n}])" for n in range(1, len(parts) + 1)))
                paths += parts
        quoted = name.replace('"', '""')
        columns.append(f'coalesce({", ".join([*told, "NULL::VARCHAR"])}) AS "{quoted}"')
    wanted = ", ".join("'" + p.replace("'", "''") + "'" for p in paths)
    nulls = ", ".join(f"'{text}'" for text in NULL_TEXTS)
    import duckdb  # only JSON needs it

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("lines", texts.alias("text").to_frame().to_arrow())
        connection.execute(f"CREATE MACRO told(x) AS CASE WHEN x NOT IN ({nulls}) THEN x END")
        extracted = f"SELECT CASE WHEN json_valid(text) THEN json_extract_string(text, [{wanted}]::VARCHAR[]) END AS v FROM lines"
        query = f'SELECT CASE WHEN v IS NOT NULL THEN 1 END AS "{IS_JSON}", {", ".join(columns)} FROM ({extracted})'
        return pl.DataFrame(pl.from_arrow(connection.sql(query).to_arrow_table()))
