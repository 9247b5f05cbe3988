-- One row = one moment at which an actor had leafed through too many pages of one list.
WITH busy AS (
    SELECT actor_id, template_id FROM requests
    WHERE status IN (200, 206) AND method_id = 1 AND NOT is_static AND template_id IN (SELECT template_id FROM targets WHERE page_value IS NOT NULL)
        AND template_id NOT IN (SELECT template_id FROM template_readers WHERE authenticated_share < 0.5 AND addresses >= $public_addresses)
    GROUP BY ALL HAVING count(DISTINCT target_id) >= $pages
), lists AS (
    SELECT actor_id, page_group, row_number() OVER (ORDER BY actor_id, page_group) AS group_id
    FROM (SELECT DISTINCT actor_id, page_group FROM requests JOIN busy USING (actor_id, template_id) JOIN targets USING (target_id) WHERE page_group IS NOT NULL)
), reads AS (
    SELECT group_id, r.ts, r.event_id, page_value AS value, TRY_CAST(page_value AS BIGINT) AS page
    FROM requests AS r JOIN targets USING (target_id) JOIN lists USING (actor_id, page_group) WHERE r.status IN (200, 206) AND r.method_id = 1
), steps AS (
    SELECT group_id, ts, value, page IS NULL AS is_cursor, page - lag(page) OVER (PARTITION BY group_id ORDER BY ts, event_id) AS step FROM reads
), strides AS (
    SELECT group_id, arg_max(step, (times, -step)) AS stride FROM (SELECT group_id, step, count(*) AS times FROM steps WHERE step > 0 GROUP BY ALL) GROUP BY group_id
), forward AS (
    -- A cursor is no number: each new one is a step forward.
    SELECT group_id, ts, (is_cursor OR step = stride)::INTEGER AS amount FROM steps LEFT JOIN strides USING (group_id) WHERE is_cursor OR step <> 0
), moved AS (
    SELECT group_id, ts, 1 AS amount FROM steps WHERE is_cursor OR step <> 0
), who AS (
    SELECT actor_id, min(actor_kind) AS actor_kind, min(actor) AS actor, min(actor_family) AS ua_family FROM clients GROUP BY actor_id
)
SELECT actor_kind, actor, ua_family AS _ua_family, w.ts - $window AS first_ts, w.ts AS last_ts, w.total AS measure, $pages AS threshold,
    page_group AS target, stride, round(f.total / m.total, 2) AS forward_share, ua_family
FROM sliding_distinct('reads', $window) AS w JOIN sliding_total('forward', $window) AS f USING (group_id, ts) JOIN sliding_total('moved', $window) AS m USING (group_id, ts)
JOIN lists USING (group_id) JOIN who USING (actor_id) LEFT JOIN strides USING (group_id)
WHERE w.total >= $pages AND f.total >= $forward_share * m.total AND actor_kind IS NOT NULL
