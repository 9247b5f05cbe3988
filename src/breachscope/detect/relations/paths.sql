-- table: one row = one distinct path of web requests, with its template
-- Segments that are numeric, UUID, hex, e-mail, or one of more than 50 answered values in their place become {id}.
WITH shapes AS (
    SELECT path, answered, is_static_path(path) AS is_static,
        list_transform(string_split(path, '/'), lambda s: CASE WHEN is_slot(s) THEN '{id}' || slot_ending(s) ELSE s END) AS typed
    FROM (SELECT path, bool_or(answered) AS answered FROM urls GROUP BY path)
), places AS (
    SELECT typed, place, typed[place] AS segment, array_to_string(typed[:place - 1], '/') AS before, array_to_string(typed[place + 1:], '/') AS after, answered
    FROM (SELECT typed, bool_or(answered) AS answered FROM shapes WHERE NOT is_static GROUP BY typed), range(2, least(len(typed), 12) + 1) AS steps(place)
    WHERE typed[place] <> '' AND NOT starts_with(typed[place], '{id}')
), busy AS (
    SELECT place, before, after FROM places WHERE answered GROUP BY ALL HAVING count(DISTINCT segment) > 50
), opened AS (
    SELECT typed, list(place) AS places FROM places JOIN busy USING (place, before, after) GROUP BY typed
)
SELECT path, is_static, answered, string_split(path, '/') AS segments,
    CASE WHEN is_static OR places IS NULL THEN typed
        ELSE list_transform(typed, lambda s, i: CASE WHEN list_contains(places, i) THEN '{id}' ELSE s END) END AS shape
FROM shapes LEFT JOIN opened USING (typed)
