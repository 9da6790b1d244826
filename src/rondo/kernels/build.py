"""The compiler: generated and fixed C++ to a shared object, cached by content. The only file that calls a compiler.

The key holds source, compiler version, flags and CPU features; objects are written aside and renamed, so that two
processes may build the same thing at once. The folder is private to the user; RONDO_CACHE names another one.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

NATIVE = Path(__file__).with_name("native")
FLAGS = ("-std=c++17", "-fPIC", "-shared", "-fno-math-errno", "-ffp-contract=fast", "-fno-semantic-interposition", "-w")


class NoCompilerError(RuntimeError):
    """There is no usable C++ compiler; the message says what to install."""


@functools.cache
def compiler() -> str:
    """The C++ compiler: $CXX, else g++, c++ or clang++."""
    if os.name != "posix":
        raise NoCompilerError("fused kernels are built on Linux and other POSIX systems only")
    for name in (os.environ.get("CXX"), "g++", "c++", "clang++"):
        if name and shutil.which(name):
            return name
    raise NoCompilerError("no C++ compiler found (on Debian or Ubuntu: apt install g++)")


@functools.cache
def _compiler_version() -> str:
    return subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]


@functools.cache
def _cpu_features() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    return next((line for line in text.split("\n") if line.startswith(("flags", "Features"))), platform.machine())


def march() -> str:
    """The target CPU: RONDO_MARCH, else this machine."""
    return os.environ.get("RONDO_MARCH", "native")


@functools.cache
def cache_folder() -> Path:
    """A folder of ours that nobody else can write: RONDO_CACHE, the user's cache, else a temporary one."""
    own = os.environ.get("RONDO_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    usual = [Path(home) / "rondo", Path(tempfile.gettempdir()) / f"rondo-{os.getuid()}"]
    for folder in [Path(own)] if own else usual:
        if _private(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="rondo-"))


def _private(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.stat()
        if info.st_uid != os.getuid() or folder.is_symlink():
            return False
        if info.st_mode & 0o022:  # whoever could write there could have left a library under the right name
            return False
        if stat.S_IMODE(info.st_mode) & 0o077:
            folder.chmod(0o700)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _flags(optimise: str, real: str) -> tuple[str, ...]:
    return (*FLAGS, optimise, f"-march={march()}", f"-DREAL={real}", f"-I{NATIVE}")


def object_file(source: str, optimise: str = "-O2", real: str = "float") -> Path:
    """Where the shared object of `source` lies, or will lie, in the cache. Raises NoCompilerError."""
    header = (NATIVE / "vec.h").read_text()
    parts = (source, header, _compiler_version(), *_flags(optimise, real)[:-1], _cpu_features(), platform.machine())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    return cache_folder() / f"{key}.so"


def compile_shared(source: str, optimise: str, real: str = "float") -> Path:
    """The shared object of `source`, built unless it lies in the cache. Raises NoCompilerError."""
    flags, target = _flags(optimise, real), object_file(source, optimise, real)
    if target.exists():
        return target
    with tempfile.TemporaryDirectory(dir=cache_folder()) as work:
        text, made = Path(work) / "k.cpp", Path(work) / "k.so"
        text.write_text(source)
        command = [compiler(), *flags, str(text), "-o", str(made)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise NoCompilerError(f"the C++ compiler {compiler()} cannot be run: {error}") from None
        if done.returncode:
            raise NoCompilerError(f"{compiler()} failed on generated code:\n{done.stderr[-2000:]}")
        os.replace(made, target)
    return target


def load_shared(source: str, optimise: str = "-O2", real: str = "float") -> ctypes.CDLL:
    """The loaded shared object of `source`."""
    return ctypes.CDLL(str(compile_shared(source, optimise, real)))


@functools.cache
def runtime(real: str) -> ctypes.CDLL:
    """The fixed part of the kernel for float or double, joined to torch's own OpenMP threads."""
    lib = load_shared((NATIVE / "runtime.cpp").read_text(), "-O3", real)
    i64, ptr = ctypes.c_int64, ctypes.c_void_p
    for name, result, arguments in (
        ("rondo_lanes", i64, []),
        ("rondo_panel", i64, []),
        ("rondo_scratch", i64, [i64, i64, i64]),
        ("rondo_run", None, [ptr]),
        ("rondo_pack", None, [ptr, i64, ptr, i64, ptr, ptr, i64, ptr]),
        ("rondo_checksum", i64, [ptr, ptr, i64]),
        ("rondo_huge_pages", None, [ptr, i64]),
        ("rondo_function", None, [i64, ptr, ptr, i64]),
        ("rondo_openmp", None, [ptr, ptr, ptr]),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    openmp = _torch_openmp()
    if openmp is not None:
        names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        lib.rondo_openmp(*(ctypes.cast(getattr(openmp, n), ptr) for n in names))
    return lib


@functools.cache
def _torch_openmp() -> ctypes.CDLL | None:
    """The OpenMP runtime that torch has loaded (never a second one); None where it is not GNU's."""
    try:
        lines = Path("/proc/self/maps").read_text().split("\n")
    except OSError:
        return None
    paths = sorted({line.split()[-1] for line in lines if "libgomp" in line})
    bundled = [p for p in paths if "torch" in p] or paths
    return ctypes.CDLL(bundled[0]) if len(bundled) == 1 else None


def has_threads() -> bool:
    """Whether kernels can use more than one thread here."""
    return _torch_openmp() is not None
