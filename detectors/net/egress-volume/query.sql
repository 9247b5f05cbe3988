-- One row = one flow at which an internal host had sent an outside peer far more than usual.
WITH hours AS (
    SELECT host, peer, time_bucket(INTERVAL 1 HOUR, ts) AS bucket, sum(bytes_left)::BIGINT AS bytes FROM flows GROUP BY ALL
), windows AS (
    SELECT host, peer, ts, event_id, sum(bytes_left) OVER hour AS bytes, sum(bytes_left) OVER burst AS burst_bytes, count(*) OVER hour AS flows
    FROM flows WHERE (host, peer) IN (SELECT (host, peer) FROM hours GROUP BY host, peer HAVING sum(bytes) >= $floor)
    WINDOW hour AS (PARTITION BY host, peer ORDER BY ts RANGE BETWEEN $window PRECEDING AND CURRENT ROW),
        burst AS (PARTITION BY host, peer ORDER BY ts RANGE BETWEEN $hard_window PRECEDING AND CURRENT ROW)
), tops AS (
    SELECT host, peer, time_bucket(INTERVAL 1 HOUR, ts) AS bucket, max(ts) AS last_ts, max(bytes) AS bytes, max(burst_bytes) AS burst_bytes, max(flows) AS flows
    FROM windows WHERE bytes >= $floor OR burst_bytes >= $hard_floor GROUP BY ALL
), pairs AS (
    SELECT host, peer, max(bytes) AS peak, row_number() OVER (ORDER BY max(bytes), host, peer) AS place, count(*) OVER () AS pairs FROM hours GROUP BY host, peer
), population AS (
    -- At most 2,000 pairs' peaks, evenly over the sizes, so that the scored pair can be left out of its own yardstick.
    SELECT list({'host': host, 'peer': peer, 'z': log10(1 + peak)}) AS others FROM pairs WHERE (place - 1) % (pairs // 2000 + 1) = 0
), scored AS (
    SELECT t.*, list_transform(list_filter(others, lambda o: o.host <> t.host OR o.peer <> t.peer), lambda o: o.z) AS population,
        (SELECT coalesce(list(log10(1 + h.bytes)), []) FROM hours AS h WHERE h.host = t.host AND h.peer = t.peer AND isodow(h.bucket) = isodow(t.bucket) AND extract(hour FROM h.bucket) = extract(hour FROM t.bucket) AND h.bucket <> t.bucket) AS own,
        (SELECT count(DISTINCT h.bucket::DATE) FROM hours AS h WHERE h.host = t.host AND h.peer = t.peer AND h.bucket::DATE <> t.bucket::DATE AND extract(hour FROM h.bucket) BETWEEN extract(hour FROM t.bucket) - 1 AND extract(hour FROM t.bucket) + 1 AND h.bytes BETWEEN t.bytes / 3 AND t.bytes * 3) AS same_time_days
    FROM tops AS t, population
), judged AS (
    SELECT *, CASE WHEN len(population) >= $samples THEN robust_z(log10(1 + bytes), population) END AS population_z, CASE WHEN len(own) >= $samples THEN robust_z(log10(1 + bytes), own) END AS own_z
    FROM scored
)
SELECT 'host' AS actor_kind, host AS actor, peer, last_ts - $window AS first_ts, last_ts, CASE WHEN same_time_days >= $regular_days THEN 'low' ELSE 'high' END AS level,
    CASE WHEN burst_bytes >= $hard_floor THEN greatest(bytes, burst_bytes) ELSE bytes END AS measure, CASE WHEN burst_bytes >= $hard_floor THEN $hard_floor ELSE $floor END AS threshold,
    flows, round(population_z, 2) AS population_z, round(own_z, 2) AS own_z, same_time_days
FROM judged WHERE burst_bytes >= $hard_floor OR coalesce(population_z, $outlier) >= $outlier AND coalesce(own_z, $outlier) >= $outlier
ORDER BY ALL
