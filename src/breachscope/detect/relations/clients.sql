-- table: one row = one combination of address, agent, account and session that sent web requests
-- The actor is the session, else the account, else the address; behind an address that many share (or a proxy on this machine) its clients by agent family.
-- actor_family: the agent's family where it is part of the actor, else null.
WITH seen AS (
    SELECT client_ip, user_agent, "user", session, ua_family(user_agent) AS ua_family FROM web
    GROUP BY client_ip, user_agent, "user", session
), told AS (
    SELECT seen.*, CASE WHEN session IS NULL AND "user" IS NULL THEN client_ip END AS actor_ip,
        CASE WHEN session IS NULL AND "user" IS NULL AND (a.is_shared OR is_loopback(client_ip)) THEN ua_family END AS actor_family
    FROM seen LEFT JOIN addresses AS a USING (client_ip)
)
SELECT row_number() OVER () AS client_id,
    dense_rank() OVER (ORDER BY session, CASE WHEN session IS NULL THEN "user" END, actor_ip, actor_family) AS actor_id,
    CASE WHEN session IS NOT NULL THEN 'session' WHEN "user" IS NOT NULL THEN 'user' WHEN client_ip IS NOT NULL THEN 'ip' END AS actor_kind,
    coalesce(session, "user", client_ip) AS actor,
    client_ip, user_agent, "user", session, ua_family, actor_family
FROM told
