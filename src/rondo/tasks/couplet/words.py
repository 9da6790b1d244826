"""Word lists of couplets, written for Rondo: what a couplet is for, what a cheerful one leaves out, headings (横批)."""

from __future__ import annotations

from collections.abc import Iterable

from rondo.verse.abuse import any_of


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# what tells the kind of a couplet whose collector did not: two signs of spring or joy, one of mourning
SAD = any_of(
    "泪 魂 哀 (?<!慈)悲 哭 泣 恸 悼 挽 吊 丧 葬 坟 墓 冢 棺 殇 逝 遗容 遗像 遗爱 遗恨 九泉 黄泉 泉台 泉下 仙逝 驾鹤 "
    "跨鹤 骑鲸 千古恨 永诀 永别 长眠 忌日 断肠 肠断 噩耗 薤露 蒿里 灵堂 英灵 亡"
)
SPRING = any_of(
    "新春 迎春 春节 新年 新岁 元旦 除夕 贺岁 岁首 爆竹 桃符 春联 辞旧 旧岁 去岁 迎新 三阳 开泰 瑞雪 五谷 丰登 丰年 "
    "福 吉 祥 瑞 财 禄 喜 贺 庆 春风 春色 春光 春满 春意 神州 华夏 国泰 民安 锦绣 盛世 宏图 鸿运 兴旺 如意 门庭 万象 "
    "人寿 岁月新 燕舞 莺歌"
)
CHEER = any_of(
    "鸳鸯 鸾凤 凤凰于 新婚 花烛 洞房 合欢 并蒂 连理 良缘 佳偶 百年好合 琴瑟 寿 南山 松鹤 蟠桃 鹤算 乔迁 华堂 新居 "
    "落成 弄璋 弄瓦 麟趾 中秋 端阳 团圆 喜 福 庆 贺 祥 瑞"
)


def kind_of(text: str) -> str:
    """What a couplet seems to be for: "sad", "spring", "cheer", or "" where nothing tells."""
    if SAD.search(text):
        return "sad"
    for kind, words in (("spring", SPRING), ("cheer", CHEER)):
        if len(set(words.findall(text))) >= 2:
            return kind
    return ""


# never written in cheerful couplets
GLOOMY = (
    "泪魂哀悲哭泣恸悼挽吊丧葬坟墓冢棺殇逝亡死尸骨鬼魔祸灾殃病痛苦愁怨恨孤寡残败衰凋枯朽穷贫饿寒凄惨断绝灭破碎离别空废荒冷阴暗"
    "昏暮瘦怜伤恶凶囚狱战兵乱仇敌哑盲瘫"
)


# old phrases of four characters that head a spring couplet
HEADINGS = _words(
    "万象更新 春满人间 春回大地 大地回春 春和景明 春意盎然 春色满园 春风得意 春晖普照 春华秋实 四季长春 四海升平 "
    "四季平安 五福临门 五谷丰登 国泰民安 政通人和 风调雨顺 人寿年丰 时和岁丰 物阜民康 家和事兴 合家欢乐 阖家安康 "
    "平安如意 吉祥如意 万事如意 万事亨通 心想事成 福星高照 吉星高照 福寿康宁 福禄寿喜 喜气盈门 喜气洋洋 喜迎新春 "
    "瑞气盈门 紫气东来 瑞雪丰年 三阳开泰 一元复始 辞旧迎新 欢度佳节 普天同庆 百花齐放 百业兴旺 鸟语花香 莺歌燕舞 "
    "花开富贵 竹报平安 梅开五福 龙凤呈祥 龙腾虎跃 前程似锦 鹏程万里 大展宏图 步步高升 金玉满堂 财源广进 招财进宝 "
    "年年有余 岁岁平安 诗礼传家 勤俭持家 厚德载物 天道酬勤 自强不息 人杰地灵 山河锦绣 日月生辉 光耀门庭 江山如画 "
    "华堂生辉 事业有成 学海无涯 文章华国 海阔天空 星光灿烂 云蒸霞蔚 风和日丽 明德惟馨 智勇双全 志在千里 宁静致远 "
    "锦绣前程 科学兴邦 潮平岸阔 锋芒毕露 技艺超群"
)


def headings(hidden: Iterable[str], lines: str) -> list[str]:
    """The headings that fit best: those that hold a hidden character, else those that share none with the lines."""
    keys = set(hidden)
    seen = set(lines) - keys
    worth = {h: len(keys & set(h)) - len(seen & set(h)) / 8 for h in HEADINGS}
    return [h for h, value in worth.items() if value == max(worth.values())]
