-- table: one row = one combination of address, agent, account and session that sent web requests
-- The actor is the session, else the account, else the address together with the agent's family.
WITH seen AS (
    SELECT client_ip, user_agent, "user", session, ua_family(user_agent) AS ua_family FROM web
    GROUP BY client_ip, user_agent, "user", session
)
SELECT row_number() OVER () AS client_id,
    dense_rank() OVER (ORDER BY session, CASE WHEN session IS NULL THEN "user" END,
        CASE WHEN session IS NULL AND "user" IS NULL THEN client_ip END,
        CASE WHEN session IS NULL AND "user" IS NULL THEN ua_family END) AS actor_id,
    CASE WHEN session IS NOT NULL THEN 'session' WHEN "user" IS NOT NULL THEN 'user' WHEN client_ip IS NOT NULL THEN 'ip' END AS actor_kind,
    coalesce(session, "user", client_ip) AS actor,
    client_ip, user_agent, "user", session, ua_family
FROM seen
