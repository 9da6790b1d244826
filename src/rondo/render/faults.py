"""What is wrong with equations, for a page: the line, and the message in Chinese beside the English one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rondo.expr.nodes import EquationError
from rondo.expr.reader import FUNCTIONS

INSIDE = re.compile(r"^\w+, line (\d+)(?:: [^\n]*)?(?:\n|$)")  # GRU, line 3: the line\n  what is wrong
BARE = re.compile(r"^\s*line (\d+): ")  # line 3: what is wrong: the code
TITLE = re.compile(r"^\w+: ")
NAMED = re.compile(r"'([^'\s]+)'|(\S+) is read but|size of (\w+)|same step: (\w+)|matrix (\w+)|^(\w+) is ")

# message in English -> in Chinese; groups are names, which stay as they are
CHINESE = [
    (r"unknown name '(.+?)': a free name is a matrix left of @, or a vector whose name begins with b, p, g or w",
     r"未知的名字 \1：自由的名字是 @ 左边的矩阵，或以 b、p、g、w 开头的向量"),
    (r"unknown name '(.+?)'", r"未知的名字 \1"),
    (r"unknown function '(.+?)'", r"未知的函数 \1"),
    (r"; did you mean '(.+?)'\?", r"；是不是想写 \1？"),
    (r"; known names: (.*)", r"；已知的名字：\1"),
    (r"did you mean (\S+)\?", r"是不是想写 \1？"),
    (r"elementwise (\w+): ", r"逐元素运算 \1："),
    (r"the update of state (\w+): ", r"状态 \1 的更新："),
    (r"one side has size (\S+), the other (\S+)", r"一边大小是 \1，另一边是 \2"),
    (r"the state '(.+?)' is never used; remove it or use .*", r"状态 \1 从没有用到：删去它，或者用上它"),
    (r"these lines need each other's result at the same step: (.*?); ", r"这些行在同一步互相需要对方的结果：\1；"),
    (r"nothing is carried in time: no equation reads a name at <t-1>",
     "没有随时间传下去的量：没有一行读到 <t-1> 的名字"),
    (r"(\S+) is read but (\S+) is never computed; add a line (.*)", r"读了 \1，却没有算出 \2：加一行 \3"),
    (r"the last line must be return State\(\.\.\.\)", "最后一行必须是 return State(...)"),
    (r"the last line must be (.*)", r"最后一行必须是 \1"),
    (r"a line must be name = equation, one for each name", "一行要写成 名字 = 式子，每个名字只写一行"),
    (r"a line must be name = equation, or (.+)", r"一行要写成 名字 = 式子，或者 \1"),
    (r"a line must be name = equation", "一行要写成 名字 = 式子"),
    (r"no equations found: write one a line, name = equation", "没有找到式子：一行一个，写成 名字 = 式子"),
    (r"'(.+?)' is given already; a line computes a new name", r"\1 已经有了：一行要算出一个新名字"),
    (r"(\w+) is a function: write (\S+)", r"\1 是函数：要写成 \2"),
    (r"(\w+) takes (\d+) argument\(s\), in order", r"\1 要按次序给 \2 个参数"),
    (r"'(.+?)' cannot be assigned; choose another name", r"\1 不能被赋值：换一个名字"),
    (r"the size of (\S+) is not fixed by the equations; declare it: .*",
     r"式子没有定出 \1 的大小：在“大小与初值”里写明它"),
    (r"the character (.+?) \((.+?)\) is not allowed in equations: .*",
     r"式子里不能有字符 \1：用拉丁字母、数字、_ 和希腊字母"),
    (r"'(.+?)' was never closed", r"\1 没有合上"),
    (r"unmatched '(.+?)'", r"多出一个 \1"),
    (r"invalid syntax(?:\. Perhaps you forgot a comma\?)?", "写法不对"),
    (r"unexpected indent", "缩进多了"),
    (r"expected an indented block.*", "这里要缩进"),
    (r"unindent does not match any outer indentation level", "缩进对不齐"),
    (r"expected ':'", "这里缺一个冒号"),
    (r"division by the number 0", "除以数字 0"),
    (r"the left side of @ must be a free name: (.*)", r"@ 的左边必须是参数的名字：\1"),
    (r"the left side of @ must be a parameter: .*", "@ 的左边必须是参数：写 W @ v，W 是一个未用过的名字"),
    (r"the matrix (\S+) is applied to (\d+) stacked vectors in one place and (\d+) in another; use two matrices",
     r"矩阵 \1 在一处乘 \2 个拼接的向量，在另一处乘 \3 个：用两个矩阵"),
    (r"(\S+) is used both as a matrix \(left of @\) and as a vector; use two names",
     r"\1 既作矩阵（在 @ 左边）又作向量：用两个名字"),
    (r"(\d+) nodes; the limit is (\d+)", r"共 \1 个节点，上限是 \2"),
    (r"the equations have over (\d+) nodes", r"式子超过 \1 个节点"),
    (r"the equations are nested deeper than (\d+) or have over (\d+) nodes", r"式子嵌套超过 \1 层，或超过 \2 个节点"),
    (r"brackets are nested (\d+) deep; the limit is (\d+)", r"括号嵌套 \1 层，上限是 \2"),
    (r"the equations take more than (\d+) KB", r"式子超过 \1 KB"),
    (r"a loop of over (\d+) rounds", r"循环超过 \1 次"),
    (r"(.+?) cannot stand in equations", r"式子里不能有 \1"),
    (r"a comparison can only stand as the first argument of (.*)", r"比较只能写在 \1 的第一个参数里"),
    (r"the operator (\w+) is not known: use (.*)", r"不认得运算符 \1：可用 \2"),
    (r"expected an expression or a number, found (\w+)", r"这里要一个式子或一个数，却是 \1"),
    (r"the new (\w+) is a number; a state must be a vector", r"新的 \1 是一个数：状态必须是向量"),
    (r"a cell's text is one function and nothing else: .*",
     "单元的文本只能是一个函数：def Name(x: input, h: hidden): ..."),
    (r"there is no power operator: write (.*)", r"没有乘方：写 \1"),
    (r"a line must be name = derivative, as in (.*)", r"一行要写成 名字 = 导数，如 \1"),
    (r"a line must be name = derivative", "一行要写成 名字 = 导数"),
    (r"no derivative found: write one a line, as in (.*)", r"没有找到导数：一行一个，如 \1"),
    (r"(\S+) is a quantity of one step: no sum over time stands in it", r"\1 是一步之内的量，不对时间求和"),
    (r"a sum over time is added or scaled by a number, nothing else", "对时间的和只能相加，或乘一个数"),
    (r"a sum over time stands inside another", "对时间的和里不能再有对时间的和"),
    (r"(\S+) has the shape (.+?), this (.+)", r"\1 的形状是 \2，这一行是 \3"),
    (r"it is transposed", "多半是转置了"),
    (r"(\S+) @ \.\.\.: the matrix takes size (\S+), the vector has (\S+)", r"\1 @ ...：矩阵要的大小是 \2，向量是 \3"),
    (r"a product is W @ v, W\.T @ d or d @ v\.T; elementwise it is \*",
     "乘积写成 W @ v、W.T @ d 或 d @ v.T；逐元素的写 *"),
    (r"a matrix or a transposed vector stands alone: write (.*)", r"矩阵或转置的向量不能单独站着：写 \1"),
    (r"an outer product is of two vectors: (.*)", r"外积是两个向量的：\1"),
]  # fmt: skip
PATTERNS = [(re.compile(english), chinese) for english, chinese in CHINESE]


@dataclass(frozen=True)
class Fault:
    """A fault of equations: its line (0: of the whole), and what is wrong in both languages."""

    line: int
    english: str
    chinese: str

    @property
    def both(self) -> str:
        return f"{self.chinese} / {self.english}"


def fault(error: EquationError, text: str) -> Fault:
    """Where and what. A message that names no line is looked for by the name that it speaks of."""
    message = str(error)
    place = INSIDE.match(message) or BARE.match(message)
    if place:
        what = message[place.end() :]
        inner = BARE.match(what)  # a line of its own was parsed, and refused by Python's grammar
        what = _without_code(what[inner.end() :] if inner else what) if inner or place.re is BARE else what
    else:
        what = TITLE.sub("", message)
    line = int(place[1]) if place else _line_with(what, text)
    what = _short(what.strip(" :\n"))
    return Fault(line if line <= text.count("\n") + 1 else 0, what, in_chinese(what))


def _without_code(what: str) -> str:
    """A fault of grammar ends with the code, which the page shows already."""
    head, sign, tail = what.rpartition(": ")
    return head if sign and not tail.startswith("use ") else what


def _short(what: str) -> str:
    """The names that are known, without the functions of the language."""
    head, sign, names = what.partition("known names: ")
    return head + sign + ", ".join(n for n in names.split(", ") if n not in FUNCTIONS)


def _line_with(what: str, text: str) -> int:
    for match in NAMED.finditer(what):
        name = next(filter(None, match.groups()))
        for number, line in enumerate(text.split("\n"), 1):
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", line.replace(" <", "<")):
                return number
    return 0


def in_chinese(message: str) -> str:
    """The message in Chinese, as far as its parts are known."""
    for pattern, chinese in PATTERNS:
        message = pattern.sub(chinese, message)
    return message
