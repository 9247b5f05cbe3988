-- One row = one moment at which an address had been refused too often. (Say here what one row means.)
WITH refused AS (
    SELECT actor_id AS group_id, ts, 1 AS amount FROM requests WHERE status = 403
), who AS (
    SELECT actor_id, min(actor_kind) AS actor_kind, min(actor) AS actor FROM clients GROUP BY actor_id
)
SELECT actor_kind, actor, ts - $window AS first_ts, ts AS last_ts, total AS measure, $refusals AS threshold
FROM sliding_total('refused', $window) JOIN who ON actor_id = group_id
WHERE total >= $refusals AND actor_kind IS NOT NULL
