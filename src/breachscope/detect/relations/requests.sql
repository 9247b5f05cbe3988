-- table: one row = one web request, in numbers: join actors, targets, templates or endpoints for their text
SELECT w.event_id, w.ts, c.client_id, c.actor_id, t.target_id, t.template_id, t.endpoint_id, t.is_static,
    CASE upper(w.method) WHEN 'GET' THEN 1 WHEN 'HEAD' THEN 2 WHEN 'POST' THEN 3 WHEN 'PUT' THEN 4 WHEN 'PATCH' THEN 5 WHEN 'DELETE' THEN 6 ELSE 0 END::UTINYINT AS method_id,
    w.status, w.bytes_sent, w.duration_ms
FROM web AS w
JOIN clients AS c ON w.client_ip IS NOT DISTINCT FROM c.client_ip AND w.user_agent IS NOT DISTINCT FROM c.user_agent
    AND w."user" IS NOT DISTINCT FROM c."user" AND w.session IS NOT DISTINCT FROM c.session
JOIN targets AS t ON coalesce(w.path, '') = t.path AND coalesce(w.query, '') = t.query
