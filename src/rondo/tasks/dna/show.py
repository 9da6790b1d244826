"""Marked sequences in a terminal: exons in capitals, introns small, what is unsure in between; proteins."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rondo.tasks.dna.protein import KINDS, ProteinResponse
from rondo.tasks.dna.request import DnaResponse

WIDTH = 60  # bases of a line
STYLES = {"exon": "bold green", "intron": "dim", "unsure": "yellow"}
SIGNS = {"exon": "█", "intron": "─", "unsure": "?"}
NAMES = {"exon": "外显子 exon", "intron": "内含子 intron", "unsure": "不确定 unsure"}
SITES = {"donor": "供体 donor", "acceptor": "受体 acceptor"}
TASKS = {
    "arabidopsis_non_tata": "拟南芥 A. thaliana, without TATA box",
    "arabidopsis_tata": "拟南芥 A. thaliana, with TATA box",
    "mouse_tata": "小鼠 M. musculus, with TATA box",
    "ecoli_sigma70": "大肠杆菌 E. coli, σ70",
    "bacillus": "枯草杆菌 B. subtilis",
}


def show(response: DnaResponse, console: Console | None = None) -> None:
    """Print the sequence with its marks, its sites, and how likely it holds a promoter."""
    console = console or Console(highlight=False)
    console.print(_marked(response))
    for one in response.segments:
        console.print(Text(f"{one.start + 1:>7}-{one.end:<7} {NAMES[one.kind]}  {one.p:.0%}", STYLES[one.kind]))
    for site in response.sites:
        console.print(Text(f"{site.after + 1:>7}|{site.after + 2:<7} {SITES[site.kind]}  {site.p:.0%}"))
    for promoter in response.promoters:
        place = f"{promoter.start + 1:>7}-{promoter.end:<7}"
        kind = f"启动子 promoter {TASKS[promoter.task]} {promoter.strand}"
        console.print(Text(f"{place} {kind}  {promoter.p:.0%}", "dim"))
    for note in response.notes:
        console.print(Text(note, "yellow"))


def _marked(response: DnaResponse) -> Text:
    """Lines of the sequence, under each its marks."""
    kinds = [one.kind for one in response.segments for _ in range(one.end - one.start)]
    text = Text()
    for first in range(0, len(kinds), WIDTH):
        row = kinds[first : first + WIDTH]
        text.append(f"{first + 1:>7} ", "dim")
        for base, kind in zip(response.sequence[first:], row, strict=False):
            text.append(base.lower() if kind == "intron" else base.upper(), STYLES[kind])
        text.append("\n        ")
        for kind in row:
            text.append(SIGNS[kind], STYLES[kind])
        text.append("\n")
    text.right_crop(1)
    return text


def show_protein(response: ProteinResponse, console: Console | None = None) -> None:
    """Print a protein, under each line its structure, and what the letters mean."""
    console = console or Console(highlight=False)
    styles = {"H": "bold magenta", "E": "bold yellow", "C": "dim"}
    for first in range(0, len(response.sequence), WIDTH):
        text = Text(f"{first + 1:>7} {response.sequence[first : first + WIDTH]}\n        ")
        for kind, three in zip(response.structure[first : first + WIDTH], response.three[first:], strict=False):
            text.append(kind, styles[three])
        console.print(text)
    sure = sum(response.p) / len(response.p)
    console.print(Text("  ".join(f"{k} {KINDS[k]}" for k in dict.fromkeys(response.structure)), "dim"))
    console.print(Text(f"平均把握 mean probability {sure:.0%}", "dim"))
