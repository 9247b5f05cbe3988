"""URL templates of the data map, and the DuckDB expressions that match requests against them.

Requests are normalised once, column-wise and per distinct (method, path, query): :data:`NORMAL_PATH_SQL` decodes the path,
:data:`ARGUMENTS_SQL` splits the query. A template then is one regular expression over the path and one condition per
argument, so that matching never loops over requests in Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

PAGE_SLOTS = ("page", "size", "offset", "limit")
"""Slots with a meaning of their own in routes of kind ``page``."""

NORMAL_PATH_SQL = r"""
CASE WHEN regexp_matches(path, '[%;]|//|./$') THEN
    regexp_replace(regexp_replace(regexp_replace(
        coalesce(try(url_decode(regexp_replace(path, '(?i)%2f', '%252F', 'g'))), path),
        ';[^/]*', '', 'g'), '/{2,}', '/', 'g'), '(.)/$', '\1')
    ELSE path END
"""
"""Column ``path`` as a server reads it: decoded once, an encoded slash kept apart, without ``;parameters``, doubled or trailing slashes."""

UNUSUAL_PATH_SQL = "(contains(path, '%') OR contains(path, '//') OR contains(path, ';'))"
"""Whether column ``path`` is written with escapes, doubled slashes or parameters, and may match though it begins differently."""

ARGUMENTS_SQL = """
list_transform(
    list_filter(CASE WHEN query IS NULL THEN [] ELSE string_split(query, '&') END, lambda argument: argument <> ''),
    lambda argument: {
        'name': coalesce(try(url_decode(replace(split_part(argument, '=', 1), '+', ' '))), split_part(argument, '=', 1)),
        'value': CASE WHEN contains(argument, '=')
            THEN coalesce(try(url_decode(replace(substr(argument, instr(argument, '=') + 1), '+', ' '))), substr(argument, instr(argument, '=') + 1))
            ELSE '' END})
"""
"""Column ``query`` as a list of decoded (name, value), in the order sent."""

_SLOT = re.compile(r"\{([^{}/?&=]*)\}")
_METHOD = re.compile(r"\*|[A-Z][A-Z-]*")


class TemplateError(ValueError):
    """A template that cannot be understood; the message says why."""


@dataclass(frozen=True)
class Argument:
    """One argument a request must carry: with a fixed ``value``, or with any, which fills ``slot``."""

    name: str
    value: str | None
    slot: str | None


@dataclass(frozen=True)
class Template:
    """A parsed ``match``; ``path_regex`` is for the normalised path and has one group per path slot."""

    method: str
    path_regex: str
    path_prefix: str
    path_slots: tuple[str, ...]
    arguments: tuple[Argument, ...]

    @property
    def slots(self) -> tuple[str, ...]:
        return (*self.path_slots, *(a.slot for a in self.arguments if a.slot is not None))

    @property
    def named_slots(self) -> tuple[str, ...]:
        """Slots whose value matters."""
        return tuple(s for s in self.slots if not s.startswith("_"))

    def candidate_sql(self) -> str:
        """Return a cheap condition on the raw columns, true for every request that may match and whose path is no :data:`UNUSUAL_PATH_SQL`."""
        return f"starts_with(path, {quote(self.path_prefix)})"

    def match_sql(self, optional_slots: frozenset[str] = frozenset()) -> str:
        """Return the condition on ``method``, ``normal_path`` and ``arguments`` of a request.

        Arguments that fill ``optional_slots`` need not be there. HEAD asks for the same as GET.
        """
        conditions = [f"regexp_matches(normal_path, {quote(self.path_regex)})"]
        if self.method == "GET":
            conditions.append("upper(method) IN ('GET', 'HEAD')")
        elif self.method != "*":
            conditions.append(f"upper(method) = {quote(self.method)}")
        for argument in self.arguments:
            if argument.value is not None:
                conditions.append(f"list_contains({self._values_sql(argument.name)}, {quote(argument.value)})")
            elif argument.slot not in optional_slots:
                conditions.append(f"len({self._values_sql(argument.name)}) > 0")
        return " AND ".join(conditions)

    def slot_sql(self, slot: str) -> str:
        """Return the expression for the distinct decoded values of ``slot``: a list, empty where the argument is absent."""
        if slot in self.path_slots:
            group = self.path_slots.index(slot) + 1
            value = f"regexp_extract(normal_path, {quote(self.path_regex)}, {group})"
            return f"[replace({value}, '%2F', '/')]"
        names = [a.name for a in self.arguments if a.slot == slot]
        return f"list_sort(list_distinct({self._values_sql(names[0])}))"

    def further_arguments_sql(self, ignored: tuple[str, ...]) -> str:
        """Return the expression for the names of arguments that neither the template nor ``ignored`` (with ``*``) knows."""
        known = [re.escape(a.name) for a in self.arguments]
        known += [".*".join(re.escape(part) for part in pattern.split("*")) for pattern in ignored]
        every = quote(f"(?s)^(?:{'|'.join(known)})$" if known else r"^\b$")
        names = "list_transform(arguments, lambda argument: argument.name)"
        return f"list_sort(list_distinct(list_filter({names}, lambda name: NOT regexp_matches(name, {every}))))"

    @staticmethod
    def _values_sql(name: str) -> str:
        return f"list_transform(list_filter(arguments, lambda argument: argument.name = {quote(name)}), lambda argument: argument.value)"


def quote(text: str) -> str:
    """Return ``text`` as a SQL string literal.

    >>> quote("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return ``name`` as a quoted SQL identifier, for DuckDB, SQLite and PostgreSQL alike.

    >>> identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def loose_sql(text: str) -> str:
    """Text without differences that people and programs do not mean: width, case, outer spaces, leading zeros of a number."""
    wide = "".join(chr(c) for c in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), 0x3000, 0xFF0D, 0xFF20, 0xFF0E, 0xFF3F))
    narrow = "".join(chr(c - 0xFEE0) for c in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))) + " -@._"
    # Printable ASCII without capitals or spaces and with no zero in front is plain already: most keys and accounts are.
    plain = f"regexp_full_match({text}, '[1-9a-z][!-@\\[-~]*')"
    # Translating is slow, and ASCII has nothing wide.
    narrowed = f"CASE WHEN strlen({text}) = length({text}) THEN {text} ELSE translate({text}, '{wide}', '{narrow}') END"
    return f"CASE WHEN {plain} THEN {text} ELSE regexp_replace(lower(trim({narrowed})), '^0+([0-9]+)$', '\\1') END"


def parse_template(text: str) -> Template:
    """Parse ``METHOD /path/{slot}?argument={slot}``.

    >>> parse_template("GET /api/customers/{customer_id}").slots
    ('customer_id',)
    """
    method, _, target = text.strip().partition(" ")
    target = target.strip()
    if not _METHOD.fullmatch(method):
        raise TemplateError("must begin with a method in capitals or '*', then a space and the path, as in 'GET /api/customers/{customer_id}'")
    if not target.startswith("/"):
        raise TemplateError("the path must begin with '/'")
    if any(c.isspace() or not c.isprintable() for c in target):
        raise TemplateError("the path must not contain spaces or control characters; write them percent-encoded")
    path, question, query = target.partition("?")
    path_regex, prefix, path_slots = _parse_path(path)
    arguments = tuple(_parse_argument(part) for part in query.split("&")) if question else ()
    template = Template(method, path_regex, prefix, path_slots, arguments)
    named = template.named_slots
    for slot in named:
        if named.count(slot) > 1:
            raise TemplateError(f"slot {{{slot}}} stands twice")
    names = [a.name for a in arguments]
    for name in names:
        if names.count(name) > 1:
            raise TemplateError(f"argument {name!r} stands twice")
    return template


def _parse_path(path: str) -> tuple[str, str, tuple[str, ...]]:
    path = re.sub("/{2,}", "/", path)
    if len(path) > 1:
        path = path.removesuffix("/")
    pieces = _SLOT.split(path)
    literals = [unquote(piece) for piece in pieces[::2]]
    slots = tuple(pieces[1::2])
    for literal in pieces[::2]:
        if "{" in literal or "}" in literal:
            raise TemplateError("braces must enclose a slot name without '/', '?', '&' or '='")
    if "" in slots:
        raise TemplateError("a slot needs a name; '{_}' stands for any value that does not matter")
    regex = re.escape(literals[0]) + "".join(f"([^/]+?){re.escape(literal)}" for literal in literals[1:])
    return f"(?s)^{regex}$", literals[0], slots


def _parse_argument(part: str) -> Argument:
    name, _, value = part.partition("=")
    if not name:
        raise TemplateError("an argument of the query needs a name, as in '?page={page}'")
    slot = _SLOT.fullmatch(value)
    if slot:
        if not slot.group(1):
            raise TemplateError("a slot needs a name; '{_}' stands for any value that does not matter")
        return Argument(unquote_plus(name), None, slot.group(1))
    if "{" in part or "}" in part:
        raise TemplateError("the value of an argument is either a slot or fixed text, as in '?page={page}&format=csv'")
    return Argument(unquote_plus(name), unquote_plus(value), None)
