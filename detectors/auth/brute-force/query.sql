-- One row = one failed login at which an address, or an account, had failed too often too quickly.
WITH attempts AS (
    SELECT event_id, ts, actor_kind, actor, group_key, is_shared, attempts, "user", ua_family, client_ip,
        sum(attempts) OVER (PARTITION BY actor_kind, group_key ORDER BY ts, event_id ROWS UNBOUNDED PRECEDING) * epoch_us($leak::INTERVAL) - epoch_us(ts) AS fill
    FROM login_parties WHERE outcome = 'failure' AND NOT is_typo
), levels AS (
    -- Leaky bucket in one pass: level = fill - min(fill before this attempt's own share), in units of one leak.
    SELECT *, fill - min(fill - attempts * epoch_us($leak::INTERVAL)) OVER before AS bucket, arg_min(ts, fill - attempts * epoch_us($leak::INTERVAL)) OVER before AS began,
        sum(attempts) OVER w AS failures, count(DISTINCT "user") OVER w AS accounts, count(DISTINCT client_ip) OVER w AS addresses
    FROM attempts
    WINDOW before AS (PARTITION BY actor_kind, group_key ORDER BY ts, event_id ROWS UNBOUNDED PRECEDING),
        w AS (PARTITION BY actor_kind, group_key ORDER BY ts RANGE BETWEEN $window PRECEDING AND CURRENT ROW)
)
SELECT actor_kind, actor, CASE WHEN is_shared THEN ua_family END AS _ua_family, ts - $window AS first_ts, ts AS last_ts,
    CASE WHEN actor_kind = 'ip' OR actor IN (SELECT "user" FROM logins WHERE outcome = 'success') THEN 'medium' ELSE 'low' END AS level, failures AS measure, $failures AS threshold, accounts, addresses, CASE WHEN is_shared THEN ua_family END AS ua_family
FROM levels WHERE failures >= $failures
UNION ALL
SELECT actor_kind, actor, CASE WHEN is_shared THEN ua_family END, began, ts, 'low', failures, $capacity, accounts, addresses, CASE WHEN is_shared THEN ua_family END
FROM levels WHERE actor_kind = 'ip' AND bucket > $capacity * epoch_us($leak::INTERVAL)
ORDER BY ALL
