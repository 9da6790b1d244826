"""Imagery: from any theme to images of classical verse, one for each line of a poem.

A theme is cut into the longest words that are known: the lexicon tables/modern.tsv leads from words that no old poem
has (地铁, 高考, 我爱你) to images, written by hand; the table imagery.tsv.gz knows the images of Tang and Song poems,
and for each of them, and for every character, the images that keep it company there (scripts/imagery_table.py). A
character that stands in no known word leads to the images that hold it (冰 -> 冰壶) and to its company (冰 -> 姑射).
So each part of the theme has a pool of images with strengths from 0 to 1. An image w is drawn for a line with

    p(w)  ~  s(w)^SHARP (1 + sum of s_q(w) over the other parts q + sum of s(c, w) over the images c drawn before)

where no character comes twice: what belongs together is drawn together.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rondo.verse.script import is_han, simplify
from rondo.verse.tables import FOLDER, rows

SYMBOLS = 8  # characters that steer a whole poem
NEAR = (0.9, 0.65, 0.45, 0.3)  # strengths of the table's four columns
FIRST, LAST = 1.0, 0.6  # strengths of a lexicon word's first and last image
HOLDING, RARER = 0.8, 0.25  # strength of an image that holds a character: 0.8 (its poems / the commonest one's)^0.25
COMPANY = 0.25  # what the company of a lexicon word's images counts
FURTHER = 16  # images taken from that company
SHARP = 3.0  # 0: all images alike; high: the strongest always
AGAIN = 0.2  # weight of an image that an earlier draw of the same call has
CLOSE, TELLING = 0.65, 2  # a character left over counts if it has so much company of this strength
SPEAKING = 2  # longest theme whose words of grammar are read as characters
LONGEST = 8  # characters of a lexicon word

Pool = dict[str, tuple[float, tuple[str, ...]]]  # of images: strength and path

SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金"
    "石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳"
    "翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司"
)
# surnames that are images too
SCENIC = frozenset("李杨林梅柳江云石花叶兰竹松龙马白金黄雷田谷水山池泉月春秋苗童柏荷燕凤蓝")
DOUBLE = (
    "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 司徒 夏侯 南宫 端木 独孤 宇文 长孙 轩辕"  # of two characters
)

# the radicals in their old order, which is that of Unicode: a character's radical is the last one before it
RADICALS = (
    "一丨丶丿乙亅二亠人儿入八冂冖冫几凵刀力勹匕匚匸十卜卩厂厶又口囗土士夂夊夕大女子宀寸小尢尸屮山巛工己巾干幺广廴廾弋弓彐彡彳"
    "心戈戶手支攴文斗斤方无日曰月木欠止歹殳毋比毛氏气水火爪父爻爿片牙牛犬玄玉瓜瓦甘生用田疋疒癶白皮皿目矛矢石示禸禾穴立竹米糸纟缶网"
    "羊羽老而耒耳聿肉臣自至臼舌舛舟艮色艸虍虫血行衣襾見见角言讠谷豆豕豸貝贝赤走足身車车辛辰辵邑酉釆里金钅長門门阜隶隹雨靑非面革"
    "韋韭音頁页風风飛食饣首香馬马骨高髟鬥鬯鬲鬼魚鱼鳥鸟鹵鹿麥麻黃黍黑黹黽鼎鼓鼠鼻齊齒龍龜龠"
)
# what a character that nothing is known of may have to do with, by its radical
KIN = {
    radical: images.split()
    for radicals, images in (
        ("冫", "冰霜 寒气"),
        ("土", "尘土 荒城"),
        ("女", "红妆 蛾眉"),
        ("山", "青山 层峦"),
        ("心", "愁绪 梦魂"),
        ("日", "白日 晓光"),
        ("月肉", "瘦骨 病骨"),
        ("木", "乔木 深林"),
        ("水", "清波 江流"),
        ("火", "灯火 火云"),
        ("犬豸", "犬吠 狐狸"),
        ("玉", "碧玉 明珠"),
        ("疒", "药炉 病骨"),
        ("石", "白石 石磴"),
        ("禾米", "稻花 玉粒"),
        ("竹", "修竹 竹影"),
        ("糸纟", "罗绮 柳丝"),
        ("艸", "芳草 幽花"),
        ("虫", "虫声 流萤"),
        ("衣", "罗衣 征衣"),
        ("言讠", "笑语 新诗"),
        ("足走", "芒鞋 行路"),
        ("車车", "车马 轮蹄"),
        ("酉", "浊酒 一樽"),
        ("金钅", "铁石 宝剑"),
        ("門门", "柴门 闭门"),
        ("雨", "风雨 云气"),
        ("風风", "清风 长风"),
        ("食饣", "炊烟 鸡黍"),
        ("馬马", "骏马 马蹄"),
        ("魚鱼", "游鱼 锦鳞"),
        ("鳥鸟隹", "好鸟 飞鸟"),
    )
    for radical in radicals
}
SEASONS = ("春天", "夏天", "秋天", "冬天")  # where there is nothing to go by


@dataclass(frozen=True)
class Image:
    """An image for a line, and how the theme led to it: its path ends in the word (啤酒 -> 浮蚁; 冰 -> 姑射)."""

    word: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return " → ".join(self.path)


@dataclass(frozen=True)
class Imagery:
    """What steers a poem.

    symbols  up to SYMBOLS characters for the whole poem: the theme's own where verse has them, then the images'
    images   one for each line
    unknown  characters of the theme that nothing is known of
    known    whether the theme led anywhere; if not, the images are a season's, or go by the radical
    """

    symbols: str
    images: tuple[Image, ...]
    unknown: str
    known: bool


@dataclass(frozen=True)
class Part:
    """A word or character of the theme with its pool: each image's strength and path."""

    text: str
    pool: Pool
    own: str = ""  # itself, where old verse has it
    whole: bool = True  # a word, not a character left over
    told: tuple[str, ...] = ()  # the images that the lexicon gives it


@functools.cache
def lexicon() -> dict[str, tuple[str, ...]]:
    """Modern words and their images, the most telling first; () for words that steer nothing."""
    found = {}
    for row in (FOLDER / "modern.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        keys, _, images = row.partition("\t")
        found.update(dict.fromkeys(keys.split(), tuple(images.split())))
    return found


@functools.cache
def _table() -> dict[str, list[str]]:
    """Every image and character of verse: the poems that have it, and four columns of images run together."""
    return {head: fields for head, *fields in rows("imagery")}


@functools.cache
def _holding() -> dict[str, list[str]]:
    """For each character the images that hold it, commonest first."""
    found = defaultdict(list)
    for head in images():
        for char in dict.fromkeys(head):
            found[char].append(head)
    return found


def images() -> Iterator[str]:
    """All images, commonest first."""
    return (head for head in _table() if len(head) == 2)


@functools.cache
def company(head: str) -> dict[str, float]:
    """The images that stand in the same poems as an image or character more than by chance, the closest first, with
    strengths; empty for what old verse does not have."""
    return {
        column[i : i + 2]: strength
        for column, strength in zip(_table().get(head, [""])[1:], NEAR, strict=False)
        for i in range(0, len(column), 2)
    }


def imagery(theme: str, lines: int, random: random.Random, count: int = 1, without: str = "") -> list[Imagery]:
    """`count` draws of images for the lines of a poem on a theme: any text, simplified or traditional; all but Chinese
    characters only part its words. No image has a character of `without`. The same random state, the same draws.
    """
    found = parts(theme)
    unknown = "".join(dict.fromkeys(piece for piece in _pieces(theme) if not _known(piece)))
    used = found or _kin(unknown) or [_modern(random.choice(SEASONS))]
    drawn: list[Imagery] = []
    for _ in range(count):
        again = {image.word for other in drawn for image in other.images}
        chosen = _draw(used, lines, random, frozenset(without), again)
        own = "".join(part.own for part in used)
        symbols = dict.fromkeys(own + "".join(image.word for image in chosen))
        drawn.append(Imagery("".join(symbols)[:SYMBOLS], chosen, unknown, bool(found)))
    return drawn


def _draw(
    parts: Sequence[Part], lines: int, random: random.Random, without: frozenset[str], again: set[str]
) -> tuple[Image, ...]:
    """An image for each line: the parts take turns, one that is a word of old verse begins with itself."""
    chosen: list[Image] = []
    turns = _turns(parts)
    while len(chosen) < lines:
        used = without.union(*(image.word for image in chosen))
        for part in itertools.islice(turns, len(parts)):
            weights = _weights(part, parts, chosen, used, again)
            if weights:
                word = random.choices(list(weights), list(weights.values()))[0]
                chosen.append(Image(word, part.pool[word][1]))
                break
        else:
            chosen.append(_further(chosen, used, random))
    return tuple(chosen)


def _turns(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts in turn; where there are words, a character left over has one turn only."""
    yield from parts
    yield from itertools.cycle([part for part in parts if part.whole] or parts)


def _weights(
    part: Part, parts: Sequence[Part], chosen: Sequence[Image], used: frozenset[str], again: set[str]
) -> dict[str, float]:
    """How likely each image of a part's pool is to be drawn next; none has a character used before."""
    if part.own in part.pool and used.isdisjoint(part.own):
        return {part.own: 1.0}
    weights = {}
    for word, (strength, _) in part.pool.items():
        if used.isdisjoint(word):
            shared = sum(other.pool[word][0] for other in parts if other is not part and word in other.pool)
            shared += sum(company(image.word).get(word, 0.0) for image in chosen)
            weights[word] = strength**SHARP * (1 + shared) * (AGAIN if word in again else 1)
    return weights


def _further(chosen: Sequence[Image], used: frozenset[str], random: random.Random) -> Image:
    """An image that no part leads to: the closest company of one drawn before, or, if that is used up, any."""
    for image in random.sample(chosen, len(chosen)):
        near = next((word for word in company(image.word) if used.isdisjoint(word)), None)
        if near:
            return Image(near, (*image.path, near))
    word = random.choice([word for word in images() if used.isdisjoint(word)] or list(images()))
    return Image(word, (word,))


def parts(theme: str) -> list[Part]:
    """The parts of a theme that lead to images, words before characters left over. Beside words, a character counts
    only if it keeps close company. A short theme of nothing but words of grammar (上, 老) is read as characters."""
    pieces = dict.fromkeys(_pieces(theme))
    found = [part for part in map(_part, pieces) if part.pool]
    if not found and len("".join(pieces)) <= SPEAKING:
        return [part for part in map(_single, dict.fromkeys("".join(pieces))) if part.pool]
    words = [part for part in found if part.whole]
    left = [part for part in found if not part.whole]
    return words + [part for part in left if not words or _telling(part.text)]


def _telling(char: str) -> bool:
    return sum(strength >= CLOSE for strength in company(char).values()) >= TELLING


def _pieces(theme: str) -> list[str]:
    return [piece for run in _runs(theme) for piece in _name(run) or _cut(run)]


def _runs(theme: str) -> list[str]:
    """The runs of Chinese characters of a text, simplified."""
    plain = "".join(char if is_han(char) else " " for char in simplify(theme))
    return plain.split()


def _name(run: str) -> list[str]:
    """The characters of a person's name, the given name first; [] if this is none. A surname counts only if it is an
    image too."""
    size = 2 if run[:2] in DOUBLE.split() else 1
    if not size < len(run) <= size + 2 or (size == 1 and run[0] not in SURNAMES):
        return []
    if len(_cut(run)) < len(run):  # it holds a word
        return []
    return [*run[size:], *(char for char in run[:size] if char in SCENIC or lexicon().get(char))]


def _cut(run: str) -> list[str]:
    """The run cut into known words and single characters: the cut with the largest sum of squared lengths, where words
    of grammar count half (我 想家, not 我想 家); of equal ones the one whose first piece is longer."""
    best: list[tuple[float, list[str]]] = [(0.0, [])]  # of what is left, from the end
    for start in reversed(range(len(run))):
        ends = range(min(len(run), start + LONGEST), start, -1)
        pieces = (run[start:end] for end in ends if end == start + 1 or _known(run[start:end]))
        cuts = [(_worth(piece) + best[len(piece) - 1][0], [piece, *best[len(piece) - 1][1]]) for piece in pieces]
        best.insert(0, max(cuts, key=lambda cut: cut[0]))
    return best[0][1]


def _known(word: str) -> bool:
    return word in lexicon() or word in _table()


def _worth(piece: str) -> float:
    return len(piece) ** 2 * (1.0 if lexicon().get(piece, ("",)) else 0.5)


def _part(piece: str) -> Part:
    if piece in lexicon():
        return _modern(piece)
    return _word(piece) if len(piece) > 1 else _single(piece)


def _modern(word: str) -> Part:
    """A word of the lexicon: its images, and what keeps company with them."""
    told = lexicon()[word]
    step = (FIRST - LAST) / max(1, len(told) - 1)
    pool: Pool = {image: (FIRST - k * step, (word, image)) for k, image in enumerate(told)}
    near: defaultdict[str, float] = defaultdict(float)
    through: dict[str, tuple[str, ...]] = {}
    for image in told:
        for other, strength in company(image).items():
            near[other] += COMPANY * strength
            through.setdefault(other, (*dict.fromkeys((word, image)), other))
    more = sorted((w for w in near if w not in pool), key=lambda w: -near[w])[:FURTHER]
    pool |= {w: (min(near[w], LAST), through[w]) for w in more}
    own = word if told and word in _table() else ""
    if len(own) > 1:
        pool[own] = (FIRST, (own,))
    return Part(word, pool, own, told=told)


def _word(word: str) -> Part:
    """An image of old verse: itself, and its company."""
    pool: Pool = {word: (FIRST, (word,))}
    pool |= {other: (strength, (word, other)) for other, strength in company(word).items()}
    return Part(word, pool, word)


def _single(char: str) -> Part:
    """A character: the images that hold it, and its company."""
    holding = {word: int(_table()[word][0]) for word in _holding().get(char, [])}
    most = max(holding.values(), default=1)
    strengths = {word: HOLDING * (poems / most) ** RARER for word, poems in holding.items()} | company(char)
    pool: Pool = {word: (strength, (char, word)) for word, strength in strengths.items()}
    return Part(char, pool, char if pool else "", whole=False)


def _kin(unknown: str) -> list[Part]:
    """Parts for unknown characters by what their radicals mean."""
    parts = []
    for char in unknown:
        radical = RADICALS[max(0, bisect.bisect(RADICALS, char) - 1)]
        if char <= "\u9fff" and radical in KIN:
            parts.append(Part(char, {image: (FIRST, (char, radical, image)) for image in KIN[radical]}))
    return parts
