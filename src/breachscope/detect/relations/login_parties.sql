-- view: one row = one login seen from one side: its address, or its account
SELECT p.party_id, l.* FROM logins AS l JOIN parties AS p
    ON p.actor_kind = 'ip' AND l.client_ip = p.actor AND (NOT p.is_shared OR l.ua_family IS NOT DISTINCT FROM p.ua_family)
UNION ALL
SELECT p.party_id, l.* FROM logins AS l JOIN parties AS p ON p.actor_kind = 'user' AND l."user" = p.actor
