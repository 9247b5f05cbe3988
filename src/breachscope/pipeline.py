"""The four stages on one case: each takes the lock, works only when its inputs changed, and leaves a custody record.

A stage is imported when it runs: ingest alone starts in half the time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from breachscope import __version__
from breachscope.case import MANIFEST, Case, sha256_file
from breachscope.errors import counted
from breachscope.manifest import Source
from breachscope.progress import Progress

if TYPE_CHECKING:
    from breachscope.detect import DetectOptions
    from breachscope.ingest import IngestOptions, IngestResult
    from breachscope.report import Language
    from breachscope.scope import DataMap

SCOPE_FILES = ("exposures.parquet", "people.parquet", "scope.json")
REPORT_FILES = ("report/report.html",)
_DATAMAP = "datamap.toml"
_MOST_VANISHED = 5


def ingest_logs(case: Case, paths: Sequence[str | Path], options: IngestOptions, progress: Progress) -> IngestResult:
    """Add logs to the case. Inputs that are gone from the folders and globs given keep their events, each with a warning."""
    from breachscope.ingest import ingest

    with case.lock():
        result = ingest(case, paths, options, progress)
    gone = _vanished(case, paths)
    for source in gone[:_MOST_VANISHED]:
        progress.warn(f"{source.path}: was read earlier and is gone now; its {counted(source.event_lines, 'event stays', 'events stay')} in the case")
    if len(gone) > _MOST_VANISHED:
        more = counted(len(gone) - _MOST_VANISHED, "more input that was read earlier is", "more inputs that were read earlier are")
        progress.warn(f"and {more} gone; 'breachscope verify --case {case.path}' names them all")
    return result


def _vanished(case: Case, paths: Sequence[str | Path]) -> list[Source]:
    """Inputs of the case that stood where ``paths`` look and are not there any more; a copy of another input is no loss."""
    given = [Path(os.path.abspath(path)) for path in paths if not Path(path).is_file()]  # noqa: PTH100 - without the dots, but links as they are
    found = []
    for source in case.sources():
        path = Path(os.path.abspath(source.file))  # noqa: PTH100 - as above
        stood = (path, *path.parents)
        if source.duplicate_of is None and any(place in stood or any(p.match(str(place)) for p in stood) for place in given) and not path.exists():
            found.append(source)
    return found


def detect_incidents(case: Case, options: DetectOptions, progress: Progress) -> bool:
    """Run the detectors; return whether there was anything to do."""
    from breachscope.detect import OUTPUTS, run_detectors

    parameters = {detector_id: dict(values) for detector_id, values in options.parameters.items()}
    versions = {d.id: d.version for d in options.catalog.detectors}
    key = _key(sha256_file(case.path / MANIFEST), versions, options.only, parameters, repr(options.allow))
    with case.lock():
        if _is_done(case, "detect", key, OUTPUTS):
            return False
        run_detectors(case, options.catalog, parameters=parameters, only=options.only, allow=options.allow, progress=progress)
        case.record("detect", OUTPUTS, {"only": list(options.only), "parameters": parameters})
        case.mark_current("detect", key)
    return True


def measure_scope(case: Case, datamap: DataMap | None, progress: Progress) -> bool:
    """Join the evidence with the customer tables; return whether there was anything to do. Tables in a database are always read again."""
    from breachscope.detect import OUTPUTS
    from breachscope.scope import compute_scope
    from breachscope.scope.customers import open_checked

    with case.lock(), case.scratch() as scratch:
        tables = {name: reader.facts.sha256 for name, reader in open_checked(datamap, scratch).items()} if datamap else {}
        inputs = {name: sha256_file(case.path / name) for name in (MANIFEST, *OUTPUTS)}
        key = _key(inputs, datamap.sha256 if datamap else None, tables)
        if None not in tables.values() and _is_done(case, "scope", key, SCOPE_FILES):
            return False
        compute_scope(case, datamap, progress)
        outputs = list(SCOPE_FILES)
        if datamap:
            case.write_bytes(_DATAMAP, datamap.path.read_bytes())
            outputs.append(_DATAMAP)
        case.record("scope", outputs, {"map": str(datamap.path.absolute()) if datamap else None, "tables": tables})
        case.mark_current("scope", key)
    return True


def write_report(case: Case, lang: Language) -> Path:
    """Write the HTML report, unless it stands there already for the same results."""
    from breachscope.detect import OUTPUTS
    from breachscope.report import write_html

    inputs = {name: sha256_file(case.path / name) for name in (MANIFEST, *OUTPUTS, *SCOPE_FILES)}
    key = _key(inputs, lang)
    with case.lock():
        if not _is_done(case, "report", key, REPORT_FILES):
            write_html(case, lang)
            case.record("report", REPORT_FILES, {"lang": lang})
            case.mark_current("report", key)
    return case.path / REPORT_FILES[0]


def _is_done(case: Case, stage: str, key: str, outputs: Sequence[str]) -> bool:
    """Whether ``stage`` was completed with the same inputs and its outputs are as it left them: what was changed is made again."""
    return case.is_current(stage, key, outputs) and not case.changed(outputs)


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps([__version__, *parts], sort_keys=True, default=list).encode()).hexdigest()
