-- One row = one ten-minute bucket in which an actor was sent far more than usual: than itself at other times, and than others.
WITH sent AS (
    SELECT actor_id, client_id, target_id, ts, bytes_sent, time_bucket($window::INTERVAL, ts) AS bucket FROM requests
    WHERE status BETWEEN 200 AND 299 AND NOT is_static AND bytes_sent > 0
), buckets AS (
    SELECT actor_id, bucket, sum(bytes_sent)::BIGINT AS bytes FROM sent GROUP BY ALL
), peaks AS (
    SELECT actor_id, max(bytes) AS peak, sum(bytes) AS total, row_number() OVER (ORDER BY max(bytes), actor_id) AS place, count(*) OVER () AS actors FROM buckets GROUP BY actor_id
), population AS (
    -- At most 2,000 actors' peaks, evenly over the sizes, so that one scored actor can be left out of its own yardstick.
    SELECT list({'actor_id': actor_id, 'z': log10(1 + peak)}) AS others FROM peaks WHERE (place - 1) % (actors // 2000 + 1) = 0
), windows AS (
    SELECT *, sum(bytes_sent) OVER w AS volume, count(DISTINCT target_id) OVER w AS urls,
        sum(bytes_sent) OVER (PARTITION BY actor_id, target_id ORDER BY ts RANGE BETWEEN $hard_window PRECEDING AND CURRENT ROW) AS url_volume
    FROM sent WHERE actor_id IN (SELECT actor_id FROM peaks WHERE total >= least($floor, $hard_floor))
    WINDOW w AS (PARTITION BY actor_id ORDER BY ts RANGE BETWEEN $window PRECEDING AND CURRENT ROW)
), tops AS (
    SELECT actor_id, bucket, min(client_id) AS client_id, max(ts) AS last_ts, max(volume) AS volume, max(url_volume) AS url_volume, max(urls) AS urls
    FROM windows WHERE volume >= $floor OR url_volume >= $hard_floor GROUP BY ALL
), scored AS (
    SELECT t.*, list_transform(list_filter(others, lambda o: o.actor_id <> t.actor_id), lambda o: o.z) AS population,
        (SELECT coalesce(list(log10(1 + b.bytes)), []) FROM buckets AS b WHERE b.actor_id = t.actor_id AND (b.bucket < t.bucket - $window OR b.bucket > t.bucket)) AS own
    FROM tops AS t, population
), judged AS (
    SELECT *, CASE WHEN len(population) >= $samples THEN robust_z(log10(1 + volume), population) END AS population_z,
        CASE WHEN len(own) >= $samples THEN robust_z(log10(1 + volume), own) END AS own_z
    FROM scored
)
SELECT actor_kind, actor, CASE actor_kind WHEN 'ip' THEN ua_family END AS _ua_family, last_ts - $window AS first_ts, last_ts,
    CASE WHEN url_volume >= $hard_floor THEN greatest(volume, url_volume) ELSE volume END AS measure, CASE WHEN url_volume >= $hard_floor THEN $hard_floor ELSE $floor END AS threshold,
    urls, round(population_z, 2) AS population_z, round(own_z, 2) AS own_z, CASE actor_kind WHEN 'ip' THEN ua_family END AS ua_family
FROM judged JOIN clients USING (client_id)
WHERE actor_kind IS NOT NULL AND (url_volume >= $hard_floor OR coalesce(population_z, $outlier) >= $outlier AND coalesce(own_z, $outlier) >= $outlier)
ORDER BY ALL
