-- One row = one request with an SQL injection signature that succeeded, or completed a burst of such attempts.
WITH carriers AS (
    SELECT event_id, plain_query || ' ' || plain_path AS payload FROM requests JOIN (SELECT target_id, plain_query, plain_path FROM targets WHERE is_sqli(plain_query) OR is_sqli(plain_path)) USING (target_id)
    UNION ALL SELECT event_id, lower(user_agent) FROM requests JOIN (SELECT client_id, user_agent FROM clients WHERE user_agent IN (SELECT user_agent FROM agents WHERE is_sqli(lower(user_agent)))) USING (client_id)
    UNION ALL SELECT event_id, plain FROM web JOIN (
        SELECT referer, lower(plain_once(replace(referer, '+', ' '))) AS plain FROM referers WHERE regexp_matches(referer, '[''"();=]|%2[0-9a-fA-F]') AND is_sqli(plain)
    ) USING (referer) JOIN requests USING (event_id) WHERE NOT is_static
), hits AS (
    SELECT r.event_id, r.ts, r.actor_id, r.client_id, r.endpoint_id, r.status, r.bytes_sent, r.duration_ms, p.payload,
        TRY_CAST(regexp_extract(payload, '(?:sleep\s*\(|delay\s*''\s*\d+:\d+:)\s*(\d{1,3})', 1) AS INTEGER) AS delay_s,
        regexp_extract(payload, '\b(?:and|or)\b[\s(''"]*(\w{1,20})[''"]*\s*=\s*[''"]*(\w{1,20})', ['a', 'b']) AS claim
    FROM (SELECT event_id, max(payload) AS payload FROM carriers GROUP BY event_id) AS p JOIN requests AS r USING (event_id)
), clean AS (
    SELECT endpoint_id, count(bytes_sent) AS samples, max(bytes_sent) AS largest FROM requests
    WHERE endpoint_id IN (SELECT endpoint_id FROM hits) AND status BETWEEN 200 AND 299 AND event_id NOT IN (SELECT event_id FROM hits) GROUP BY endpoint_id
), refusals AS (
    -- A size that many different payloads get is a page that says no.
    SELECT bytes_sent FROM hits WHERE status BETWEEN 200 AND 299 AND delay_s IS NULL GROUP BY bytes_sent HAVING bytes_sent IS NOT NULL AND (count(DISTINCT endpoint_id) >= 3 OR count(DISTINCT payload) >= 5)
), truths AS (
    SELECT actor_id, endpoint_id, least(count(*) FILTER (claim.a = claim.b), count(*) FILTER (claim.a <> claim.b)) >= 2
        AND (min(bytes_sent) FILTER (claim.a = claim.b) > max(bytes_sent) FILTER (claim.a <> claim.b) OR max(bytes_sent) FILTER (claim.a = claim.b) < min(bytes_sent) FILTER (claim.a <> claim.b)) AS splits
    FROM hits WHERE claim.a <> '' AND status BETWEEN 200 AND 299 AND bytes_sent IS NOT NULL GROUP BY ALL
), attempts AS (
    SELECT actor_id AS group_id, ts, payload AS value, (status BETWEEN 200 AND 299)::INTEGER AS amount FROM hits
), first_tries AS (
    SELECT group_id, min(ts) AS ts, 1 AS amount FROM attempts GROUP BY group_id, value
), judged AS (
    SELECT h.*, slow.total AS payloads, answered.total AS answered, slow.total >= $payloads OR coalesce(bucket.level > $capacity, false) AS is_burst,
        coalesce(h.status BETWEEN 200 AND 299 AND h.bytes_sent NOT IN (FROM refusals) AND samples >= $samples AND h.bytes_sent > largest + greatest(200, 3 * length(payload)), false) AS is_larger,
        coalesce(delay_s >= 2 AND duration_ms >= delay_s * 1000, false) AS is_delayed, coalesce(splits AND h.status BETWEEN 200 AND 299 AND claim.a <> '', false) AS is_split
    FROM hits AS h JOIN sliding_distinct('attempts', $window) AS slow ON slow.group_id = h.actor_id AND slow.ts = h.ts
    JOIN sliding_total('attempts', $window) AS answered ON answered.group_id = h.actor_id AND answered.ts = h.ts
    LEFT JOIN leaky_bucket('first_tries', $leak) AS bucket ON bucket.group_id = h.actor_id AND bucket.ts = h.ts
    LEFT JOIN clean USING (endpoint_id) LEFT JOIN truths ON truths.actor_id = h.actor_id AND truths.endpoint_id = h.endpoint_id
)
SELECT actor_kind, actor, actor_family AS _ua_family, CASE WHEN is_burst THEN ts - $window ELSE ts END AS first_ts, ts AS last_ts,
    CASE WHEN is_larger OR is_delayed OR is_split THEN 'high' WHEN answered > 0 THEN 'medium' ELSE 'low' END AS level,
    payloads AS measure, CASE WHEN is_burst THEN least($payloads, $capacity) ELSE 1 END AS threshold,
    concat_ws(', ', CASE WHEN is_larger THEN 'answer larger than any clean one' END, CASE WHEN is_delayed THEN 'answer as late as asked' END, CASE WHEN is_split THEN 'answer follows the truth of the condition' END) AS success,
    answered, actor_family AS ua_family
FROM judged JOIN clients USING (client_id)
WHERE actor_kind IS NOT NULL AND (is_burst OR is_larger OR is_delayed OR is_split)
