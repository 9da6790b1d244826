"""The machine and the software that a run stood on."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

import rondo
from rondo.kernels import build


def describe() -> dict[str, Any]:
    """What the numbers depend on, for the head of the output and the file."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "load": [round(v, 2) for v in os.getloadavg()],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "rondo": rondo.__version__,
        "compiler": compiler_version(),
        "march": build.march(),
        "vector_floats": int(build.runtime("float").rondo_lanes()),
        "dtype": "float32",
    }


def cpu_model() -> str:
    """The CPU's name as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((v.partition(":")[2].strip() for v in lines if v.startswith("model name")), platform.processor())


def compiler_version() -> str:
    """The first line of what the compiler says of itself."""
    done = subprocess.run([build.compiler(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.partition("\n")[0]
