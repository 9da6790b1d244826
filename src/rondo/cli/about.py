"""Commands about Rondo itself: hello, version."""

from __future__ import annotations

from typing import Annotated

import typer

from rondo.cli.app import app


@app.command()
def hello(
    seed: Annotated[int, typer.Option(help="of the initial weights")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="training steps")] = 120,
) -> None:
    """The lecture's example step by step: a network learns to spell "hello"."""
    from rondo.hello import tell

    tell(seed, steps)


@app.command()
def version() -> None:
    """Versions, the C++ compiler and the kernel cache: what to quote in a report."""
    import platform

    import torch

    import rondo
    from rondo.kernels import build

    try:
        compiler = f"{build.compiler()}, -march={build.march()}"
    except build.NoCompilerError as error:
        compiler = str(error)
    print(f"rondo     {rondo.__version__}")
    print(f"python    {platform.python_version()}")
    print(f"torch     {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"compiler  {compiler}")
    print(f"kernels   {build.cache_folder()}")
