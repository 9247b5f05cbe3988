-- view: one row = one login with one of its sides in words, for evidence
SELECT p.actor_kind, p.actor, l.* FROM login_parties AS l JOIN parties AS p USING (party_id)
