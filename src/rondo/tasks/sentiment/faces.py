"""Emoji as the face codes of Weibo, which the training texts have: 😭 is read as [泪]."""

from __future__ import annotations

FACES = {
    "[哈哈]": "😀😃😄😁😆😸😺",
    "[笑cry]": "😂🤣😹",
    "[可爱]": "😊☺🙂😇🤗🥰",
    "[爱你]": "😍😘😗😙😚😻💋",
    "[馋嘴]": "😋🤤",
    "[偷笑]": "🤭😜😝😛🤪",
    "[酷]": "😎🤩🥳",
    "[心]": "❤💕💖💗💓💞💘💛💚💙💜🧡🤍🖤💝❣",
    "[good]": "👍👌💯🆒",
    "[鼓掌]": "👏🙌🎉🎊",
    "[加油]": "💪🔥✊",
    "[祈祷]": "🙏",
    "[鲜花]": "🌹🌸💐🌺🌷",
    "[太阳]": "☀🌞🌈✨🌟⭐",
    "[思考]": "🤔🧐",
    "[汗]": "😓😅😥💦",
    "[疑问]": "❓🤷😕",
    "[吃惊]": "😮😲😯😳🤯😱",
    "[泪]": "😭😢🥲😿💧",
    "[悲伤]": "😞😔☹🙁😟😣😖😩😫🥺",
    "[伤心]": "💔",
    "[生病]": "🤒🤕😷🤧",
    "[吐]": "🤢🤮",
    "[白眼]": "🙄😒😑😐",
    "[哼]": "😤",
    "[怒]": "😡😠👿😾",
    "[怒骂]": "🤬",
    "[弱]": "👎💩🖕",
    "[拜拜]": "👋",
    "[睡]": "😴💤",
}
_CODES = {ord(emoji): code for code, emojis in FACES.items() for emoji in emojis}


def face_of(emoji: str) -> str:
    """The face code of an emoji, by its first sign; "" for one that has none."""
    return _CODES.get(ord(emoji[0]), "") if emoji else ""
