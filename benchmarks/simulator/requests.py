"""Requests made one at a time by the few people whose steps matter singly: staff at work, and the attacker."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from benchmarks.simulator.draw import Ints
from benchmarks.simulator.lines import STORE_LOGS, json_lines, lines_frame, login_lines
from benchmarks.simulator.plan import Plan


@dataclass
class Script:
    """Collects steps and writes them as lines of the three logs of the web machines."""

    who: int
    store: list[tuple[int, int, str, str, int, int, str, str]] = field(default_factory=list)
    admin: list[tuple[int, int, str, str, str, int, int, int, str, str, str, str]] = field(default_factory=list)
    logins: list[tuple[int, int, str, str | None, str, str, str, str, str]] = field(default_factory=list)

    def visit(self, t: int, ip: str, request: str, status: int, size: int, agent: str, *, referer: str = "-", mark: int = -1) -> None:
        """Add a request to the store front."""
        self.store.append((t, mark, ip, request + " HTTP/1.1", status, size, referer, agent))

    def call(self, t: int, ip: str, request: str, status: int, size: int, agent: str, *, user: str = "", session: str = "", mark: int = -1) -> None:
        """Add a request to the admin and API host."""
        method, uri = request.split(" ", 1)
        referer = "https://admin.shop.example.jp/admin/" if session and uri.startswith("/api/") else ""
        self.admin.append((t, mark, ip, method, uri, status, size, 6 + size // 900, referer, agent, user, session))

    def login(self, t: int, event: str, reason: str | None, app: str, account: str, ip: str, session: str, agent: str, *, mark: int = -1) -> None:
        """Add a line of shopd; ``reason`` is None on success."""
        self.logins.append((t, mark, event, reason, app, account, ip, session, agent))

    def store_lines(self, plan: Plan) -> pl.DataFrame:
        """Return the store front's lines."""
        rows = pl.DataFrame(
            self.store,
            schema={
                "t": pl.Int64, "mark": pl.Int32, "ip": pl.String, "request": pl.String, "status": pl.Int64, "bytes": pl.Int64, "referer": pl.String,
                "agent": pl.String,
            },
            orient="row",
        )  # fmt: skip
        return lines_frame(_numbers(rows, "t"), STORE_LOGS[plan.store_log](rows), self.who, _numbers(rows, "mark"))

    def admin_lines(self) -> pl.DataFrame:
        """Return the admin host's lines."""
        rows = pl.DataFrame(
            self.admin,
            schema={
                "t": pl.Int64, "mark": pl.Int32, "ip": pl.String, "method": pl.String, "uri": pl.String, "status": pl.Int64, "bytes": pl.Int64,
                "millis": pl.Int64, "referer": pl.String, "agent": pl.String, "user": pl.String, "session": pl.String,
            },
            orient="row",
        )  # fmt: skip
        return lines_frame(_numbers(rows, "t"), json_lines(rows), self.who, _numbers(rows, "mark"))

    def login_lines(self) -> pl.DataFrame:
        """Return shopd's lines."""
        rows = pl.DataFrame(
            self.logins,
            schema={
                "t": pl.Int64, "mark": pl.Int32, "event": pl.String, "reason": pl.String, "app": pl.String, "account": pl.String, "ip": pl.String,
                "session": pl.String, "agent": pl.String,
            },
            orient="row",
        )  # fmt: skip
        return lines_frame(_numbers(rows, "t"), login_lines(rows), self.who, _numbers(rows, "mark"))


def _numbers(rows: pl.DataFrame, column: str) -> Ints:
    return np.asarray(rows[column].to_numpy(), dtype=np.int64)
