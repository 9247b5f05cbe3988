-- view: one row = one network event seen from its initiator, or one connection's bytes seen from the host that sent them
SELECT 'network' AS event_table, event_id, ts, 'ip' AS actor_kind, src_ip AS actor, dst_ip AS peer, dst_port, action, NULL::BIGINT AS bytes_left FROM network WHERE src_ip IS NOT NULL
UNION ALL
SELECT 'network', event_id, ts, 'host', host, peer, dst_port, NULL, bytes_left FROM flows
