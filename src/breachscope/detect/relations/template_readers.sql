-- table: one row = one template that some actor read at least 20 times, and how public its objects look
-- popular_share: of its objects, those that 3 or more addresses read; authenticated_share: of its reads, those with account or session.
WITH reads AS (
    SELECT template_id, target_id, client_id, actor_id, count(*) AS reads FROM requests
    WHERE status IN (200, 206, 304) AND NOT is_static GROUP BY ALL
), busy AS (
    SELECT DISTINCT template_id FROM (SELECT template_id FROM reads GROUP BY template_id, actor_id HAVING sum(reads) >= 20)
), by_object AS (
    SELECT template_id, coalesce(slot, '') AS slot, count(DISTINCT client_ip) AS addresses
    FROM reads JOIN busy USING (template_id) JOIN clients USING (client_id) JOIN (SELECT target_id, slot FROM targets) USING (target_id) GROUP BY ALL
), by_template AS (
    SELECT template_id, sum(reads) FILTER (session IS NOT NULL OR "user" IS NOT NULL) / sum(reads) AS authenticated_share, count(DISTINCT client_ip) AS addresses
    FROM reads JOIN busy USING (template_id) JOIN clients USING (client_id) GROUP BY template_id
)
SELECT template_id, any_template.template, b.addresses, coalesce(b.authenticated_share, 0) AS authenticated_share, o.objects, o.popular_share
FROM by_template AS b
JOIN (SELECT template_id, count(*) AS objects, count(*) FILTER (addresses >= 3) / count(*) AS popular_share FROM by_object GROUP BY template_id) AS o USING (template_id)
JOIN (SELECT template_id, min(template) AS template FROM targets GROUP BY template_id) AS any_template USING (template_id)
