-- table: one row = one distinct path and query of web requests
SELECT coalesce(path, '') AS path, coalesce(query, '') AS query, bool_or(status BETWEEN 200 AND 299) AS answered FROM web GROUP BY path, query
