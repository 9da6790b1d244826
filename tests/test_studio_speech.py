"""The speech desk's routes and its page: a recording, a microphone that plays a file, and faults."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, Route

from rondo import bundled
from rondo.data.audio import Recording, read_audio, write_wav
from rondo.studio import models, pages, speech
from rondo.tasks.speech.listener import Listener
from small_listener import beeps, listener

from browser import CHROMIUM, needs_browser, opened, shot

SAMPLES = {name: pages.STATIC / f"speech-{name}.wav" for name in ("fox", "digits")}
SOUND = write_wav(beeps(count=6), 8000)
RANDOM = {
    "speech-sentences": listener("sentences", bidirectional=True),
    "speech-digits": listener(bidirectional=True),
    "speech-digits-live": listener(),
}


@pytest.fixture
def random(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listeners with random weights in the place of the bundled ones."""
    monkeypatch.setattr(models, "listener", lambda name: RANDOM[name])
    monkeypatch.setattr(speech, "known", lambda: list(RANDOM))


def post(api: TestClient, data: bytes, query: str = "", **headers: str) -> Any:
    return api.post(
        f"/api/speech{query}", content=data, headers={"Content-Type": "application/octet-stream", **headers}
    )


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


# ---------------------------------------------------------------- routes


@pytest.mark.usefixtures("random")
def test_a_recording_is_written_down(api: TestClient) -> None:
    for name, own in RANDOM.items():
        found = post(api, SOUND, f"?model={name}").json()
        expected = own(read_audio(SOUND)).model_dump()
        assert {**found, "model": ""} == {**expected, "model": ""}
        assert found["words"]


@pytest.mark.usefixtures("random")
@pytest.mark.parametrize("name", list(RANDOM))
def test_a_stream_brings_the_waveform_and_words_as_they_are_heard(api: TestClient, name: str) -> None:
    answer = post(api, SOUND, f"?model={name}", Accept="text/event-stream")
    found = [r for r in records(answer.text) if "peaks" in r]
    last = next(r for r in records(answer.text) if "text" in r)
    read = read_audio(SOUND)
    assert found[-1]["seconds"] == pytest.approx(read.seconds)
    assert max(high for r in found for _, high in r["peaks"]) == pytest.approx(float(read.samples.max()), abs=1e-3)
    early = [w for r in found for w in r.get("words", [])]
    assert early == last["words"][: len(early)]
    assert bool(early) == (name == "speech-digits-live")


@pytest.mark.usefixtures("random")
def test_a_microphone_hears_what_a_recording_holds(api: TestClient) -> None:
    samples, key, words = (read_audio(SOUND).samples * 32768).astype("<i2"), "0123abcd", []
    parts = np.array_split(samples, 7)
    for k, part in enumerate(parts):
        path = f"/api/speech/live/{key}?part={k}&rate=8000&last={'true' if k == 6 else 'false'}"
        found = api.post(path, content=part.tobytes()).json()
        words += found["words"]
    assert found["going"] == []
    assert words == [w.model_dump() for w in RANDOM["speech-digits-live"](read_audio(SOUND)).words]
    again = api.post(f"/api/speech/live/{key}?part=7&rate=8000", content=b"")
    assert again.status_code == 422
    assert "start again" in again.json()["detail"]


@pytest.mark.usefixtures("random")
def test_a_lost_part_is_said_and_the_oldest_of_many_microphones_goes(api: TestClient) -> None:
    api.post("/api/speech/live/00000000?part=0&rate=8000", content=bytes(800))
    assert api.post("/api/speech/live/00000000?part=2&rate=8000", content=bytes(800)).status_code == 422
    for k in range(speech.OPEN + 2):
        assert api.post(f"/api/speech/live/{k:08x}?part=0&rate=8000", content=bytes(800)).status_code == 200
    assert api.post("/api/speech/live/00000000?part=1&rate=8000", content=bytes(800)).status_code == 422
    assert api.post(f"/api/speech/live/{speech.OPEN:08x}?part=1&rate=8000", content=bytes(801)).status_code == 200


@pytest.mark.usefixtures("random")
@pytest.mark.parametrize(
    ("data", "query", "said"),
    [
        (b"", "", "no recording"),
        (b"RIFFnonsense", "", "no recording"),
        (write_wav(np.zeros(0, np.float32), 8000), "", "0 samples"),
        (SOUND, "?model=none", "no model of speech called none"),
        (SOUND, "?model=speech-digits-live&decoding=words", "no list of words"),
        (write_wav(np.zeros(121 * 8000, np.float32), 8000), "?model=speech-sentences", "120 s at most"),
    ],
)
def test_faults_say_what_to_do(api: TestClient, data: bytes, query: str, said: str) -> None:
    answer = post(api, data, query)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.usefixtures("random")
def test_a_file_that_was_cut_off_is_read_and_said(api: TestClient) -> None:
    found = post(api, SOUND[: len(SOUND) // 2]).json()
    assert any("cut off" in note for note in found["notes"])


@pytest.mark.usefixtures("random")
def test_models_are_described(api: TestClient) -> None:
    found = api.get("/api/speech/models").json()["models"]
    live = [("speech-sentences", False), ("speech-digits", False), ("speech-digits-live", True)]
    assert [(m["name"], m["live"]) for m in found] == live


# ---------------------------------------------------------------- what the package ships


@pytest.mark.parametrize("name", ["fox", "digits"])
def test_the_shipped_samples_are_understood(name: str) -> None:
    """Synthetic speech that was made for the page, by a voice that no model was trained on."""
    model, text = {
        "fox": ("speech-sentences", "the quick brown fox jumped over the lazy dog"),
        "digits": ("speech-digits", "three one four one five nine"),
    }[name]
    if model not in bundled.names() or not SAMPLES[name].exists():
        pytest.skip(f"{model} or its sample is not bundled yet")
    assert Listener.load(model)(read_audio(SAMPLES[name])).text == text


# ---------------------------------------------------------------- the page


def ready(page: Page) -> None:
    page.wait_for_function("() => document.querySelector('#words tbody tr')")
    page.wait_for_selector("#progress", state="hidden")


@needs_browser
@pytest.mark.usefixtures("random")
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_opens_on_a_recording_with_its_words_under_the_waveform(
    browser: Browser, site: str, lang: str
) -> None:
    with opened(browser, f"{site}/speech", lang) as page:
        ready(page)
        expected = RANDOM["speech-sentences"](read_audio(SAMPLES["fox"])).text
        assert page.inner_text("#heard") == expected
        labels = page.locator("#roll .word")
        assert labels.count() == len(expected.split())
        assert page.locator("#roll polygon.wave").count() == 1
        places = [labels.nth(k).bounding_box() for k in range(labels.count())]
        assert all(a["x"] <= b["x"] for a, b in itertools.pairwise(places) if a and b)
        assert "fox" in page.url
        labels.first.click()  # plays, and stops by itself
        page.wait_for_function("() => document.querySelector('#audio').paused")


@needs_browser
@pytest.mark.usefixtures("random")
def test_a_recording_is_opened_and_a_damaged_one_leaves_a_reason(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/speech", "en") as page:
        ready(page)
        page.select_option("#model", "speech-digits-live")
        page.wait_for_function("() => document.querySelector('#model-said').textContent.includes('labels wrong')")
        page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": SOUND})
        expected = RANDOM["speech-digits-live"](read_audio(SOUND)).text
        page.wait_for_function(f"() => document.querySelector('#heard').textContent === {json.dumps(expected)}")
        with page.expect_download() as download:
            page.click("#save")
        assert json.loads(Path(download.value.path()).read_text())["text"] == expected
        page.set_input_files("#file", {"name": "b.wav", "mimeType": "audio/wav", "buffer": b"not a sound"})
        page.wait_for_selector("#fault:not([hidden])")
        assert "no recording that can be read" in page.inner_text("#fault")


@needs_browser
@pytest.mark.usefixtures("random")
def test_an_example_that_arrives_late_does_not_replace_the_recording_opened_after_it(
    browser: Browser, site: str
) -> None:
    """Another model is chosen, and while its example is on the way a recording is opened."""
    with opened(browser, f"{site}/speech", "en") as page:
        ready(page)
        late: list[Route] = []
        page.route("**/speech-fox.wav", lambda route: late.append(route))
        page.select_option("#model", "speech-digits-live")
        page.wait_for_function("() => document.querySelector('#heard').textContent.includes('Listening')")
        page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": SOUND})
        expected = RANDOM["speech-digits-live"](read_audio(SOUND)).text
        page.wait_for_function(f"() => document.querySelector('#heard').textContent === {json.dumps(expected)}")
        ready(page)
        for route in late:
            route.fulfill(path=SAMPLES["fox"])
        page.wait_for_timeout(500)
        ready(page)
        assert page.inner_text("#heard") == expected


@needs_browser
def test_without_a_model_the_page_says_how_to_get_one(
    browser: Browser, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "known", list)
    with opened(browser, f"{site}/speech", "en") as page:
        page.wait_for_function("() => document.querySelector('#model-said').textContent.includes('rondo train speech')")
        assert page.is_disabled("#mic")


@needs_browser
@pytest.mark.usefixtures("random")
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_nothing_is_wider_than_the_screen(browser: Browser, site: str, size: str) -> None:
    with opened(browser, f"{site}/speech", "zh", size) as page:
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_browser
@pytest.mark.usefixtures("random")
def test_the_microphone_is_heard_live(browser: Browser, site: str, tmp_path: Path) -> None:
    """A browser whose microphone plays a file."""
    path = tmp_path / "mic.wav"
    path.write_bytes(write_wav(beeps(48_000, count=8), 48_000))
    options = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    args = ["--no-sandbox", "--disable-gpu", *options, f"--use-file-for-fake-audio-capture={path}"]
    own = browser.browser_type.launch(executable_path=CHROMIUM, args=args)
    with opened(own, f"{site}/speech", "en") as page:
        ready(page)
        page.click("#mic")
        page.wait_for_selector("#mic[aria-pressed=true]")
        assert page.input_value("#model") == "speech-digits-live"  # the other cannot listen live
        page.wait_for_function("() => document.querySelectorAll('#words tbody tr').length > 1")
        page.keyboard.press("Escape")
        page.wait_for_selector("#mic[aria-pressed=false]")
        page.wait_for_selector("#play:not([disabled])")
        assert page.locator("#roll .word:not(.going)").count() == page.locator("#words tbody tr").count() > 1
    own.close()


@needs_browser
@pytest.mark.skipif("speech-digits" not in bundled.names(), reason="no model is bundled yet")
def test_screenshots_of_the_solved_page(browser: Browser, site: str) -> None:
    for lang, size, ink in (("zh", "desk", "light"), ("en", "desk", "dark"), ("en", "phone", "light")):
        with opened(browser, f"{site}/speech", lang, size, ink) as page:
            ready(page)
            shot(page, f"speech-{lang}-{size}-{ink}")


def test_the_shipped_samples_are_short_and_whole() -> None:
    for path in SAMPLES.values():
        if path.exists():
            found = read_audio(path)
            assert isinstance(found, Recording)
            assert not found.notes
            assert found.seconds < 6
