"""Clients behind proxies: what is vouched for, against nginx's rule written out slowly, and what only the caller says."""

from __future__ import annotations

import ipaddress
import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.reading import slow_address

from breachscope.case import Case
from breachscope.ingest import IngestOptions, ingest
from breachscope.ingest.clients import with_clients
from breachscope.ingest.columns import canonical_addresses, parse_address
from breachscope.manifest import Source
from breachscope.progress import Silent

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:1::/48"))
COLUMNS = {"client_ip": pl.String, "client_port": pl.Int32, "peer_ip": pl.String, "forwarded_for": pl.String}

Row = tuple[str | None, int | None, str | None, str | None]


def resolved(rows: list[Row], trusted: tuple[Any, ...] = PROXIES) -> list[Row]:
    return with_clients(pl.DataFrame(rows, schema=COLUMNS, orient="row"), trusted).rows()


@pytest.mark.parametrize(
    ("chain", "client", "port"),
    [
        ("203.0.113.1", "203.0.113.1", None),
        ("198.51.100.1, 203.0.113.1", "203.0.113.1", None),  # the left one is hearsay
        ("203.0.113.1, 10.0.0.7, 10.1.2.3", "203.0.113.1", None),
        ("203.0.113.1,10.0.0.7", "203.0.113.1", None),
        (" 203.0.113.1 ,, 10.0.0.7 , ", "203.0.113.1", None),
        ("10.0.0.9, 10.0.0.7", "10.0.0.9", None),  # called from inside
        ("203.0.113.1:51512", "203.0.113.1", 51512),
        ("[2001:DB8::9]:443", "2001:db8::9", 443),
        ("2001:0db8:0000::0009", "2001:db8::9", None),
        ("::ffff:203.0.113.1", "203.0.113.1", None),
        ("fe80::1%eth0", "fe80::1", None),
        ("203.0.113.1, ::ffff:10.0.0.7", "203.0.113.1", None),
        ("203.0.113.1, 2001:db8:1::7", "203.0.113.1", None),
        ("for=203.0.113.1;proto=https;by=10.0.0.8", "203.0.113.1", None),
        ('For="[2001:db8::9]:4711", for=10.0.0.7', "2001:db8::9", 4711),
        ('by=10.0.0.8; FOR = "203.0.113.1"', "203.0.113.1", None),
        ("203.0.113.1,%2010.0.0.7", "203.0.113.1", None),
        ("203.0.113.1,+10.0.0.7", "203.0.113.1", None),
        # Nothing vouches for what is to the left of an unnamed caller: the last proxy that is known stands.
        ("203.0.113.1, unknown, 10.0.0.7", "10.0.0.7", None),
        ("203.0.113.1, for=_hidden, for=10.0.0.7", "10.0.0.7", None),
        ("203.0.113.1, by=10.0.0.8;proto=https, 10.0.0.7", "10.0.0.7", None),
        ("203.0.113.1, 010.0.0.7, 10.0.0.7", "10.0.0.7", None),
        ('203.0.113.1, for="a, 10.0.0.7', "10.0.0.7", None),
    ],
)
def test_the_client_is_the_farthest_address_that_proxies_vouch_for(chain: str, client: str, port: int | None) -> None:
    assert resolved([("10.0.0.8", 40000, None, chain)]) == [(client, port, "10.0.0.8", chain)]


@pytest.mark.parametrize("chain", ["unknown", "for=_gazonk", "", "-, ,", "not an address", "203.0.113.1, 1.2.3.4.5", "203.0.113.1, x;for=\0"])
def test_a_proxy_that_names_nobody_stays_the_client(chain: str) -> None:
    assert resolved([("10.0.0.8", 40000, None, chain)]) == [("10.0.0.8", 40000, None, chain)]


def test_a_peer_that_is_no_proxy_is_the_client_whatever_it_says() -> None:
    rows: list[Row] = [("198.51.100.7", 40000, None, "203.0.113.1, 10.0.0.7"), ("www.example", None, None, "203.0.113.1"), (None, None, None, "203.0.113.1")]
    assert resolved(rows) == rows
    # The server believed the header: the user does not.
    assert resolved([("203.0.113.1", None, "198.51.100.7", "203.0.113.1")]) == [("198.51.100.7", None, "198.51.100.7", "203.0.113.1")]


def test_what_the_server_made_of_the_header_stands_where_no_proxy_is_named() -> None:
    rows: list[Row] = [("203.0.113.1", None, "10.0.0.8", "203.0.113.1"), ("10.0.0.8", 40000, "10.0.0.8", None), ("10.0.0.8", 40000, None, "203.0.113.1")]
    assert resolved(rows, ()) == rows
    assert resolved(rows[:1]) == rows[:1]


def test_the_port_of_a_peer_is_not_its_clients() -> None:
    assert resolved([("203.0.113.1", 40000, "10.0.0.8", None)], ()) == [("203.0.113.1", None, "10.0.0.8", None)]


def test_a_chain_of_thousands_is_followed_as_far_as_it_is_vouched_for() -> None:
    inside, outside = ", ".join(["10.0.0.7"] * 5000), ", ".join(f"203.0.113.{n % 256}" for n in range(5000))
    assert resolved([("10.0.0.8", None, None, f"{outside}, 198.51.100.1, {inside}")])[0][0] == "198.51.100.1"


def slow_client(peer: str, chain: str) -> str:
    """nginx's rule: step by step from the peer, as long as it is trusted and something stands before it."""

    def is_trusted(text: str) -> bool:
        return any(ipaddress.ip_address(text) in n for n in PROXIES if n.version == ipaddress.ip_address(text).version)

    left = [item.strip() for item in chain.split(",") if item.strip()]
    client = peer
    while left and is_trusted(client):
        before = slow_address(left.pop())
        try:
            client = str(ipaddress.ip_address(before))
        except ValueError:
            return client
    return client


ADDRESSES = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["10.0.0.7", "10.1.2.3:80", "::ffff:10.0.0.9", "2001:db8:1::5", "[2001:db8:1::5]:8080", "unknown", "_x", "", "203.0.113.1"]),
)


@settings(max_examples=40)
@given(peers=st.lists(st.sampled_from(["10.0.0.8", "2001:db8:1::1", "203.0.113.77"]), min_size=1, max_size=6), data=st.data())
def test_clients_are_those_of_a_slow_reader(peers: list[str], data: st.DataObject) -> None:
    chains = [", ".join(data.draw(st.lists(ADDRESSES, max_size=6))) for _ in peers]
    rows: list[Row] = [(peer, None, None, chain) for peer, chain in zip(peers, chains, strict=True)]
    assert [row[0] for row in resolved(rows)] == [slow_client(peer, chain) for peer, chain in zip(peers, chains, strict=True)]


def spellings(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[str]:
    """How logs write one address."""
    either = [str(address), f" {address} ", f"[{address}]:443"]
    if address.version == 6:
        return [*either, str(address).upper(), address.exploded, f"[{address.exploded.upper()}]", f"{address}%eth0", f"[{address}%3]:80"]
    high, low = divmod(int(address), 1 << 16)
    return [*either, f"{address}:443", f"::ffff:{address}", f"::FFFF:{high:x}:{low:x}", f"[::ffff:{address}]:80"]


SPELLINGS = st.ip_addresses().flatmap(lambda a: st.tuples(st.sampled_from(spellings(a)), st.just(str(getattr(a, "ipv4_mapped", None) or a))))


@settings(max_examples=40)
@given(st.lists(SPELLINGS, min_size=1, max_size=20))
def test_one_address_has_one_spelling(spelt: list[tuple[str, str]]) -> None:
    assert canonical_addresses(pl.Series([text for text, _ in spelt])).to_list() == [canonical for _, canonical in spelt]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("010.1.2.3", "010.1.2.3"),  # 8.1.2.3 to some
        ("3221225985", "3221225985"),
        ("0xc0000201", "0xc0000201"),
        ("192.0.2", "192.0.2"),
        ("192.0.2.256", "192.0.2.256"),
        ("192.0.2.9:ssh", "192.0.2.9:ssh"),
        ("192.0.2.9:80:80", "192.0.2.9:80:80"),
        ("192.0.2.9%1", "192.0.2.9"),  # BIG-IP's route domain
        ("64:ff9b::192.0.2.9", "64:ff9b::c000:209"),
        ("::192.0.2.9", "::c000:209"),
        ("[192.0.2.9]", "192.0.2.9"),
        ("[192.0.2.9", "[192.0.2.9"),
        ("١٩٢.0.2.9", "١٩٢.0.2.9"),  # digits of another script
        ("www.example:80", "www.example:80"),
        ("1" * 70_000, "1" * 70_000),
    ],
)
def test_what_is_not_surely_an_address_is_kept_as_written(text: str, canonical: str) -> None:
    assert canonical_addresses(pl.Series([text, None])).to_list() == [canonical, None]


def read(tmp_path: Path, lines: list[str], **options: Any) -> tuple[Source, list[dict[str, Any]]]:
    (tmp_path / "access.log").write_text("".join(f"{line}\n" for line in lines))
    case = Case.create_or_open(tmp_path / "case")
    with case.lock():
        result = ingest(case, [tmp_path / "access.log"], IngestOptions(reference_date=date(2026, 11, 21), **options), Silent())
    return result.added[0], [row for path in case.event_files("web") for row in pq.read_table(path).to_pylist()]


def behind_proxy(n: int, chain: str, peer: str = "10.0.0.8") -> str:
    return f'{peer} - - [02/Mar/2026:10:15:{n:02} +0900] "GET /o/{n} HTTP/1.1" 200 512 "-" "curl/8.0" "{chain}"'


def test_trusted_proxies_give_the_client_from_file_to_case(tmp_path: Path) -> None:
    lines = [behind_proxy(1, "198.51.100.9, 203.0.113.1"), behind_proxy(2, "203.0.113.2", peer="192.0.2.77"), behind_proxy(3, "-")]
    source, rows = read(tmp_path, lines, trusted_proxies=("10.0.0.0/8",))
    assert [(r["client_ip"], r["peer_ip"], r["forwarded_for"]) for r in rows] == [
        ("203.0.113.1", "10.0.0.8", "198.51.100.9, 203.0.113.1"),
        ("192.0.2.77", None, "203.0.113.2"),
        ("10.0.0.8", None, None),
    ]
    assert source.notes == ("10.0.0.8, a trusted proxy, sent 1 request without telling for whom, or the log leaves it out: it counts as their client",)


def test_a_header_sent_twice_counts_with_the_nearest_last(tmp_path: Path) -> None:
    request = {
        "remote_ip": "10.0.0.8",
        "remote_port": "40000",
        "client_ip": "10.0.0.8",
        "proto": "HTTP/1.1",
        "method": "GET",
        "host": "shop.example",
        "uri": "/",
    }
    request["headers"] = {"X-Forwarded-For": ["198.51.100.9", "203.0.113.1"]}  # type: ignore[assignment] # as Caddy writes it
    line = json.dumps(
        {"ts": 1772414104.1, "logger": "http.log.access", "msg": "handled request", "request": request, "duration": 0.1, "size": 5, "status": 200}
    )
    _, rows = read(tmp_path, [line], trusted_proxies=("10.0.0.8",))
    assert (rows[0]["client_ip"], rows[0]["client_port"], rows[0]["peer_ip"]) == ("203.0.113.1", None, "10.0.0.8")


def test_what_looks_like_a_proxy_is_told(tmp_path: Path) -> None:
    source, rows = read(tmp_path, [behind_proxy(n, f"203.0.113.{n % 7}") for n in range(40)])
    assert {r["client_ip"] for r in rows} == {"10.0.0.8"}
    assert source.notes == (
        "10.0.0.8 sent 40 requests with 7 different X-Forwarded-For; if it is your proxy, give --trusted-proxy 10.0.0.8: until then it counts as the client",
    )


def test_one_forged_header_or_a_caller_from_outside_is_no_proxy(tmp_path: Path) -> None:
    lines = [behind_proxy(n, "203.0.113.1") for n in range(40)] + [behind_proxy(n, f"203.0.113.{n}", peer="198.51.100.7") for n in range(40)]
    assert read(tmp_path, lines)[0].notes == ()


def test_brackets_around_nothing_are_no_address() -> None:
    assert parse_address("[]") is None
    assert parse_address("[]:80") is None
    assert parse_address("[2001:DB8::1]:80") == (ipaddress.ip_address("2001:db8::1"), 80)
