-- One row = one moment at which an actor had read too many different objects of one template.
WITH groups AS (
    SELECT actor_id, template_id, row_number() OVER (ORDER BY actor_id, template_id) AS group_id FROM requests
    WHERE status IN (200, 206) AND method_id = 1 AND NOT is_static AND template_id IN (SELECT template_id FROM targets WHERE slot IS NOT NULL)
        AND template_id NOT IN (SELECT template_id FROM template_readers WHERE authenticated_share < 0.5 AND popular_share >= $public_share)
    GROUP BY actor_id, template_id HAVING count(DISTINCT target_id) >= least($objects, $objects_a_day)
), reads AS (
    SELECT group_id, r.ts, r.event_id, t.slot_id AS value, t.slot_number
    FROM requests AS r JOIN groups USING (actor_id, template_id) JOIN targets AS t USING (target_id) WHERE r.status IN (200, 206) AND r.method_id = 1
), windows AS (
    SELECT group_id, ts, total, $objects AS threshold, $window AS span FROM sliding_distinct('reads', $window) WHERE total >= $objects
    UNION ALL
    SELECT group_id, ts, total, $objects_a_day, INTERVAL 24 HOUR FROM sliding_distinct('reads', INTERVAL 24 HOUR) WHERE total >= $objects_a_day
), steps AS (
    SELECT group_id, time_bucket(INTERVAL 1 HOUR, ts) AS hour, count(*) FILTER (abs(step) = 1) / nullif(count(*) FILTER (step <> 0), 0) AS sequential_share
    FROM (SELECT group_id, ts, slot_number - lag(slot_number) OVER (PARTITION BY group_id ORDER BY ts, event_id) AS step FROM reads) GROUP BY ALL
), habits AS (
    -- How many objects an actor reads on a day: of everybody, and of the same account in other weeks.
    SELECT r.template_id, r.actor_id, c."user", r.ts::DATE AS day, count(DISTINCT r.target_id) AS objects
    FROM requests AS r JOIN clients AS c USING (client_id) WHERE r.status IN (200, 206) AND r.method_id = 1 AND r.template_id IN (SELECT template_id FROM groups) GROUP BY ALL
), outliers AS (
    SELECT template_id, actor_id, day FROM habits JOIN (SELECT template_id, quantile_cont(objects, 0.995) AS p995 FROM habits GROUP BY template_id HAVING count(*) >= $population) USING (template_id)
    WHERE objects > p995
), regular AS (
    SELECT template_id, "user" FROM habits WHERE objects >= $objects AND "user" IS NOT NULL GROUP BY ALL HAVING count(DISTINCT date_trunc('week', day)) > $regular_weeks
), who AS (
    SELECT actor_id, min(actor_kind) AS actor_kind, min(actor) AS actor, min(CASE actor_kind WHEN 'ip' THEN ua_family END) AS ua_family, min("user") AS account FROM clients GROUP BY actor_id
)
SELECT actor_kind, actor, ua_family AS _ua_family, w.ts - span AS first_ts, w.ts AS last_ts, total AS measure, threshold,
    (SELECT min(template) FROM targets AS t WHERE t.template_id = g.template_id) AS target, round(sequential_share, 2) AS sequential_share, account, ua_family
FROM windows AS w JOIN groups AS g USING (group_id) JOIN who USING (actor_id)
LEFT JOIN steps AS s ON s.group_id = w.group_id AND s.hour = time_bucket(INTERVAL 1 HOUR, w.ts)
LEFT JOIN outliers AS o ON o.template_id = g.template_id AND o.actor_id = g.actor_id AND o.day = w.ts::DATE
ANTI JOIN regular AS r ON r.template_id = g.template_id AND r."user" = who.account
WHERE actor_kind IS NOT NULL AND (sequential_share >= $sequential_share OR o.actor_id IS NOT NULL)
