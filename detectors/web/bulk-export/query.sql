-- One row = one answer of an export or list page that is large, or goes where no export went before.
WITH exports AS (
    SELECT r.event_id, r.ts, r.actor_id, r.client_id, r.endpoint_id, r.bytes_sent, r.bytes_sent // $row_bytes AS rows_estimated, t.is_export, t.endpoint, c.client_ip, c."user"
    FROM requests AS r JOIN targets AS t USING (target_id) JOIN clients AS c USING (client_id)
    WHERE r.status BETWEEN 200 AND 299 AND r.bytes_sent > 0 AND NOT r.is_static AND c.actor_kind IS NOT NULL
        AND (t.is_export OR t.slot IS NULL AND r.method_id = 1 AND r.bytes_sent >= $rows_medium * $row_bytes AND regexp_matches(t.path, '(?i)/(?:api|rest|graphql|odata|v[0-9]+)/'))
), others AS (
    -- Every other answer of the endpoint, but for what the same actor fetched on the same day; at most 2,000, evenly over the sizes.
    SELECT endpoint_id, list({'actor_id': actor_id, 'day': day, 'bytes': bytes_sent}) AS answers FROM (
        SELECT endpoint_id, actor_id, ts::DATE AS day, bytes_sent, row_number() OVER (PARTITION BY endpoint_id ORDER BY bytes_sent, event_id) AS place, count(*) OVER (PARTITION BY endpoint_id) AS answers
        FROM exports
    ) WHERE (place - 1) % (answers // 2000 + 1) = 0 GROUP BY endpoint_id
), weighed AS (
    SELECT e.*, list_transform(list_filter(answers, lambda o: o.actor_id <> e.actor_id OR o.day <> e.ts::DATE), lambda o: o.bytes) AS usual,
        count(*) OVER (PARTITION BY endpoint_id, client_ip, "user" ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 24 HOUR PRECEDING) AS earlier,
        count(*) OVER (PARTITION BY endpoint_id ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 24 HOUR PRECEDING) AS earlier_anybody,
        count(*) OVER (PARTITION BY endpoint_id, client_ip) AS from_here
    FROM exports AS e JOIN others USING (endpoint_id)
), hits AS (
    SELECT w.*, (extract(hour FROM local) NOT BETWEEN 6 AND 17 OR isodow(local) > 5) AS off_hours, earlier = 0 AND earlier_anybody > 0 AS first_time,
        CASE WHEN rows_estimated >= $rows_critical THEN 5 WHEN rows_estimated >= $rows_high THEN 4 WHEN rows_estimated >= $rows_medium THEN 3 END AS size_rank,
        len(usual) < $samples OR bytes_sent > list_aggregate(usual, 'quantile_cont', 0.99) AS is_large
    FROM weighed AS w JOIN (SELECT event_id, ts + to_minutes(coalesce(ts_offset_min, 0)) AS local FROM web) USING (event_id)
    WHERE rows_estimated >= $rows_medium OR is_export
)
SELECT c.actor_kind, c.actor, c.actor_family AS _ua_family, h.ts AS first_ts, h.ts AS last_ts,
    CASE WHEN size_rank IS NOT NULL AND is_large THEN ['medium', 'high', 'critical'][least(size_rank - 2 + (first_time OR off_hours)::INTEGER, 3)] ELSE 'low' END AS level,
    bytes_sent AS measure, CASE WHEN size_rank IS NOT NULL AND is_large THEN $rows_medium * $row_bytes ELSE 0 END AS threshold,
    endpoint AS target, rows_estimated, first_time, off_hours, c.actor_family AS ua_family
FROM hits AS h JOIN clients AS c USING (client_id)
WHERE size_rank IS NOT NULL AND is_large OR is_export AND from_here = 1
