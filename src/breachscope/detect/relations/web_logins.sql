-- table: one row = one POST to a login page, read as a login
-- 401, 403, 429 and other refusals fail; 200 fails where the page answers success with a redirect; a redirect succeeds where failure is something else.
WITH posts AS (
    SELECT r.event_id, r.ts, r.endpoint_id, r.status, c.client_ip, c."user", c.session, c.user_agent
    FROM requests AS r JOIN targets AS t USING (target_id) JOIN clients AS c USING (client_id)
    WHERE r.method_id = 3 AND t.is_login
), habits AS (
    SELECT endpoint_id, bool_or(status IN (302, 303)) AS redirects, bool_or(status = 200 OR status IN (400, 401, 403, 422, 429)) AS says_no
    FROM posts GROUP BY endpoint_id
)
SELECT event_id, ts, client_ip, "user", session, user_agent,
    CASE WHEN status IN (400, 401, 403, 422, 429) THEN 'failure'
        WHEN status IN (302, 303) THEN CASE WHEN says_no THEN 'success' ELSE 'unknown' END
        WHEN status BETWEEN 200 AND 299 THEN CASE WHEN redirects THEN 'failure' ELSE 'success' END
        ELSE 'unknown' END AS outcome
FROM posts JOIN habits USING (endpoint_id)
