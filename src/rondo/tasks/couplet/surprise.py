"""The small surprises (彩蛋) of spring couplets: which seed brings one, which one, and what it says.

Of every five seeds from a multiple of five on, one brings a surprise; which of the five depends on the name. So any ten
seeds in a row bring one at least and three at most. The kinds come by turns, from a first one that depends on the name.
"""

from __future__ import annotations

import datetime
import hashlib

from pydantic import BaseModel

KINDS = ("luck", "firecrackers", "zodiac", "riddle", "envelope")
BLOCK = 5  # seeds of which one brings a surprise

STEMS, BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"


def _table(text: str) -> dict[str, str]:
    """First character -> the rest, of every word."""
    return {word[0]: word[1:] for word in text.split()}


ANIMALS = _table("鼠rat 牛ox 虎tiger 兔rabbit 龙dragon 蛇snake 马horse 羊sheep 猴monkey 鸡rooster 狗dog 猪pig")
# first day of the lunar year, 2025 to 2050, as the Hong Kong Observatory's calendar has it: day of the year
FESTIVALS = (
    29, 48, 37, 26, 44, 34, 23, 42, 31, 50, 39, 28, 46, 35, 24, 43, 32, 22, 41, 30, 48, 37, 26, 45, 33, 23,
)  # fmt: skip
FIRST_YEAR = 2025
LATER = 35  # 4 February, the beginning of spring: about the middle of the days it may fall on
DAYS = 15  # couplets of a year are pasted up to its Lantern Festival

# characters of names that are two others side by side: 木子李, 弓长张
SPLITS = _table(
    "李木子 张弓长 章立早 吴口天 胡古月 陈耳东 林木木 许言午 刘文刀 何人可 岳丘山 吕口口 朋月月 昌日日 炎火火 "
    "明日月 好女子 妙女少 岩山石 思田心 志士心 忠中心 慧彗心 星日生 晴日青 静青争 信人言 江水工 清水青 源水原 "
    "潮水朝 浩水告 鸿江鸟 鹏朋鸟 科禾斗 秋禾火 和禾口 香禾日 松木公 柏木白 梅木每 桂木圭 琳王林 玲王令 理王里 "
    "诗言寺 雷雨田 霖雨林 旭九日 昊日天 景日京 昕日斤 晖日军 晓日尧 智知日 铭金名 锦金帛 钟金中 功工力 加力口 "
    "吉士口 杏木口 全人王 岑山今 岚山风 佳人圭 仁人二 伟人韦 健人建 男田力 秀禾乃"
)
OTHERS = (
    ("三人同日去看花", "three people on one day go to see flowers", "春 = 三 + 人 + 日"),
    ("一家十一口", "a family of eleven mouths", "吉 = 十 + 一 + 口"),
)
WISHES = (
    ("岁岁平安", "peace, year after year"),
    ("心想事成", "may what you have in mind come true"),
    ("万事如意", "may all things go as you wish"),
    ("步步高升", "a step higher with every step"),
    ("年年有余", "each year more than enough"),
    ("吉星高照", "a lucky star high above"),
    ("前程似锦", "a road ahead like brocade"),
    ("五福临门", "all five kinds of luck at the door"),
)


class Surprise(BaseModel):
    """What comes with a spring couplet now and then."""

    kind: str  # luck, firecrackers, zodiac, riddle, envelope
    mark: str  # the character that is drawn with it
    text: str  # what it is, as 中文 / English
    answer: str = ""  # what stays hidden until it is asked for


def surprise(name: str, seed: int, today: datetime.date | None = None) -> Surprise | None:
    """The surprise that comes with the couplets of a name and a seed; None with most."""
    block, place = divmod(seed, BLOCK)
    if place != _number(f"{name} {block}") % BLOCK:
        return None
    kind = KINDS[(block + _number(name)) % len(KINDS)]
    return Surprise(kind=kind, **_MADE[kind](name, seed, today or datetime.date.today()))


def _number(text: str) -> int:
    """A number that looks random and is the same everywhere."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest())


def festival(year: int) -> datetime.date:
    """The first day of the lunar year that begins in this year; after 2050 about so."""
    at = year - FIRST_YEAR
    days = FESTIVALS[at] if 0 <= at < len(FESTIVALS) else LATER
    return datetime.date(year, 1, 1) + datetime.timedelta(days - 1)


def coming(today: datetime.date) -> int:
    """The lunar year that couplets are pasted for: the next one, or this one until its Lantern Festival is over."""
    return today.year + (today >= festival(today.year) + datetime.timedelta(DAYS))


def animal(year: int) -> str:
    """The animal of a lunar year."""
    return list(ANIMALS)[(year - 4) % 12]


def stem_branch(year: int) -> str:
    """The year in the count of sixty: 丙午."""
    return STEMS[(year - 4) % 10] + BRANCHES[(year - 4) % 12]


def _luck(name: str, seed: int, today: datetime.date) -> dict[str, str]:
    text = (
        "福字倒贴：福倒了，福到了 / luck (福) hung upside down: “luck is upside down” sounds like "
        "“luck has arrived” (福到了)"
    )
    return {"mark": "福", "text": text}


def _firecrackers(name: str, seed: int, today: datetime.date) -> dict[str, str]:
    text = (
        "两挂爆竹：“爆竹声中一岁除，春风送暖入屠苏”（王安石《元日》） / two strings of firecrackers: “amid their "
        "cracks a year is gone, and the spring wind warms the wine” (Wang Anshi, 元日)"
    )
    return {"mark": "春", "text": text}


def _zodiac(name: str, seed: int, today: datetime.date) -> dict[str, str]:
    year = coming(today)
    sign, count = animal(year), stem_branch(year)
    text = (
        f"生肖窗花：{year} 年是{count}{sign}年 / a paper-cut for the window: {year} is the year of the {ANIMALS[sign]} "
        f"({count}{sign}年)"
    )
    return {"mark": sign, "text": text}


def _riddle(name: str, seed: int, today: datetime.date) -> dict[str, str]:
    known = [c for c in name if c in SPLITS]
    number = _number(f"{name} {seed} riddle")
    if not known:
        zh, en, answer = OTHERS[number % len(OTHERS)]
        text = f"灯谜：“{zh}”，打一字 / a lantern riddle: “{zh}”, {en}: which character is it?"
        return {"mark": "谜", "text": text, "answer": answer}
    char = known[number % len(known)]
    one, other = tuple(SPLITS[char])
    text = (
        f"灯谜：“{one}”遇“{other}”，打名中一字 / a lantern riddle: {one} meets {other}: "
        "which character of the name is it?"
    )
    return {"mark": "谜", "text": text, "answer": f"{char} = {one} + {other}"}


def _envelope(name: str, seed: int, today: datetime.date) -> dict[str, str]:
    zh, en = WISHES[_number(f"{name} {seed} wish") % len(WISHES)]
    text = "压岁红包一封，打开看看 / a red envelope, as children get at New Year: open it"
    return {"mark": "吉", "text": text, "answer": f"{zh} / {zh}: {en}"}


_MADE = {"luck": _luck, "firecrackers": _firecrackers, "zodiac": _zodiac, "riddle": _riddle, "envelope": _envelope}
