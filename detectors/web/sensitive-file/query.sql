-- One row = one request for a file that should not be on a web server, which was answered, or completed a burst of probes.
WITH files AS (
    SELECT target_id, plain_path AS file, kind FROM (
        SELECT target_id, plain_path, CASE
            WHEN regexp_matches(plain_path, '\.(?:sql|dump|bson|mdb|sqlite3?|db)(?:\.(?:gz|zip|bz2|xz|7z))?$') THEN 'dump'
            WHEN regexp_matches(plain_path, '(?:^|/)[^/]*(?:backup|bak|dump|database|db|www|htdocs|public_html|site|home|data|users|customers)[^/]*\.(?:zip|tar|tgz|tar\.gz|gz|rar|7z|bz2)$') THEN 'archive'
            WHEN regexp_matches(plain_path, '(?:^|/)(?:\.git/|\.svn/|\.hg/|\.env(?:\.[a-z]+)?$|\.aws/|\.ssh/|\.htpasswd|\.npmrc|\.docker/|\.kube/|id_rsa|id_ed25519|wp-config\.php[^/]+|web\.config$|credentials(?:\.json)?$|secrets?\.ya?ml$)') THEN 'secret'
            WHEN regexp_matches(plain_path, '\.(?:bak|old|orig|save|swp|pem|key|pfx|p12|jks|kdbx)$|~$') THEN 'leftover' END AS kind
        FROM targets
    ) WHERE kind IS NOT NULL
), hits AS (
    SELECT r.event_id, r.ts, r.actor_id, r.client_id, r.status, r.bytes_sent, f.file, f.kind FROM requests AS r JOIN files AS f USING (target_id)
), offered AS (
    -- An archive that many addresses fetch is there to be fetched.
    SELECT file FROM hits JOIN clients USING (client_id) WHERE kind IN ('archive', 'leftover') AND status IN (200, 206) GROUP BY file HAVING count(DISTINCT client_ip) > $public_addresses
), dull AS (
    -- Soft 404: sizes of the home page, of errors, and of answers that three different such files get.
    SELECT r.bytes_sent FROM requests AS r JOIN targets AS t USING (target_id) WHERE t.path IN ('/', '') AND r.status BETWEEN 200 AND 299
    UNION SELECT bytes_sent FROM requests WHERE status >= 400
    UNION SELECT bytes_sent FROM hits WHERE status IN (200, 206) GROUP BY bytes_sent HAVING count(DISTINCT file) >= 3
), first_tries AS (
    SELECT actor_id AS group_id, min(ts) AS ts, 1 AS amount FROM hits WHERE file NOT IN (FROM offered) GROUP BY actor_id, file
), judged AS (
    SELECT h.*, bucket.level, bucket.began, coalesce(bucket.level > $capacity, false) AS is_burst,
        status IN (200, 206) AND bytes_sent IS DISTINCT FROM 0 AND coalesce(bytes_sent NOT IN (SELECT bytes_sent FROM dull WHERE bytes_sent IS NOT NULL), true) AS is_read
    FROM hits AS h LEFT JOIN leaky_bucket('first_tries', $leak) AS bucket ON bucket.group_id = h.actor_id AND bucket.ts = h.ts WHERE file NOT IN (FROM offered)
)
SELECT actor_kind, actor, actor_family AS _ua_family, CASE WHEN is_burst THEN began ELSE ts END AS first_ts, ts AS last_ts,
    CASE WHEN NOT is_read THEN 'low' WHEN bytes_sent IS NULL THEN 'medium' WHEN kind = 'dump' THEN 'critical' ELSE 'high' END AS level,
    CASE WHEN is_burst THEN level ELSE 1 END AS measure, CASE WHEN is_burst THEN $capacity ELSE 1 END AS threshold, CASE WHEN is_read THEN file END AS file, actor_family AS ua_family
FROM judged JOIN clients USING (client_id)
WHERE actor_kind IS NOT NULL AND (is_burst OR is_read)
