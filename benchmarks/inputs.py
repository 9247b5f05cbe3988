"""The logs that are measured: simulated from seeds, once, and kept under ``.bench/`` for the next run."""

from __future__ import annotations

import dataclasses
import gzip
import json
import shutil
import sys
from functools import partial
from pathlib import Path

from benchmarks.measure import apart
from benchmarks.simulate import load_plan, simulate
from benchmarks.simulator.plan import FirewallLog, Plan, StoreLog

WORK = Path(".bench")
COPY_BYTES = 1 << 24
BYTES_A_PLANNED_LINE = 233
"""Of the store front's log; measured."""


def simulation(name: str, plan: Plan) -> Path:
    """Return the folder of a simulation, made now unless it lies there already."""
    folder = WORK / name
    told = folder / "plan.json"
    wanted = json.dumps(dataclasses.asdict(plan), default=str, sort_keys=True)
    if not told.exists() or told.read_text(encoding="utf-8") != wanted:
        print(f"simulating {name} …", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        apart(partial(simulate, plan, folder, suffix="parquet", rotate=False, truth=plan.attack))
        told.write_text(wanted, encoding="utf-8")
    return folder


def incident(web_lines: int, customers: int) -> Path:
    """Return a simulated incident with so many web lines and customers."""
    return simulation(f"load-{web_lines}-{customers}", load_plan(1, 2, web_lines, 20_000, 20_000, customers, 5_000, attacked=True))


def web_log(lines: int, customers: int = 20_000) -> Path:
    """Return the store front's log of such an incident, in the combined format."""
    return incident(lines, customers) / "logs/web/shop-access.log"


def large_web_log(gigabytes: float) -> Path:
    """Return the store front's log of as many days as give about so many GB (10⁹ bytes), none like another."""
    lines = int(gigabytes * 1e9 / BYTES_A_PLANNED_LINE)
    plan = load_plan(3, max(2, lines // 5_000_000 + 1), lines, 5_000, 5_000, 20_000, 200, attacked=False)
    return simulation(f"large-{gigabytes:g}gb", plan) / "logs/web/shop-access.log"


def json_log(lines: int) -> Path:
    """Return the store front's log as nginx writes JSON."""
    return _quiet_days("json", web_lines=lines, store_log="json") / "logs/web/shop-access.log"


def auth_log(lines: int) -> Path:
    """Return an auth.log of sshd, sudo and cron."""
    return _quiet_days("auth", auth_lines=lines) / "logs/auth/auth.log"


def firewall_log(lines: int, kind: FirewallLog) -> Path:
    """Return a firewall's log: packets as iptables logs them, or connections as larger makers do."""
    if kind != "netfilter":
        return _quiet_days(kind, fw_lines=lines, firewall_log=kind) / "logs/fw/fw.log"
    folder = _quiet_days(kind, fw_lines=lines * 2)
    packets = folder / "iptables.log"
    if not packets.exists():
        with (folder / "logs/fw/fw.log").open("rb") as log, packets.open("wb") as kept:
            kept.writelines(line for line in log if b" kernel: " in line)  # the rest are the ends of connections, by another program
    return packets


def _quiet_days(
    name: str,
    *,
    web_lines: int = 20_000,
    auth_lines: int = 5_000,
    fw_lines: int = 5_000,
    store_log: StoreLog = "combined",
    firewall_log: FirewallLog = "netfilter",
) -> Path:
    plan = load_plan(2, 2, web_lines, auth_lines, fw_lines, 2_000, 200, attacked=False)
    return simulation(f"{name}-{max(web_lines, auth_lines, fw_lines)}", dataclasses.replace(plan, store_log=store_log, firewall_log=firewall_log))


def gzipped(log: Path) -> Path:
    """Return a log compressed as logrotate does it: gzip, level 6."""
    packed = log.with_name(log.name + ".gz")
    if not packed.exists() or packed.stat().st_mtime < log.stat().st_mtime:
        print(f"compressing {log} …", file=sys.stderr)
        part = log.with_name("part.gz")
        with log.open("rb") as plain, gzip.open(part, "wb", 6) as out:
            shutil.copyfileobj(plain, out, COPY_BYTES)
        part.replace(packed)
    return packed


def repeated(log: Path, gigabytes: float) -> Path:
    """Return about so many GB (10⁹ bytes) of a log: the same days over and over."""
    piece = log.stat().st_size
    copies = max(1, round(gigabytes * 1e9 / piece))
    whole = WORK / f"repeated-{gigabytes:g}gb.log"
    if not whole.exists() or whole.stat().st_size != copies * piece:
        with whole.open("wb") as out:
            for _ in range(copies):
                with log.open("rb") as part:
                    shutil.copyfileobj(part, out, COPY_BYTES)
    return whole


def count_lines(path: Path) -> int:
    """Return the number of line ends of a file."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(COPY_BYTES), b""))
