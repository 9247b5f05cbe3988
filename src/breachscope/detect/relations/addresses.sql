-- table: one row = one client address, and whether many people share it
-- Shared (NAT, proxy, carrier): on some day at least 20 accounts logged in from it or used it with at least 3 agent families, or at least 10 families came
-- from it that each recur or bring as many accounts. One client that changes its agent at every request is no crowd: its families follow each other
-- as if drawn by lot (a person's requests come in runs), and it asks for something else each time (people ask for the same pages).
WITH seen AS (
    SELECT client_ip, day, account, ua_family, sum(events)::BIGINT AS events FROM (
        SELECT client_ip, ts::DATE AS day, "user" AS account, user_agent, count(*) AS events FROM web WHERE status < 400 GROUP BY ALL
        UNION ALL SELECT client_ip, ts::DATE, "user", user_agent, count(*) FROM auth WHERE action = 'logon' AND outcome = 'success' GROUP BY ALL
    ) LEFT JOIN agents USING (user_agent) WHERE client_ip IS NOT NULL GROUP BY ALL
), by_family AS (
    SELECT client_ip, day, ua_family, sum(events)::BIGINT AS events, sum(sum(events)) OVER (PARTITION BY client_ip, day)::BIGINT AS all_events
    FROM seen WHERE ua_family IS NOT NULL GROUP BY client_ip, day, ua_family
), families AS (
    SELECT client_ip, day, count(*) AS families, count(*) FILTER (events >= 2) AS recurring,
        1 - (sum(events::HUGEINT * events) / max(all_events::HUGEINT * all_events))::DOUBLE AS change_by_lot
    FROM by_family GROUP BY client_ip, day
), daily AS (
    SELECT client_ip, day, accounts, coalesce(families, 0) AS families, coalesce(recurring, 0) AS recurring, change_by_lot
    FROM (SELECT client_ip, day, count(DISTINCT account) AS accounts FROM seen GROUP BY client_ip, day) LEFT JOIN families USING (client_ip, day)
), asked AS (
    SELECT client_ip, ts::DATE AS day, hash(path, query) AS target,
        ua_family <> lag(ua_family) OVER (PARTITION BY client_ip, ts::DATE ORDER BY ts, event_id) AS changes
    FROM web JOIN agents USING (user_agent)
    WHERE status < 400 AND (client_ip, ts::DATE) IN (SELECT (client_ip, day) FROM daily WHERE families >= 10 AND recurring >= 10 AND accounts < 10)
), rotating AS (
    SELECT client_ip, day FROM asked JOIN daily USING (client_ip, day) GROUP BY client_ip, day
    HAVING avg(changes::INTEGER) >= 0.9 * max(change_by_lot) AND count(DISTINCT target) >= 0.5 * count(*)
)
SELECT client_ip, is_internal(client_ip) AS is_internal, is_loopback(client_ip) AS is_loopback, max(accounts) AS accounts, max(families) AS families,
    bool_or(families >= 10 AND (accounts >= 10 OR recurring >= 10 AND NOT is_rotating) OR accounts >= 20 AND (families >= 3 OR families = 0)) AS is_shared
FROM (SELECT daily.*, r.client_ip IS NOT NULL AS is_rotating FROM daily LEFT JOIN rotating AS r USING (client_ip, day))
GROUP BY client_ip
