"""The kinds of personal data that a column of a customer table can hold, and their names for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Kind:
    """One kind of personal data and its names for people."""

    en: str
    ja: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "name": Kind("name", "氏名"),
        "birth_date": Kind("date of birth", "生年月日"),
        "age": Kind("age", "年齢"),
        "sex": Kind("sex", "性別"),
        "address": Kind("address", "住所"),
        "phone": Kind("telephone number", "電話番号"),
        "email": Kind("e-mail address", "メールアドレス"),
        "identifier": Kind("customer or member number", "顧客・会員番号"),
        "login_id": Kind("login id", "ログインID"),
        "password": Kind("password", "パスワード"),
        "secret_answer": Kind("secret question or answer", "秘密の質問・答え"),
        "card_number": Kind("card number", "カード番号"),
        "card_expiry": Kind("card expiry date", "カード有効期限"),
        "card_security_code": Kind("card security code", "セキュリティコード"),
        "bank_account": Kind("bank account", "口座情報"),
        "my_number": Kind("My Number (individual number)", "マイナンバー（個人番号）"),
        "passport_number": Kind("passport number", "旅券番号"),
        "driver_license": Kind("driving licence number", "運転免許証番号"),
        "insurance_number": Kind("health insurance number", "被保険者番号"),
        "pension_number": Kind("pension number", "基礎年金番号"),
        "photo": Kind("photograph", "顔写真"),
        "biometric": Kind("biometric data", "生体情報"),
        "location": Kind("location", "位置情報"),
        "ip_address": Kind("IP address", "IPアドレス"),
        "purchase_history": Kind("purchase history", "購入履歴"),
        "browsing_history": Kind("browsing history", "閲覧履歴"),
        "communication": Kind("messages", "通信内容・問い合わせ内容"),
        "financial": Kind("income, assets or payments", "収入・資産・支払情報"),
        "employment": Kind("employer and position", "勤務先・職歴"),
        "education": Kind("education", "学歴"),
        "family": Kind("family", "家族情報"),
        "nationality": Kind("nationality", "国籍"),
        "other": Kind("other personal data", "その他の個人情報"),
        "sensitive.race": Kind("race", "人種"),
        "sensitive.creed": Kind("creed", "信条"),
        "sensitive.social_status": Kind("social status", "社会的身分"),
        "sensitive.medical_history": Kind("medical history", "病歴"),
        "sensitive.criminal_record": Kind("criminal record", "犯罪の経歴"),
        "sensitive.crime_victim": Kind("having suffered from a crime", "犯罪により害を被った事実"),
        "sensitive.disability": Kind("disability", "障害"),
        "sensitive.health_check": Kind("results of a health check", "健康診断等の結果"),
        "sensitive.medical_care": Kind("health guidance, treatment or dispensing", "保健指導・診療・調剤"),
        "sensitive.criminal_procedure": Kind("criminal procedure", "刑事手続"),
        "sensitive.juvenile_procedure": Kind("juvenile protection procedure", "少年保護手続"),
    }
)
"""Closed vocabulary; ``sensitive.*`` are the eleven heads of 要配慮個人情報 (LEGAL 9)."""
