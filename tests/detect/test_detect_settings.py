"""What the user sets is checked against the detectors and merged, the command line winning."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from breachscope.detect import AllowList, Catalog, Settings, merge_parameters, read_settings
from breachscope.errors import ContentErrors, UsageError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "breachscope.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_hold_parameters_and_the_allow_list(tmp_path: Path, catalog: Catalog) -> None:
    path = write(
        tmp_path,
        '[allow]\naddresses = ["192.0.2.0/24", "2001:db8::1"]\nuser_agents = ["uptime-probe/*"]\nusers = ["backup"]\n'
        '[detectors."auth/spray"]\naccounts = 12\nwindow = "2 h"\nsuccess_share = 0.5\n',
    )
    assert read_settings(path, catalog) == Settings(
        {"auth/spray": {"accounts": "12", "window": "2 h", "success_share": "0.5"}},
        AllowList((ip_network("192.0.2.0/24"), ip_network("2001:db8::1/128")), ("uptime-probe/*",), ("backup",)),
    )


def test_every_mistake_is_named_with_its_line(tmp_path: Path, catalog: Catalog) -> None:
    path = write(
        tmp_path,
        '[alow]\nx = 1\n[allow]\naddresses = [\n  "192.0.2.0/24",\n  "192.0.2.1/24",\n]\nusers = "backup"\nips = []\n'
        '[detectors."auth/spay"]\na = 1\n[detectors."auth/spray"]\naccount = 3\nwindow = 10\naccounts = true\n',
    )
    with pytest.raises(ContentErrors) as caught:
        read_settings(path, catalog)
    found = {e.line or 0: e.text for e in caught.value.errors}
    assert sorted(found) == [1, 6, 8, 9, 10, 13, 14, 15]
    assert "did you mean 'allow'" in found[1]
    assert "'192.0.2.1/24' is no address or network" in found[6]
    assert "did you mean 'auth/spray'" in found[10]
    assert "did you mean 'accounts'" in found[13]
    assert "must be a time" in found[14]
    assert "must be a whole number" in found[15]


def test_sections_of_other_parts_are_left_alone(tmp_path: Path, catalog: Catalog) -> None:
    assert read_settings(write(tmp_path, "[ingest]\ntz = 'UTC'\n"), catalog, other_sections=("ingest",)) == Settings()


def test_the_command_line_wins(catalog: Catalog) -> None:
    settings = Settings({"auth/spray": {"accounts": "12", "window": "2 h"}})
    assert merge_parameters(catalog, settings, ["auth/spray.accounts=15", "web/sqli.window=60 s"]) == {
        "auth/spray": {"accounts": "15", "window": "2 h"},
        "web/sqli": {"window": "60 s"},
    }


@pytest.mark.parametrize("argument", ["auth/spray.accounts", "accounts=3", "auth/spray.accounts=few", "auth/spray.account=3", "auth/spay.accounts=3"])
def test_a_parameter_that_cannot_be_read_is_a_wrong_command(catalog: Catalog, argument: str) -> None:
    with pytest.raises(UsageError):
        merge_parameters(catalog, Settings(), [argument])


def test_allowed_networks_cover_mapped_and_zoned_spellings() -> None:
    allow = AllowList((ip_network("192.0.2.0/24"), ip_network("fe80::/10")))
    seen = ["192.0.2.9", "::ffff:192.0.2.9", "fe80::1%eth0", "192.0.3.9", "host.example", "2001:db8::1"]
    assert allow.select_addresses(seen) == ["192.0.2.9", "::ffff:192.0.2.9", "fe80::1%eth0"]


def test_agent_patterns_cover_the_whole_value() -> None:
    assert AllowList(user_agents=("uptime-probe/*",)).select_agents(["Uptime-Probe/2.4", "x uptime-probe/2.4", "uptime-probe"]) == ["Uptime-Probe/2.4"]
