-- One row = one moment at which an address, or an account, had failed to log in too often too quickly.
WITH failures AS (
    SELECT party_id AS group_id, ts, attempts AS amount FROM login_parties WHERE outcome = 'failure' AND NOT is_typo
)
SELECT actor_kind, actor, ua_family AS _ua_family, ts - $window AS first_ts, ts AS last_ts,
    CASE WHEN actor_kind = 'ip' OR actor IN (SELECT "user" FROM logins WHERE outcome = 'success') THEN 'medium' ELSE 'low' END AS level,
    total AS measure, $failures AS threshold, ua_family
FROM sliding_total('failures', $window) JOIN parties ON party_id = group_id
WHERE total >= $failures
UNION ALL
SELECT actor_kind, actor, ua_family, began, ts, 'low', bucket.level, $capacity, ua_family
FROM leaky_bucket('failures', $leak) AS bucket JOIN parties ON party_id = group_id
WHERE actor_kind = 'ip' AND bucket.level > $capacity
