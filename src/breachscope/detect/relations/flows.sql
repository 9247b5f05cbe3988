-- table: one row = one connection's bytes between two addresses, counted from the side that is ours
-- Of running totals only the last one of a connection counts.
WITH final AS (
    SELECT event_id, ts, src_ip, dst_ip, dst_port, bytes_out, bytes_in FROM network
    WHERE is_interim IS DISTINCT FROM true OR flow_id IS NULL
    UNION ALL
    SELECT arg_max(event_id, (ts, event_id)), max(ts), src_ip, dst_ip, dst_port, max(bytes_out), max(bytes_in) FROM network
    WHERE is_interim AND flow_id IS NOT NULL AND flow_id NOT IN (SELECT flow_id FROM network WHERE is_interim IS DISTINCT FROM true AND flow_id IS NOT NULL)
    GROUP BY flow_id, src_ip, dst_ip, dst_port
)
SELECT event_id, ts, src_ip AS host, dst_ip AS peer, dst_port, true AS began_here, bytes_out AS bytes_left FROM final
WHERE is_internal(src_ip) AND NOT is_internal(dst_ip) AND bytes_out > 0
UNION ALL
SELECT event_id, ts, dst_ip, src_ip, dst_port, false, bytes_in FROM final
WHERE is_internal(dst_ip) AND NOT is_internal(src_ip) AND bytes_in > 0
