"""What ``breachscope detectors list|show|test|new`` does, without the terminal."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path

from breachscope.case import Case
from breachscope.detect.catalog import Catalog, load_folder
from breachscope.detect.detector import DESCRIPTION, QUERY, Detector
from breachscope.detect.run import run_detectors
from breachscope.errors import DetectorError, UsageError
from breachscope.ingest import IngestOptions, ingest
from breachscope.progress import Silent

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*/[a-z][a-z0-9]*(-[a-z0-9]+)*")

TEST_REFERENCE_DATE = date(2026, 12, 31)
"""Logs of detectors carry dates of 2026 or none at all: no event is later than this."""


@dataclass(frozen=True)
class DetectorRow:
    """One line of ``detectors list``."""

    id: str
    level: str
    stage: str
    attack: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class LogTest:
    """What a detector did with one of its logs."""

    log: Path
    must_fire: bool
    findings: int
    rejected: int
    reason: str | None
    """Why the detector could not judge the log, or None."""

    @property
    def passed(self) -> bool:
        """A log that must fire does, one that must not does not; neither holds a line that nothing can read."""
        return self.rejected == 0 and (self.findings > 0) == self.must_fire and (self.reason is None or not self.must_fire)


def list_detectors(catalog: Catalog, lang: str) -> list[DetectorRow]:
    return [DetectorRow(d.id, d.level, d.stage, d.attack, d.title.in_language(lang)) for d in catalog.detectors]


def show_detector(detector: Detector, lang: str) -> str:
    """Everything about one detector as plain text, its query at the end."""
    lines = [
        f"{detector.id} – {detector.title.in_language(lang)}",
        "",
        detector.description.in_language(lang),
        "",
        f"level      {detector.level}",
        f"stage      {detector.stage}",
        f"ATT&CK     {', '.join(detector.attack)}",
        f"evidence   {detector.evidence.grade}",
        f"version    {detector.version}",
        f"folder     {detector.path}",
    ]
    if detector.parameters:
        lines += ["", "parameters"] + [f"  {p.name} = {p.default} ({p.type}): {p.meaning}" for p in detector.parameters]
    if detector.requires:
        lines += ["", "needs"] + [f"  {relation}: {', '.join(columns)}" for relation, columns in detector.requires.items()]
    for heading, texts in (("false positives", detector.false_positives), ("next steps", detector.next_steps)):
        lines += ["", heading] + [f"  - {text.in_language(lang)}" for text in texts]
    lines += ["", "references"] + [f"  - {address}" for address in detector.references]
    if detector.cannot_see:
        lines += ["", "cannot see", f"  {detector.cannot_see}"]
    return "\n".join([*lines, "", detector.query.rstrip(), ""])


def find_detector(catalog: Catalog, name: str) -> Detector:
    """The detector in folder ``name``, or of id ``name``. Raises ContentErrors, or UsageError with the nearest id."""
    folder = Path(name)
    if (folder / DESCRIPTION).is_file():
        return load_folder(folder)
    try:
        return catalog[name]
    except DetectorError as error:
        raise UsageError(f"{error.text}; see 'breachscope detectors list'") from error


def find_logs(detector: Detector) -> list[Path]:
    """``fires*.log`` and ``quiet*.log`` of a detector, in order."""
    return sorted([*detector.path.glob("fires*.log"), *detector.path.glob("quiet*.log")])


def check_detector(detector: Detector, formats_dirs: Sequence[Path] = ()) -> list[LogTest]:
    """Run each of the detector's logs through ingest and the detector. Raises UsageError when a kind of log is missing."""
    logs = find_logs(detector)
    for kind in ("fires", "quiet"):
        if not any(log.name.startswith(kind) for log in logs):
            raise UsageError(f"{detector.path} holds no {kind}.log: a detector shows what it fires on and what it leaves alone")
    return [_check_log(detector, log, formats_dirs) for log in logs]


def _check_log(detector: Detector, log: Path, formats_dirs: Sequence[Path]) -> LogTest:
    with tempfile.TemporaryDirectory(prefix="breachscope-detector-") as folder:
        case = Case.create_or_open(Path(folder) / "case")
        with case.lock():
            ingest(case, [log], IngestOptions(reference_date=TEST_REFERENCE_DATE, formats_dirs=tuple(formats_dirs)), Silent())
            detection = run_detectors(case, Catalog((detector,)), progress=Silent())
        rejected = sum(source.rejected for source in case.sources())
    run = detection.runs[0]
    return LogTest(log, log.name.startswith("fires"), run.findings, rejected, str(run.reason) if run.reason else None)


def new_detector(detector_id: str, directory: Path) -> Path:
    """Make ``directory/<id>`` from the template, and return it.

    Its query and logs work; its texts say what to write, and lint complains of each until it is written.
    Raises UsageError when the id is no id or is taken.
    """
    if not _ID.fullmatch(detector_id):
        raise UsageError(f"{detector_id!r} is no detector id: write <family>/<name> in small letters, digits and hyphens")
    folder = directory / detector_id
    if folder.exists():
        raise UsageError(f"{folder} exists already; choose another id or remove it")
    folder.mkdir(parents=True)
    for name in (DESCRIPTION, QUERY, "fires.log", "quiet.log"):
        (folder / name).write_bytes(files(__package__).joinpath("template", name).read_bytes())
    return folder
