"""Writes docs/cells.md from the code: equations and derived backpropagation through time of every shipped cell.

Run by `make docs`; a test compares the page with the code, so neither can drift from the other.
"""

from __future__ import annotations

from pathlib import Path

from rondo.cell import Cell
from rondo.cells import bibtex, shipped
from rondo.render.bptt import bptt
from rondo.render.latex import plain
from rondo.render.text import equations

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# The cells that ship with Rondo

Written by `make docs` from `src/rondo/cells/`; do not edit. Each cell is given as its equations (the text that
`rondo show CELL` prints) and as what follows from them: backpropagation through time, derived symbolically and checked
against automatic differentiation by the tests. The head is softmax; `rondo show CELL --bptt --head sigmoid` gives the
other.
"""


def section(name: str, cell: Cell) -> str:
    """One cell: what it is, equations, derived BPTT, papers."""
    doc = " ".join(cell.graph.doc.split("\n\n")[0].split())
    return f"""## {name}

{doc}

```python
{equations(cell.graph).rstrip()}
```

<details><summary>Backpropagation through time</summary>

```text
{plain(bptt(cell.graph, "softmax")).rstrip()}
```

</details>

<details><summary>Citation</summary>

```bibtex
{bibtex(cell)}
```

</details>
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(name, cell()) for name, cell in shipped().items())])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} written")
