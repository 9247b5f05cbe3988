-- table: one row = one client address, and whether many people share it
-- Shared (NAT, proxy, carrier): on some day at least 20 accounts logged in from it or used it with at least 3 agent families, or at least 10 families came from it.
WITH daily AS (
    SELECT client_ip, day, count(DISTINCT account) AS accounts, count(DISTINCT ua_family) AS families, bool_or(ua_family IS NOT NULL) AS agents_known
    FROM (
        SELECT c.client_ip, r.day, c."user" AS account, c.ua_family
        FROM (SELECT client_id, ts::DATE AS day FROM requests WHERE status < 400 GROUP BY ALL) AS r JOIN clients AS c USING (client_id)
        UNION ALL SELECT client_ip, ts::DATE, "user", ua_family FROM logins WHERE outcome = 'success'
    ) WHERE client_ip IS NOT NULL GROUP BY client_ip, day
)
SELECT client_ip, is_internal(client_ip) AS is_internal, is_loopback(client_ip) AS is_loopback, max(accounts) AS accounts, max(families) AS families,
    bool_or(families >= 10 OR accounts >= 20 AND (families >= 3 OR NOT agents_known)) AS is_shared
FROM daily GROUP BY client_ip
