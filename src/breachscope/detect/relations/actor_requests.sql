-- view: one row = one web request with its actor and what it asked for, in words
SELECT 'web' AS event_table, r.event_id, r.ts, c.actor_kind, c.actor, c.client_ip, c."user", c.session, c.user_agent, c.ua_family,
    r.status, r.bytes_sent, r.duration_ms, r.method_id, r.is_static,
    t.target_id, t.path, t.query, t.template, t.endpoint, t.slot, t.slot_number, t.page_value, t.page_group, t.is_login, t.is_export, t.plain_path, t.plain_query
FROM requests AS r JOIN clients AS c USING (client_id) JOIN targets AS t USING (target_id)
WHERE c.actor_kind IS NOT NULL
