-- One row = one request at which an actor had leafed through too many pages of one list.
WITH groups AS (
    SELECT actor_id, template_id FROM requests
    WHERE status IN (200, 206) AND method_id = 1 AND NOT is_static AND template_id IN (SELECT template_id FROM targets WHERE page_value IS NOT NULL)
        AND template_id NOT IN (SELECT template_id FROM template_readers WHERE authenticated_share < 0.5 AND addresses >= $public_addresses)
    GROUP BY ALL HAVING count(DISTINCT target_id) >= $pages
), reads AS (
    SELECT r.actor_id, r.template_id, r.client_id, r.ts, r.event_id, t.page_group, t.page_value, TRY_CAST(t.page_value AS BIGINT) IS NULL AS is_cursor,
        TRY_CAST(t.page_value AS BIGINT) - lag(TRY_CAST(t.page_value AS BIGINT)) OVER (PARTITION BY r.actor_id, t.page_group ORDER BY r.ts, r.event_id) AS step
    FROM requests AS r JOIN groups USING (actor_id, template_id) JOIN targets AS t USING (target_id)
    WHERE r.status IN (200, 206) AND r.method_id = 1 AND t.page_value IS NOT NULL
), strides AS (
    SELECT actor_id, page_group, arg_max(step, (times, -step)) AS stride FROM (SELECT actor_id, page_group, step, count(*) AS times FROM reads WHERE step > 0 GROUP BY ALL) GROUP BY ALL
), windows AS (
    -- A cursor is no number: each new one is a step forward.
    SELECT r.*, stride, count(DISTINCT page_value) OVER w AS pages,
        coalesce(sum((is_cursor OR step = stride)::INTEGER) OVER w / nullif(sum((is_cursor OR step <> 0)::INTEGER) OVER w, 0), 0) AS forward_share
    FROM reads AS r LEFT JOIN strides USING (actor_id, page_group)
    WINDOW w AS (PARTITION BY r.actor_id, r.page_group ORDER BY ts RANGE BETWEEN $window PRECEDING AND CURRENT ROW)
)
SELECT actor_kind, actor, CASE actor_kind WHEN 'ip' THEN ua_family END AS _ua_family, ts - $window AS first_ts, ts AS last_ts,
    pages AS measure, $pages AS threshold, page_group AS target, stride, round(forward_share, 2) AS forward_share, CASE actor_kind WHEN 'ip' THEN ua_family END AS ua_family
FROM windows JOIN clients USING (client_id)
WHERE pages >= $pages AND forward_share >= $forward_share AND actor_kind IS NOT NULL
ORDER BY ALL
