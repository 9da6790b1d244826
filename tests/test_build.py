"""The compiler and its cache: keys, private folders, several processes and threads, other CPUs, no compiler at all."""

from __future__ import annotations

import multiprocessing
import os
import re
import stat
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch

from agree import BOUND, CELLS, Shape, compiled_shipped, drawn, fused, graph_of, run_python, truth
from rondo.expr.parse import parse_cell
from rondo.expr.plan import plan
from rondo.kernels import build, check, cpu, dispatch
from rondo.render.cpp import cpp

TINY = 'extern "C" int answer() { return 42; }'
CACHED = (build.compiler, build._compiler_version, build._cpu_features, build.cache_folder, build.runtime)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder, and nothing remembered of the compiler before or after."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("RONDO_CACHE", str(folder))
    for f in CACHED:
        f.cache_clear()
    yield folder
    for f in CACHED:
        f.cache_clear()


# ---------------------------------------------------------------- the key and the folder


def test_the_key_holds_all_that_matters(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build.compile_shared(TINY, "-O0")
    assert build.compile_shared(TINY, "-O0") == first
    made = first.stat().st_mtime_ns
    others = [
        build.compile_shared(TINY + "\n", "-O0"),
        build.compile_shared(TINY, "-O1"),
        build.compile_shared(TINY, "-O0", "double"),
    ]
    for name, value in (("_compiler_version", "g++ 99"), ("_cpu_features", "flags: none")):
        with monkeypatch.context() as patch:
            patch.setattr(build, name, lambda value=value: value)
            others.append(build.compile_shared(TINY, "-O0"))
    with monkeypatch.context() as patch:
        patch.setattr(build, "FLAGS", (*build.FLAGS, "-DOTHER"))
        others.append(build.compile_shared(TINY, "-O0"))
    assert len({first, *others}) == 1 + len(others)
    assert first.stat().st_mtime_ns == made, "what lies in the cache is not built again"


def test_the_folder_is_private_and_holds_whole_files_only(fresh: Path) -> None:
    target = build.compile_shared(TINY, "-O0")
    assert target.parent == fresh
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o700
    assert list(fresh.iterdir()) == [target], "nothing is left of the work aside"
    assert build.load_shared(TINY, "-O0").answer() == 42


def test_written_aside_and_renamed(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the compiler is done nothing stands under the final name."""
    seen: list[list[str]] = []
    real = subprocess.run

    def watched(command: list[str], **more: object) -> object:
        done = real(command, **more)
        seen.append([p.name for p in fresh.glob("*.so")])
        return done

    monkeypatch.setattr(build.subprocess, "run", watched)
    build.compile_shared(TINY, "-O0")
    assert seen
    assert not any(seen)


def test_an_open_folder_is_closed_to_others(fresh: Path) -> None:
    fresh.mkdir(mode=0o777)
    fresh.chmod(0o777)
    build.compile_shared(TINY, "-O0")
    assert not stat.S_IMODE(build.cache_folder().stat().st_mode) & 0o077


def test_what_others_left_in_an_open_folder_is_not_loaded(fresh: Path) -> None:
    """Whoever could write there could have planted a library under the right name."""
    planted = build.compile_shared(TINY, "-O0")
    planted.write_bytes(b"not ours")
    fresh.chmod(0o777)
    build.cache_folder.cache_clear()
    assert build.compile_shared(TINY, "-O0").read_bytes() != b"not ours"


def test_a_folder_of_another_owner_is_not_used(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.mkdir()
    monkeypatch.setattr(build.os, "getuid", lambda: fresh.stat().st_uid + 1)
    assert build.cache_folder() != fresh


def test_a_link_is_not_used(fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    fresh.symlink_to(tmp_path / "elsewhere")
    assert build.cache_folder() != fresh


def test_a_home_that_cannot_be_written(fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file where the folder should be: also root cannot make a folder there."""
    (tmp_path / "home").write_text("")
    monkeypatch.delenv("RONDO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(build.tempfile, "tempdir", str(tmp_path / "tmp"))
    folder = build.cache_folder()
    assert folder == tmp_path / "tmp" / f"rondo-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert build.load_shared(TINY, "-O0").answer() == 42


# ---------------------------------------------------------------- processes and threads

RESULT = """
import torch
from agree import Shape, drawn, graph_of, fused
torch.set_num_threads(1)
got = fused(graph_of("gru"), drawn(graph_of("gru"), Shape(4, 3, 9, lengths=True, resets=True)))
print(got["output"].double().sum().item())
"""


def test_two_processes_build_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        found = pool.map(_in_a_cold_cache, [str(tmp_path / "cache")] * 2)
    assert found[0] == found[1]
    assert all(p.suffix == ".so" for p in (tmp_path / "cache").iterdir())


def _in_a_cold_cache(folder: str) -> str:
    done = run_python(RESULT, RONDO_CACHE=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loss(seed: int) -> float:
    graph = graph_of("gru")
    return check.agreement(fused(graph, k := drawn(graph, Shape(4, 40, 9), seed)), truth(graph, k))


def test_after_a_fork() -> None:
    """OpenMP's threads do not survive a fork: the child computes with one, and right."""
    compiled_shipped()
    assert _loss(0) <= BOUND[torch.float32]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(_loss, range(4)).get(timeout=60)
    assert max(found) <= BOUND[torch.float32]


def test_two_python_threads_with_different_weights() -> None:
    """Packed weights, templates and buffers of one layout are shared: no call may see another's."""
    compiled_shipped()
    graph = graph_of("lstm")
    cases = [drawn(graph, Shape(3, 4, 33, lengths=True, resets=True), seed) for seed in range(2)]
    want = [fused(graph, case) for case in cases]
    wrong: list[str] = []

    def work(case: check.Case, truth: check.Tensors) -> None:
        for _ in range(60):
            got = fused(graph, case)
            wrong.extend(k for k, v in truth.items() if not torch.equal(got[k], v))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=pair) for pair in zip(cases, want, strict=True)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


# ---------------------------------------------------------------- other CPUs

WIDTH = """
import pytest, torch
from rondo.cells import shipped
from rondo.kernels import cpu
from agree import Shape, compare, compiled, graph_of
names = {names}
compiled([graph_of(n) for n in names])
assert cpu.kernel(graph_of(names[0]), torch.float32).lanes == {lanes}
with pytest.MonkeyPatch.context() as patch:
    for name in names:
        compare(name, graph_of(name), Shape(4, 3, 19, lengths=True, resets=True), patch, ("one", "rows", "units"))
        compare(name, graph_of(name), Shape(2, 17, 7, reverse=True), patch, ("one", "units"))
"""
SOME = ["gru-cho", "layer-norm-lstm", "slstm"]


@pytest.mark.skipif("x86_64" not in os.uname().machine, reason="these are x86-64 levels")
@pytest.mark.parametrize(("march", "lanes"), [("x86-64-v2", 4), ("x86-64-v3", 8)])
@pytest.mark.parametrize("names", [SOME, pytest.param(CELLS, marks=pytest.mark.long)], ids=["some", "all"])
def test_other_vector_widths(march: str, lanes: int, names: list[str]) -> None:
    done = run_python(WIDTH.format(names=names, lanes=lanes), RONDO_MARCH=march)
    assert done.returncode == 0, done.stderr[-3000:]


# ---------------------------------------------------------------- no compiler, a broken one


@pytest.fixture
def no_kernels(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_kernels", {})
    monkeypatch.delenv("CXX", raising=False)
    dispatch._warn_once.cache_clear()
    yield
    dispatch._warn_once.cache_clear()


def plain_gru() -> object:
    """A graph that carries no kernel yet."""
    text = "def Plain(x: input, h: hidden):\n    return State(h=tanh(W @ (h, x) + b))"
    return parse_cell(text)


def test_no_compiler_is_one_warning_and_the_reference(no_kernels: None, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = plain_gru()
    k = drawn(graph, Shape(3, 2, 4))
    monkeypatch.setenv("PATH", "")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = [check.run(graph, k, dispatch.scan)[0] for _ in range(3)]
    assert len(caught) == 1
    assert "apt install g++" in str(caught[0].message)
    want = check.run(graph, k, dispatch.reference.scan)[0]
    assert all(torch.equal(y, want) for y in got)
    assert "no C++ compiler" in dispatch.explain(graph, torch.device("cpu"), torch.float32)


def test_a_broken_compiler_is_named(no_kernels: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bad++"
    broken.write_text("#!/bin/sh\necho 'internal compiler error: out of luck' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    graph = plain_gru()
    k = drawn(graph, Shape(3, 2, 4))
    with pytest.warns(UserWarning, match=r"(?s)bad\+\+.*out of luck"):
        y, _ = check.run(graph, k, dispatch.scan)
    assert torch.equal(y, check.run(graph, k, dispatch.reference.scan)[0])


def test_import_calls_no_compiler() -> None:
    done = run_python("import rondo, rondo.nn; rondo.RNN('gru', 2, 3)", CXX="/bin/false", PATH="")
    assert done.returncode == 0, done.stderr
    assert not done.stderr


# ---------------------------------------------------------------- the generated text

KEYWORDS = {
    *(
        "C",
        "INFINITY",
        "REAL",
        "V",
        "VI",
        "VL",
        "View",
        "const",
        "double",
        "e",
        "extern",
        "float",
        "for",
        "if",
        "int64_t",
    ),
    *("live", "load", "n", "r", "r0", "r1", "saving", "splat", "store", "sum", "u", "u0", "u1", "v", "void"),
}


def test_no_name_of_the_equations_reaches_the_compiler() -> None:
    text = "def Evil(x: int, system: class_, union: hidden, final: hidden):\n" + "\n".join(
        f"    {line}"
        for line in [
            "exit = tanh(WREAL @ (system, x) + bdefine)",
            "abort = sigmoid(Wvolatile @ (union, final, x)) * gnu",
            "return State(system=exit, union=abort, final=tanh(norm(abort)))",
        ]
    )
    graph = parse_cell(text)
    words = set(re.findall(r"[^\W\d]\w*", cpp(plan(graph))))
    known = re.compile(r"v\d+|s\d+|k[fb][pls]\d+_[0-9a-f]*_(region|reduce)|(v|load|store|lanes)_\w+|C|e")
    assert {w for w in words if not known.fullmatch(w)} <= KEYWORDS
    names = {"system", "exit", "abort", "REAL", "define", "volatile", "union", "final", "class_", "gnu"}
    assert not (names - {"REAL"}) & words


STABLE = """
import hashlib
from rondo.cells import shipped
from rondo.expr.plan import plan
from rondo.render.cpp import cpp
print(hashlib.sha256("".join(cpp(plan(c().graph)) for c in shipped().values()).encode()).hexdigest())
"""


def test_generated_text_is_the_same_in_every_process() -> None:
    found = [run_python(STABLE, PYTHONHASHSEED=seed) for seed in ("0", "1", "777")]
    assert all(done.returncode == 0 for done in found), found[0].stderr
    assert len({done.stdout for done in found}) == 1
