"""Serving a class: what the command says, and how many may come at once."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Sequence
from pathlib import Path

from rondo.lab.roster import read
from rondo.studio.classroom_desk import admit, chosen, open_class
from rondo.studio.serve import serve as serve_studio
from rondo.studio.serve import url

MOST = 2000  # connections: a hundred browsers open six each
FILES = 4096


def serve(
    folder: Path,
    roster: Path,
    experiments: Sequence[str],
    dues: Sequence[str],
    host: str,
    port: int,
    tls: tuple[Path, Path] | None,
) -> None:
    """Open the class and serve it until it is stopped. Raises RosterError, ClassError, StudioError and others."""
    people, chosen_ones = read(roster), chosen(experiments, dues)
    address = url(host, port, tls is not None)
    shown = address if host not in ("0.0.0.0", "::") else ""  # a name that holds for other machines is not known here
    desk, passwords = open_class(folder, people, chosen_ones, shown)
    os.environ["RONDO_STUDIO"] = str((folder / "runs").resolve())  # not the trainings of whoever serves
    _more_files()
    students = sum(not one.teacher for one in desk.accounts.people())
    print(f"{folder}: {students} 名学生 / students; {', '.join(chosen_ones)}")
    if passwords:
        print(f"首次密码，请打印裁开 / first passwords, to be printed and cut: {passwords}")
    if tls is None and host not in ("127.0.0.1", "localhost", "::1"):
        print(
            "注意：没有 https，同一网络里的人可能看到密码 / note: without https (--certificate, --key) others on the "
            "network may read passwords"
        )
    signal.signal(signal.SIGTERM, _leave)
    try:
        serve_studio(host, port, False, "course", lambda app: admit(app, desk), MOST, tls)
    finally:
        desk.store.close()


def _leave(*_: object) -> None:
    """Ended by another process: as by Ctrl-C, the store is closed."""
    raise SystemExit(0)


def _more_files() -> None:
    """As many open files as the connections need, where the system grants them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
