-- One row = one moment at which an address had tried too many accounts, few times each.
WITH busy AS (
    SELECT party_id FROM login_parties JOIN parties USING (party_id) WHERE actor_kind = 'ip' AND outcome = 'failure'
    GROUP BY party_id HAVING count(DISTINCT "user") >= least($accounts, $burst_accounts, $unknown_capacity)
), tries AS (
    SELECT party_id AS group_id, ts, outcome, reason, "user", attempts FROM login_parties WHERE party_id IN (FROM busy) AND NOT is_typo
), failed AS (
    SELECT group_id, ts, "user" AS value, attempts AS amount FROM tries WHERE outcome = 'failure'
), succeeded AS (
    SELECT group_id, ts, CASE WHEN outcome = 'success' THEN attempts ELSE 0 END AS amount FROM tries
), unknown AS (
    -- Only the first try of each name that does not exist.
    SELECT group_id, min(ts) AS ts, 1 AS amount FROM tries WHERE reason = 'no_user' GROUP BY group_id, "user"
), slow AS (
    SELECT a.group_id, a.ts, a.total AS accounts, f.total AS failures, s.total AS successes
    FROM sliding_distinct('failed', $window) AS a JOIN sliding_total('failed', $window) AS f USING (group_id, ts) JOIN sliding_total('succeeded', $window) AS s USING (group_id, ts)
), hits AS (
    SELECT group_id, ts - $window AS first_ts, ts AS last_ts, 'medium' AS level, accounts AS measure, $accounts AS threshold, 'spray' AS pattern
    FROM slow WHERE accounts >= $accounts AND successes < $success_share * failures AND failures <= $tries_per_account * accounts
    UNION ALL
    SELECT group_id, b.ts - $burst_window, b.ts, 'medium', b.total, $burst_accounts, 'burst'
    FROM sliding_distinct('failed', $burst_window) AS b JOIN slow USING (group_id, ts) WHERE b.total > $burst_accounts AND successes < $success_share * failures
    UNION ALL
    SELECT group_id, began, ts, 'low', level, $unknown_capacity, 'enumeration' FROM leaky_bucket('unknown', $unknown_leak) WHERE level > $unknown_capacity
)
SELECT actor_kind, actor, ua_family AS _ua_family, first_ts, last_ts, level, measure, threshold, pattern, ua_family
FROM hits JOIN parties ON party_id = group_id
