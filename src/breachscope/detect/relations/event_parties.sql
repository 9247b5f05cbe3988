-- view: one row = one event of any table with everybody it names
SELECT 'web' AS event_table, r.event_id, r.ts, c.client_ip, NULL AS peer_ip, c.session, c."user", c.ua_family, c.user_agent, r.status < 400 AS succeeded
FROM requests AS r JOIN clients AS c USING (client_id)
UNION ALL
SELECT 'auth', event_id, ts, client_ip, NULL, session, "user", ua_family, user_agent, outcome = 'success' FROM auth LEFT JOIN agents USING (user_agent)
UNION ALL
SELECT 'data_access', event_id, ts, client_ip, NULL, session, "user", NULL, user_agent, outcome = 'success' FROM data_access
UNION ALL
SELECT 'network', event_id, ts, src_ip, dst_ip, NULL, NULL, NULL, NULL, action IS DISTINCT FROM 'deny' AND action IS DISTINCT FROM 'reset' FROM network
