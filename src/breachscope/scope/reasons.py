"""Why an exposure has its grade, and what the answer leaves open: codes for machines, sentences for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Text:
    """One sentence in English and Japanese; ``{table}`` and other fields are filled in where they stand."""

    en: str
    ja: str


REASONS: Mapping[str, Text] = MappingProxyType(
    {
        "returned_by_key": Text("the record was returned, asked for by its key", "キー指定の要求に対して当該レコードが返された"),
        "returned_by_column": Text("the response covers the rows of the value asked for", "指定された値に該当する行が応答に含まれる"),
        "returned_size_unknown": Text("success for its key, but the log holds no size", "キー指定の要求は成功したが、応答サイズが記録されていない"),
        "returned_too_small": Text("success for its key, but the body is smaller than the record", "キー指定の要求は成功したが、応答がレコードより小さい"),
        "returned_error_page_size": Text(
            "success for its key, but the body is as long as the error page", "キー指定の要求は成功したが、応答サイズがエラーページと同じである"
        ),
        "returned_loose_key": Text("success for a key that is written differently", "表記の異なるキーでの要求が成功した"),
        "client_closed": Text("the client closed the connection while the record was being sent", "レコード送信中にクライアントが接続を閉じた"),
        "argument_repeated": Text("an argument was sent with several values", "同じ引数が複数の値で送られた"),
        "status_unknown": Text("asked for, but the log holds no status", "要求はあるが、ステータスが記録されていない"),
        "time_unknown": Text("returned, but the log holds no time", "返されたが、時刻が記録されていない"),
        "existence_in_doubt": Text("returned; whether the row existed depends on the assumed time zone", "返された。行の存在の有無はタイムゾーンの仮定による"),
        "shared_address": Text("came from an address that others use too", "他の利用者と共用されるアドレスからの要求である"),
        "on_page": Text("a page of the list covers the record", "一覧のページに当該レコードが含まれる"),
        "on_page_by_tie": Text("the order of the list does not tell whether the page holds the record", "一覧の並び順だけでは当該ページに含まれるか決まらない"),
        "page_unreadable": Text("which rows this page held cannot be told from the request", "要求からはページの行を特定できない"),
        "page_filtered": Text("further arguments may have chosen other rows", "追加の引数により別の行が返された可能性がある"),
        "partial_content": Text("a part of the response was sent, which one is not logged", "応答の一部が送られたが、どの部分かは記録されていない"),
        "exported": Text("the export covers the record", "エクスポートに当該レコードが含まれる"),
        "exported_before_cut": Text("the export was cut off after this record began", "エクスポートは当該レコードの送信開始後に打ち切られた"),
        "exported_within_doubt": Text(
            "the export was cut off; whether before this record is uncertain", "エクスポートは打ち切られ、当該レコードまで達したか不明である"
        ),
        "login_succeeded": Text("the account was logged in to", "当該アカウントへのログインが成功した"),
        "export_rows_unknown": Text("the export was cut off; which rows it held is unknown", "エクスポートは打ち切られ、どの行を含むか不明である"),
        "left_the_store": Text("data left the host that stores the table", "当該テーブルを保持するホストからデータが送出された"),
        "logs_missing": Text("the logs that would show access are missing for a time", "アクセスを示すはずのログが一部の時間帯で欠けている"),
        "lines_rejected": Text("many lines of the log that would show access cannot be read", "アクセスを示すはずのログの多数の行を読み取れない"),
        "route_never_seen": Text("no log of the requests that return this table was given", "当該テーブルを返す要求のログが与えられていない"),
        "no_network_log": Text("no network log shows whether data left the host that stores the table", "保存先からの送出の有無を示すネットワークログがない"),
        "unmapped_but_keys_match": Text(
            "keys of the table were asked for on paths that the map does not describe", "マップにない経路への要求が当該テーブルのキーを指定して成功した"
        ),
        "head_request": Text("only the headers were asked for", "ヘッダーのみの要求である"),
        "refused": Text("access was refused", "アクセスが拒否された"),
        "not_found": Text("the answer was 'not found'", "「存在しない」と応答された"),
        "redirected": Text("redirected, as to the login page", "ログインページ等へリダイレクトされた"),
        "failed": Text("the request failed", "要求が失敗した"),
        "empty_body": Text("the body was empty", "応答本文が空である"),
        "already_known_copy": Text("already known copy (304): not sent again", "既存の写しが有効（304）であり、再送されていない"),
        "already_known_copy_unseen": Text(
            "already known copy (304): not sent again; no log shows when it was sent first",
            "既存の写しが有効（304）で再送されていないが、最初の送信がログにない",
        ),
        "error_page": Text("the body is the error page", "応答本文はエラーページである"),
        "not_yet_created": Text("the record did not exist yet", "当該レコードはまだ存在しなかった"),
        "already_deleted": Text("the record existed no longer", "当該レコードは既に削除されていた"),
    }
)
"""Values of the column ``reason`` of exposures."""

UNCERTAINTIES: Mapping[str, Text] = MappingProxyType(
    {
        "no_map": Text(
            "No data map was given: which records and people are concerned is unknown.",
            "データマップが指定されていないため、該当するレコードと人数は不明です。",
        ),
        "no_incident": Text(
            "No incident was found in these logs; that is not proof that nothing was taken.",
            "これらのログからインシデントは検出されませんでしたが、持ち出しがなかったことの証明ではありません。",
        ),
        "no_events": Text(
            "No event was read from the logs: nothing can be said about what was taken.",
            "ログからイベントを読み取れなかったため、持ち出しの有無は判断できません。",
        ),
        "no_web_logs": Text("There is no web log: no request can be checked.", "Webアクセスログがないため、要求を確認できません。"),
        "no_network_logs": Text(
            "There is no network log: transfers from the stores cannot be excluded.", "ネットワークログがないため、保存先からの送出を否定できません。"
        ),
        "logs_missing": Text("{detail}: no events for a part of the incident.", "{detail}：インシデント期間の一部でイベントがありません。"),
        "input_problem": Text("{detail}", "{detail}"),
        "lines_rejected": Text(
            "{detail}: {count} lines could not be read within the incident window.", "{detail}：インシデント期間中の{count}行を読み取れませんでした。"
        ),
        "tz_assumed": Text("{detail}: the time zone is assumed.", "{detail}：タイムゾーンは仮定です。"),
        "year_assumed": Text("{detail}: the year is assumed.", "{detail}：年は仮定です。"),
        "clocks_differ": Text(
            "{detail}: {count} events that both logs hold show the first one's clock ahead by so much; skew in sources.toml sets one of them right.",
            "{detail}：両方のログに残る{count}件から、前者の時計が後者よりこの秒数だけ進んでいると推定されます。sources.toml の skew で補正できます。",
        ),
        "table_tz_assumed": Text(
            "{table}: {count} rows have times without zone, read as UTC; set tz in the map.",
            "{table}：{count}行の時刻にタイムゾーンがなくUTCとして扱いました。マップで tz を指定してください。",
        ),
        "table_times_unreadable": Text(
            "{table}: {count} rows have times that cannot be read; they count as existing.",
            "{table}：{count}行の時刻を読み取れず、存在するものとして扱いました。",
        ),
        "table_null_keys": Text("{table}: {count} rows have no key.", "{table}：{count}行にキーがありません。"),
        "table_duplicate_keys": Text("{table}: {count} rows repeat a key.", "{table}：{count}行のキーが重複しています。"),
        "table_null_people": Text(
            "{table}: {count} of the rows that existed at the incident name no person; each may be another person.",
            "{table}：インシデント時に存在した行のうち{count}行に本人の識別子がなく、それぞれ別人の可能性があります。",
        ),
        "people_written_differently": Text(
            "{count} people may be the same as others, written differently.", "{count}人は、表記の異なる同一人物の可能性があります。"
        ),
        "keys_not_in_table": Text(
            "{table}: {count} keys that were answered are not in the table ({detail}).",
            "{table}：応答のあったキー{count}件がテーブルにありません（{detail}）。",
        ),
        "accounts_not_in_table": Text(
            "{table}: {count} accounts that were logged in to are not in the table.", "{table}：ログインされたアカウント{count}件がテーブルにありません。"
        ),
        "already_known_copy_unseen": Text(
            "{table}: {count} records were answered as an unchanged copy (304) that no log shows being sent: fetched before these logs, or by another client.",
            "{table}：{count}件は304応答ですが、最初の送信がログにありません。ログ以前、または別のクライアントで取得された可能性があります。",
        ),
        "unmapped_responses": Text(
            "{count} 2xx answers to the actors match no route of the map: content unknown.",
            "攻撃者への成功応答{count}件はマップのどの経路にも該当せず、内容は不明です。",
        ),
        "unmapped_but_keys_match": Text(
            "{table}: {count} keys of it were asked for on paths that the map does not describe ({detail}); all its rows count as possible.",
            "{table}：マップにない経路（{detail}）でキー{count}件が要求されたため、全行を「可能性あり」としました。",
        ),
        "route_never_seen": Text("No log shows any request for {detail}.", "{detail} への要求はどのログにもありません。"),
        "page_arguments": Text(
            "{detail}: {count} requests had arguments that may choose other rows; name them in ignore if they do not.",
            "{detail}：{count}件の要求に行の選択を変え得る引数がありました。影響しない場合は ignore に指定してください。",
        ),
        "order_assumed": Text("{detail}: assumed to be ordered by {order}.", "{detail}：{order}と仮定しました。"),
        "export_sizes_assumed": Text(
            "{detail}: row sizes are estimated; format, columns and compressed in the map make them exact.",
            "{detail}：行のサイズは推定です。マップの format、columns、compressed で正確になります。",
        ),
        "compression_assumed": Text(
            "{detail}: compression is unknown; up to {count} to 1 is assumed for the upper bound.",
            "{detail}：圧縮の有無が不明なため、上限には最大{count}:1を仮定しました。",
        ),
        "volume_proves_no_content": Text(
            "{detail}: {count} bytes left the store; which rows is unknown.", "{detail}：{count}バイトが送出されましたが、どの行かは不明です。"
        ),
    }
)
"""What the answer leaves open."""

COMPARED_AS: Mapping[str, Text] = MappingProxyType(
    {"whole_number": Text("numbers", "数値順"), "number": Text("numbers", "数値順"), "time": Text("times", "時刻順"), "text": Text("text", "文字列順")}
)
"""How the values of a column are compared."""
