"""A small filter: what is asked in words of abuse is not answered, and such words are never written."""

from __future__ import annotations

import re


def any_of(text: str) -> re.Pattern[str]:
    """What finds any of the words of a text; a word may be a pattern."""
    return re.compile("|".join(text.split()))


# not answered
ABUSE = any_of(
    "混蛋 王八蛋 狗杂种 杂种 傻逼 傻子 蠢货 白痴 脑残 贱人 婊子 他妈(?!妈) 你妈(?!妈) (?<!妈)妈的 去死 滚蛋 断子绝孙 "
    "不要脸 狗东西 人渣 败类 强奸 自杀 卖淫 嫖娼"
)
# never written, though it may be given
RUDE = "屎尿屁屌肏妓娼嫖奸淫婊贱尻粪"
RUDE_WORDS = any_of("畜生 王八 废物 丑陋 无耻 卖身 流氓 走狗 杀人 胡虏 蛮夷 倭奴 狗贼")


def abusive(text: str) -> bool:
    """Whether a text holds a word of abuse, and is not answered."""
    return ABUSE.search(text) is not None


def rude(text: str) -> bool:
    """Whether a line holds a word that is not written."""
    return abusive(text) or RUDE_WORDS.search(text) is not None
