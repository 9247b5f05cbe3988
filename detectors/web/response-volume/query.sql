-- One row = one stretch of time in which an actor was sent far more than usual: than itself at other times, and than others.
WITH buckets AS (
    SELECT actor_id, time_bucket($window::INTERVAL, ts) AS bucket, sum(bytes_sent)::BIGINT AS bytes FROM requests
    WHERE status BETWEEN 200 AND 299 AND NOT is_static AND bytes_sent > 0 GROUP BY ALL
), peaks AS (
    SELECT actor_id, max(bytes) AS peak, sum(bytes) AS total, row_number() OVER (ORDER BY max(bytes), actor_id) AS place, count(*) OVER () AS actors FROM buckets GROUP BY actor_id
), population AS (
    -- At most 2,000 actors' peaks, evenly over the sizes, so that one scored actor can be left out of its own yardstick.
    SELECT list({'actor_id': actor_id, 'z': log10(1 + peak)}) AS others FROM peaks WHERE (place - 1) % (actors // 2000 + 1) = 0
), sent AS (
    SELECT actor_id AS group_id, ts, bytes_sent AS amount FROM requests
    WHERE actor_id IN (SELECT actor_id FROM peaks WHERE total >= $floor) AND status BETWEEN 200 AND 299 AND NOT is_static AND bytes_sent > 0
), sources AS (
    SELECT actor_id, target_id, row_number() OVER (ORDER BY actor_id, target_id) AS group_id FROM requests
    WHERE status BETWEEN 200 AND 299 AND NOT is_static GROUP BY actor_id, target_id HAVING sum(bytes_sent) >= $hard_floor
), sent_by_url AS (
    SELECT group_id, ts, bytes_sent AS amount FROM requests JOIN sources USING (actor_id, target_id) WHERE status BETWEEN 200 AND 299 AND bytes_sent > 0
), tops AS (
    SELECT group_id AS actor_id, time_bucket($window::INTERVAL, ts) AS bucket, min(ts) AS began, max(ts) AS last_ts, max(total) AS bytes FROM sliding_total('sent', $window) WHERE total >= $floor GROUP BY ALL
), judged AS (
    SELECT t.*, list_transform(list_filter(others, lambda o: o.actor_id <> t.actor_id), lambda o: o.z) AS population,
        (SELECT coalesce(list(log10(1 + b.bytes)), []) FROM buckets AS b WHERE b.actor_id = t.actor_id AND (b.bucket < t.bucket - $window OR b.bucket > t.bucket)) AS own
    FROM tops AS t, population
), hits AS (
    SELECT actor_id, began - $window AS first_ts, last_ts, bytes, $floor AS threshold,
        CASE WHEN len(population) >= $samples THEN robust_z(log10(1 + bytes), population) END AS population_z, CASE WHEN len(own) >= $samples THEN robust_z(log10(1 + bytes), own) END AS own_z
    FROM judged WHERE coalesce(population_z, $outlier) >= $outlier AND coalesce(own_z, $outlier) >= $outlier
    UNION ALL
    SELECT actor_id, ts - $hard_window, ts, total, $hard_floor, NULL, NULL FROM sliding_total('sent_by_url', $hard_window) JOIN sources USING (group_id) WHERE total >= $hard_floor
), who AS (
    SELECT actor_id, min(actor_kind) AS actor_kind, min(actor) AS actor, min(actor_family) AS ua_family FROM clients GROUP BY actor_id
)
SELECT actor_kind, actor, ua_family AS _ua_family, first_ts, last_ts, bytes AS measure, threshold, round(population_z, 2) AS population_z, round(own_z, 2) AS own_z, ua_family
FROM hits JOIN who USING (actor_id) WHERE actor_kind IS NOT NULL
