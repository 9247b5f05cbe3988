r"""Names for parts of the expressions of a format, so that a person can read them.

In an expression ``{name}`` stands for the fragment of that name, and ``{name not a,b}`` for one or more of the characters that it
stands for, which together are none of the words ``a`` and ``b``. Regular expressions of linear time have no way to say so; spelt out,
it is still one way to go on at every character, and machine code goes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import printable
from typing import Any

_NAMED = re.compile(r"(?<!\\[pPx])\{([a-z_]+)(?: not ([^{} ]+))?\}")
"""A fragment in an expression; behind these escapes stands a class or a code of Unicode."""


def spelt_out(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a format's file says, with the lists of its patterns' expressions joined and their fragments put in.

    What is not of the kind that the grammar wants is left as it is, for :mod:`breachscope.ingest.format_checks` to complain of.

    >>> spelt_out({"fragments": {"key": "[a-c]"}, "pattern": [{"match": ["^{key not ab}", "={key}"]}]})["pattern"]
    [{'match': '^(?:[bc][a-c]*|a(?:[ac][a-c]*|b(?:[a-c][a-c]*))?)=[a-c]'}]
    """
    fragments: dict[str, str] = {}
    given = data.get("fragments", {})
    for name, text in given.items() if isinstance(given, Mapping) else ():
        if isinstance(text, str):
            fragments[name] = _put_in(text, fragments)
    patterns = data.get("pattern", ())
    if not isinstance(patterns, list) or not all(isinstance(p, Mapping) for p in patterns):
        return data
    return {**data, "pattern": [{**p, "match": _put_in(_joined(p["match"]), fragments)} if "match" in p else p for p in patterns]} if patterns else data


def _joined(match: Any) -> Any:
    return "".join(match) if isinstance(match, list) and all(isinstance(m, str) for m in match) else match


def _put_in(expression: Any, fragments: Mapping[str, str]) -> Any:
    def meant(found: re.Match[str]) -> str:
        name, words = found.groups()
        if name not in fragments:
            return found[0]
        return _none_of(words.split(","), fragments[name]) if words else fragments[name]

    return _NAMED.sub(meant, expression) if isinstance(expression, str) else expression


def _none_of(words: Sequence[str], character: str) -> str:
    """An expression for one or more such characters of ASCII that are not one of the words."""
    return f"(?:{_behind(['', *words], [c for c in printable if re.fullmatch(character, c)], character)})"


def _behind(rests: Sequence[str], characters: Sequence[str], character: str) -> str:
    """Options for one or more characters that are none of ``rests``, of which each begins with another one."""
    begins = sorted({rest[0] for rest in rests if rest})
    others = _class([c for c in characters if c not in begins])
    options = [f"{others}{character}*"] if others else []
    for begin in begins:
        further = [rest[1:] for rest in rests if rest[:1] == begin]
        options.append(f"{re.escape(begin)}(?:{_behind(further, characters, character)}){'' if '' in further else '?'}")
    return "|".join(options)


def _class(characters: Sequence[str]) -> str:
    """A class of these characters, neighbours as ranges; nothing for none."""
    runs: list[str] = []
    for c in sorted(characters):
        if runs and ord(runs[-1][-1]) == ord(c) - 1:
            runs[-1] += c
        else:
            runs.append(c)
    spelt = [re.escape(run) if len(run) < 3 else f"{re.escape(run[0])}-{re.escape(run[-1])}" for run in runs]
    return f"[{''.join(spelt)}]" if spelt else ""
