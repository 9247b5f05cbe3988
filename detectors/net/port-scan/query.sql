-- One row = one packet or connection at which a source had tried too many ports of one destination.
WITH groups AS (
    SELECT src_ip, dst_ip FROM network WHERE dst_port IS NOT NULL AND src_ip IS NOT NULL AND dst_ip IS NOT NULL
    GROUP BY ALL HAVING count(DISTINCT dst_port) >= least($sensitive_ports, $internal_ports, $capacity + 1)
), tries AS (
    SELECT src_ip, dst_ip, dst_port, ts, max(action IN ('deny', 'reset')) AS is_drop, is_internal(src_ip) AS from_inside
    FROM network JOIN groups USING (src_ip, dst_ip) WHERE dst_port IS NOT NULL GROUP BY ALL
), drops AS (
    -- Leaky bucket of refused ports: only the first refusal of each port counts.
    SELECT *, row_number() OVER (PARTITION BY src_ip, dst_ip ORDER BY ts, dst_port) * epoch_us($leak::INTERVAL) - epoch_us(ts) AS fill
    FROM (SELECT src_ip, dst_ip, dst_port, min(ts) AS ts FROM tries WHERE is_drop GROUP BY ALL)
), buckets AS (
    SELECT *, fill - min(fill) OVER w + epoch_us($leak::INTERVAL) AS bucket, arg_min(ts, fill) OVER w AS began, count(*) OVER w AS ports
    FROM drops WINDOW w AS (PARTITION BY src_ip, dst_ip ORDER BY ts, dst_port ROWS UNBOUNDED PRECEDING)
), windows AS (
    SELECT *, count(DISTINCT dst_port) OVER minute AS quick_ports,
        count(DISTINCT CASE WHEN dst_port IN (21, 22, 23, 25, 135, 139, 389, 445, 1433, 1521, 3306, 3389, 5432, 5900, 5985, 6379, 9200, 11211, 27017) THEN dst_port END) OVER minute AS sensitive_ports,
        count(DISTINCT dst_port) OVER hour AS hour_ports, count(DISTINCT CASE WHEN dst_port < 1024 THEN dst_port END) OVER hour AS low_ports
    FROM tries
    WINDOW minute AS (PARTITION BY src_ip, dst_ip ORDER BY ts RANGE BETWEEN $window PRECEDING AND CURRENT ROW),
        hour AS (PARTITION BY src_ip, dst_ip ORDER BY ts RANGE BETWEEN $long_window PRECEDING AND CURRENT ROW)
)
SELECT 'ip' AS actor_kind, src_ip AS actor, dst_ip AS peer, began AS first_ts, ts AS last_ts, 'low' AS level, ports AS measure, $capacity AS threshold, false AS from_inside
FROM buckets WHERE bucket > $capacity * epoch_us($leak::INTERVAL)
UNION ALL
SELECT 'ip', src_ip, dst_ip, ts - $window, ts, 'medium', CASE WHEN quick_ports >= $internal_ports THEN quick_ports ELSE sensitive_ports END, CASE WHEN quick_ports >= $internal_ports THEN $internal_ports ELSE $sensitive_ports END, true
FROM windows WHERE from_inside AND (quick_ports >= $internal_ports OR sensitive_ports >= $sensitive_ports)
UNION ALL
SELECT 'ip', src_ip, dst_ip, ts - $long_window, ts, 'high', hour_ports, $many_ports, from_inside
FROM windows WHERE hour_ports >= $many_ports AND low_ports >= $low_ports
ORDER BY ALL
