-- table: one row = one distinct user agent of web requests and logins, with its family
SELECT user_agent, ua_family(user_agent) AS ua_family
FROM (SELECT user_agent FROM web UNION SELECT user_agent FROM auth)
WHERE user_agent IS NOT NULL
