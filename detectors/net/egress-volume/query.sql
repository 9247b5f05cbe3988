-- One row = one stretch of time in which an internal host sent an outside peer far more than usual.
WITH hours AS (
    SELECT host, peer, time_bucket(INTERVAL 1 HOUR, ts) AS hour, sum(bytes_left)::BIGINT AS bytes FROM flows GROUP BY ALL
), pairs AS (
    SELECT host, peer, max(bytes) AS peak, sum(bytes) AS total, row_number() OVER (ORDER BY max(bytes), host, peer) AS group_id, count(*) OVER () AS pairs FROM hours GROUP BY host, peer
), population AS (
    -- At most 2,000 pairs' peaks, evenly over the sizes, so that the scored pair can be left out of its own yardstick.
    SELECT list({'group_id': group_id, 'z': log10(1 + peak)}) AS others FROM pairs WHERE (group_id - 1) % (pairs // 2000 + 1) = 0
), left_here AS (
    SELECT group_id, ts, bytes_left AS amount FROM flows JOIN pairs USING (host, peer) WHERE total >= $floor
), tops AS (
    SELECT group_id, time_bucket(INTERVAL 1 HOUR, ts) AS hour, min(ts) AS began, max(ts) AS last_ts, max(total) AS bytes FROM sliding_total('left_here', $window) WHERE total >= $floor GROUP BY ALL
), judged AS (
    SELECT t.*, list_transform(list_filter(others, lambda o: o.group_id <> t.group_id), lambda o: o.z) AS population,
        (SELECT coalesce(list(log10(1 + h.bytes)), []) FROM hours AS h JOIN pairs AS p USING (host, peer)
            WHERE p.group_id = t.group_id AND h.hour <> t.hour AND isodow(h.hour) = isodow(t.hour) AND extract(hour FROM h.hour) = extract(hour FROM t.hour)) AS own,
        (SELECT count(DISTINCT h.hour::DATE) FROM hours AS h JOIN pairs AS p USING (host, peer)
            WHERE p.group_id = t.group_id AND h.hour::DATE <> t.hour::DATE AND abs(extract(hour FROM h.hour) - extract(hour FROM t.hour)) <= 1 AND h.bytes BETWEEN t.bytes / 3 AND t.bytes * 3) AS regular_days
    FROM tops AS t, population
), hits AS (
    SELECT group_id, began - $window AS first_ts, last_ts, bytes, $floor AS threshold, regular_days,
        CASE WHEN len(population) >= $samples THEN robust_z(log10(1 + bytes), population) END AS population_z, CASE WHEN len(own) >= $samples THEN robust_z(log10(1 + bytes), own) END AS own_z
    FROM judged WHERE coalesce(population_z, $outlier) >= $outlier AND coalesce(own_z, $outlier) >= $outlier
    UNION ALL
    SELECT group_id, ts - $hard_window, ts, total, $hard_floor, 0, NULL, NULL FROM sliding_total('left_here', $hard_window) WHERE total >= $hard_floor
)
SELECT 'host' AS actor_kind, host AS actor, peer, first_ts, last_ts, CASE WHEN regular_days >= $regular_days THEN 'low' ELSE 'high' END AS level,
    bytes AS measure, threshold, regular_days, round(population_z, 2) AS population_z, round(own_z, 2) AS own_z
FROM hits JOIN pairs USING (group_id)
