"""auth.log of the shop's machines and the firewall's log, one slice of time at a time, column-wise."""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.simulator import words
from benchmarks.simulator.attack import Flow
from benchmarks.simulator.draw import Draw, Floats, Ints
from benchmarks.simulator.lines import FIREWALL_LOGS, fill, lines_frame, syslog_lines
from benchmarks.simulator.plan import ATTACK_IP, ATTACKER, BACKUP_IP, DAY, DB_IP, HOUR, OFFICE_IP, SCANNER, SECOND, SERVICE, SHOP_IP, STAFF_MEMBER, Plan

HOSTS = ("web-1", "adm-1", "db-1", "bastion-1")
LINES_AN_EPISODE = 2.95
"""Mean number of auth.log lines that belong together."""


# Each kind of episode: share, whose, seconds between its lines, and its lines as (program, message).
_CRON = (
    ("CRON[{pid}]", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
    ("CRON[{pid}]", "pam_unix(cron:session): session closed for user root"),
)
_SUDO = (
    ("sudo", "  {staff} : TTY=pts/{n} ; PWD=/home/{staff} ; USER=root ; COMMAND=/usr/bin/systemctl status nginx"),
    ("sudo", "pam_unix(sudo:session): session opened for user root(uid=0) by {staff}(uid=1004)"),
    ("sudo", "pam_unix(sudo:session): session closed for user root"),
)
_SSH_STAFF = (
    ("sshd[{pid}]", "Accepted publickey for {staff} from {office} port {port} ssh2: ED25519 SHA256:3mYxV0kzWJ8q2H1tq7o8dUuV0bq9m4Y5oXyS1u2aB{n}c"),
    ("sshd[{pid}]", "pam_unix(sshd:session): session opened for user {staff}(uid=1004) by {staff}(uid=0)"),
    ("sshd[{pid}]", "Received disconnect from {office} port {port}:11: disconnected by user"),
    ("sshd[{pid}]", "pam_unix(sshd:session): session closed for user {staff}"),
)
_SSH_UNKNOWN = (
    ("sshd[{pid}]", "Invalid user {name} from {noise} port {port}"),
    ("sshd[{pid}]", "Failed password for invalid user {name} from {noise} port {port} ssh2"),
    ("sshd[{pid}]", "Connection closed by invalid user {name} {noise} port {port} [preauth]"),
)
_SSH_ROOT = (
    ("sshd[{pid}]", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={noise}  user=root"),
    ("sshd[{pid}]", "Failed password for root from {noise} port {port} ssh2"),
    ("sshd[{pid}]", "message repeated 2 times: [ Failed password for root from {noise} port {port} ssh2]"),
    ("sshd[{pid}]", "Connection reset by authenticating user root {noise} port {port} [preauth]"),
)
_SSH_BANNER = (
    ("sshd[{pid}]", "error: kex_exchange_identification: Connection closed by remote host"),
    ("sshd[{pid}]", "Connection closed by {noise} port {port}"),
)
_EPISODES: tuple[tuple[float, int, float, tuple[tuple[str, str], ...]], ...] = (
    (0.42, SERVICE, 0.4, _CRON),
    (0.06, STAFF_MEMBER, 0.3, _SUDO),
    (0.05, STAFF_MEMBER, 240.0, _SSH_STAFF),
    (0.30, SCANNER, 1.8, _SSH_UNKNOWN),
    (0.09, SCANNER, 2.2, _SSH_ROOT),
    (0.08, SCANNER, 0.1, _SSH_BANNER),
)


def auth_log(plan: Plan, draw: Draw, start: int, stop: int, share: float) -> pl.DataFrame:
    """Return auth.log's lines: cron, staff with keys and sudo, and the world knocking at sshd, each stranger a few times only."""
    count = int(plan.auth_lines / LINES_AN_EPISODE * share + draw.uniform(1)[0])
    kind = draw.weighted([e[0] for e in _EPISODES], count)
    begin = start + (draw.uniform(count) * (stop - start)).astype(np.int64)
    details = {
        "pid": 1_200 + draw.below(60_000, count),
        "port": 32_768 + draw.below(28_000, count),
        "n": draw.below(10, count),
        "staff": pl.Series([s[0] for s in words.STAFF[:3]]).gather(draw.below(3, count)),
        "name": pl.Series(words.SSH_NAMES).gather(draw.below(len(words.SSH_NAMES), count)),
        "office": pl.Series([OFFICE_IP]).gather(np.zeros(count, dtype=np.int64)),
        "noise": _strangers(draw, count),
        "host": pl.Series(HOSTS).gather(draw.below(len(HOSTS), count)),
    }
    episodes = pl.DataFrame({"begin": begin, **details})
    waits = draw.uniform(count)
    frames = [
        _episode(episodes.with_columns(wait=pl.Series(waits))[np.flatnonzero(kind == number)], who, pause, texts)
        for number, (_, who, pause, texts) in enumerate(_EPISODES)
    ]
    return pl.concat(frames)


def _strangers(draw: Draw, count: int) -> pl.Series:
    """Draw outside addresses: 203.0.113.128/25 for small volumes, and the benchmarking range's second half for all."""
    wide, low = draw.below(65_536, count), draw.below(120, count) + 129
    plain = pl.DataFrame({"a": wide >> 8, "b": wide & 255, "c": low, "near": draw.chance(0.3, count)})
    return plain.select(pl.when("near").then(pl.format("203.0.113.{}", "c")).otherwise(pl.format("198.19.{}.{}", "a", "b"))).to_series()


def _episode(rows: pl.DataFrame, who: int, pause: float, texts: tuple[tuple[str, str], ...]) -> pl.DataFrame:
    frames = []
    for n, (program, message) in enumerate(texts):
        t = rows["begin"].to_numpy() + (n * pause * SECOND * (0.5 + rows["wait"].to_numpy())).astype(np.int64)
        frames.append(lines_frame(t, syslog_lines(rows.select("host", t=pl.Series(t), program=fill(program), message=fill(message))), who))
    return pl.concat(frames)


def firewall(plan: Plan, draw: Draw, start: int, stop: int, share: float) -> pl.DataFrame:
    """Return fw.log's lines: blocked knocking from outside, and the ends of the machines' own connections outwards."""
    count = int(plan.fw_lines * share + draw.uniform(1)[0])
    flows = int(count * 0.55)
    return pl.concat([_blocked(plan, draw, start, stop, count - flows), _ordinary_flows(plan, draw, start, stop, flows)])


def _blocked(plan: Plan, draw: Draw, start: int, stop: int, count: int) -> pl.DataFrame:
    """Knock on closed doors: single probes, and one stranger in forty tries a row of ports (fewer than a hundred)."""
    probes = draw.chance(0.25, count)
    burst = np.cumsum(np.where(probes, 1, (np.arange(count) % 60 == 0).astype(np.int64)))
    begin = start + np.sort((draw.uniform(count) * (stop - start)).astype(np.int64))
    source = _strangers(draw, int(burst.max(initial=0)) + 1).gather(burst)
    ports = np.array([22, 23, 25, 53, 80, 110, 135, 139, 445, 1433, 2375, 3306, 3389, 5432, 5900, 6379, 8080, 8443, 9200, 11_211])
    columns = {
        "t": begin,
        "source": source,
        "target": _same(SHOP_IP, count),
        "ttl": 40 + draw.below(200, count),
        "id": draw.below(65_536, count),
        "sport": 1_024 + draw.below(64_000, count),
        "dport": np.where(draw.chance(0.8, count), ports[draw.below(ports.size, count)], 1 + draw.below(10_000, count)),
        "up": pl.select(
            pl.format("{}.{}", pl.Series((begin - start + 402_100 * SECOND) // SECOND), pl.Series(draw.below(900_000, count) + 100_000))
        ).to_series(),
    }
    return lines_frame(begin, FIREWALL_LOGS[plan.firewall_log].blocked(pl.DataFrame(columns)), SCANNER)


def _same(text: str, count: int) -> pl.Series:
    return pl.Series([text]).gather(np.zeros(count, dtype=np.int64))


# (share, from, to, protocol, port, typical bytes out, typical bytes back)
_DESTINATIONS = (
    (0.34, "10.0.1.10", "198.51.100.50", "TCP", 443, 3_400, 5_200),  # payment provider
    (0.20, "10.0.1.10", "10.0.3.5", "TCP", 5_432, 9_000, 64_000),
    (0.12, "10.0.1.20", "10.0.3.5", "TCP", 5_432, 7_000, 52_000),
    (0.12, "10.0.1.10", "198.51.100.53", "UDP", 53, 78, 190),
    (0.06, "10.0.3.5", "198.51.100.53", "UDP", 53, 74, 170),
    (0.08, "10.0.1.10", "198.51.100.25", "TCP", 587, 38_000, 2_100),  # mail relay
    (0.04, "10.0.3.5", "198.51.100.123", "UDP", 123, 76, 76),
    (0.04, "10.0.1.20", "192.0.2.200", "TCP", 443, 2_600, 480_000),  # package mirror
)


def _ordinary_flows(plan: Plan, draw: Draw, start: int, stop: int, count: int) -> pl.DataFrame:
    kind = draw.weighted([d[0] for d in _DESTINATIONS], count)
    stretch: Floats = 0.4 + draw.exponential(0.6, count)
    out = (np.array([d[5] for d in _DESTINATIONS])[kind] * stretch).astype(np.int64) + 60
    back = (np.array([d[6] for d in _DESTINATIONS])[kind] * stretch).astype(np.int64) + 60
    t = start + (draw.uniform(count) * (stop - start)).astype(np.int64)
    return _flow_lines(
        plan,
        t,
        pl.Series([d[1] for d in _DESTINATIONS]).gather(kind),
        pl.Series([d[2] for d in _DESTINATIONS]).gather(kind),
        pl.Series([d[3] for d in _DESTINATIONS]).gather(kind),
        32_768 + draw.below(28_000, count),
        np.array([d[4] for d in _DESTINATIONS])[kind],
        out,
        back,
        SERVICE,
        -1,
    )


def _flow_lines(
    plan: Plan, t: Ints, source: pl.Series, target: pl.Series, protocol: pl.Series, sport: Ints, dport: Ints, out: Ints, back: Ints, who: int, mark: Ints | int
) -> pl.DataFrame:
    """Write ends of connections as the firewall does."""
    ended = pl.DataFrame({"t": t, "source": source, "target": target, "protocol": protocol, "sport": sport, "dport": dport, "out": out, "back": back})
    return lines_frame(t, FIREWALL_LOGS[plan.firewall_log].ended(ended), who, mark)


def nightly_backups(plan: Plan) -> pl.DataFrame:
    """Return the flows of the backup from the database host to the backup host, every night at half past one, about two gigabytes."""
    draw = Draw(plan.seed, "backup")
    nights = np.arange(plan.days)
    t = plan.start + nights * DAY + HOUR * 3 // 2 + draw.below(600, plan.days) * SECOND
    size = 2_050_000_000 + draw.below(90_000_000, plan.days)
    return _flow_lines(
        plan, t, _same(DB_IP, plan.days), _same(BACKUP_IP, plan.days), _same("TCP", plan.days), 40_000 + draw.below(9_000, plan.days), np.full(plan.days, 873),
        size, size // 200, SERVICE, -1,
    )  # fmt: skip


def attack_flows(plan: Plan, flows: list[Flow]) -> pl.DataFrame:
    """Return the connections that carried the backup to the attacker."""
    n = len(flows)
    return _flow_lines(
        plan,
        np.array([f.end for f in flows]),
        _same(DB_IP, n),
        _same(ATTACK_IP, n),
        _same("TCP", n),
        np.array([f.port for f in flows]),
        np.full(n, 443),
        np.array([f.bytes_out for f in flows]),
        np.array([f.bytes_in for f in flows]),
        ATTACKER,
        np.array([f.mark for f in flows]),
    )
