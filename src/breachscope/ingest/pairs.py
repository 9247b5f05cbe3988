"""Values of key=value pairs, as columns of text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from breachscope.ingest.columns import NULL_TEXTS
from breachscope.ingest.formats import joined_parts
from breachscope.ingest.keys import SPACED_KEY
from breachscope.ingest.views import without_texts

_MARK = "\x1f"
"""Set where a value ends."""
_PRIORITY = r"^<[0-9]{1,3}>"
"""What syslog puts before all else (RFC 3164 section 4.1.1) is no part of the first key."""
_CODE = re.compile(r"0?x[0-9A-Fa-f]{2}")
OPEN_QUOTE = "a quote is not closed, or stands inside a value"
TWICE = "key stands twice"
FAULT = "_fault"


def pair_values(
    texts: pl.Series, sources: Mapping[str, tuple[str, ...]], separator: str, *, spaced: bool, separators: pl.Series | None = None
) -> list[pl.Series]:  # fmt: skip
    """A column for each name and its alternative keys, and the further one :data:`FAULT` where some text can be read in two ways.

    Of several alternatives the first that says something counts.
    """
    texts = texts.str.replace(_PRIORITY, "") if texts.str.starts_with("<").any() else texts
    names = sorted({key for alternatives in sources.values() for joined in alternatives for key in joined_parts(joined)})
    found, fault = _spaced_values(texts, names, separators) if spaced else _quoted_values(texts, names, separator)
    columns = [told(found, alternatives).alias(name) for name, alternatives in sources.items()]
    return columns if fault is None else [*columns, fault.alias(FAULT)]


def told(found: Mapping[str, pl.Series], alternatives: Sequence[str]) -> pl.Series:
    """What the first of several keys, or of several joined ones, says."""
    value: pl.Series | None = None
    for alternative in alternatives:
        if value is not None and not value.null_count():
            break
        parts = [without_texts(found[key], NULL_TEXTS) for key in joined_parts(alternative)]
        joined = parts[0] if len(parts) == 1 else pl.select(pl.concat_str([pl.lit(p) for p in parts], separator=" "))[:, 0]
        value = joined if value is None else value.zip_with(value.is_not_null(), joined)
    if value is None:
        raise AssertionError("a column needs a key")
    return value


def _spaced_values(texts: pl.Series, names: Sequence[str], separators: pl.Series | None) -> tuple[dict[str, pl.Series], pl.Series | None]:
    """Values by key, each up to the next key or, where these are given, up to the separator; and why a line is at fault.

    A separator that is empty or null is a tab, or what rsyslog writes for one.
    """
    if separators is None:
        gap, value = r"\s", rf"(.*?)(?:\s+{SPACED_KEY.pattern}=|\s*$)"
    else:
        gap, value = _MARK, f"([^{_MARK}]*)"
        separators = separators.fill_null("")
        is_relayed = (separators == "") & texts.str.contains("#011", literal=True) & ~texts.str.contains("\t", literal=True)
        separators = separators.set(is_relayed, "#011")
        texts = texts.str.replace_all(_MARK, "\ufffd", literal=True)
        for written in separators.unique(maintain_order=True).to_list():
            is_so = separators == written
            texts = texts.scatter(is_so.arg_true(), texts.filter(is_so).str.replace_all(separator_of(written), _MARK, literal=True))
    found = {key: texts.str.extract(rf"(?s)(?:^|{gap}){re.escape(key)}={value}") for key in names}
    if separators is None:
        found = {key: values.str.strip_chars_start() for key, values in found.items()}
    pairs = texts.str.count_matches(rf"(?:^|{gap})(?:{'|'.join(map(re.escape, names))})=")
    is_double = pairs > pl.DataFrame([v.is_not_null().cast(pl.UInt32).alias(k) for k, v in found.items()]).sum_horizontal()
    return found, pl.select(pl.when(is_double).then(pl.lit(TWICE)))[:, 0] if is_double.any() else None


def separator_of(written: str) -> str:
    r"""What sets pairs apart where a line names it so.

    >>> separator_of("^"), separator_of("x5E"), separator_of("0x7c"), separator_of("")
    ('^', '^', '|', '\t')
    """
    return chr(int(written.partition("x")[2], 16)) if _CODE.fullmatch(written) else written or "\t"


def _quoted_values(texts: pl.Series, keys: Sequence[str], separator: str) -> tuple[dict[str, pl.Series], pl.Series | None]:
    """Values of ``key=value`` or ``key="value"`` pairs, set apart by white space or the characters of ``separator``; and why a line is at fault.

    Whoever writes a value must not choose another one. So pairs inside quotes are passed over, and at fault is a line
    that can be read in two ways: a key stands twice outside quotes, a quote is not closed, or one begins or ends inside
    a value.
    """
    names = "|".join(map(re.escape, keys))
    gap = rf"\s{re.escape(separator)}"
    quoted = r'"(?:[^"\\]|\\.)*"'
    is_quoted = texts.str.contains('"', literal=True)
    is_told = texts.str.contains(rf'^(?:[{gap}]|(?:[^{gap}"]+|(?:[^{gap}"=]+=)?{quoted}[\]),;:.]*)(?:[{gap}]|$))*$') | ~is_quoted
    # Most lines hold no key inside quotes; there the plain, fast expression does.
    is_forged = is_quoted & texts.str.contains(rf'[{gap}=]"(?:[^"\\]|\\.)*[{gap}](?:{names})=')
    has_forged = bool(is_forged.any())
    found = {}
    for key in keys:
        pair = rf'{re.escape(key)}=(?:"((?:[^"\\]|\\.)*)"|([^{gap}"]*))'
        values = _first_group(texts, rf"(?:^|[{gap}]){pair}")
        if has_forged:
            careful = _first_group(texts.filter(is_forged), rf'^(?:(?:[^"]|{quoted})*?[{gap}])??{pair}')
            values = values.clone().scatter(is_forged.arg_true(), careful)
        found[key] = values
    bare = texts
    if has_forged:
        bare = texts.clone().scatter(is_forged.arg_true(), texts.filter(is_forged).str.replace_all(quoted, '""'))
    pairs = bare.str.count_matches(rf"(?:^|[{gap}])(?:{names})=")
    different = pl.DataFrame([v.is_not_null().cast(pl.UInt32).alias(k) for k, v in found.items()]).sum_horizontal()
    is_double = pairs > different
    if is_told.all() and not is_double.any():
        return found, None
    return found, pl.select(pl.when(~is_told).then(pl.lit(OPEN_QUOTE)).when(is_double).then(pl.lit(TWICE)))[:, 0]


def _first_group(texts: pl.Series, regex: str) -> pl.Series:
    groups = texts.str.extract_groups(regex).struct.unnest()
    return groups.select(pl.coalesce(pl.all()))[:, 0]
