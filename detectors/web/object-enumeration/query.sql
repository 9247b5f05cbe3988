-- One row = one request at which an actor had read too many different objects of one template.
WITH groups AS (
    SELECT actor_id, template_id FROM requests
    WHERE status IN (200, 206) AND method_id = 1 AND NOT is_static AND template_id IN (SELECT template_id FROM targets WHERE slot IS NOT NULL)
        AND template_id NOT IN (SELECT template_id FROM template_readers WHERE authenticated_share < 0.5 AND popular_share >= $public_share)
    GROUP BY ALL HAVING count(DISTINCT target_id) >= least($objects, $objects_a_day)
), reads AS (
    SELECT r.actor_id, r.template_id, r.client_id, r.ts, t.slot, t.slot_number - lag(t.slot_number) OVER (PARTITION BY r.actor_id, r.template_id ORDER BY r.ts, r.event_id) AS step
    FROM requests AS r JOIN groups USING (actor_id, template_id) JOIN targets AS t USING (target_id)
    WHERE r.status IN (200, 206) AND r.method_id = 1
), windows AS (
    SELECT *, count(DISTINCT slot) OVER quick AS objects, count(DISTINCT slot) OVER day AS objects_a_day,
        coalesce(sum((abs(step) = 1)::INTEGER) OVER day / nullif(sum((step <> 0)::INTEGER) OVER day, 0), 0) AS sequential_share
    FROM reads
    WINDOW quick AS (PARTITION BY actor_id, template_id ORDER BY ts RANGE BETWEEN $window PRECEDING AND CURRENT ROW),
        day AS (PARTITION BY actor_id, template_id ORDER BY ts RANGE BETWEEN INTERVAL 24 HOUR PRECEDING AND CURRENT ROW)
), habits AS (
    -- How many objects an actor reads on a day: of everybody, and of the same account in earlier weeks.
    SELECT r.template_id, r.actor_id, c."user", date_trunc('week', r.ts) AS week, count(DISTINCT r.target_id) AS objects
    FROM requests AS r JOIN clients AS c USING (client_id) WHERE r.status IN (200, 206) AND r.method_id = 1 AND r.template_id IN (SELECT template_id FROM groups)
    GROUP BY r.template_id, r.actor_id, c."user", date_trunc('week', r.ts), r.ts::DATE
), population AS (
    SELECT template_id, count(*) AS actor_days, quantile_cont(objects, 0.995) AS p995 FROM habits GROUP BY template_id
), hits AS (
    SELECT w.*, c."user", c.client_ip, c.actor_kind, c.actor, c.ua_family, p.template
    FROM windows AS w JOIN clients AS c USING (client_id) JOIN population USING (template_id) JOIN template_readers AS p USING (template_id)
    WHERE (w.objects >= $objects OR w.objects_a_day >= $objects_a_day)
        AND (sequential_share >= $sequential_share OR actor_days >= $population AND w.objects_a_day > p995)
), regular AS (
    SELECT h.template_id, h."user" FROM (SELECT DISTINCT template_id, "user" FROM hits) AS h JOIN habits USING (template_id, "user")
    WHERE objects >= $objects GROUP BY ALL HAVING count(DISTINCT week) > $regular_weeks
)
SELECT actor_kind, actor, CASE actor_kind WHEN 'ip' THEN ua_family END AS _ua_family,
    ts - CASE WHEN objects_a_day >= $objects_a_day THEN INTERVAL 24 HOUR ELSE $window END AS first_ts, ts AS last_ts,
    CASE WHEN objects_a_day >= $objects_a_day THEN objects_a_day ELSE objects END AS measure,
    CASE WHEN objects_a_day >= $objects_a_day THEN $objects_a_day ELSE $objects END AS threshold,
    template AS target, round(sequential_share, 2) AS sequential_share, "user" AS account, CASE actor_kind WHEN 'ip' THEN ua_family END AS ua_family
FROM hits ANTI JOIN regular USING (template_id, "user")
WHERE actor_kind IS NOT NULL
ORDER BY ALL
