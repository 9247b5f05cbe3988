"""Logs in, typed event tables out."""

from breachscope.ingest.catalog import FormatCatalog, load_formats
from breachscope.ingest.draft import new_format
from breachscope.ingest.formats import Format, load_format
from breachscope.ingest.log_format import idle_log_formats, with_log_formats
from breachscope.ingest.run import IngestOptions, IngestResult, ingest
from breachscope.ingest.settings import read_trusted_proxies
from breachscope.ingest.trace import RawLine, read_raw_line
from breachscope.ingest.trial import Trial, check_samples, try_file

__all__ = [
    "Format",
    "FormatCatalog",
    "IngestOptions",
    "IngestResult",
    "RawLine",
    "Trial",
    "check_samples",
    "idle_log_formats",
    "ingest",
    "load_format",
    "load_formats",
    "new_format",
    "read_raw_line",
    "read_trusted_proxies",
    "try_file",
    "with_log_formats",
]
