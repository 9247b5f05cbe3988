-- view: one row = one login seen from one side: its address, or its account
-- group_key keeps apart the clients behind a shared address by their agent's family; a proxy on the same machine is no party.
SELECT l.*, 'ip' AS actor_kind, l.client_ip AS actor, l.client_ip || CASE WHEN a.is_shared THEN '|' || coalesce(l.ua_family, '') ELSE '' END AS group_key,
    coalesce(a.is_shared, false) AS is_shared
FROM logins AS l LEFT JOIN addresses AS a USING (client_ip)
WHERE l.client_ip IS NOT NULL AND NOT is_loopback(l.client_ip)
UNION ALL
SELECT l.*, 'user', "user", "user", false FROM logins AS l WHERE "user" IS NOT NULL
