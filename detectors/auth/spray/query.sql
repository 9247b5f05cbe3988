-- One row = one failed login at which an address had tried too many accounts, few times each.
WITH tries AS (
    SELECT event_id, ts, actor, group_key, is_shared, ua_family, client_ip, "user", outcome, reason, attempts
    FROM login_parties WHERE actor_kind = 'ip' AND NOT is_typo
        AND group_key IN (SELECT group_key FROM login_parties WHERE actor_kind = 'ip' AND outcome = 'failure' GROUP BY group_key HAVING count(DISTINCT "user") > least($accounts, $unknown_capacity) - 1)
), windows AS (
    SELECT *, count(DISTINCT "user") FILTER (outcome = 'failure') OVER w AS accounts, coalesce(sum(attempts) FILTER (outcome = 'failure') OVER w, 0) AS failures,
        coalesce(sum(attempts) FILTER (outcome = 'success') OVER w, 0) AS successes, count(DISTINCT "user") FILTER (outcome = 'failure') OVER burst AS burst_accounts
    FROM tries
    WINDOW w AS (PARTITION BY group_key ORDER BY ts RANGE BETWEEN $window PRECEDING AND CURRENT ROW),
        burst AS (PARTITION BY group_key ORDER BY ts RANGE BETWEEN $burst_window PRECEDING AND CURRENT ROW)
), unknown AS (
    -- Leaky bucket of account names that do not exist: only the first try of each name counts.
    SELECT *, row_number() OVER w * epoch_us($unknown_leak::INTERVAL) - epoch_us(ts) AS fill
    FROM (SELECT actor, group_key, is_shared, ua_family, "user", min(ts) AS ts FROM tries WHERE reason = 'no_user' GROUP BY ALL)
    WINDOW w AS (PARTITION BY group_key ORDER BY ts, "user" ROWS UNBOUNDED PRECEDING)
), enumerated AS (
    SELECT *, fill - min(fill) OVER w + epoch_us($unknown_leak::INTERVAL) AS bucket, arg_min(ts, fill) OVER w AS began, count(*) OVER w AS names
    FROM unknown WINDOW w AS (PARTITION BY group_key ORDER BY ts, "user" ROWS UNBOUNDED PRECEDING)
)
SELECT 'ip' AS actor_kind, actor, CASE WHEN is_shared THEN ua_family END AS _ua_family, ts - $window AS first_ts, ts AS last_ts, 'medium' AS level,
    accounts AS measure, $accounts AS threshold, failures, successes, 'spray' AS pattern, CASE WHEN is_shared THEN ua_family END AS ua_family
FROM windows WHERE outcome = 'failure' AND accounts >= $accounts AND successes < $success_share * failures AND failures <= $tries_per_account * accounts
UNION ALL
SELECT 'ip', actor, CASE WHEN is_shared THEN ua_family END, ts - $burst_window, ts, 'medium', burst_accounts, $burst_accounts, failures, successes, 'burst', CASE WHEN is_shared THEN ua_family END
FROM windows WHERE outcome = 'failure' AND burst_accounts > $burst_accounts AND successes < $success_share * failures
UNION ALL
SELECT 'ip', actor, CASE WHEN is_shared THEN ua_family END, began, ts, 'low', names, $unknown_capacity, names, 0, 'enumeration', CASE WHEN is_shared THEN ua_family END
FROM enumerated WHERE bucket > $unknown_capacity * epoch_us($unknown_leak::INTERVAL)
ORDER BY ALL
