-- table: one row = one session, and the address that began it
SELECT session, min(ts) AS began, arg_min(client_ip, (ts, event_id)) AS origin
FROM event_parties WHERE session IS NOT NULL AND client_ip IS NOT NULL AND succeeded GROUP BY session
