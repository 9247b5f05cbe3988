"""Ordinary traffic, one slice of time at a time, column-wise: visitors, the mobile app, crawlers, scanners, the monitoring probe.

Lines leave here unsorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import numpy as np
import polars as pl

from benchmarks.simulator import words
from benchmarks.simulator.draw import Draw, Floats, Ints
from benchmarks.simulator.lines import STORE_LOGS, json_lines, lines_frame, login_lines
from benchmarks.simulator.people import NEVER, People
from benchmarks.simulator.plan import BOT, CUSTOMER, HOUR, JST_OFFSET, MONITOR, MONITOR_IP, OFFICE_IP, SCANNER, SECOND, Plan

RHYTHM = (0.55, 0.3, 0.18, 0.12, 0.12, 0.2, 0.4, 0.75, 0.9, 0.95, 1.0, 1.05, 1.45, 1.1, 0.95, 0.95, 1.0, 1.05, 1.2, 1.4, 1.6, 1.75, 1.5, 0.95)
"""How busy each hour of the day is in Japan."""

VISITOR_SHARE, APP_SHARE, SCANNER_SHARE = 0.82, 0.05, 0.015
"""Shares of the web lines; crawlers have a share of their own, probe, staff and attack come on top."""
LINES_A_VISIT = 13.5
LINES_AN_APP_VISIT = 5.4
LINES_A_SCAN = 12.0
NOT_FOUND_BYTES = 1_534
MYPAGE_BYTES = 8_844

_HOME, _CATEGORY, _SEARCH, _PRODUCT, _CART = range(5)
_STATIC = ("/assets/app.3f9c1e.css", "/assets/app.b71d02.js", "/assets/logo.svg")


@dataclass(frozen=True)
class Store:
    """The store front: every address it answers, how long each answer is, and who its clients are."""

    urls: pl.Series
    sizes: Ints
    referers: pl.Series
    categories: tuple[int, int]
    searches: tuple[int, int]
    products: tuple[int, int]
    images: tuple[int, int]
    retired: tuple[int, int]
    """Ranges of positions in ``urls``, each from the first to behind the last."""
    named: dict[str, int]
    emails: pl.Series
    """Mail address of each customer, by position."""
    steady: Ints
    """Positions of the customers who exist all the time: those who come to shop."""
    item_bytes: Ints
    ids: Ints
    homes: int
    """Clients with an address of their own."""
    mobiles: int
    """Clients behind the carriers' shared addresses."""
    carriers: int
    """Shared addresses."""
    home_ips: pl.Series
    carrier_ips: pl.Series

    def position(self, kind: tuple[int, int], offsets: Ints) -> Ints:
        """Return positions in ``urls`` for offsets into one kind of address."""
        return kind[0] + offsets % (kind[1] - kind[0])


EXTERNAL_REFERERS = ("-", "https://www.google.com/", "https://search.yahoo.co.jp/", "https://www.bing.com/", "https://lin.ee/", "https://m.facebook.com/")


def open_store(plan: Plan, people: People) -> Store:
    """Fill the shelves: products, categories, search words, and the crowd of clients for a plan of this size."""
    draw = Draw(plan.seed, "store")
    product_count = min(20_000, max(1_200, plan.web_lines // 500))
    urls: list[str] = []
    spans: dict[str, tuple[int, int]] = {}

    def add(kind: str, more: list[str]) -> None:
        spans[kind] = (len(urls), len(urls) + len(more))
        urls.extend(more)

    add("categories", [f"/c/{c}" + (f"?page={n}" if n > 1 else "") for c in words.CATEGORIES for n in range(1, 7)])
    add("searches", ["/search?q=" + quote(w, safe="") + (f"&page={n}" if n > 1 else "") for w in words.SEARCH_WORDS for n in (1, 2, 3)])
    add("products", [f"/products/{10_001 + n}" for n in range(product_count)])
    add("images", [f"/img/p/{10_001 + n}-{k}.webp" for n in range(product_count) for k in (1, 2)])
    add("retired", [f"/products/{8_000 + n}" for n in range(300)])
    fixed = {
        "/": 24_310, _STATIC[0]: 48_211, _STATIC[1]: 181_904, _STATIC[2]: 3_914, "/cart": 7_120, "/login": 5_212, "/mypage": MYPAGE_BYTES, "/checkout": 9_450,
        "/register": 6_033, "/robots.txt": 312, "/sitemap.xml": 91_232, "/favicon.ico": 4_286, "/apple-touch-icon-120x120.png": NOT_FOUND_BYTES,
        "/media/lookbook-2026aw.mp4": 262_144, "/guide/shipping": 14_002, "/logout": 0,
    }  # fmt: skip
    first_fixed = len(urls)
    urls.extend(fixed)
    sizes = np.zeros(len(urls), dtype=np.int64)
    for kind, low, high in (("categories", 22_000, 41_000), ("searches", 9_000, 38_000), ("products", 16_000, 29_000), ("images", 9_000, 84_000)):
        start, stop = spans[kind]
        sizes[start:stop] = low + draw.below(high - low, stop - start)
    sizes[slice(*spans["retired"])] = NOT_FOUND_BYTES
    sizes[first_fixed:] = list(fixed.values())
    visits = plan.web_lines * VISITOR_SHARE / LINES_A_VISIT
    homes, mobiles = min(131_072, max(300, int(visits * 0.45))), max(260, int(visits * 0.35))
    carriers = max(6, mobiles // 45)
    return Store(
        urls=pl.Series(urls),
        sizes=sizes,
        referers=pl.Series([*EXTERNAL_REFERERS, *("https://shop.example.jp" + u for u in urls)]),
        categories=spans["categories"],
        searches=spans["searches"],
        products=spans["products"],
        images=spans["images"],
        retired=spans["retired"],
        named={u: first_fixed + n for n, u in enumerate(fixed)},
        emails=people.customers["email"],
        steady=np.flatnonzero((people.created < plan.start) & (people.deleted == NEVER)),
        item_bytes=people.item_bytes,
        ids=people.ids,
        homes=homes,
        mobiles=mobiles,
        carriers=carriers,
        home_ips=pl.Series([_home_ip(n) for n in range(homes)]),
        carrier_ips=pl.Series([f"100.{64 + (k * 37 >> 16) % 64}.{k * 37 >> 8 & 255}.{1 + k * 37 % 254}" for k in range(carriers)]),
    )


def _home_ip(client: int) -> str:
    if client % 17 == 16:
        return f"2001:db8:{client >> 8:x}:{client & 255:x}00::{client % 241 + 2:x}"
    mixed = client * 7_919 % 131_072
    return f"198.{18 + (mixed >> 16)}.{mixed >> 8 & 255}.{mixed & 255}"


@dataclass(frozen=True)
class _Clients:
    """Who makes each visit: address, program, and the customer who would log in."""

    ip: pl.Series
    agent: pl.Series
    customer: Ints
    mobile: np.ndarray[tuple[int], np.dtype[np.bool_]]


def _clients(store: Store, draw: Draw, count: int, office: float) -> _Clients:
    """Choose a client for each visit: at home, behind a carrier, or (a share of ``office``) behind the office proxy."""
    kind = draw.weighted((0.53 - office, 0.47, office), count)
    home, mobile = draw.below(store.homes, count), draw.skewed(store.mobiles, count, 1.2)
    ips = pl.concat([store.home_ips, store.carrier_ips, pl.Series([OFFICE_IP])])
    where = np.select([kind == 0, kind == 1], [home, store.homes + mobile * 31 % store.carriers], store.homes + store.carriers)
    agents = pl.Series([*words.DESKTOP_AGENTS, *words.MOBILE_AGENTS])
    desktop = home * 5 % len(words.DESKTOP_AGENTS)
    phone = len(words.DESKTOP_AGENTS) + mobile * 13 % len(words.MOBILE_AGENTS)
    at_home_phone = len(words.DESKTOP_AGENTS) + home * 13 % len(words.MOBILE_AGENTS)
    program = np.select([kind == 1, (kind == 0) & (home % 3 == 0)], [phone, at_home_phone], desktop)
    customer = store.steady[np.where(kind == 1, mobile * 2 + 1, home * 2) % store.steady.size]
    return _Clients(ips.gather(where), agents.gather(program), customer, program >= len(words.DESKTOP_AGENTS))


def _expand(lengths: Ints) -> tuple[Ints, Ints]:
    """Return, for groups of the given lengths laid end to end, the group of each member and its place in the group.

    >>> [a.tolist() for a in _expand(np.array([2, 0, 1]))]
    [[0, 0, 2], [0, 1, 0]]
    """
    group = np.repeat(np.arange(lengths.size), lengths)
    first = np.cumsum(lengths) - lengths
    return group, np.arange(group.size) - first[group]


def _running(waits: Floats, group: Ints, place: Ints) -> Ints:
    """Return the time since the group's start, in microseconds, for waits given in seconds."""
    total = np.cumsum(waits)
    base = total[place == 0] - waits[place == 0]
    present = np.cumsum(place == 0) - 1
    return ((total - base[present]) * SECOND).astype(np.int64) if group.size else np.zeros(0, dtype=np.int64)


def visitors(plan: Plan, store: Store, draw: Draw, start: int, stop: int, weight: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the store front's lines and shopd's lines of the visits that begin in a slice; ``weight`` is its share of the whole time's traffic."""
    count = int(plan.web_lines * VISITOR_SHARE / LINES_A_VISIT * weight + draw.uniform(1)[0])
    hour = (start + JST_OFFSET) // HOUR % 24
    at_work = (start + JST_OFFSET) // (24 * HOUR) % 7 != 2 and 9 <= hour < 19  # day 2 since the epoch's Thursday is a Saturday
    at_office = (6.0 if at_work else 0.2) * (stop - start) / HOUR  # the staff do not grow with the shop
    who = _clients(store, draw, count, min(0.03 if at_work else 0.002, at_office / max(count, 1)))
    begin = start + (draw.uniform(count) * (stop - start)).astype(np.int64)
    pages = np.minimum(1 + draw.exponential(3.2, count).astype(np.int64), 30)
    visit, place = _expand(pages)
    views = visit.size
    waits = np.where(place == 0, 0.0, 2.0 + draw.exponential(26.0, views))
    view_t = begin[visit] + _running(waits, visit, place)
    kind = np.where(place == 0, draw.weighted((0.3, 0.15, 0.2, 0.35, 0.0), views), draw.weighted((0.08, 0.2, 0.15, 0.5, 0.07), views))
    product = draw.skewed(store.products[1] - store.products[0], views)
    old = draw.chance(0.012, views)
    view_url = np.select(
        [kind == _HOME, kind == _CATEGORY, kind == _SEARCH, kind == _CART, old],
        [
            np.full(views, store.named["/"]),
            store.position(store.categories, draw.skewed(72, views, 1.5)),
            store.position(store.searches, draw.skewed(len(words.SEARCH_WORDS) * 3, views, 1.5)),
            np.full(views, store.named["/cart"]),
            store.position(store.retired, draw.below(300, views)),
        ],
        store.position(store.products, product),
    )
    retired = (view_url >= store.retired[0]) & (view_url < store.retired[1])
    broken = draw.chance(0.0008, views)
    view_status = np.select([broken, retired], [502, 404], 200)
    outside = draw.weighted((0.45, 0.25, 0.18, 0.04, 0.06, 0.02), count)
    before = np.concatenate([[0], view_url[:-1]])[:views] + len(EXTERNAL_REFERERS)
    view_referer = np.where(place == 0, outside[visit], before)

    known = draw.chance(0.4, count)
    static_visit, static_place = _expand(np.where(draw.chance(0.75, count), len(_STATIC), 0))
    first_view = np.flatnonzero(place == 0)
    static_t = begin[static_visit] + 80_000 + (draw.uniform(static_visit.size) * 600_000).astype(np.int64)
    static_status = np.where(known[static_visit], 304, 200)
    image_count = np.where(view_status == 200, draw.below(5, views) * np.isin(kind, (_HOME, _CATEGORY, _SEARCH)) + (kind == _PRODUCT) * 2, 0)
    image_view, image_place = _expand(image_count)
    shown = np.where(kind[image_view] == _PRODUCT, product[image_view], draw.skewed(store.products[1] - store.products[0], image_view.size))
    image_t = view_t[image_view] + 150_000 + (draw.uniform(image_view.size) * 1_400_000).astype(np.int64)
    image_status = np.where(known[visit[image_view]] & draw.chance(0.3, image_view.size), 304, 200)
    icon = np.flatnonzero(who.mobile & draw.chance(0.08, count))
    film_visit, film_place = _expand(np.where(draw.chance(0.012, count), 4, 0))

    logins, login_requests = _logins(store, draw, who, _last(view_t, visit, count))
    parts = [
        (visit, view_t, view_url, view_status, view_referer, 0),
        (static_visit, static_t, store.named[_STATIC[0]] + static_place, static_status, view_url[first_view][static_visit] + len(EXTERNAL_REFERERS), 0),
        (
            visit[image_view],
            image_t,
            store.position(store.images, shown * 2 + image_place % 2),
            image_status,
            view_url[image_view] + len(EXTERNAL_REFERERS),
            0,
        ),
        (icon, begin[icon] + SECOND, np.full(icon.size, store.named["/apple-touch-icon-120x120.png"]), np.full(icon.size, 404), np.zeros(icon.size), 0),
        (
            film_visit,
            begin[film_visit] + (3 + film_place * 2) * SECOND,
            np.full(film_visit.size, store.named["/media/lookbook-2026aw.mp4"]),
            np.full(film_visit.size, 206),
            np.full(film_visit.size, store.named["/"] + len(EXTERNAL_REFERERS)),
            0,
        ),
        *login_requests,
    ]
    of_visit = np.concatenate([p[0] for p in parts])
    url = np.concatenate([p[2] for p in parts])
    status = np.concatenate([p[3] for p in parts])
    post = np.concatenate([np.full(p[0].size, p[5]) for p in parts])
    size = np.where(np.isin(status, (302, 304)), 0, np.where(status == 502, 166, store.sizes[url]))
    requests = pl.DataFrame(
        {
            "t": np.concatenate([p[1] for p in parts]),
            "ip": who.ip.gather(of_visit),
            "request": pl.select(
                pl.format(
                    "{} {} {}",
                    pl.Series(["GET", "POST"]).gather(post),
                    store.urls.gather(url),
                    pl.Series(["HTTP/2.0", "HTTP/1.1"]).gather((of_visit % 9 == 0).astype(np.int64)),
                )
            ).to_series(),
            "status": status,
            "bytes": size,
            "referer": store.referers.gather(np.concatenate([p[4] for p in parts]).astype(np.int64)),
            "agent": who.agent.gather(of_visit),
        }
    )
    staff = np.where((who.ip == OFFICE_IP).to_numpy(), 1, CUSTOMER)
    return lines_frame(requests["t"].to_numpy(), STORE_LOGS[plan.store_log](requests), staff[of_visit]), logins


def _last(times: Ints, group: Ints, count: int) -> Ints:
    last = np.zeros(count, dtype=np.int64)
    last[group] = times  # members of a group come in order of time, the last one stays
    return last


_Part = tuple[Ints, Ints, Ints, Ints, Ints, int]


def _logins(store: Store, draw: Draw, who: _Clients, after: Ints) -> tuple[pl.DataFrame, list[_Part]]:
    """Let one visit in eight log in, some after mistyping; a few give up. Returns shopd's lines and the requests behind them."""
    visit = np.flatnonzero(draw.chance(0.125, after.size))
    fails = draw.weighted((0.8, 0.13, 0.05, 0.02), visit.size)
    gives_up = draw.chance(0.04, visit.size)
    fails = np.where(gives_up, 3, fails)
    tries, place = _expand(fails + 1 - gives_up)
    success = (place == fails[tries]) & ~gives_up[tries]
    t = after[visit][tries] + 9 * SECOND + _running(5.0 + draw.exponential(9.0, tries.size), tries, place)
    mistyped_name = draw.chance(0.15, tries.size) & ~success
    mails = store.emails.gather(who.customer[visit[tries]])
    account = pl.select(pl.when(pl.Series(mistyped_name)).then(mails.str.replace("example", "exmaple", literal=True)).otherwise(mails)).to_series()
    session = pl.Series(draw.hex_ids(tries.size))
    won = np.flatnonzero(success)
    logout = won[draw.chance(0.15, won.size)]
    logins = pl.concat(
        [
            pl.DataFrame(
                {
                    "t": t,
                    "event": pl.Series(["login"] * tries.size, dtype=pl.String),
                    "reason": pl.Series(["bad_password", "no_user", None]).gather(np.where(success, 2, mistyped_name.astype(np.int64))),
                    "account": account,
                    "ip": who.ip.gather(visit[tries]),
                    "session": pl.select(pl.when(pl.Series(success)).then(session).otherwise(pl.lit("-"))).to_series(),
                    "agent": who.agent.gather(visit[tries]),
                }
            ),
            pl.DataFrame(
                {
                    "t": t[logout] + 95 * SECOND,
                    "event": pl.Series(["logout"] * logout.size, dtype=pl.String),
                    "reason": pl.Series([None] * logout.size, dtype=pl.String),
                    "account": account.gather(logout),
                    "ip": who.ip.gather(visit[tries[logout]]),
                    "session": session.gather(logout),
                    "agent": who.agent.gather(visit[tries[logout]]),
                }
            ),
        ]
    ).with_columns(app=pl.lit("store"))
    page, mypage, cart = (store.named[u] for u in ("/login", "/mypage", "/cart"))
    form = page + len(EXTERNAL_REFERERS)

    def part(chosen: Ints, moment: Ints, url: int, status: Ints | int, referer: int, post: int) -> _Part:
        return chosen, moment, np.full(chosen.size, url), np.zeros(chosen.size, dtype=np.int64) + status, np.full(chosen.size, referer), post

    requests = [
        part(visit, after[visit] + 6 * SECOND, page, 200, cart + len(EXTERNAL_REFERERS), 0),
        part(visit[tries], t, page, np.where(success, 302, 200), form, 1),
        part(visit[tries[won]], t[won] + 400_000, mypage, 200, form, 0),
        part(visit[tries[logout]], t[logout] + 95 * SECOND, store.named["/logout"], 302, mypage + len(EXTERNAL_REFERERS), 0),
    ]
    return lines_frame(logins["t"].to_numpy(), login_lines(logins), CUSTOMER), requests


def app_users(plan: Plan, store: Store, draw: Draw, start: int, stop: int, weight: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the API host's lines and shopd's lines of the mobile app: each customer reads their own record, many of them from one shared address."""
    count = int(plan.web_lines * APP_SHARE / LINES_AN_APP_VISIT * weight + draw.uniform(1)[0])
    who = _clients(store, draw, count, 0.0)
    begin = start + (draw.uniform(count) * (stop - start)).astype(np.int64)
    agent = pl.Series(words.APP_AGENTS).gather(who.customer % len(words.APP_AGENTS))
    mail, session = store.emails.gather(who.customer), pl.Series(draw.hex_ids(count))
    fresh = draw.chance(0.35, count)
    mistyped = np.where(fresh & draw.chance(0.15, count), 1, 0)
    looks = draw.below(5, count)
    # one visit: wrong passwords, login, home, own record, looks at products, cart
    steps = mistyped + fresh + 2 + looks + 1
    visit, place = _expand(steps.astype(np.int64))
    t = begin[visit] + _running(np.where(place == 0, 0.0, 0.6 + draw.exponential(9.0, visit.size)), visit, place)
    step = place - (mistyped + fresh)[visit]
    wrong, login, last = place < mistyped[visit], (place == mistyped[visit]) & fresh[visit], place == steps[visit] - 1
    product = 10_001 + draw.skewed(store.products[1] - store.products[0], visit.size)
    columns = pl.DataFrame(
        {
            "t": t,
            "ip": who.ip.gather(visit),
            "kind": np.select([wrong, login, step == 0, step == 1, last], [0, 1, 2, 3, 4], 5),
            "own": store.ids[who.customer[visit]],
            "own_bytes": store.item_bytes[who.customer[visit]],
            "product": product,
            "agent": agent.gather(visit),
            "mail": mail.gather(visit),
            "session_id": session.gather(visit),
            "millis": 4 + draw.below(60, visit.size),
            "unchanged": draw.chance(0.25, visit.size),
        }
    )
    kind, unchanged = pl.col("kind"), pl.col("unchanged")
    anonymous = kind <= 1
    requests = columns.with_columns(
        method=pl.when(anonymous).then(pl.lit("POST")).otherwise(pl.lit("GET")),
        uri=pl.when(anonymous)
        .then(pl.lit("/api/login"))
        .when(kind == 2)
        .then(pl.lit("/api/home?lang=ja"))
        .when(kind == 3)
        .then(pl.format("/api/customers/{}", "own"))
        .when(kind == 4)
        .then(pl.lit("/api/cart"))
        .otherwise(pl.format("/api/products/{}", "product")),
        status=pl.when(kind == 0).then(401).when((kind >= 3) & unchanged).then(304).otherwise(200),
        referer=pl.lit(""),
        user=pl.when(anonymous).then(pl.lit("")).otherwise("mail"),
        session=pl.when(anonymous).then(pl.lit("")).otherwise("session_id"),
    ).with_columns(
        bytes=pl.when(pl.col("status") == 304)
        .then(0)
        .when(kind == 0)
        .then(31)
        .when(kind == 1)
        .then(158)
        .when(kind == 2)
        .then(11_802)
        .when(kind == 3)
        .then("own_bytes")
        .when(kind == 4)
        .then(642)
        .otherwise(1_480 + pl.col("product") % 700)
    )
    tried = requests.filter(anonymous).with_columns(
        event=pl.lit("login"),
        app=pl.lit("mobile"),
        reason=pl.when(kind == 0).then(pl.lit("bad_password")),
        account="mail",
        session=pl.when(kind == 0).then(pl.lit("-")).otherwise("session_id"),
    )
    return lines_frame(t, json_lines(requests), CUSTOMER), lines_frame(tried["t"].to_numpy(), login_lines(tried), CUSTOMER)


def crawlers(plan: Plan, store: Store, draw: Draw, start: int, stop: int, share: float, slice_number: int) -> pl.DataFrame:
    """Return the store front's lines of search engines: one follows links at random, one walks the catalogue in order, one reads everything."""
    count = int(plan.web_lines * plan.crawler_share * share + draw.uniform(1)[0])
    kind = draw.weighted((0.6, 0.25, 0.15), count)
    t = start + np.sort((draw.uniform(count) * (stop - start)).astype(np.int64))
    ips = [*(f"192.0.2.{n}" for n in (66, 66, 66, 67, 68, 71)), *(f"198.51.100.{n}" for n in (130, 130, 133)), "203.0.113.20"]
    address = np.select([kind == 0, kind == 1], [draw.below(6, count), 6 + draw.below(3, count)], 9)
    agents = (words.GOOGLE_AGENT, words.GOOGLE_MOBILE_AGENT, words.BING_AGENT, words.SEO_AGENT)
    program = np.select([kind == 0, kind == 1], [draw.below(2, count), 2], 3)
    walked = (slice_number * 40_503 + np.arange(count)) % (store.products[1] - store.products[0])
    product = np.where(kind == 1, walked, draw.below(store.products[1] - store.products[0], count))
    what = draw.weighted((0.72, 0.14, 0.06, 0.05, 0.02, 0.01), count)
    url = np.select(
        [what == 0, what == 1, what == 2, what == 3, what == 4],
        [
            store.position(store.products, product),
            store.position(store.categories, draw.below(72, count)),
            store.position(store.retired, draw.below(300, count)),
            np.full(count, store.named["/"]),
            np.full(count, store.named["/robots.txt"]),
        ],
        store.named["/sitemap.xml"],
    )
    status = np.select([what == 2, draw.chance(0.15, count)], [404, 304], 200)
    requests = pl.DataFrame(
        {
            "t": t,
            "ip": pl.Series(ips).gather(address),
            "request": pl.select(pl.format("GET {} HTTP/1.1", store.urls.gather(url))).to_series(),
            "status": status,
            "bytes": np.where(status == 304, 0, store.sizes[url]),
            "referer": pl.Series(["-"] * count, dtype=pl.String),
            "agent": pl.Series(agents).gather(program),
        }
    )
    return lines_frame(t, STORE_LOGS[plan.store_log](requests), BOT)


def scanners(plan: Plan, draw: Draw, start: int, stop: int, share: float) -> pl.DataFrame:
    """Return the store front's lines of bursts that look for holes, from addresses all over, and find none."""
    count = int(plan.web_lines * SCANNER_SHARE / LINES_A_SCAN * share + draw.uniform(1)[0])
    burst, place = _expand(4 + draw.below(17, count))
    begin = start + (draw.uniform(count) * (stop - start)).astype(np.int64)
    t = begin[burst] + _running(np.where(place == 0, 0.0, 0.2 + draw.exponential(2.0, burst.size)), burst, place)
    asked = (draw.below(len(words.SCANS), count)[burst] + place) % len(words.SCANS)
    octet = 129 + draw.below(120, count)
    requests = pl.DataFrame(
        {
            "t": t,
            "ip": pl.select(pl.format("203.0.113.{}", pl.Series(octet).gather(burst))).to_series(),
            "request": pl.Series([s[0] for s in words.SCANS]).gather(asked),
            "status": np.array([s[1] for s in words.SCANS])[asked],
            "bytes": np.array([s[2] for s in words.SCANS])[asked],
            "referer": pl.Series(["-"] * burst.size, dtype=pl.String),
            "agent": pl.Series(words.SCAN_AGENTS).gather(draw.below(len(words.SCAN_AGENTS), count)[burst]),
        }
    )
    return lines_frame(t, STORE_LOGS[plan.store_log](requests), SCANNER)


def probe_times(plan: Plan, start: int, stop: int) -> Ints:
    """Return when the monitoring probe asks within a slice."""
    every = plan.monitor_every * SECOND
    return np.arange(start + (-start) % every, stop, every, dtype=np.int64)


def store_probe(plan: Plan, start: int, stop: int) -> pl.DataFrame:
    """Return the store front's lines of the monitoring probe."""
    t = probe_times(plan, start, stop) + 214_000
    fixed = {"ip": MONITOR_IP, "request": "GET /healthz HTTP/1.1", "status": 200, "bytes": 15, "referer": "-", "agent": words.MONITOR_AGENT}
    return lines_frame(t, STORE_LOGS[plan.store_log](pl.DataFrame({"t": t}).with_columns(**{k: pl.lit(v) for k, v in fixed.items()})), MONITOR)


def admin_probe(plan: Plan, start: int, stop: int) -> pl.DataFrame:
    """Return the admin host's lines of the monitoring probe."""
    t = probe_times(plan, start, stop) + 871_000
    fixed: dict[str, str | int] = {"ip": MONITOR_IP, "method": "GET", "uri": "/healthz", "status": 200, "bytes": 15, "millis": 1, "referer": ""}
    fixed |= {"agent": words.MONITOR_AGENT, "user": "", "session": ""}
    return lines_frame(t, json_lines(pl.DataFrame({"t": t}).with_columns(**{k: pl.lit(v) for k, v in fixed.items()})), MONITOR)
