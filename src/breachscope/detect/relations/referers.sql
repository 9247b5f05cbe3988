-- table: one row = one distinct Referer header
SELECT referer FROM web WHERE referer IS NOT NULL GROUP BY referer
