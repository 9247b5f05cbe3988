-- One row = one successful login after so many failures from the same address that it was hardly its owner's.
WITH busy AS (
    SELECT party_id FROM login_parties JOIN parties USING (party_id) WHERE actor_kind = 'ip'
    GROUP BY party_id HAVING sum(attempts) FILTER (outcome = 'failure') >= least($failures, $several_failures) AND bool_or(outcome = 'success')
), tries AS (
    SELECT party_id AS group_id, * EXCLUDE (party_id) FROM login_parties WHERE party_id IN (FROM busy)
), failed AS (
    SELECT group_id, ts, CASE WHEN outcome = 'failure' THEN attempts ELSE 0 END AS amount FROM tries
), failed_for_good AS (
    SELECT group_id, ts, CASE WHEN outcome = 'failure' AND NOT is_typo THEN attempts ELSE 0 END AS amount, CASE WHEN outcome = 'failure' AND NOT is_typo THEN "user" END AS value FROM tries
), successes AS (
    SELECT *, coalesce(ts - lag(ts) OVER w > $window, true) AND coalesce(lead(ts) OVER w - ts > $window, true) AS is_only
    FROM tries WHERE outcome = 'success' WINDOW w AS (PARTITION BY group_id ORDER BY ts, event_id)
), ends AS (
    -- A session known to end at once is a test of the password, not yet its use.
    SELECT session, max(ts) AS ended FROM auth WHERE action = 'logoff' AND session IS NOT NULL GROUP BY session
), judged AS (
    SELECT s.group_id, s.ts, s."user", f.total AS failures, g.total AS several_failures, a.total AS accounts, f.total >= $failures AND is_only AS after_many, coalesce(ended - s.ts >= $session, true) AS is_used
    FROM successes AS s JOIN sliding_total('failed', $window) AS f USING (group_id, ts) JOIN sliding_total('failed_for_good', $several_window) AS g USING (group_id, ts)
    JOIN sliding_distinct('failed_for_good', $several_window) AS a USING (group_id, ts) LEFT JOIN ends USING (session)
)
SELECT actor_kind, actor, ua_family AS _ua_family, ts - CASE WHEN after_many THEN $window ELSE $several_window END AS first_ts, ts AS last_ts,
    CASE WHEN after_many AND is_used THEN 'high' ELSE 'medium' END AS level,
    CASE WHEN after_many THEN failures ELSE several_failures END AS measure, CASE WHEN after_many THEN $failures ELSE $several_failures END AS threshold,
    "user" AS account, ua_family
FROM judged JOIN parties ON party_id = group_id
WHERE after_many OR several_failures >= $several_failures AND accounts >= $several_accounts
