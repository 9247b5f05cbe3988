-- One row = one moment at which a source had tried too many ports of one destination.
WITH groups AS (
    SELECT src_ip, dst_ip, row_number() OVER (ORDER BY src_ip, dst_ip) AS group_id FROM network WHERE dst_port IS NOT NULL AND src_ip IS NOT NULL AND dst_ip IS NOT NULL
    GROUP BY src_ip, dst_ip HAVING count(DISTINCT dst_port) >= least($sensitive_ports, $internal_ports, $capacity + 1)
), tries AS (
    SELECT group_id, ts, dst_port AS value, CASE WHEN dst_port IN (21, 22, 23, 25, 135, 139, 389, 445, 1433, 1521, 3306, 3389, 5432, 5900, 5985, 6379, 9200, 11211, 27017) THEN dst_port END AS sensitive, CASE WHEN dst_port < 1024 THEN dst_port END AS low,
        bool_or(action IN ('deny', 'reset')) AS is_refused
    FROM network JOIN groups USING (src_ip, dst_ip) WHERE dst_port IS NOT NULL GROUP BY ALL
), refused AS (
    -- Only the first refusal of each port.
    SELECT group_id, min(ts) AS ts, 1 AS amount FROM tries WHERE is_refused GROUP BY group_id, value
), inside AS (
    SELECT tries.* FROM tries JOIN groups USING (group_id) WHERE is_internal(src_ip)
), inside_sensitive AS (
    SELECT group_id, ts, sensitive AS value FROM inside
), low_ports AS (
    SELECT group_id, ts, low AS value FROM tries
), hits AS (
    SELECT group_id, began AS first_ts, ts AS last_ts, 'low' AS level, level AS measure, $capacity AS threshold FROM leaky_bucket('refused', $leak) WHERE level > $capacity
    UNION ALL SELECT group_id, ts - $window, ts, 'medium', total, $internal_ports FROM sliding_distinct('inside', $window) WHERE total >= $internal_ports
    UNION ALL SELECT group_id, ts - $window, ts, 'medium', total, $sensitive_ports FROM sliding_distinct('inside_sensitive', $window) WHERE total >= $sensitive_ports
    UNION ALL SELECT group_id, ts - $long_window, ts, 'high', a.total, $many_ports
    FROM sliding_distinct('tries', $long_window) AS a JOIN sliding_distinct('low_ports', $long_window) AS l USING (group_id, ts) WHERE a.total >= $many_ports AND l.total >= $low_ports
)
SELECT 'ip' AS actor_kind, src_ip AS actor, dst_ip AS peer, first_ts, last_ts, level, measure, threshold
FROM hits JOIN groups USING (group_id)
