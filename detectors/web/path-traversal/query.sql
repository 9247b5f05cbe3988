-- One row = one request that climbs out of its folder or names a system file, and was answered, or completed a burst.
WITH climbing AS (
    SELECT target_id, plain_path, plain_query, replace(plain_path, '\', '/') AS path, replace(plain_query, '\', '/') AS arguments
    FROM targets WHERE contains(plain_path, '..') OR contains(plain_query, '..') OR regexp_matches(plain_query, '=(?:file:/+|/+)?(?:etc/|proc/|windows/|[a-z]:[/\\])') OR regexp_matches(plain_path, '/(?:etc/(?:passwd|shadow)|proc/self)')
), traversals AS (
    -- Path: steps up outnumber the folders before them somewhere. Arguments: two steps up, one to a sensitive name, or an absolute system path.
    SELECT target_id, path || '?' || arguments AS payload, regexp_extract(path || '?' || arguments, '.*?([^/?&=\x00]+)(?:\x00[^&]*)?(?:&.*)?$', 1) AS file FROM climbing
    WHERE list_min(list_transform(range(1, len(string_split(path, '/')) + 1), lambda i: list_sum(list_transform(string_split(path, '/')[:i], lambda s: CASE WHEN s = '..' THEN -1 WHEN s IN ('', '.') THEN 0 ELSE 1 END)))) < 0
        OR regexp_matches(arguments, '(?:\.\./+){2}|\.\./+(?:\.env|wp-config|web-inf|web\.config|config|\.git|\.ssh|etc/)')
        OR regexp_matches(arguments, '=(?:file:/+|/+)?(?:etc/(?:passwd|shadow|hosts|group|issue|nginx|apache2)|proc/(?:self|version|cpuinfo)|(?:[a-z]:/+)?windows/(?:win\.ini|system32)|[a-z]:/+(?:boot\.ini|inetpub))')
        OR regexp_matches(path, '/(?:etc/(?:passwd|shadow)|proc/self/)') AND contains(path, '..')
), hits AS (
    SELECT r.event_id, r.ts, r.actor_id, r.client_id, r.status, r.bytes_sent, t.payload, t.file FROM requests AS r JOIN traversals AS t USING (target_id)
), dull AS (
    -- Sizes of the home page, of errors, and of answers that several different files get: pages that give nothing away.
    SELECT r.bytes_sent FROM requests AS r JOIN targets AS t USING (target_id) WHERE t.path IN ('/', '') AND r.status BETWEEN 200 AND 299
    UNION SELECT bytes_sent FROM requests WHERE status >= 400
    UNION SELECT bytes_sent FROM hits WHERE status BETWEEN 200 AND 299 GROUP BY bytes_sent HAVING count(DISTINCT file) >= 3
), first_tries AS (
    SELECT actor_id AS group_id, min(ts) AS ts, 1 AS amount FROM hits GROUP BY actor_id, payload
), judged AS (
    SELECT h.*, bucket.level, bucket.began, coalesce(bucket.level > $capacity, false) AS is_burst,
        status IN (200, 206) AND bytes_sent IS DISTINCT FROM 0 AND coalesce(bytes_sent NOT IN (SELECT bytes_sent FROM dull WHERE bytes_sent IS NOT NULL), true) AS is_read
    FROM hits AS h LEFT JOIN leaky_bucket('first_tries', $leak) AS bucket ON bucket.group_id = h.actor_id AND bucket.ts = h.ts
)
SELECT actor_kind, actor, actor_family AS _ua_family, CASE WHEN is_burst THEN began ELSE ts END AS first_ts, ts AS last_ts,
    CASE WHEN is_read AND bytes_sent IS NULL THEN 'medium' WHEN is_read THEN 'high' ELSE 'low' END AS level,
    CASE WHEN is_burst THEN level ELSE 1 END AS measure, CASE WHEN is_burst THEN $capacity ELSE 1 END AS threshold, CASE WHEN is_read THEN file END AS file, actor_family AS ua_family
FROM judged JOIN clients USING (client_id)
WHERE actor_kind IS NOT NULL AND (is_burst OR is_read)
