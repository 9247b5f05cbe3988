-- One row = one successful login after so many failures from the same address that it was hardly its owner's.
WITH tries AS (
    SELECT event_id, ts, actor, group_key, is_shared, ua_family, "user", session, outcome, is_typo, attempts FROM login_parties WHERE actor_kind = 'ip'
        AND group_key IN (SELECT group_key FROM login_parties WHERE actor_kind = 'ip' GROUP BY group_key HAVING sum(attempts) FILTER (outcome = 'failure') >= least($failures, $several_failures) AND count(*) FILTER (outcome = 'success') > 0)
), windows AS (
    SELECT *, coalesce(sum(attempts) FILTER (outcome = 'failure') OVER w, 0) AS failures, count(*) FILTER (outcome = 'success') OVER around AS successes,
        coalesce(sum(attempts) FILTER (outcome = 'failure' AND NOT is_typo) OVER s, 0) AS several_failures, count(DISTINCT "user") FILTER (outcome = 'failure' AND NOT is_typo) OVER s AS accounts
    FROM tries
    WINDOW w AS (PARTITION BY group_key ORDER BY ts RANGE BETWEEN $window PRECEDING AND CURRENT ROW),
        around AS (PARTITION BY group_key ORDER BY ts RANGE BETWEEN $window PRECEDING AND $window FOLLOWING),
        s AS (PARTITION BY group_key ORDER BY ts RANGE BETWEEN $several_window PRECEDING AND CURRENT ROW)
), ends AS (
    -- A session known to end at once is a test of the password, not yet its use.
    SELECT session, max(ts) AS ended FROM auth WHERE action = 'logoff' AND session IS NOT NULL GROUP BY session
)
SELECT 'ip' AS actor_kind, actor, CASE WHEN is_shared THEN ua_family END AS _ua_family,
    ts - CASE WHEN failures >= $failures AND successes = 1 THEN $window ELSE $several_window END AS first_ts, ts AS last_ts,
    CASE WHEN failures >= $failures AND successes = 1 AND coalesce(ended - ts >= $session, true) THEN 'high' ELSE 'medium' END AS level,
    CASE WHEN failures >= $failures AND successes = 1 THEN failures ELSE several_failures END AS measure,
    CASE WHEN failures >= $failures AND successes = 1 THEN $failures ELSE $several_failures END AS threshold,
    "user" AS account, accounts, CASE WHEN is_shared THEN ua_family END AS ua_family
FROM windows LEFT JOIN ends USING (session)
WHERE outcome = 'success' AND (failures >= $failures AND successes = 1 OR several_failures >= $several_failures AND accounts >= $several_accounts)
ORDER BY ALL
