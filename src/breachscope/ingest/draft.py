"""A first draft of a format from sample lines, as they are guessed to be read; a draft is for a person to check."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import polars as pl

from breachscope.errors import UsageError
from breachscope.ingest.catalog import FormatCatalog
from breachscope.ingest.engine import read_lines
from breachscope.ingest.formats import load_format
from breachscope.ingest.guess import FIRST_ORDER, guess_lines
from breachscope.ingest.inputs import Input
from breachscope.ingest.lines import split_lines
from breachscope.ingest.reading import Context
from breachscope.ingest.streams import Stream
from breachscope.ingest.trial import BOOKKEEPING, sample_headers


def new_format(sample: Path, output: Path) -> None:
    """Write the draft of a format for the lines of ``sample``, with what it makes of the first one as the expectation to check.

    Raises UsageError where none can be drafted or ``output`` exists, InputError where the sample cannot be read.
    """
    if output.exists():
        raise UsageError("exists already; choose another --output or remove it", path=output)
    stream = Stream(Input(sample))
    block = next(stream.blocks(), None)
    lines = split_lines(block, stream.encoding, stream.newline).frame["text"].to_list() if block else []
    if stream.encoding_doubt:
        raise UsageError(f"no format can be drafted: {stream.encoding_doubt}", path=sample)
    text = guess_lines(lines).as_toml(f"drafted from {sample.name}", _free_order(output.parent))
    try:
        output.touch(mode=0o600)  # it holds a line of the log
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror}); choose another --output", path=output) from error
    output.write_text(text, encoding="utf-8")
    fmt = load_format(output)
    first = fmt.samples[0]
    rows = pl.DataFrame({"line": [1], "text": [first.line]}, schema={"line": pl.Int64, "text": pl.String})
    events = read_lines(rows, fmt, FormatCatalog(()), Context(source=1, headers=sample_headers(first, fmt))).events
    expected = {c: v for c, v in events[0][2].row(0, named=True).items() if v is not None and c not in BOOKKEEPING} if events else {}
    output.write_text(text + "".join(f"{column} = {_toml(value)}\n" for column, value in expected.items()), encoding="utf-8")


def _free_order(folder: Path) -> int:
    """An order behind all that the formats of ``folder`` take, for they are loaded together."""
    taken = [int(n) for path in folder.glob("*.toml") for n in re.findall(rb"^order *= *([0-9]{1,9}) *$", path.read_bytes(), re.MULTILINE)]
    return max([FIRST_ORDER - 1, *taken]) + 1


def _toml(value: object) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else json.dumps(value, ensure_ascii=False)
