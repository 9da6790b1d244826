"""The DNA desk's routes and its page, in a browser."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo.studio import dna, models
from rondo.tasks.dna.effects import effect_map
from rondo.tasks.dna.fasta import PIECE
from rondo.tasks.dna.letters import bases
from rondo.tasks.dna.request import MAPPED, DnaRequest

from browser import needs_browser, opened, shot

LECTURE = "AGCCCCTGTGAGGAACTAG"
SCRIPT = Path(dna.__file__).parent / "static" / "dna.js"
GENE = re.search(r'GENE = "([ACGT]+)"', SCRIPT.read_text("utf-8"))[1]  # type: ignore[index]  # what the page opens on
DONOR = GENE.index("GTAAGTCTAC") - 1


def test_what_the_page_opens_on_is_solved(api: TestClient) -> None:
    """Three exons and two introns, each junction found where it was put."""
    answer = api.post("/api/dna", json={"sequence": GENE}).json()
    assert [s["kind"] for s in answer["segments"]] == ["exon", "intron", "exon", "intron", "exon"]
    sure = {(s["after"], s["kind"]) for s in answer["sites"] if s["p"] > 0.9}
    second = GENE.index("GTAAGAATAT") - 1
    acceptors = [m.end() - 1 for m in re.finditer("TTTCAG|TTTTCAG", GENE)]
    assert sure == {(DONOR, "donor"), (second, "donor"), *((at, "acceptor") for at in acceptors)}
    assert len(answer["exon"]) == len(GENE)


@pytest.mark.parametrize("sequence", [LECTURE, "a", "nnnn", LECTURE.lower()])
def test_short_and_unclear_sequences_are_answered(api: TestClient, sequence: str) -> None:
    answer = api.post("/api/dna", json={"sequence": sequence}).json()
    assert answer["sequence"] == sequence
    assert any("too short to say" in note for note in answer["notes"])
    assert answer["segments"][-1]["end"] == len(sequence)


def test_a_part_of_the_map_is_that_of_the_whole(api: TestClient) -> None:
    whole = effect_map(models.marker().model, bases(GENE[:120]))
    part = api.post("/api/dna/effects", json={"sequence": GENE[:120], "start": 40, "end": 75}).json()
    assert part["start"] == 40
    assert len(part["change"]) == 35
    for found, row in zip(part["change"], whole[40:75].tolist(), strict=True):
        assert found == pytest.approx(row, abs=2e-3)  # rounded to three places, batches of other sizes
    # without the G of its GT there is no donor
    assert part["change"][DONOR + 1 - 40]["ACGT".index("A")] < -2


def test_the_map_comes_in_steps() -> None:
    order = dna.EffectsRequest(sequence=GENE[:100])
    *progress, last = dna.mapped(order)
    assert [r["done"] for r in progress] == sorted(r["done"] for r in progress)
    assert progress[-1] == {"done": 100, "of": 100}
    assert len(last["change"]) == 100


FILE = f">one a gene\n{GENE[:150]}\n{GENE[150:]}\n\n>two\n{LECTURE.lower()}NN\n"


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_sequences(api: TestClient, packed: bool) -> None:
    data = gzip.compress(FILE.encode()) if packed else FILE.replace("\n", "\r\n").encode()
    answer = api.post("/api/dna/fasta", content=data).json()
    one, two = answer["records"]
    assert (one["name"], one["length"], one["sequence"]) == ("one", len(GENE), GENE)
    assert (two["name"], two["sequence"]) == ("two", f"{LECTURE.lower()}NN")
    alone = api.post("/api/dna", json={"sequence": GENE}).json()["segments"]
    assert one["segments"] == [[s["start"], s["end"], s["kind"]] for s in alone]
    assert answer["bases"] == len(GENE) + len(LECTURE) + 2
    rows = [line.split("\t") for line in answer["bedgraph"].splitlines()]
    assert sum(int(r[2]) - int(r[1]) for r in rows) == answer["bases"]
    assert {line.split("\t")[3] for line in answer["bed"].splitlines()} >= {"exon", "intron", "donor", "acceptor"}


def test_progress_of_a_long_record() -> None:
    *progress, last = dna.filed(b">x\n" + b"ACGTTGCA" * (PIECE // 8 + 50))
    assert len(progress) == 2
    assert progress[-1]["done"] == progress[-1]["of"] == last["bases"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("dna", {"sequence": " \n"}, "at least one base"),
        ("dna", {"sequence": "ACGX"}, "character 4 is 'X'"),
        ("dna", {"sequence": ">a\nACGT"}, "give it as a file"),
        ("dna", {"sequence": "A" * 20_001}, "at most 20000"),
        ("dna", {"sequence": "A" * (MAPPED + 1), "effects": True}, f"at most {MAPPED}"),
        ("dna/effects", {"sequence": "ACGT", "start": 4}, "is a piece"),
        ("dna/effects", {"sequence": "ACGT", "start": 1, "end": 5}, "is a piece"),
        ("dna/effects", {"sequence": "A" * 700, "end": 601}, "at most 600"),
        ("dna/fasta", b"", "no sequence"),
        ("dna/fasta", b"\n\n", "no sequence"),
        ("dna/fasta", b">a\n>b\nACGT\n", "FASTA:2: .*without a sequence|记录里没有序列"),
        ("dna/fasta", b">a\nAC-T\n", "character 3"),
        ("dna/fasta", b"\xff\xfe\x00", "no text"),
        ("dna/fasta", gzip.compress(b">a\nACGT\n", mtime=0)[:-12] + b"xx", "no text"),
        ("dna/fasta", gzip.compress(b">a\n" + b"A" * (2 << 20), mtime=0), "at most 200,000"),
        ("dna/fasta", b">a\nACGT\n" * 501, "500 records"),
    ],
)
def test_wrong_input_is_told(api: TestClient, path: str, body: object, said: str) -> None:
    given = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = api.post(f"/api/{path}", **given)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert re.search(said, answer.json()["detail"])


def test_every_request_of_the_task_is_a_request_of_the_route(api: TestClient) -> None:
    schema = api.get("/api/openapi.json").json()["components"]["schemas"]["DnaRequest"]["properties"]
    assert schema.keys() == DnaRequest.model_fields.keys()


# ---------------------------------------------------------------- the page


def ready(page: Page, base: str) -> None:
    """Until the map of a sequence that begins so is drawn."""
    page.wait_for_function(
        f"() => document.querySelector('#strand .cell') && [...document.querySelectorAll('#strand .base')].slice(0, "
        f"{len(base)}).map((e) => e.textContent.toUpperCase()).join('') === {json.dumps(base.upper())}"
    )


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_base_is_replaced_and_put_back(browser: Browser, site: str, lang: str) -> None:
    given = quote(json.dumps({"sequence": GENE[:100], "at": DONOR + 1}))
    with opened(browser, f"{site}/dna#{given}", lang) as page:
        ready(page, GENE[:8])
        assert page.locator(".flag.donor:not(.weak)").count() == 1
        assert f"{DONOR + 1}|{DONOR + 2}" in page.inner_text("#said")
        page.focus("#strand")
        with page.expect_response("**/api/dna"):
            page.keyboard.press("a")
        page.wait_for_function("() => !document.querySelector('.flag.donor:not(.weak)')")
        assert page.input_value("#sequence")[DONOR + 1] == "A"
        assert page.locator(".base.changed").count() == 1
        ready(page, GENE[:8])
        shot(page, f"dna-{lang}-replaced")
        state = json.loads(unquote(page.url.partition("#")[2]))
        assert state["changes"] == [{"at": DONOR + 1, "was": "G", "now": "A"}]
        page.focus("#strand")
        with page.expect_response("**/api/dna"):
            page.keyboard.press("u")
        page.wait_for_function("() => document.querySelector('.flag.donor:not(.weak)')")
        assert page.input_value("#sequence") == GENE[:100]
        page.keyboard.press("n")
        assert page.locator(".cursor").count() == 1


@needs_browser
def test_a_file_is_dropped_and_downloaded(browser: Browser, site: str, tmp_path: Path) -> None:
    path = tmp_path / "two.fa"
    path.write_text(f">one\n{GENE[:90]}\n>two <b>\n{LECTURE}\n", "utf-8")
    with opened(browser, f"{site}/dna#{quote(json.dumps({'sequence': 'ACGT'}))}", "en") as page:
        ready(page, "ACGT")
        page.set_input_files("#file", path)
        page.wait_for_selector(".record >> nth=1")
        ready(page, GENE[:8])
        page.click(".record >> nth=1")
        ready(page, LECTURE)
        assert page.locator(".record[aria-current]").inner_text().startswith("two")
        assert "too short" in page.inner_text("#notes")
        for kind in ("bed", "bedgraph"):
            with page.expect_download() as download:
                page.click(f"#{kind}")
            names = {line.split("\t")[0] for line in download.value.path().read_text("utf-8").splitlines()}
            assert names == {"one", "two"}
        with page.expect_download() as download:
            page.click("#json")
        found = json.loads(download.value.path().read_text("utf-8"))
        assert found["sequence"] == LECTURE
        assert len(found["effects"]["change"]) == len(LECTURE)


@needs_browser
def test_a_long_sequence_is_turned_over(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/dna#{quote(json.dumps({'sequence': 'ACGT'}))}", "en") as page:
        ready(page, "ACGT")
        page.fill("#sequence", (GENE * 2)[:612])
        page.wait_for_selector("#paging:not([hidden])")
        assert page.inner_text("#shown").startswith("1–600")
        page.click("#after")
        page.wait_for_function("() => document.querySelector('#strand svg').dataset.first === '600'")
        ready(page, (GENE * 2)[600:608])


@needs_browser
@pytest.mark.parametrize(("lang", "ink"), [("zh", "light"), ("en", "dark")])
def test_faults_are_told_and_the_sequence_is_kept(browser: Browser, site: str, lang: str, ink: str) -> None:
    with opened(browser, f"{site}/dna#{quote(json.dumps({'sequence': LECTURE}))}", lang, "phone", ink) as page:
        ready(page, LECTURE)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, f"dna-{lang}-phone")
        page.fill("#sequence", "ACGTQ")
        page.wait_for_selector("#fault:not([hidden])")
        assert "Q" in page.inner_text("#fault")
        assert page.input_value("#sequence") == "ACGTQ"
        page.fill("#sequence", "")
        page.wait_for_selector("#strand .empty")
        page.click("[data-example=lecture]")
        page.wait_for_selector("#fault[hidden]", state="attached")
        ready(page, LECTURE)
