"""Who called, where proxies stand between: how far a chain of forwarded addresses is vouched for.

Each proxy appends the address that it saw to X-Forwarded-For, or to Forwarded (RFC 7239); what stands to the left of that
is hearsay, and whoever called may have written it. So the chain is followed from the peer to the left as long as each address
is a trusted proxy's; the last address reached is the client. It is the one that nginx's real_ip_recursive takes
(https://nginx.org/en/docs/http/ngx_http_realip_module.html). Where no proxy is trusted, the client is as the log has it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

import polars as pl

from breachscope.errors import counted
from breachscope.ingest.columns import PLAIN_IPV4, Address, parse_address

Network = IPv4Network | IPv6Network

_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;"\s]*))', re.IGNORECASE)
"""The node of an element of Forwarded."""
_MARGIN = re.compile(r"^(?:%20|[\s+])+")
"""A space behind the comma, also as CloudFront and IIS encode it."""


def with_clients(rows: pl.DataFrame, trusted: Sequence[Network]) -> pl.DataFrame:
    """Web events with the client that is vouched for, and with no port but the client's own.

    Where ``trusted`` names proxies, it alone decides who is believed; a peer that is not among them is the client itself.
    """
    # A port that stands beside another client than the peer is the peer's.
    is_other = (pl.col("client_ip") != pl.col("peer_ip")).fill_null(value=False)
    rows = rows.with_columns(pl.when(~is_other).then("client_port").alias("client_port"))
    if not trusted:
        return rows
    is_trusted = _trust(trusted)
    # The peer has a column of its own only where the log tells it from the client.
    peers = rows.select(pl.coalesce("peer_ip", "client_ip").alias("_peer"))["_peer"]
    proxies = [text for text in peers.drop_nulls().unique().to_list() if (parsed := parse_address(text)) and is_trusted(parsed[0])]
    is_by_proxy = peers.is_in(proxies).fill_null(value=False)
    ends = _ends(rows["forwarded_for"].filter(is_by_proxy).drop_nulls().unique(), trusted)
    joined = rows.hstack([is_by_proxy.alias("_is_by_proxy"), peers]).join(ends, on="forwarded_for", how="left", maintain_order="left")
    is_told = pl.col("_is_by_proxy") & pl.col("_ip").is_not_null()
    set_right = joined.with_columns(
        pl.when(is_told).then("_ip").when("_is_by_proxy").then("client_ip").otherwise("_peer").alias("client_ip"),
        pl.when(is_told).then("_port").otherwise("client_port").alias("client_port"),
        pl.when(is_told).then("_peer").otherwise("peer_ip").alias("peer_ip"),
    )
    return set_right.select(rows.columns)


_PRIVATE = tuple(
    map(ip_network, ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "::1", "fc00::/7", "fe80::/10"])
)
"""Networks that are not reached from outside: RFC 1918, 6598, 1122, 3927, 4291 and 4193."""
_LEAST_REQUESTS, _LEAST_CHAINS = 20, 5
_MOST_PEERS, _MOST_CHAINS, _MOST_NOTES = 100, 100, 5
"""As many are told apart, whatever an attacker writes."""


@dataclass
class Forwarders:
    """Who seems to be a proxy: for each client the requests that it sent with a forwarded address, and the different texts of these."""

    requests: Counter[str] = field(default_factory=Counter)
    chains: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: pl.DataFrame, trusted: Sequence[Network]) -> Forwarders:
        """Those of some web events; where ``trusted`` names proxies, these, as far as the events do not tell for whom they called."""
        is_unresolved = pl.col("peer_ip").is_null() | (pl.col("peer_ip") == pl.col("client_ip"))
        speaks = is_unresolved & pl.col("client_ip").is_not_null() & (pl.lit(value=bool(trusted)) | pl.col("forwarded_for").is_not_null())
        if rows["forwarded_for"].null_count() == len(rows) and not trusted:
            return cls()
        is_meant = _trust(trusted or _PRIVATE)
        by_client = rows.filter(speaks).group_by("client_ip").agg(pl.len(), pl.col("forwarded_for").drop_nulls().unique().head(_MOST_CHAINS)).sort("client_ip")
        found = cls()
        for client, count, chains in by_client.iter_rows():
            if (parsed := parse_address(client)) and is_meant(parsed[0]):
                found.requests[client] += count
                found.chains[client] = set(chains)
        return found

    def absorb(self, other: Forwarders) -> None:
        for client, count in other.requests.items():
            if client in self.requests or len(self.requests) < _MOST_PEERS:
                self.requests[client] += count
                known = self.chains.setdefault(client, set())
                known |= set(sorted(other.chains[client])[: _MOST_CHAINS - len(known)])

    def notes(self, *, are_trusted: bool) -> list[str]:
        """What to tell the user of them, the busiest first."""
        told = []
        for client, count in sorted(self.requests.items(), key=lambda item: (-item[1], item[0])):
            different = len(self.chains[client])
            if are_trusted:
                sent = counted(count, "request")
                told.append(f"{client}, a trusted proxy, sent {sent} without telling for whom, or the log leaves it out: it counts as their client")
            elif count >= _LEAST_REQUESTS and different >= _LEAST_CHAINS:
                several = f"{different:,}" if different < _MOST_CHAINS else f"{_MOST_CHAINS:,} or more"
                told.append(
                    f"{client} sent {count:,} requests with {several} different X-Forwarded-For; if it is your proxy, give --trusted-proxy {client}: "
                    "until then it counts as the client"
                )
        return told[:_MOST_NOTES]


def _trust(trusted: Sequence[Network]) -> Callable[[Address], bool]:
    known: dict[Address, bool] = {}

    def is_trusted(address: Address) -> bool:
        if address not in known:
            known[address] = any(address.version == network.version and address in network for network in trusted)
        return known[address]

    return is_trusted


def _ends(chains: pl.Series, trusted: Sequence[Network]) -> pl.DataFrame:
    """Where trusted proxies lead to: forwarded_for, _ip, _port; chains of which the nearest proxy names no address are left out."""
    is_trusted = _trust(trusted)
    left = pl.DataFrame({"forwarded_for": chains, "_rest": chains, "_ip": pl.Series([None] * len(chains), dtype=pl.String)})
    reached, odd = [], []
    # Most chains are of a few plain addresses, and end at once.
    for _ in range(_PLAIN_STEPS):
        parts = left["_rest"].str.extract_groups(_PLAIN_END).struct.unnest()
        parts.columns = ["_before", "_last"]
        left = left.hstack(parts)
        odd.append(left.filter(pl.col("_last").is_null()).select(_CHAIN))
        left = left.filter(pl.col("_last").is_not_null()).with_columns(pl.col("_last").alias("_ip"))
        goes_on = _lie_in(left["_last"], trusted) & left["_before"].is_not_null()
        reached.append(left.filter(~goes_on).select("forwarded_for", "_ip", pl.lit(None, pl.Int32).alias("_port")))
        left = left.filter(goes_on).select("forwarded_for", pl.col("_before").alias("_rest"), "_ip")
    walked = [(chain, *(_farthest(rest, is_trusted) or (ip, None))) for chain, rest, ip in pl.concat([*odd, left]).iter_rows()]
    reached.append(pl.DataFrame(walked, schema=reached[0].schema, orient="row"))
    return pl.concat(reached).filter(pl.col("_ip").is_not_null())


_CHAIN = ("forwarded_for", "_rest", "_ip")
_PLAIN_STEPS = 4
_PLAIN_END = rf"(?s)^(?:(.*),)?[ +]*({PLAIN_IPV4})[ ]*$"


def _lie_in(addresses: pl.Series, networks: Sequence[Network]) -> pl.Series:
    """Which of these plain IPv4 addresses lie in one of the networks."""
    octets = addresses.str.split_exact(".", 3).struct.unnest()
    number = octets.select(sum((pl.nth(n).cast(pl.UInt32) * (1 << 8 * (3 - n)) for n in range(4)), start=pl.lit(0, pl.UInt32)).alias("n"))["n"]
    inside = pl.repeat(value=False, n=len(addresses), dtype=pl.Boolean, eager=True)
    for network in networks:
        if network.version == 4:
            inside |= number.is_between(int(network.network_address), int(network.broadcast_address))
    return inside


def _farthest(chain: str, is_trusted: Callable[[Address], bool]) -> tuple[str, int | None] | None:
    """Address and port at the end of what trusted proxies say; None where the nearest of them names no address.

    >>> proxies = _trust([IPv4Network("10.0.0.0/8")])
    >>> _farthest("203.0.113.1, 192.0.2.9:51512, 10.0.0.7", proxies), _farthest('for=_x, for="[2001:DB8::9]";proto=https', proxies)
    (('192.0.2.9', 51512), ('2001:db8::9', None))
    >>> _farthest("203.0.113.1, unknown, 10.0.0.7", proxies), _farthest("203.0.113.1, _hidden", proxies)
    (('10.0.0.7', None), None)
    """
    reached: tuple[str, int | None] | None = None
    for item in reversed(chain.split(",")):
        node = _MARGIN.sub("", item).rstrip()
        if not node:
            continue
        if element := _FOR.search(node):
            node = element[1] or element[2] or ""
        parsed = parse_address(node.strip('"'))
        if parsed is None:
            break
        reached = str(parsed[0]), parsed[1]
        if not is_trusted(parsed[0]):
            break
    return reached
