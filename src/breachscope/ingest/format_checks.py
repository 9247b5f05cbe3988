"""What a format's file may say, and every mistake in one, each with its line. The grammar stands in :mod:`breachscope.ingest.formats`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import polars as pl

from breachscope.errors import BreachscopeError, FormatError, UsageError, did_you_mean
from breachscope.ingest.fragments import spelt_out
from breachscope.ingest.views import INLINE_BYTES
from breachscope.schema import EVENT_TABLES
from breachscope.timestamps import TimeForm, Zone
from breachscope.toml_file import TomlFile

_KINDS = ("regex", "delimited", "table", "json", "keyvalue", "envelope", "syslog")
_TEXTS, _TABLES = "a list of texts", "a list of tables"
_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("title", "kind", "table", "comment", "continues", "parts", "separator", "quote", "header", "dates", "writer"), "text"),
    **dict.fromkeys(("extra", "spaced"), "true or false"),
    "escapes": "true, false or the characters that may be escaped",
    **dict.fromkeys(("spec", "programs", "columns", "require"), _TEXTS),
    **dict.fromkeys(("time", "keys", "fields", "fragments"), "a table"),
    **dict.fromkeys(("pattern", "sample", "refuse"), _TABLES),
    "order": "a whole number",
}
_PATTERN_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("match", "contains", "skip", "refuse", "table"), "text"),
    **dict.fromkeys(("keys", "set", "time", "where", "unless", "within"), "a table"),
    "require": _TEXTS,
}
_FIELD_KEYS: Mapping[str, str] = {
    "scale": "a number",
    "map": "a table",
    "lower": "true or false",
    "nothing": _TEXTS,
    "cut": "text",
    "origin": "text",
    "find": "a table",
    "plus": "true or false",
    "doubled": "text",
    "joined": "true or false",
    "indent": "text",
    "hex": "true or false",
}
_TIME_KEYS: Mapping[str, str] = {"formats": _TEXTS, "zone": "text"}
_SAMPLE_KEYS: Mapping[str, str] = {"line": "text", "header": "text", "expect": "a table", "skip": "text"}
EVENTLESS = {"skip", "refuse"}
"""Settings of a pattern whose lines become no events."""
_NAMED_TIMES = ("iso8601", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "japanese", "dotnet")
_SPECIAL_GROUPS = {"time", "request", "uri", "pairs", "separator"}
_UNSET_BY_PARSERS = {"event_id", "ts", "ts_offset_min", "ts_quality", "source", "line", "format"}


class Checker:
    """Collects every mistake of one format file, each with its line."""

    def __init__(self, document: TomlFile) -> None:
        self.document = document
        self.data = spelt_out(document.data)
        self.errors: list[BreachscopeError] = []

    def complain(self, message: str, *keys: str | int) -> None:
        self.errors.append(FormatError(message, path=self.document.path, line=self.document.line_of(*keys)))

    def check(self) -> None:
        if not self.check_shape(self.data, _KEYS):
            return
        for key in ("title", "kind", "order"):
            if key not in self.data:
                self.complain(f"needs {key} = {_KEYS[key]}")
        kind = self.data.get("kind")
        if kind is not None and kind not in _KINDS:
            self.complain(f"kind {kind!r} is not one of {', '.join(_KINDS)}{did_you_mean(kind, _KINDS)}", "kind")
        patterns = self.data.get("pattern", ())
        is_envelope = kind == "envelope" or (kind == "table" and "message" in self.data.get("keys", {}))
        if not is_envelope and not (patterns and all(p.keys() & {"table", *EVENTLESS} for p in patterns)):
            self.check_table("table")
        self.check_time("time")
        if "continues" in self.data:
            self.check_regex(self.data["continues"], "continues")
        if "parts" in self.data and self.check_regex(self.data["parts"], "parts"):
            for group in ("message", "part", "text", "level", "fact"):
                if f"(?P<{group}>" not in self.data["parts"]:
                    self.complain(f"parts needs the group {group!r}", "parts")
        if kind in _KINDS:
            self.check_kind(kind)
        for name, text in self.data.get("fragments", {}).items():
            if not isinstance(text, str):
                self.complain(f"the fragment {name!r} is text", "fragments", name)
        for i, pattern in enumerate(patterns):
            self.check_pattern(i, pattern)
        for name, rule in self.data.get("fields", {}).items():
            self.check_field(name, rule)
        for i, sample in enumerate(self.data.get("sample", ())):
            if self.check_shape(sample, _SAMPLE_KEYS, "sample", i) and ("line" not in sample or not ({"expect", "skip"} & sample.keys())):
                self.complain("a sample needs 'line' and 'expect' (or 'skip')", "sample", i)
        for i, refused in enumerate(self.data.get("refuse", ())):
            if self.check_shape(refused, {"line": "text", "header": "text"}, "refuse", i) and "line" not in refused:
                self.complain("a refused line needs 'line'", "refuse", i)
        if not self.data.get("sample"):
            self.complain("needs at least one [[sample]] with the fields expected of it")

    def check_shape(self, holder: Mapping[str, Any], known: Mapping[str, str], *keys: str | int) -> bool:
        """Complain of unknown settings and of values of another kind; return whether the values can be looked into."""
        sound = True
        for key, value in holder.items():
            if key not in known:
                self.complain(f"{key!r} is not a setting of a format{did_you_mean(key, known)}", *keys, key)
            elif not _IS[known[key]](value):
                advice = f"written as [[{key}]]: there may be several" if known[key] == _TABLES else known[key]
                self.complain(f"{key!r} is {advice}", *keys, key)
                sound = False
        return sound

    def check_table(self, *keys: str | int) -> None:
        table: Any = self.data
        for key in keys:
            table = table.get(key) if isinstance(table, Mapping) else table[key]
        if table not in EVENT_TABLES:
            self.complain(f"table {table!r} is not one of {', '.join(EVENT_TABLES)}{did_you_mean(str(table), EVENT_TABLES)}", *keys)

    def check_kind(self, kind: str) -> None:
        time = ("time",) if "time" in self.data.get("keys", {}) else ()
        needs = {
            "delimited": ("separator", "columns", "time"),
            "table": ("separator", "keys", "require", *(() if "message" in self.data.get("keys", {}) else ("time",))),
            "json": ("keys", "require", "time"),
            "keyvalue": ("keys", "require", "time"),
            "syslog": ("programs", "pattern"),
            "regex": ("pattern",),
            "envelope": ("keys", "require", *time) if "keys" in self.data else ("pattern",),
        }[kind]
        for key in needs:
            if not self.data.get(key):
                self.complain(f"a format of kind {kind} needs {key!r}", "kind")
        if "programs" in self.data and kind not in ("syslog", "regex", "keyvalue"):
            self.complain(f"lines of kind {kind} are not looked for in messages of programs", "programs")
        columns = [*(self.data.get("columns", ()) if kind != "table" else ()), *self.data.get("keys", {})]
        given = "columns" if kind == "delimited" else "keys"
        if table := self.data.get("table"):
            for column in columns:
                self.check_group(column, table, given)
        if columns and not {"time", "message"} & set(columns) and not self.data.get("pattern"):
            self.complain("one of the columns must be 'time'", given)
        self.check_keys("json" if kind == "envelope" else kind, self.data.get("keys", {}), "keys")
        if kind == "envelope" and columns:
            for column in ("message", *(["time"] if "program" in columns else [])):
                if column not in columns:
                    self.complain(f"an envelope needs a key for {column!r}", "keys")
        for column in self.data.get("require", ()):
            if column not in columns:
                self.complain(f"{column!r} is required but no key gives it{did_you_mean(column, columns)}", "require")

    def check_keys(self, kind: str, given: Mapping[str, Any], *keys: str | int) -> None:
        for column, key in given.items():
            paths = [key] if isinstance(key, str) else key
            if not (_is_texts(paths) and (kind != "json" or all(p.startswith("$") for p in paths))):
                self.complain(f"{column} names a key" + (', as a path: "$.key"' if kind == "json" else ""), *keys, column)
            elif kind == "json" and any("+" in re.sub(r'"[^"]*"|\+\$', "", p) for p in paths):
                self.complain(f'{column} joins paths, each of which begins with "$": "$.date+$.time"', *keys, column)

    def check_time(self, *keys: str | int) -> None:
        holder: Any = self.data
        for key in keys:
            holder = holder.get(key, {}) if isinstance(holder, Mapping) else holder[key]
        if not holder or not self.check_shape(holder, _TIME_KEYS, *keys):
            return
        if not holder.get("formats"):
            self.complain('[time] needs formats = ["…"]', *keys)
        if "zone" in holder:
            try:
                Zone.named(holder["zone"])
            except UsageError as error:
                self.complain(str(error), *keys, "zone")
        for form in holder.get("formats", ()):
            if form not in _NAMED_TIMES and not is_strptime(form):
                self.complain(f"{form!r} is not a form of time{did_you_mean(form, _NAMED_TIMES)}", *keys, "formats")
            elif TimeForm((form,)).lacks_year and not form.startswith(("%b %e ", "%b %d ", "%b/%d ")):
                self.complain(f"{form!r} has no year; it can be found only for times that begin with '%b %e '", *keys, "formats")

    def check_pattern(self, i: int, pattern: Mapping[str, Any]) -> None:
        if not self.check_shape(pattern, _PATTERN_KEYS, "pattern", i):
            return
        kind = self.data.get("kind")
        if not ({"match", "keys", "where", "unless", "within"} & pattern.keys()):
            self.complain("a pattern needs 'match', 'keys', 'where', 'unless' or 'within'", "pattern", i)
        if kind in ("json", "keyvalue", "table") and (unfit := {"match", "contains", *(["keys"] if kind == "table" else [])} & pattern.keys()):
            self.complain(f"a pattern of kind {kind} has no {min(unfit)!r}", "pattern", i)
        self.check_keys(str(kind), pattern.get("keys", {}), "pattern", i, "keys")
        regex = pattern.get("match")
        if regex is not None and not self.check_regex(regex, "pattern", i, "match"):
            return
        if "table" in pattern:
            self.check_table("pattern", i, "table")
        self.check_time("pattern", i, "time")
        groups = re.findall(r"\(\?P<(\w+)>", regex or "")
        given = {*groups, *pattern.get("keys", {}), *self.data.get("keys", {})}
        for name, inner in pattern.get("within", {}).items():
            if name not in given or not (kind in ("json", "keyvalue", "table") or (kind == "envelope" and "match" not in pattern)):
                self.complain(f"no key of JSON or column is called {name!r}{did_you_mean(name, given)}", "pattern", i, "within", name)
            if self.check_regex(inner, "pattern", i, "within", name):
                groups += re.findall(r"\(\?P<(\w+)>", inner)
        given |= set(groups)
        self.check_conditions(i, pattern, given)
        if EVENTLESS & pattern.keys():
            return
        if kind == "envelope":
            self.check_envelope(i, pattern, groups, given)
            return
        if kind != "syslog":
            if "time" not in given:
                self.complain("a pattern of events needs a group or key 'time'", "pattern", i)
            if not (pattern.get("time") or self.data.get("time")):
                self.complain("needs [time] formats, for its lines carry a time", "pattern", i)
        self.check_columns(i, pattern, groups)

    def check_conditions(self, i: int, pattern: Mapping[str, Any], given: Collection[str]) -> None:
        """``given`` are the groups and keys that conditions can name."""
        for setting, (name, wanted) in ((s, item) for s in ("where", "unless") for item in pattern.get(s, {}).items()):
            if name not in given:
                self.complain(f"no group or key is called {name!r}{did_you_mean(name, given)}", "pattern", i, setting, name)
            if not (isinstance(wanted, str) or _is_texts(wanted)):
                self.complain(f"{name} is a text or a list of texts", "pattern", i, setting, name)
        for column in pattern.get("require", ()):
            if column not in given:
                self.complain(f"{column!r} is required but no key gives it{did_you_mean(column, given)}", "pattern", i, "require")

    def check_envelope(self, i: int, pattern: Mapping[str, Any], groups: Collection[str], given: Collection[str]) -> None:
        constants = pattern.get("set", {})
        for column in sorted(constants.keys() - {"program", "host"}):
            self.complain(f"an envelope sets 'program' and 'host', not {column!r}", "pattern", i, "set", column)
        for group in ("message", *(["time"] if "program" in {*groups, *constants} else [])):
            if group not in given and not (group == "message" and "head" in groups):
                self.complain(f"an envelope's pattern needs a group {group!r}", "pattern", i, "match")

    def check_columns(self, i: int, pattern: Mapping[str, Any], groups: Sequence[str]) -> None:
        """Whether the table has what groups, keys and constants fill."""
        table = pattern.get("table", self.data.get("table"))
        for group in groups:
            self.check_group(group, table, "pattern", i, "match")
        for column in pattern.get("keys", {}):
            self.check_group(column, table, "pattern", i, "keys", column)
        if "match" not in pattern and not self.data.get("table"):
            for column in self.data.get("keys", {}):
                self.check_group(column, table, "keys", column)
        for column, constant in pattern.get("set", {}).items():
            self.check_group(column, table, "pattern", i, "set", column)
            self.check_member(column, constant, table, "pattern", i, "set", column)

    def check_regex(self, regex: Any, *keys: str | int) -> bool:
        try:
            pl.Series([""]).str.contains(regex)
        except (pl.exceptions.ComputeError, TypeError) as error:
            reason = re.search(r"^error: (.+)$", str(error), re.MULTILINE)
            self.complain(f"{keys[-1]} is not a regular expression: {reason[1] if reason else str(error).splitlines()[0]}", *keys)
            return False
        return True

    def check_field(self, name: str, rule: Any) -> None:
        if not isinstance(rule, Mapping):
            self.complain(f"{name!r} is a table", "fields", name)
            return
        tables = {t for t in (self.data.get("table"), *(p.get("table") for p in self.data.get("pattern", ()))) if t in EVENT_TABLES}
        fed = self.tables_fed_with(name, rule) & tables or tables
        if tables and not any(name in EVENT_TABLES[t] for t in tables):
            known = sorted({c.name for t in tables for c in EVENT_TABLES[t].columns})
            self.complain(f"table {' or '.join(sorted(tables))} has no column {name!r}{did_you_mean(name, known)}", "fields", name)
        if self.check_shape(rule, _FIELD_KEYS, "fields", name):
            for text, value in rule.get("map", {}).items():
                for table in fed:
                    self.check_member(name, value, table, "fields", name, "map", text)
            for value, regex in rule.get("find", {}).items():
                self.check_regex(regex, "fields", name, "find", value)
                for table in fed:
                    self.check_member(name, value, table, "fields", name, "find", value)
            for text in rule.get("nothing", ()):
                if len(text.encode()) > INLINE_BYTES:
                    self.complain(f"{text!r} is longer than {INLINE_BYTES} bytes; cut takes an expression", "fields", name, "nothing")
            if "cut" in rule:
                self.check_regex(rule["cut"], "fields", name, "cut")

    def tables_fed_with(self, column: str, rule: Mapping[str, Any]) -> set[object]:
        """Tables in which some pattern takes the column from the text of a line, and does not set it."""
        common = {*self.data.get("keys", {}), *self.data.get("columns", ())}
        fed: set[object] = set()
        patterns: Sequence[Mapping[str, Any]] = self.data.get("pattern", ()) or ({},)
        for pattern in patterns:
            expressions = (str(pattern.get("match", "")), *map(str, pattern.get("within", {}).values()))
            groups = {g.removesuffix("__q") for e in expressions for g in re.findall(r"\(\?P<(\w+)>", e)}
            texts = groups | set(pattern.get("keys", {})) | (common if "match" not in pattern else set())
            if {column, rule.get("origin")} & texts and column not in pattern.get("set", {}):
                fed.add(pattern.get("table", self.data.get("table")))
        return fed

    def check_group(self, group: str, table: object, *keys: str | int) -> None:
        group = group.removesuffix("__q")
        if group.startswith("_") or group in _SPECIAL_GROUPS or table not in EVENT_TABLES:
            return
        columns = [c.name for c in EVENT_TABLES[str(table)].columns if c.name not in _UNSET_BY_PARSERS]
        if group not in columns:
            self.complain(f"table {table} has no column {group!r}{did_you_mean(group, [*columns, *_SPECIAL_GROUPS])}", *keys)

    def check_member(self, column: str, value: object, table: object, *keys: str | int) -> None:
        """Complain of a value that is not in the column's closed vocabulary."""
        if table in EVENT_TABLES and column in EVENT_TABLES[str(table)]:
            values = EVENT_TABLES[str(table)][column].values
            if values and value not in values:
                self.complain(f"{column} is one of {', '.join(values)}, not {value!r}{did_you_mean(str(value), values)}", *keys)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


_IS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda v: isinstance(v, str),
    "true or false": lambda v: isinstance(v, bool),
    "true, false or the characters that may be escaped": lambda v: isinstance(v, (bool, str)),
    "a whole number": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "a number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "a table": lambda v: isinstance(v, Mapping),
    _TEXTS: _is_texts,
    _TABLES: lambda v: isinstance(v, list) and all(isinstance(t, Mapping) for t in v),
}
_STRPTIME = re.compile(r"(?:[^%]|%(?:[-_0]?[YymbBdeaAHIklMSpPzjTDRF%]|Z$|\.?[369]?f))+")


def is_strptime(form: str) -> bool:
    """Whether this is a pattern of strptime; Polars reads an unknown one as no time, without a word."""
    return "%" in form and _STRPTIME.fullmatch(form) is not None
