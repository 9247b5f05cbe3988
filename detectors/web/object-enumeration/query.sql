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
), asked AS (
    -- Order shows in all that was asked for, found or not, by the hour and by the day.
    SELECT group_id, long, time_bucket(CASE WHEN long THEN INTERVAL 1 DAY ELSE INTERVAL 1 HOUR END, r.ts) AS began, r.ts, r.event_id, t.slot_number
    FROM requests AS r JOIN groups USING (actor_id, template_id) JOIN targets AS t USING (target_id), (VALUES (false), (true)) AS resolutions(long)
    WHERE r.method_id = 1 AND t.slot_number IS NOT NULL
), steps AS (
    SELECT group_id, long, began, 'in time' AS sight, abs(slot_number - lag(slot_number) OVER (PARTITION BY group_id, long, began ORDER BY ts, event_id)) AS step FROM asked
    UNION ALL
    SELECT group_id, long, began, 'sorted', slot_number - lag(slot_number) OVER (PARTITION BY group_id, long, began ORDER BY slot_number)
    FROM (SELECT DISTINCT group_id, long, began, slot_number FROM asked)
), strides AS (
    SELECT group_id, long, began, sight, max(times) / sum(times) AS share
    FROM (SELECT group_id, long, began, sight, step, count(*) AS times FROM steps WHERE step > 0 GROUP BY ALL) GROUP BY group_id, long, began, sight
), orders AS (
    SELECT group_id, long, began, max(share) AS sequential_share, max(density) AS density
    FROM strides JOIN (
        SELECT group_id, long, began, count(DISTINCT slot_number) AS objects, count(DISTINCT slot_number) / (max(slot_number) - min(slot_number) + 1) AS density
        FROM asked GROUP BY group_id, long, began
    ) USING (group_id, long, began)
    -- A window reaches into two hours or days at most, so one of them holds half of its objects.
    WHERE objects >= CASE WHEN long THEN $objects_a_day ELSE least($objects, $objects_a_day) END / 2 GROUP BY group_id, long, began
), shown AS (
    SELECT w.group_id, w.ts, w.span, max(sequential_share) AS sequential_share, max(density) AS density
    FROM windows AS w JOIN orders AS o ON o.group_id = w.group_id AND o.long = (w.span > INTERVAL 1 HOUR)
        AND o.began BETWEEN time_bucket(CASE WHEN long THEN INTERVAL 1 DAY ELSE INTERVAL 1 HOUR END, w.ts - w.span) AND w.ts
    GROUP BY w.group_id, w.ts, w.span
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
    SELECT actor_id, min(actor_kind) AS actor_kind, min(actor) AS actor, min(actor_family) AS ua_family, min("user") AS account FROM clients GROUP BY actor_id
)
SELECT actor_kind, actor, ua_family AS _ua_family, w.ts - w.span AS first_ts, w.ts AS last_ts, total AS measure, threshold,
    (SELECT min(template) FROM targets AS t WHERE t.template_id = g.template_id) AS target, round(sequential_share, 2) AS sequential_share, round(density, 2) AS density, account, ua_family
FROM windows AS w JOIN groups AS g USING (group_id) JOIN who USING (actor_id)
LEFT JOIN shown AS s ON s.group_id = w.group_id AND s.ts = w.ts AND s.span = w.span
LEFT JOIN outliers AS o ON o.template_id = g.template_id AND o.actor_id = g.actor_id AND o.day = w.ts::DATE
ANTI JOIN regular AS r ON r.template_id = g.template_id AND r."user" = who.account
WHERE actor_kind IS NOT NULL AND (sequential_share >= $sequential_share OR density >= $density OR total >= $ceiling OR o.actor_id IS NOT NULL)
