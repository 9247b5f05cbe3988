"""Who may do what would otherwise be found: own scanners, monitors and crawlers, as the user lists them.

A finding is suppressed when every event behind it comes from an allowed address, agent or account; it is counted, not
forgotten.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class AllowList:
    """Networks, agent patterns (``*`` and ``?``, whole value, any case) and account names."""

    addresses: tuple[Network, ...] = ()
    user_agents: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.addresses or self.user_agents or self.users)

    def select_addresses(self, seen: Iterable[str]) -> list[str]:
        """Those of ``seen`` that lie in an allowed network; text that is no address lies in none."""
        return [text for text in seen if self._covers(text)]

    def select_agents(self, seen: Sequence[str]) -> list[str]:
        if not self.user_agents:
            return []
        pattern = re.compile("|".join(fnmatch.translate(p.casefold()) for p in self.user_agents))
        return [agent for agent in seen if pattern.match(agent.casefold())]

    def _covers(self, text: str) -> bool:
        address = _parse(text)
        return address is not None and any(address.version == network.version and address in network for network in self.addresses)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
