-- table: one row = one distinct path and query of web requests, with all that they mean
-- template: path and sorted arguments, slots as {id}; endpoint: path template and argument names; slot: the object named.
-- page_value, page_group: which page of which list; plain_path, plain_query: decoded, lower case, base64 opened.
WITH split AS (
    SELECT path, query, urls.answered, is_static, segments, shape, array_to_string(shape, '/') AS path_template,
        list_transform(list_filter(string_split(query, '&'), lambda a: a <> ''),
            lambda a: {'name': split_part(a, '=', 1), 'value': substr(a, length(split_part(a, '=', 1)) + 2)}) AS arguments
    FROM urls JOIN paths USING (path)
), busy AS (
    SELECT path_template, list(name) AS names FROM (
        SELECT path_template, argument.name AS name
        FROM (SELECT DISTINCT path_template, unnest(arguments) AS argument FROM split WHERE answered AND query <> '')
        WHERE NOT is_slot(argument.value) GROUP BY ALL HAVING count(*) > 50
    ) GROUP BY path_template
), meant AS (
    SELECT split.*,
        list_filter(arguments, lambda a: NOT is_noise_name(a.name) AND NOT is_page_name(a.name)) AS other_arguments,
        list_filter(arguments, lambda a: is_page_name(a.name)) AS page_arguments,
        coalesce(names, []) AS busy_names,
        list_filter(segments, lambda s, i: starts_with(shape[i], '{id}')) AS path_slots
    FROM split LEFT JOIN busy USING (path_template)
), slotted AS (
    SELECT *, list_transform(list_filter(other_arguments, lambda a: is_slot(a.value) OR list_contains(busy_names, a.name)), lambda a: a.value) AS argument_slots
    FROM meant
), round_one AS (
    SELECT *, plain_once(path) AS path_1, plain_once(replace(query, '+', ' ')) AS query_1 FROM slotted
), round_two AS (
    SELECT *, plain_once(path_1) AS path_2, plain_once(query_1) AS query_2 FROM round_one
), named AS (
    SELECT *, plain_once(path_2) AS path_3, plain_once(query_2) AS query_3,
        path_slots || argument_slots AS slots,
        CASE WHEN path_slots = [] THEN argument_slots[1] ELSE path_slots[-1] END AS main_slot
    FROM round_two
), meanings AS (
    SELECT path, query, is_static, path_template,
        path_template || CASE WHEN arguments = [] THEN '' ELSE '?' || array_to_string(list_sort(
            list_transform(page_arguments, lambda a: a.name || '={id}') || list_transform(other_arguments, lambda a:
                a.name || '=' || CASE WHEN is_slot(a.value) OR list_contains(busy_names, a.name) THEN '{id}' ELSE a.value END)), '&') END AS template,
        path_template || CASE WHEN arguments = [] THEN '' ELSE '?' || array_to_string(list_sort(list_distinct(
            list_transform(page_arguments || other_arguments, lambda a: a.name))), '&') END AS endpoint,
        CASE WHEN slots <> [] THEN array_to_string(slots, '/') END AS slot,
        TRY_CAST(regexp_extract(main_slot, '^[A-Za-z_-]{0,12}([0-9]{1,18})(?:\.[a-z0-9]+)?$', 1) AS BIGINT) AS slot_number,
        CASE WHEN page_arguments <> [] THEN page_arguments[1].value ELSE nullif(regexp_extract(path, '/page/([0-9]{1,9})(?:/|$)', 1), '') END AS page_value,
        CASE WHEN page_arguments <> [] OR regexp_matches(path, '/page/[0-9]{1,9}(?:/|$)') THEN
            regexp_replace(path, '/page/[0-9]{1,9}(/|$)', '/page/{id}\1')
            || '?' || array_to_string(list_sort(list_transform(other_arguments, lambda a: a.name || '=' || a.value)), '&') END AS page_group,
        is_login_path(path) AS is_login, is_export_path(path) AS is_export,
        lower(path_3) AS plain_path,
        lower(CASE WHEN regexp_matches(query_3, '[A-Za-z0-9+/_-]{12}') THEN rtrim(query_3 || ' ' || plain_base64(query_3)) ELSE query_3 END) AS plain_query
    FROM named
), templates AS (
    SELECT template, row_number() OVER () AS template_id FROM (SELECT DISTINCT template FROM meanings)
), slots AS (
    SELECT slot, row_number() OVER () AS slot_id FROM (SELECT DISTINCT slot FROM meanings WHERE slot IS NOT NULL)
), endpoints AS (
    SELECT endpoint, row_number() OVER () AS endpoint_id FROM (SELECT DISTINCT endpoint FROM meanings)
)
SELECT row_number() OVER () AS target_id, template_id, endpoint_id, slot_id, meanings.*
FROM meanings JOIN templates USING (template) JOIN endpoints USING (endpoint) LEFT JOIN slots USING (slot)
