"""The detectors there are: folders of ``detector.yaml``, ``query.sql`` and logs that must and must not fire.

Loading checks everything there is to check without a case and reports all mistakes at once, each with file and line.
The id of a detector is its folder's path below the catalogue's root, such as ``web/object-enumeration``.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import pyarrow as pa

from breachscope.detect.detector import (
    DESCRIPTION,
    EVIDENCE_GRADES,
    EVIDENCE_RELATIONS,
    OPTIONAL_COLUMNS,
    PARAMETER_TYPES,
    QUERY,
    RESULT_COLUMNS,
    STAGES,
    Detector,
    Evidence,
    Parameter,
    Text,
    evidence_sql,
)
from breachscope.detect.sandbox import Relations, Sandbox, SqlUse, open_sandbox, relation_names
from breachscope.detect.yaml_file import Key, Value, YamlFile
from breachscope.errors import BreachscopeError, ContentErrors, DetectorError, UsageError, did_you_mean
from breachscope.schema import EVENT_TABLES, LEVELS

_ATTACK_ID = re.compile(r"T\d{4}(\.\d{3})?")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

T = TypeVar("T", bound=str)

PLACEHOLDER = "REPLACE:"
"""How a text begins that stands in a new detector to say what to write."""


@dataclass(frozen=True)
class Catalog:
    """Every detector, by id in order."""

    detectors: tuple[Detector, ...]

    def __getitem__(self, detector_id: str) -> Detector:
        """Raises DetectorError with the nearest id when there is none of that name."""
        for detector in self.detectors:
            if detector.id == detector_id:
                return detector
        raise DetectorError(f"there is no detector {detector_id!r}{did_you_mean(detector_id, (d.id for d in self.detectors))}")

    def __contains__(self, detector_id: object) -> bool:
        return any(d.id == detector_id for d in self.detectors)


def builtin_directory() -> Path:
    """Where the detectors of breachscope stand: inside the wheel, or beside ``src`` in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "detectors"
    return installed if installed.is_dir() else package.parents[1] / "detectors"


def load_catalog(directories: Sequence[Path] = ()) -> Catalog:
    """Load the built-in detectors and those under ``directories``; a user's detector replaces the built-in one of the same id.

    Raises ContentErrors with every mistake in every detector.
    """
    errors: list[BreachscopeError] = []
    found: dict[str, tuple[Path, Path]] = {}
    for index, root in enumerate([builtin_directory(), *directories]):
        if not root.is_dir():
            errors.append(UsageError("is not a folder; --detectors wants a folder of <family>/<name>/detector.yaml", path=root))
            continue
        folders = sorted(p.parent for p in root.rglob(DESCRIPTION))
        if not folders and index:
            errors.append(DetectorError("holds no detector; one is <family>/<name>/detector.yaml", path=root))
        for folder in folders:
            found[_identify(folder, root)] = (folder, root)
    detectors = []
    with _lint_sandbox() as lint:
        for detector_id, (folder, _) in sorted(found.items()):
            detector, mistakes = lint.load(detector_id, folder)
            errors += mistakes
            if detector:
                detectors.append(detector)
    if errors:
        raise ContentErrors(errors)
    return Catalog(tuple(detectors))


def load_folder(folder: Path) -> Detector:
    """Load the one detector in ``folder``, whose id is the last two parts of its path. Raises ContentErrors."""
    with _lint_sandbox() as lint:
        detector, mistakes = lint.load("/".join(folder.resolve().parts[-2:]), folder)
    if detector is None or mistakes:
        raise ContentErrors(mistakes)
    return detector


def _identify(folder: Path, root: Path) -> str:
    relative = folder.relative_to(root).parts
    return "/".join(relative if len(relative) > 1 else folder.resolve().parts[-2:])


@contextmanager
def _lint_sandbox() -> Iterator[_Lint]:
    """One empty sandbox for a whole load, so that each query is bound against real relations."""
    with (
        tempfile.TemporaryDirectory(prefix="breachscope-lint-") as folder,
        open_sandbox(dict.fromkeys(EVENT_TABLES, ()), Path(folder), threads=1, time_limit=60) as sandbox,
    ):
        yield _Lint(sandbox)


_KEYS = {
    "title", "level", "attack", "stage", "description", "summary", "parameters", "requires", "evidence",
    "false_positives", "next_steps", "references", "cannot_see",
}  # fmt: skip
_OPTIONAL_KEYS = {"parameters", "requires", "cannot_see"}


class _Lint:
    """Reads detector folders and says everything that is wrong with them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._relations = Relations(sandbox)

    def load(self, detector_id: str, folder: Path) -> tuple[Detector | None, list[BreachscopeError]]:
        yaml = YamlFile.load(folder / DESCRIPTION)
        if not yaml.data:
            return None, list(yaml.errors)
        self._check_id(detector_id, yaml)
        for key in yaml.data.keys() - _KEYS:
            yaml.complain(f"unknown key {key!r}{did_you_mean(key, _KEYS)}", key)
        for key in sorted(_KEYS - _OPTIONAL_KEYS - yaml.data.keys()):
            yaml.complain(f"key {key!r} is missing")
        parameters = _parameters(yaml)
        evidence = _evidence(yaml)
        detector = Detector(
            id=detector_id,
            path=folder,
            title=_text(yaml, "title"),
            level=_choice(yaml, LEVELS, "level"),
            attack=_attack(yaml),
            stage=_choice(yaml, STAGES, "stage"),
            description=_text(yaml, "description"),
            summary=_text(yaml, "summary"),
            parameters=parameters,
            requires=_requires(yaml),
            evidence=evidence,
            false_positives=_texts(yaml, "false_positives"),
            next_steps=_texts(yaml, "next_steps"),
            references=_references(yaml),
            cannot_see=_line(yaml, "cannot_see") if "cannot_see" in yaml.data else "",
            query=_read_query(yaml, folder / QUERY),
            use=SqlUse(frozenset(), frozenset()),
            columns=(),
            version=_version(folder),
        )
        sql_errors: list[BreachscopeError] = []
        if detector.query:
            detector, sql_errors = self._bind(detector, yaml)
        errors = sorted([*yaml.errors, *sql_errors], key=lambda e: (e.path or "", e.line or 0, e.text))
        return (None if errors else detector), errors

    def _check_id(self, detector_id: str, yaml: YamlFile) -> None:
        parts = detector_id.split("/")
        if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
            yaml.complain(f"its folder makes its id {detector_id!r}, but an id is <family>/<name> in small letters, digits and hyphens")

    def _bind(self, detector: Detector, yaml: YamlFile) -> tuple[Detector, list[BreachscopeError]]:
        """Check the query and the evidence condition against the relations there are."""
        use, refused = self._sandbox.inspect(detector.query, detector.query_path)
        errors: list[BreachscopeError] = list(refused)
        declared = {p.name for p in detector.parameters}
        for name in sorted(use.parameters - declared):
            line = 1 + detector.query[: detector.query.find(f"${name}")].count("\n")
            complaint = f"${name} is not among the parameters of {DESCRIPTION}{did_you_mean(name, declared)}"
            errors.append(DetectorError(complaint, path=detector.query_path, line=line))
        for name in sorted(declared - use.parameters):
            yaml.complain(f"parameter {name!r} is not used in {QUERY}", "parameters", name)
        if errors or yaml.errors:
            return detector, errors
        self._relations.need(use.relations | {detector.evidence.relation})
        try:
            values = {p.name: p.value(p.default) for p in detector.parameters}
            self._sandbox.run(
                f"CREATE OR REPLACE TEMP TABLE found AS SELECT 0 AS found_id, * FROM (\n{detector.query}\n)", detector.query_path, values, limited=True
            )
        except DetectorError as error:
            return detector, [error]
        described = self._sandbox.fetch("SELECT * EXCLUDE (found_id) FROM found", detector.query_path).schema
        columns = tuple(described.names)
        errors += _check_columns(detector, described, columns)
        bound = replace(detector, use=use, columns=columns)
        for lang, sentence in (("en", detector.summary.en), ("ja", detector.summary.ja)):
            for name in _PLACEHOLDER.findall(sentence):
                if name not in {*RESULT_COLUMNS, "peer", "events", *bound.facts}:
                    yaml.complain(f"{{{name}}} is not a column of {QUERY}{did_you_mean(name, columns)}", "summary", lang)
        if not errors:
            self._bind_evidence(bound, yaml)
        return bound, errors

    def _bind_evidence(self, detector: Detector, yaml: YamlFile) -> None:
        sql = evidence_sql(detector)
        _, refused = self._sandbox.inspect(sql, yaml.path, also=frozenset({"found"}))
        for error in refused:
            yaml.complain(error.text, "evidence", "where")
        if refused:
            return
        try:
            self._sandbox.fetch(sql, yaml.path)
        except DetectorError as error:
            yaml.complain(f"the condition does not fit relation {detector.evidence.relation!r}: {error.text}", "evidence", "where")


def _check_columns(detector: Detector, schema: pa.Schema, columns: tuple[str, ...]) -> list[BreachscopeError]:
    complaints = [f"does not return the column {name!r}" for name in RESULT_COLUMNS if name not in columns]
    times = [name for name in ("first_ts", "last_ts") if name in columns]
    texts = [name for name in ("actor_kind", "actor", *OPTIONAL_COLUMNS) if name in columns]
    complaints += [f"column {name!r} is no timestamp" for name in times if not pa.types.is_timestamp(schema.field(name).type)]
    complaints += [f"column {name!r} is no text" for name in texts if not pa.types.is_string(schema.field(name).type)]
    return [DetectorError(complaint, path=detector.query_path) for complaint in complaints]


def _read_query(yaml: YamlFile, path: Path) -> str:
    try:
        query = path.read_text(encoding="utf-8")
    except OSError as error:
        yaml.errors.append(DetectorError(f"cannot be read ({error.strerror}); every detector has a {QUERY}", path=path))
        return ""
    except UnicodeDecodeError:
        yaml.errors.append(DetectorError("is not UTF-8 text", path=path))
        return ""
    if not query.lstrip().startswith("--"):
        yaml.errors.append(DetectorError("must begin with a comment that says what one row means", path=path, line=1))
    return query


def _version(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (DESCRIPTION, QUERY):
        path = folder / name
        digest.update(name.encode() + b"\0" + (path.read_bytes() if path.is_file() else b"") + b"\0")
    return digest.hexdigest()


def _at(yaml: YamlFile, *keys: Key) -> Value:
    value: Value = yaml.data
    for key in keys:
        if isinstance(value, Mapping) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return None
    return value


def _line(yaml: YamlFile, *keys: Key) -> str:
    value = _at(yaml, *keys)
    if isinstance(value, str) and value.startswith(PLACEHOLDER):
        yaml.complain(f"{_dotted(keys)} is still what 'detectors new' put there: write {value.removeprefix(PLACEHOLDER).strip()}", *keys)
        return ""
    if isinstance(value, str) and value.strip():
        return " ".join(value.split())
    if keys[0] in yaml.data:
        yaml.complain(f"{_dotted(keys)} must be a sentence", *keys)
    return ""


def _text(yaml: YamlFile, *keys: Key) -> Text:
    value = _at(yaml, *keys)
    if isinstance(value, Mapping):
        for other in sorted(value.keys() - {"en", "ja"}):
            yaml.complain(f"{_dotted(keys)} has the languages en and ja, not {other!r}", *keys, other)
    return Text(_line(yaml, *keys, "en"), _line(yaml, *keys, "ja"))


def _texts(yaml: YamlFile, key: str) -> tuple[Text, ...]:
    return tuple(_text(yaml, key, index) for index in range(_entries(yaml, key)))


def _dotted(keys: Sequence[Key]) -> str:
    return ".".join(map(str, keys))


def _lines(yaml: YamlFile, key: str) -> tuple[str, ...]:
    return tuple(_line(yaml, key, index) for index in range(_entries(yaml, key)))


def _entries(yaml: YamlFile, key: str) -> int:
    """How many entries the list ``key`` has; it must have one at least."""
    value = yaml.data.get(key)
    if isinstance(value, list) and value:
        return len(value)
    if key in yaml.data:
        yaml.complain(f"{key} must be a list with at least one entry", key)
    return 0


def _choice(yaml: YamlFile, allowed: Sequence[T], *keys: Key) -> T:
    value = _at(yaml, *keys)
    for option in allowed:
        if value == option:
            return option
    if keys[0] in yaml.data:
        yaml.complain(f"{_dotted(keys)} is {value!r}, but must be one of {', '.join(allowed)}{did_you_mean(str(value), allowed)}", *keys)
    return allowed[0]


def _attack(yaml: YamlFile) -> tuple[str, ...]:
    ids = _lines(yaml, "attack")
    for index, technique in enumerate(ids):
        if technique and not _ATTACK_ID.fullmatch(technique):
            yaml.complain(f"{technique!r} is no ATT&CK technique id such as T1110.003", "attack", index)
    return ids


def _references(yaml: YamlFile) -> tuple[str, ...]:
    urls = _lines(yaml, "references")
    for index, url in enumerate(urls):
        if url and not url.startswith("https://"):
            yaml.complain("a reference must be an https:// address", "references", index)
    return urls


def _parameters(yaml: YamlFile) -> tuple[Parameter, ...]:
    section = yaml.data.get("parameters", {})
    if not isinstance(section, Mapping):
        yaml.complain("parameters must be a mapping of names to type, default and meaning", "parameters")
        return ()
    parameters = []
    for name, entry in section.items():
        if not _PARAMETER_NAME.fullmatch(name):
            yaml.complain(f"parameter {name!r} must be small letters, digits and underscores", "parameters", name)
        if not isinstance(entry, Mapping):
            yaml.complain(f"parameter {name!r} needs type, default and meaning", "parameters", name)
            continue
        for key in entry.keys() - {"type", "default", "meaning"}:
            yaml.complain(f"unknown key {key!r}{did_you_mean(key, ['type', 'default', 'meaning'])}", "parameters", name, key)
        kind = _choice(yaml, PARAMETER_TYPES, "parameters", name, "type")
        default = entry.get("default")
        parameter = Parameter(name, kind, "" if default is None else str(default), _line(yaml, "parameters", name, "meaning"))
        try:
            parameter.value(parameter.default)
        except ValueError as error:
            yaml.complain(f"default of {name!r} is {default!r}, but must be {error}", "parameters", name, "default")
        parameters.append(parameter)
    return tuple(parameters)


def _requires(yaml: YamlFile) -> Mapping[str, tuple[str, ...]]:
    section = yaml.data.get("requires", {})
    if not isinstance(section, Mapping):
        yaml.complain("requires must be a mapping of relations to lists of columns", "requires")
        return MappingProxyType({})
    needed = {}
    for relation, columns in section.items():
        if relation not in relation_names():
            yaml.complain(f"there is no relation {relation!r}{did_you_mean(relation, relation_names())}", "requires", relation)
        if not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
            yaml.complain("must be a list of column names", "requires", relation)
            continue
        needed[relation] = tuple(str(c) for c in columns)
    return MappingProxyType(needed)


def _evidence(yaml: YamlFile) -> Evidence:
    section = yaml.data.get("evidence")
    if not isinstance(section, Mapping):
        if "evidence" in yaml.data:
            yaml.complain("evidence must be a mapping of grade, relation and where", "evidence")
        return Evidence("context", "", "", 1)
    for key in section.keys() - {"grade", "relation", "where"}:
        yaml.complain(f"unknown key {key!r}{did_you_mean(key, ['grade', 'relation', 'where'])}", "evidence", key)
    grade = _choice(yaml, EVIDENCE_GRADES, "evidence", "grade")
    relation = _choice(yaml, EVIDENCE_RELATIONS, "evidence", "relation")
    return Evidence(grade, relation, _line(yaml, "evidence", "where"), yaml.line_of("evidence", "where"))
