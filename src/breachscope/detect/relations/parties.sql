-- table: one row = one side of logins: an address, or an account; behind a shared address, its clients by agent family
-- A proxy on the same machine is no party.
WITH sides AS (
    SELECT 'ip' AS actor_kind, l.client_ip AS actor, coalesce(a.is_shared, false) AS is_shared, CASE WHEN a.is_shared THEN l.ua_family END AS ua_family
    FROM logins AS l LEFT JOIN addresses AS a USING (client_ip) WHERE l.client_ip IS NOT NULL AND NOT is_loopback(l.client_ip)
    UNION SELECT 'user', "user", false, NULL FROM logins WHERE "user" IS NOT NULL
)
SELECT dense_rank() OVER (ORDER BY actor_kind, actor, ua_family) AS party_id, * FROM sides
