"""Commands of the lab: experiments to write, to work through, to hand in and to mark."""

from __future__ import annotations

import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rondo.cli.app import app

if TYPE_CHECKING:
    from rondo.lab.experiment import Experiment
    from rondo.lab.outcome import Outcome

lab = typer.Typer(help="Experiments: begin, try, report; write one, and mark a class.")
app.add_typer(lab, name="lab")

Folder = Annotated[Path, typer.Argument(metavar="FOLDER")]
Which = Annotated[str, typer.Option("--experiment", metavar="NAME", help="a shipped experiment, or a folder")]
Language = Annotated[str, typer.Option("--lang", help="zh or en")]


@lab.callback(invoke_without_command=True)
def alone(
    context: typer.Context,
    work: Annotated[
        Path | None, typer.Option(metavar="FILE", help="where answers are kept, instead of your data folder")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8000,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="open a browser")] = True,
) -> None:
    """Without a command: open the course in the studio. It needs no account; what you type is kept."""
    if context.invoked_subcommand is not None:
        return
    from rondo.studio.course_desk import open_desk
    from rondo.studio.serve import serve

    own = open_desk(work)
    serve("127.0.0.1", port, browser, "course", lambda application: setattr(application.state, "desk", own))


@lab.command("new")
def new(folder: Folder) -> None:
    """Write the template of an experiment into a new folder."""
    if folder.exists() and any(folder.iterdir()):
        raise typer.BadParameter(f"{folder} is not empty; nothing is overwritten")
    shutil.copytree(str(files("rondo.lab") / "template"), folder, dirs_exist_ok=True)
    print(f"{folder}: edit experiment.toml, then `rondo lab check {folder}`")


@lab.command("check")
def check(folder: Folder) -> None:
    """Say what is wrong with an experiment."""
    from rondo.lab.experiment import load
    from rondo.lab.marking import faults_of

    found = load(folder)
    faults = faults_of(found)
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        raise typer.Exit(1)
    print(f"{found.title.zh} / {found.title.en}: {len(found.parts)} parts, {found.points:g} points")


@lab.command("begin")
def begin(folder: Folder, experiment: Which = "06-rnn") -> None:
    """Begin an experiment: a folder with a file for each answer."""
    from rondo.lab.work import begin as write

    found = write(folder, experiment)
    print(f"{found.title.zh} / {found.title.en}: {folder}; `rondo lab try {folder}`")


@lab.command("try")
def attempt(
    folder: Folder,
    number: Annotated[str, typer.Option(help="学号: its numbers are your own")] = "",
    part: Annotated[str, typer.Option(help="this part alone")] = "",
    lang: Language = "zh",
) -> None:
    """Check the answers in a folder."""
    from rondo.lab.marking import mark, total
    from rondo.lab.work import read

    experiment, answers = read(folder)
    if part:
        experiment = experiment.model_copy(update={"parts": (experiment.part(part),)})
    outcomes = mark(experiment, answers, number, hidden=False)
    _show(experiment, outcomes, lang)
    print(f"{total(outcomes):g} / {experiment.points_shown:g}")


def _show(experiment: Experiment, outcomes: list[Outcome], lang: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_edge=False, show_header=False, pad_edge=False, box=None)
    for _ in range(4):
        table.add_column(overflow="fold")
    for o in outcomes:
        mark, style = ("✓", "green") if o.passed else ("✗", "red")
        table.add_row(experiment.part(o.part).title(lang), o.title(lang), mark, o.message(lang), style=style)
    Console(highlight=False, markup=False).print(table)


@lab.command("report")
def report(
    folder: Folder,
    number: Annotated[str, typer.Option(help="学号")],
    name: Annotated[str, typer.Option(help="姓名 / your name")],
    out: Annotated[Path, typer.Option(help="where to write it")] = Path(),
    lang: Language = "zh",
) -> None:
    """Write the report: one HTML page named 第n次实验-学号-姓名, with its data inside."""
    from pydantic import ValidationError

    from rondo.lab.experiment import faults
    from rondo.lab.report import Student, write
    from rondo.lab.report import report as gather
    from rondo.lab.work import read

    try:
        student = Student(number=number, name=name)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(faults(error))) from None
    experiment, answers = read(folder)
    print(write(out, experiment, gather(experiment, student, answers), lang))


@lab.command("collect")
def collect(
    folder: Folder,
    experiment: Which = "06-rnn",
    out: Annotated[Path, typer.Option(help="the table")] = Path("grades.csv"),
    lang: Language = "zh",
) -> None:
    """Mark every report in a folder: all checks again, hidden ones too; writes grades.csv, and a page beside it with
    the class's curves over one another and the students whose cells are the same."""
    from rondo.lab.class_page import write as write_page
    from rondo.lab.collect import collect as gather
    from rondo.lab.collect import write_grades
    from rondo.lab.work import find

    own = find(experiment)
    marked, refused = gather(own, folder, lambda name: print(name, file=sys.stderr))
    for reason in refused:
        print(reason, file=sys.stderr)
    write_grades(out, own, marked)
    write_page(out.with_suffix(".html"), own, marked, lang)
    for one in (m for m in marked if m.remarks):
        print(f"{one.report.student.number} {one.report.student.name}: {'; '.join(one.remarks)}")
    print(f"{out}, {out.with_suffix('.html').name}: {len(marked)} reports, {len(refused)} refused")


# --- a class ---------------------------------------------------------------------------------------

Class = Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="the class's folder")]


@lab.command("serve")
def serve_class(
    roster: Annotated[Path, typer.Option(metavar="FILE", help="CSV: 学号,姓名,角色 (number,name,role)")],
    folder: Class = Path("class"),
    host: Annotated[str, typer.Option(help="address to listen on; 0.0.0.0: for the whole network")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8000,
    experiment: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="shipped ones, or folders; else all that ship")
    ] = None,
    due: Annotated[list[str] | None, typer.Option(metavar="NAME=TIME", help="06-rnn=2026-12-20T23:59")] = None,
    certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="serve https: a certificate (PEM)")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="and its key (PEM)")] = None,
) -> None:
    """Serve the course to a class: log-in by 学号, hand-in with a receipt, and the teacher's table."""
    from rondo.studio.classroom_serve import serve

    tls = (certificate, key) if certificate and key else None
    if tls is None and (certificate or key):
        raise typer.BadParameter("--certificate and --key go together")
    serve(folder, roster, experiment or [], due or [], host, port, tls)


@lab.command("export")
def export(
    folder: Class = Path("class"),
    out: Annotated[Path, typer.Option(help="the table")] = Path("class.csv"),
    experiment: Annotated[list[str] | None, typer.Option(metavar="NAME", help="these alone")] = None,
) -> None:
    """Write a class's table: who has passed which checks, and handed in when. It may be served meanwhile."""
    from rondo.files import writing_aside
    from rondo.lab.overview import as_csv, overview
    from rondo.studio.classroom_desk import chosen, of_folder

    desk, experiments = of_folder(folder), chosen(experiment or [])
    with writing_aside(out, "utf-8-sig") as file:
        file.write(as_csv(overview(desk.store, desk.accounts.people(), experiments)))
    print(out)


@lab.command("reset")
def reset(number: Annotated[str, typer.Argument(metavar="学号")], folder: Class = Path("class")) -> None:
    """Give somebody of a class a new first password; a teacher too."""
    from rondo.studio.classroom_desk import of_folder

    accounts = of_folder(folder).accounts
    person = accounts.person(number)
    print(f"{person.number} {person.name}: {accounts.reset(person.number)}")


@lab.command("backup")
def backup(out: Annotated[Path, typer.Argument(metavar="FILE")], folder: Class = Path("class")) -> None:
    """Copy a class, while it is served, into one file: class.sqlite in another folder is the class again."""
    from rondo.studio.classroom_desk import of_folder

    of_folder(folder).store.backup(out)
    print(out)


@lab.command("receipt")
def receipt(
    file: Annotated[Path, typer.Argument(metavar="RECEIPT")],
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="a report: is it what was handed in?")] = None,
    folder: Class = Path("class"),
) -> None:
    """Say whether a class gave this receipt, and for what. Exit code 1 where it did not."""
    from rondo.lab.receipts import judged, read
    from rondo.studio.classroom_desk import of_folder

    right, said = judged(of_folder(folder).store, read(file), report)
    print(said)
    if not right:
        raise typer.Exit(1)
