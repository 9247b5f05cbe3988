-- Words shared by every relation and detector. Regular expressions are RE2: linear in the text.

-- Browser or tool and its platform: what tells clients behind one address apart, stable across minor versions.
CREATE MACRO ua_family(agent) AS CASE
    WHEN agent IS NULL THEN NULL
    WHEN agent = '' THEN 'none'
    WHEN regexp_matches(agent, '(?i)(bot|crawl|spider|slurp|monitor|preview)') THEN
        lower(regexp_extract(agent, '(?i)([a-z0-9_.-]*(?:bot|crawl|spider|slurp|monitor|preview)[a-z0-9_.-]*)', 1))
    WHEN NOT starts_with(agent, 'Mozilla/') THEN lower(regexp_extract(agent, '^([^/ ;(]{0,40})', 1))
    ELSE CASE
        WHEN contains(agent, 'Edg') THEN 'edge' WHEN contains(agent, 'OPR/') THEN 'opera'
        WHEN contains(agent, 'SamsungBrowser') THEN 'samsung' WHEN contains(agent, 'YaBrowser') THEN 'yandex'
        WHEN contains(agent, 'Firefox') OR contains(agent, 'FxiOS') THEN 'firefox'
        WHEN contains(agent, 'Chrome') OR contains(agent, 'CriOS') THEN 'chrome'
        WHEN contains(agent, 'Safari') THEN 'safari' WHEN contains(agent, 'MSIE') OR contains(agent, 'Trident') THEN 'ie'
        ELSE 'other' END || '/' || CASE
        WHEN contains(agent, 'Android') THEN 'android' WHEN contains(agent, 'iPhone') OR contains(agent, 'iPad') THEN 'ios'
        WHEN contains(agent, 'Windows') THEN 'windows' WHEN contains(agent, 'Mac OS') THEN 'mac'
        WHEN contains(agent, 'CrOS') THEN 'chromeos' WHEN contains(agent, 'Linux') THEN 'linux' ELSE 'other' END
END;

-- RFC 1918, RFC 4193, link-local and loopback. Carrier-grade NAT (100.64.0.0/10) is somebody else's network.
CREATE MACRO is_internal(ip) AS regexp_matches(
    ip, '^(?:::ffff:)?(?:10\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|127\.|169\.254\.)|^(?:::1$|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:)');
-- A proxy on the same machine is never the attacker.
CREATE MACRO is_loopback(ip) AS regexp_matches(ip, '^(?:(?:::ffff:)?127\.|::1$)');

-- 0.6745 (x - median)/MAD; with MAD = 0, (x - median)/(1.2533 mean absolute deviation); null when both are 0 or xs is empty.
CREATE MACRO robust_z(x, xs) AS (
    SELECT CASE WHEN mad > 0 THEN 0.6745 * (x - middle) / mad WHEN spread > 0 THEN (x - middle) / (1.2533 * spread) END
    FROM (
        SELECT middle, list_median(gaps) AS mad, list_avg(list_sort(gaps)) AS spread
        FROM (SELECT middle, list_transform(xs, lambda v: abs(v - middle)) AS gaps FROM (SELECT list_median(xs) AS middle))
    )
);

-- One round of undoing an encoding: %uXXXX (ASCII and full-width), overlong UTF-8, HTML entities, then percent.
-- Bytes that are no UTF-8 become U+FFFD instead of ending the match.
CREATE MACRO plain_u(s) AS regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(s,
    '(?i)%u00([0-9a-f]{2})', '%\1', 'g'), '(?i)%uff0([0-9a-f])', '%2\1', 'g'), '(?i)%uff1([0-9a-f])', '%3\1', 'g'),
    '(?i)%uff2([0-9a-f])', '%4\1', 'g'), '(?i)%uff3([0-9a-f])', '%5\1', 'g'), '(?i)%uff4([0-9a-f])', '%6\1', 'g'), '(?i)%uff5([0-9a-e])', '%7\1', 'g');
CREATE MACRO plain_overlong(s) AS regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(s,
    '(?i)%(?:c0|e0%80|f0%80%80)%8([0-9a-f])', '%0\1', 'g'), '(?i)%(?:c0|e0%80|f0%80%80)%9([0-9a-f])', '%1\1', 'g'),
    '(?i)%(?:c0|e0%80|f0%80%80)%a([0-9a-f])', '%2\1', 'g'), '(?i)%(?:c0|e0%80|f0%80%80)%b([0-9a-f])', '%3\1', 'g'),
    '(?i)%(?:c1|e0%81|f0%80%81)%8([0-9a-f])', '%4\1', 'g'), '(?i)%(?:c1|e0%81|f0%80%81)%9([0-9a-f])', '%5\1', 'g'),
    '(?i)%(?:c1|e0%81|f0%80%81)%a([0-9a-f])', '%6\1', 'g'), '(?i)%(?:c1|e0%81|f0%80%81)%b([0-9a-f])', '%7\1', 'g');
CREATE MACRO plain_entities(s) AS replace(replace(replace(replace(replace(
    list_reduce(
        list_distinct(regexp_extract_all(regexp_replace(s, '(?i)&#x0*([2-7][0-9a-f]);?', '%\1', 'g'), '&#0*(3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6]);?', 1)),
        lambda text, code: regexp_replace(text, '&#0*' || code || '(;|\b)', replace(chr(code::INTEGER), '\', '\\'), 'g'),
        regexp_replace(s, '(?i)&#x0*([2-7][0-9a-f]);?', '%\1', 'g')),
    '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&apos;', ''''), '&amp;', '&');
CREATE MACRO plain_percent(s) AS coalesce(TRY(url_decode(s)), TRY(url_decode(regexp_replace(s, '%[89a-fA-F][0-9a-fA-F]', chr(65533), 'g'))), s);
-- Three rounds undo nested encodings; a query says them as three steps, for a macro inside a macro is computed many times over.
CREATE MACRO plain_once(s) AS CASE
    WHEN NOT regexp_matches(s, '%|&(?:#|lt|gt|quot|apos|amp)') THEN s
    WHEN regexp_matches(s, '&(?:#|lt|gt|quot|apos|amp)') THEN plain_percent(plain_overlong(plain_u(plain_entities(s))))
    ELSE plain_percent(plain_overlong(plain_u(s))) END;

-- What base64 values among decoded arguments say, where that is printable text.
CREATE MACRO plain_base64(s) AS array_to_string(list_filter(
    list_transform(regexp_extract_all(s, '(?:^|[=&])([A-Za-z0-9+/_-]{12,}={0,2})(?:$|&)', 1),
        lambda v: TRY(decode(from_base64(rpad(translate(rtrim(v, '='), '-_', '+/'), ((length(rtrim(v, '=')) + 3) // 4 * 4)::INTEGER, '='))))),
    lambda v: v IS NOT NULL AND regexp_matches(v, '^[\x20-\x7e\s]+$')), ' ');

-- A path segment or argument that names one object: number, UUID, hex, e-mail; a file ending stays.
CREATE MACRO is_slot(s) AS regexp_matches(s, '^(?:-?[0-9]+|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|[0-9a-fA-F]{8,}|[^@]+(?:@|%40)[^@]+\.[^@]+)(?:\.[a-z][a-z0-9]{1,4})?$')
    AND (length(s) < 8 OR regexp_matches(s, '[0-9@]|%40'));
CREATE MACRO slot_ending(s) AS regexp_extract(s, '^[^@%]+(\.[a-z][a-z0-9]{1,4})$', 1);

CREATE MACRO is_static_path(path) AS regexp_matches(path,
    '(?i)\.(?:css|m?js|map|png|jpe?g|gif|svg|ico|webp|avif|bmp|woff2?|ttf|otf|eot|mp[34]|m4[av]|webm|mov|avi|mkv|m3u8|mpd|ogg|wav|exe|msi|dmg|deb|rpm|apk|iso|pkg)$');
CREATE MACRO is_login_path(path) AS regexp_matches(path,
    '(?i)(?:^|[/._-])(?:log[-_]?in|log[-_]?on|sign[-_]?in|authenticate|auth|sessions?|wp-login|user_sessions|j_security_check|do_?login)(?:\.[a-z]{2,5})?/?$');
CREATE MACRO is_export_path(path) AS regexp_matches(path, '(?i)(?:^|[/._-])(?:exports?|downloads?|reports?|dumps?|backups?|extracts?)(?:[/._-]|$)');

-- Page numbers and offsets, and arguments that mean nothing (cache busters, tracking).
CREATE MACRO is_page_name(name) AS lower(name) IN ('page', 'p', 'pg', 'pageno', 'page_no', 'pagenum', 'page_num', 'pagenumber', 'page_number', 'paged', 'offset', 'start', 'skip',
    'cursor', 'after', 'page_token', 'pagetoken', 'next_token', 'startindex', 'start_index');
CREATE MACRO is_noise_name(name) AS lower(name) IN ('_', 't', 'ts', 'timestamp', 'time', 'cb', 'cachebuster', 'cache', 'rand', 'random', 'nonce', 'v', 'ver', 'gclid', 'fbclid') OR starts_with(lower(name), 'utm_');

CREATE MACRO is_sqli(text) AS regexp_matches(text, '(?s)union(?:\s|/\*.{0,50}?\*/|\()+(?:all(?:\s|/\*.{0,50}?\*/)+)?(?:distinct\s+)?\(?select\b'
    || '|\bselect\b.{1,200}\bfrom\b.{0,20}(?:information_schema|pg_catalog|pg_user|mysql\.|sysobjects|syscolumns|sqlite_master|all_tables|\bdual\b)'
    || '|\bselect\b\s*(?:\*|count\s*\(|group_concat|concat|char\s*\(|@@|version\s*\(|database\s*\(|user\s*\()'
    || '|(?:[''"\)]|^[0-9]+|=-?[0-9]+)(?:\s|/\*.{0,50}?\*/)*(?:\)|\s)*(?:or|and|xor|\|\||&&)(?:\s|/\*.{0,50}?\*/|not\b)+[\(\s]*[''"]?\w{0,20}[''"]?\s*(?:=|<|>|like\b|between\b|in\s*\(|is\s+(?:not\s+)?null)'
    || '|''\s*(?:or|and)\s+(?:''|\d|\()|[''"]\s*(?:--(?:\s|$|-)|#|;\s*--|/\*)'
    || '|;\s*(?:(?:drop|alter|create|truncate)\s+(?:table|database|schema|view|user|login|role|function|procedure)|insert\s+into|update\s+\w+\s+set|delete\s+from|exec(?:ute)?[\s(]|shutdown\b|declare\s+@)'
    || '|\b(?:sleep|pg_sleep|benchmark|randomblob|extractvalue|updatexml|load_file|xp_cmdshell|xp_dirtree|sp_oacreate|dbms_pipe\.receive_message)\s*\(|\bexec\s+(?:master\.|xp_)'
    || '|waitfor\s+(?:delay|time)\s|into\s+(?:out|dump)file\b|\border\s+by\s+\d+\s*(?:--|#|/\*)|\bhaving\s+\d+\s*=\s*\d+|\bprocedure\s+analyse\b');

-- Sliding windows over a named table (or WITH name) of events. Each is closed, [t - span, t], taken at every event's time, per group_id.
-- An event counts from its own time until exactly `span` later: a running sum over arrivals and departures costs two sorts
-- however many events one group has, where a window frame of that length is searched anew for every row.

-- events(group_id, ts, amount) → (group_id, ts, total), one row per group and moment.
CREATE MACRO sliding_total(events, span) AS TABLE (
    SELECT group_id, make_timestamp(t) AS ts, total FROM (
        SELECT group_id, t, arrives, sum(step) OVER (PARTITION BY group_id ORDER BY t) AS total FROM (
            SELECT group_id, epoch_us(ts) AS t, true AS arrives, sum(amount)::BIGINT AS step FROM query_table(events) GROUP BY ALL
            UNION ALL SELECT group_id, epoch_us(ts) + epoch_us(span::INTERVAL) + 1, false, -sum(amount)::BIGINT FROM query_table(events) GROUP BY ALL
        )
    ) WHERE arrives
);

-- events(group_id, ts, value) → (group_id, ts, total): how many different values; a null value is none, but its moment is told too.
-- A value is present from its first time until `span` after the last time before a longer absence.
CREATE MACRO sliding_distinct(events, span) AS TABLE (
    SELECT group_id, make_timestamp(t) AS ts, total FROM (
        SELECT group_id, t, arrives, sum(step) OVER (PARTITION BY group_id ORDER BY t) AS total FROM (
            SELECT group_id, t, true AS arrives, sum((value IS NOT NULL AND coalesce(before > epoch_us(span::INTERVAL), true))::TINYINT)::BIGINT AS step FROM (
                SELECT group_id, value, epoch_us(ts) AS t, epoch_us(ts) - lag(epoch_us(ts)) OVER (PARTITION BY group_id, value ORDER BY ts) AS before
                FROM query_table(events)
            ) GROUP BY group_id, t
            UNION ALL
            SELECT group_id, t + epoch_us(span::INTERVAL) + 1, false, -1 FROM (
                SELECT group_id, epoch_us(ts) AS t, lead(epoch_us(ts)) OVER (PARTITION BY group_id, value ORDER BY ts) - epoch_us(ts) AS after
                FROM query_table(events) WHERE value IS NOT NULL
            ) WHERE after IS NULL OR after > epoch_us(span::INTERVAL)
        )
    ) WHERE arrives
);

-- events(group_id, ts, amount) → (group_id, ts, level, began): a bucket that loses one unit per `leak`; began is when it was last empty.
-- In one pass: fill = amounts so far * leak - time; level = fill - the least fill there was just before an arrival.
CREATE MACRO leaky_bucket(events, leak) AS TABLE (
    SELECT group_id, make_timestamp(t) AS ts, (fill - least_fill) / epoch_us(leak::INTERVAL) AS level,
        make_timestamp(max(CASE WHEN fill - poured = least_fill THEN t END) OVER (PARTITION BY group_id ORDER BY t)) AS began
    FROM (
        SELECT *, min(fill - poured) OVER (PARTITION BY group_id ORDER BY t) AS least_fill FROM (
            SELECT group_id, t, poured, (sum(poured) OVER (PARTITION BY group_id ORDER BY t) - t)::BIGINT AS fill FROM (
                SELECT group_id, epoch_us(ts) AS t, (sum(amount) * epoch_us(leak::INTERVAL))::BIGINT AS poured FROM query_table(events) GROUP BY ALL
            )
        )
    )
);
