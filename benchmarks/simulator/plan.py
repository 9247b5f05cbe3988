"""What is asked of the simulator, and the clock and addresses of the invented shop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Literal

SECOND = 1_000_000
"""Times are whole microseconds since 1970 UTC, as in the product's tables."""
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
JST = timezone(timedelta(hours=9))
JST_OFFSET = 9 * HOUR

OFFICE_IP = "192.0.2.10"
"""All staff leave the office through this proxy."""
SHOP_IP = "192.0.2.80"
"""The shop as the internet sees it."""
DB_IP = "10.0.3.5"
BACKUP_IP = "10.0.9.20"
MONITOR_IP = "10.0.9.5"
ATTACK_IP = "203.0.113.66"
HELPER_IP = "198.51.100.77"
"""A second address of the attacker, which only tries passwords."""
STOLEN_ACCOUNT = "nakamura@shop.example.jp"

WHO = ("customer", "staff", "bot", "scanner", "monitor", "service", "attacker")
"""Whose an event is. A visitor without an account is a customer; a service is the shop's own machinery."""
CUSTOMER, STAFF_MEMBER, BOT, SCANNER, MONITOR, SERVICE, ATTACKER = range(len(WHO))

StoreLog = Literal["combined", "json"]
FirewallLog = Literal["netfilter", "fortigate", "panos"]


@dataclass(frozen=True)
class Plan:
    """One simulation: the same plan gives the same bytes."""

    seed: int
    first_day: date
    days: int
    web_lines: int
    """Lines of both web logs, roughly."""
    auth_lines: int
    """Ordinary lines of auth.log, roughly."""
    fw_lines: int
    """Ordinary lines of fw.log, roughly."""
    customers: int
    crawler_share: float
    """Search engines' lines, as a share of ``web_lines``."""
    monitor_every: int
    """Seconds between two probes."""
    attack: bool
    enumerated: int
    """Customer ids the attacker walks through."""
    export_share: float
    """Share of the export's rows that leave before the cut."""
    store_log: StoreLog = "combined"
    """In which format the store front writes its log."""
    firewall_log: FirewallLog = "netfilter"
    """Whose firewall it is: what happens is the same, the lines are not."""

    @property
    def start(self) -> int:
        """Midnight in Japan before the first day."""
        local = datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=JST)
        return int(local.timestamp()) * SECOND

    @property
    def end(self) -> int:
        """Midnight in Japan after the last day."""
        return self.start + self.days * DAY

    def last_day(self, hour: int, minute: int, second: int = 0) -> int:
        """Return a moment, Japanese time, of the last day: the day of the attack."""
        return self.end - DAY + hour * HOUR + minute * MINUTE + second * SECOND
