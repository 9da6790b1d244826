"""Downloads of upstream's files, from a server on this machine."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rondo.data import download as downloading
from rondo.data.catalog import DATA_SETS, DataSet, Origin, Source, sources
from rondo.data.registry import DataSetError, find, named
from upstream import LINES, ccpc_line, command


class Answers(http.server.BaseHTTPRequestHandler):
    """Gives what `files` holds; a path in `short` breaks off half way."""

    files: dict[str, bytes] = {}
    short: set[str] = set()
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        data = self.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.path in self.short else data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Answers]]]:
    """The address of a server and what it answers."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    answers = type("Fresh", (Answers,), {"files": {}, "short": set(), "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), answers) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}", answers
        serving.shutdown()
        thread.join()


def online(*files: Source) -> DataSet:
    return dataclasses.replace(named("ccpc"), raw=Origin("some/where", "c0ffee", "MIT", files))


def test_download_writes_upstreams_files_and_asks_for_none_twice(tmp_path: Path, server: Any) -> None:
    base, answers = server
    data = b"x" * 200_000
    answers.files = {"/some/where/c0ffee/%E8%AF%97/a%20b.json": data, "/some/where/c0ffee/c.txt": b""}
    data_set = online(Source("诗/a b.json", hashlib.sha256(data).hexdigest()), Source("c.txt"))
    paths = list(downloading.download(data_set, tmp_path, base))
    assert paths == [tmp_path / "诗/a b.json", tmp_path / "c.txt"]
    assert [p.read_bytes() for p in paths] == [data, b""]
    assert list(downloading.download(data_set, tmp_path, base)) == paths
    assert len(answers.asked) == 2


def failing(data_set: DataSet, folder: Path, base: str) -> str:
    """The message of a download that fails; what it leaves is whole files alone."""
    with pytest.raises(DataSetError) as error:
        list(downloading.download(data_set, folder, base))
    assert not list(folder.rglob(".*"))
    assert "Give the command again" in str(error.value)
    assert "git clone https://github.com/some/where" in str(error.value)
    assert "rondo data ccpc --from FOLDER --get OUT" in str(error.value)
    return str(error.value)


def test_download_goes_on_where_it_broke_off(tmp_path: Path, server: Any) -> None:
    base, answers = server
    answers.files = {"/some/where/c0ffee/a.txt": b"whole", "/some/where/c0ffee/b.txt": b"12345678"}
    answers.short = {"/some/where/c0ffee/b.txt"}
    data_set = online(*sources("a.txt", "b.txt"))
    assert "b.txt broke off after 4 of 8 bytes" in failing(data_set, tmp_path, base)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    answers.short = set()
    assert len(list(downloading.download(data_set, tmp_path, base))) == 2
    assert answers.asked.count("/some/where/c0ffee/a.txt") == 1


def test_download_refuses_another_content(tmp_path: Path, server: Any) -> None:
    base, answers = server
    answers.files = {"/some/where/c0ffee/a.txt": b"other"}
    message = failing(online(Source("a.txt", "0" * 64)), tmp_path, base)
    assert "is not the file that is recorded" in message
    assert not list(tmp_path.iterdir())


def test_download_of_what_is_not_there_or_too_large(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, answers = server
    assert "the server answers 404" in failing(online(Source("a.txt")), tmp_path, base)
    monkeypatch.setattr(downloading, "MOST", 1 << 20)
    answers.files = {"/some/where/c0ffee/a.txt": b"x" * (1 << 21)}
    assert "larger than 1 MB" in failing(online(Source("a.txt")), tmp_path, base)


def test_download_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert "cannot be reached" in failing(online(Source("a.txt")), tmp_path, "http://127.0.0.1:9")


def test_a_server_that_says_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloading, "PATIENCE", 0.1)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        message = failing(online(Source("a.txt")), tmp_path, f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert "timed out" in message


def test_a_redirect_out_of_https_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        length = 1
        read = staticmethod(lambda _: b"")
        geturl = staticmethod(lambda: "http://elsewhere/a.txt")
        __enter__ = lambda self: self
        __exit__ = lambda *_: None

    monkeypatch.setattr(downloading.urllib.request, "urlopen", lambda *_, **__: Answer())
    assert "which is not taken" in failing(online(Source("a.txt")), tmp_path, "https://here")


def test_nothing_to_download(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match=r"mt-tatoeba-fra-eng has nothing to download\. Pairs that share"):
        list(downloading.download(named("mt-tatoeba-fra-eng"), tmp_path))


def test_addresses_are_https_and_pinned() -> None:
    for data_set in (d for d in DATA_SETS if d.raw):
        for source in data_set.raw.files:
            url = downloading.address(data_set.raw, source)
            assert url.startswith(f"https://raw.githubusercontent.com/{data_set.raw.repo}/{data_set.raw.commit}/")
            assert url.isascii()
            assert " " not in url


# ---- the command


def test_get_downloads_and_converts(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = command(monkeypatch, capsys)
    base, answers = server
    origin = named("ccpc").raw
    for part in ("train", "valid", "test"):
        answers.files[f"/{origin.repo}/{origin.commit}/CCPC/ccpc_{part}_v1.0.json"] = ccpc_line(LINES).encode()
    monkeypatch.setattr(downloading, "download", functools.partial(downloading.download, base=base))
    code, out, err = run("ccpc", "--get", str(tmp_path))
    assert code == 0, err
    assert "3/3 ccpc_test_v1.0.json" in err
    assert "note" not in out
    assert find("ccpc", tmp_path, "train.jsonl.gz").is_file()
    assert run("ccpc", "--get", str(tmp_path))[0] == 2
    assert len(answers.asked) == 3, "what would not be written is not fetched"
    assert run("ccpc", "--get", str(tmp_path), "--force")[0] == 0
    assert len(answers.asked) == 3


def test_get_without_a_network_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = command(monkeypatch, capsys)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(downloading, "download", functools.partial(downloading.download, base="http://127.0.0.1:9"))
    code, out, err = run("ccpc", "--get", str(tmp_path))
    assert (code, out) == (2, "")
    assert "cannot be reached" in err
    assert "--from FOLDER" in err
