"""The command of the studio."""

from __future__ import annotations

from typing import Annotated

import typer

from rondo.cli.app import app


@app.command()
def studio(
    host: Annotated[
        str, typer.Option(help="address to listen on; 0.0.0.0: for others on the network too")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8000,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="open a browser")] = True,
) -> None:
    """Open the studio in the browser: poems, couplets, cells, texts, lessons."""
    from rondo.studio.serve import serve

    serve(host, port, browser)
