-- table: one row = one login, from an authentication log or read from a web log
-- A web login that an authentication log tells too (same address within 5 seconds) counts once, as the latter, for it knows the account.
-- A login in wtmp, btmp or utmp that the log of the program behind it tells too (same account, address and outcome within 5 seconds)
-- counts once, as the latter, for it knows the reason; one that stands in several of these files counts once.
-- What lastlog tells is left out: it names accounts by number, and of each the last login alone, which another log tells or has lost.
-- is_typo: one of at most 3 failures in a row that the same account from the same address made good within 30 minutes.
WITH written AS (
    SELECT 'auth' AS event_table, event_id, ts, "user", client_ip, session, user_agent, outcome, reason, service, coalesce(attempts, 1) AS attempts,
        [coalesce("user", ''), coalesce(client_ip, ''), outcome] AS login, source
    FROM auth WHERE action = 'logon' AND outcome IN ('success', 'failure') AND service IS DISTINCT FROM 'lastlog'
), logged AS (
    SELECT login, ts FROM written WHERE service IS DISTINCT FROM 'utmp'
), utmp_only AS (
    SELECT w.* FROM written AS w
    ASOF LEFT JOIN logged AS before ON w.login = before.login AND w.ts >= before.ts
    ASOF LEFT JOIN logged AS after ON w.login = after.login AND w.ts <= after.ts
    WHERE w.service = 'utmp' AND coalesce(w.ts - before.ts > INTERVAL 5 SECOND, true) AND coalesce(after.ts - w.ts > INTERVAL 5 SECOND, true)
    QUALIFY w.source = min(w.source) OVER (PARTITION BY w.login, w.ts)
), told AS (
    SELECT * EXCLUDE (login, source) FROM written WHERE service IS DISTINCT FROM 'utmp'
    UNION ALL SELECT * EXCLUDE (login, source) FROM utmp_only
), web_only AS (
    SELECT w.* FROM web_logins AS w
    ASOF LEFT JOIN (SELECT client_ip, ts FROM told) AS before ON w.client_ip = before.client_ip AND w.ts >= before.ts
    ASOF LEFT JOIN (SELECT client_ip, ts FROM told) AS after ON w.client_ip = after.client_ip AND w.ts <= after.ts
    WHERE w.outcome <> 'unknown' AND coalesce(w.ts - before.ts > INTERVAL 5 SECOND, true) AND coalesce(after.ts - w.ts > INTERVAL 5 SECOND, true)
), both_logs AS (
    SELECT * FROM told
    UNION ALL SELECT 'web', event_id, ts, "user", client_ip, session, user_agent, outcome, NULL, 'web', 1 FROM web_only
), runs AS (
    SELECT *, count(*) FILTER (outcome = 'success') OVER later AS run
    FROM both_logs WHERE "user" IS NOT NULL AND client_ip IS NOT NULL
    WINDOW later AS (PARTITION BY "user", client_ip ORDER BY ts DESC, event_id DESC ROWS UNBOUNDED PRECEDING)
), typos AS (
    SELECT event_table, event_id FROM (
        SELECT event_table, event_id, outcome, sum(attempts) FILTER (outcome = 'failure') OVER whole AS failures,
            max(ts) FILTER (outcome = 'success') OVER whole - ts AS until
        FROM runs WHERE run > 0 WINDOW whole AS (PARTITION BY "user", client_ip, run)
    ) WHERE outcome = 'failure' AND failures <= 3 AND until <= INTERVAL 30 MINUTE
)
SELECT b.*, a.ua_family, t.event_id IS NOT NULL AS is_typo
FROM both_logs AS b LEFT JOIN typos AS t USING (event_table, event_id) LEFT JOIN agents AS a USING (user_agent)
