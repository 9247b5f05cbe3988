"""What the user sets for detection, in ``breachscope.toml`` and on the command line.

::

    [allow]                                  # whose hits are counted but not shown
    addresses = ["192.0.2.66/31"]
    user_agents = ["uptime-probe/*"]
    users = ["backup"]

    [ingest]                                 # for the other part of the program that reads this file
    trusted_proxies = ["10.0.0.0/8"]

    [detectors."web/object-enumeration"]     # parameters by detector
    objects = 100
    window = "5 min"

The command line says ``web/object-enumeration.objects=100`` and wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from breachscope.detect.allow import AllowList, Network
from breachscope.detect.catalog import Catalog
from breachscope.detect.run import parse_parameter
from breachscope.errors import BreachscopeError, ContentErrors, DetectorError, UsageError, did_you_mean
from breachscope.toml_file import TomlFile

Parameters = Mapping[str, Mapping[str, str]]
"""Detector id → parameter → its text, checked against the detector's types."""

_SECTIONS = ("allow", "detectors")
_ALLOWED = ("addresses", "user_agents", "users")


@dataclass(frozen=True)
class DetectOptions:
    """Which detectors run, and with which parameters (detector id → name → text as given)."""

    catalog: Catalog
    only: tuple[str, ...] = ()
    parameters: Parameters = field(default_factory=dict)
    allow: AllowList = field(default_factory=AllowList)


@dataclass(frozen=True)
class Settings:
    """What ``breachscope.toml`` says about detection."""

    parameters: Parameters = field(default_factory=dict)
    allow: AllowList = field(default_factory=AllowList)


def read_settings(path: Path, catalog: Catalog, other_sections: Sequence[str] = ()) -> Settings:
    """Read ``path``; sections in ``other_sections`` belong to other parts of the program.

    Raises ContentErrors with every mistake, each with file and line.
    """
    toml = TomlFile.load(path, error=DetectorError)
    known = (*_SECTIONS, *other_sections)
    errors = [toml.complain(f"unknown section {name!r}{did_you_mean(name, known)}", name) for name in toml.data if name not in known]
    parameters = _read_parameters(toml, catalog, errors)
    allow = _read_allow(toml, errors)
    if errors:
        raise ContentErrors(errors)
    return Settings(parameters, allow)


def merge_parameters(catalog: Catalog, settings: Settings, command_line: Sequence[str]) -> Parameters:
    """Put ``ID.NAME=VALUE`` of the command line over the settings. Raises UsageError for what cannot be read."""
    merged = {detector_id: dict(values) for detector_id, values in settings.parameters.items()}
    for argument in command_line:
        name, equals, text = argument.partition("=")
        detector_id, dot, parameter = name.rpartition(".")
        if not equals or not dot:
            raise UsageError(f"--set {argument!r} must read DETECTOR.NAME=VALUE, {_example(catalog, name)}")
        try:
            parse_parameter(catalog[detector_id], parameter, text)
        except DetectorError as error:
            raise UsageError(error.text) from error
        merged.setdefault(detector_id, {})[parameter] = text
    return merged


def _example(catalog: Catalog, name: str) -> str:
    """What ``name`` may have been meant to be."""
    near = [d for d in catalog.detectors if d.id in (name, *get_close_matches(name, [d.id for d in catalog.detectors], n=1))]
    if near and near[0].parameters:
        return f"such as {near[0].id}.{near[0].parameters[0].name}={near[0].parameters[0].default}"
    return "such as auth/spray.accounts=20; see 'breachscope detectors list'"


def _read_parameters(toml: TomlFile, catalog: Catalog, errors: list[BreachscopeError]) -> Parameters:
    section = toml.data.get("detectors", {})
    if not isinstance(section, dict):
        errors.append(toml.complain("detectors must be a table of detector ids", "detectors"))
        return {}
    parameters: dict[str, dict[str, str]] = {}
    for detector_id, values in section.items():
        if detector_id not in catalog:
            known = [d.id for d in catalog.detectors]
            errors.append(toml.complain(f"there is no detector {detector_id!r}{did_you_mean(detector_id, known)}", "detectors", detector_id))
            continue
        if not isinstance(values, dict):
            errors.append(toml.complain(f"{detector_id!r} must be a table of parameters", "detectors", detector_id))
            continue
        for name, value in values.items():
            text = _as_text(value)
            try:
                parse_parameter(catalog[detector_id], name, text)
            except DetectorError as error:
                errors.append(toml.complain(error.text, "detectors", detector_id, name))
            parameters.setdefault(detector_id, {})[name] = text
    return parameters


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _read_allow(toml: TomlFile, errors: list[BreachscopeError]) -> AllowList:
    section = toml.data.get("allow", {})
    if not isinstance(section, dict):
        errors.append(toml.complain("allow must be a table of addresses, user_agents and users", "allow"))
        return AllowList()
    errors += [toml.complain(f"unknown key {name!r}{did_you_mean(name, _ALLOWED)}", "allow", name) for name in section if name not in _ALLOWED]
    lists: dict[str, list[str]] = {name: [] for name in _ALLOWED}
    for name in _ALLOWED:
        values = section.get(name, [])
        if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
            errors.append(toml.complain(f"{name} must be a list of texts", "allow", name))
        else:
            lists[name] = values
    networks: list[Network] = []
    for index, text in enumerate(lists["addresses"]):
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            errors.append(toml.complain(f"{text!r} is no address or network ({error})", "allow", "addresses", index))
    return AllowList(tuple(networks), tuple(lists["user_agents"]), tuple(lists["users"]))
