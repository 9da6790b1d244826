"""The lab's pages on topologies and on gradients: what the API says is the library's, and the pages show it."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from rondo.diagnose import radius, unrolled

from browser import needs_browser, opened, shot

SLOW = 30_000  # milliseconds: other work may run beside the tests


def answer(api: TestClient, path: str, **order: object) -> dict:
    found = api.post(f"/api/lab/{path}", json=order)
    assert found.status_code == 200, found.text
    return found.json()


@pytest.mark.parametrize("topology", unrolled.TOPOLOGIES)
def test_topology_says_what_the_library_says(api: TestClient, topology: str) -> None:
    told = answer(api, "topology", topology=topology, steps=6, cell="lstm", hidden=2, seed=5, first=2, last=4)
    net = unrolled.small(topology, 6, "lstm", 2, 5)
    window = (0, 0) if topology == "one-to-one" else (2, 4)
    found = unrolled.unroll(net, *window)
    assert told["window"] == list(window)
    assert told["loss"] == found.loss
    for step, f, b in zip(told["forward"], found.forward, told["backward"], strict=True):
        assert step["named"] == {name: v.tolist() for name, v in f.named.items()}
        assert step["prediction"] == f.prediction
        assert (b is None) == (found.backward[told["forward"].index(step)] is None)
    first = found.backward[window[0]]
    assert first is not None
    assert told["backward"][window[0]]["running"] == first.running.tolist()
    whole = unrolled.difference(found, unrolled.unroll(net))
    assert (told["cosine"], told["relative"]) == (whole.cosine, whole.relative)


@pytest.mark.parametrize("wrong", [{"steps": 9}, {"hidden": 5}, {"cell": "mgu"}, {"more": 1}, {"seed": -1}])
def test_topology_refuses_what_is_too_large(api: TestClient, wrong: dict) -> None:
    assert api.post("/api/lab/topology", json=wrong).status_code == 422


def test_equations_come_in_parts_that_know_each_other(api: TestClient) -> None:
    parts = api.get("/api/lab/equations?cell=gru-cho").json()
    assert set(parts) == {"forward", "loss", "backward", "gradients"}
    assert all(text.startswith("<math") and text.endswith("</math>") for text in parts.values())
    assert "tanh" not in parts["gradients"]  # it speaks of names, not of their equations


def test_gradients_say_what_the_library_says(api: TestClient) -> None:
    told = answer(api, "gradients", radius=1.2, seed=3, limit=0.1, distance=20)
    found = radius.turned(1.2, seed=3)
    assert told["radius"] == pytest.approx(1.2, rel=1e-12)
    assert told["flow"] == {cell: v.tolist() for cell, v in found.flow.items()}
    assert told["product"]["largest"] == found.product[:, 0].tolist()
    assert told["clipped"] == found.clipped(0.1).tolist()
    assert told["left"]["plain"] == 10 ** (found.flow["plain"][20] - found.flow["plain"][0])
    assert told["grown"] == found.product[19, 0]


def test_clipping_says_what_the_library_says(api: TestClient) -> None:
    told = answer(api, "clipping", radius=1.1, limit=0.5, steps=10, hidden=8)
    found = radius.clipping(1.1, 0.5, hidden=8, steps=10)
    assert told["plain"]["gradient"] == found.plain.gradient.tolist()
    assert told["clipped"]["applied"] == found.clipped.applied.tolist()
    assert max(told["clipped"]["applied"]) <= 0.5 * (1 + 1e-12)


# --- pages


def address(site: str, page: str, **state: object) -> str:
    return f"{site}/lab/{page}" + (f"#{quote(json.dumps(state))}" if state else "")


def fits(page) -> bool:  # type: ignore[no-untyped-def]
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@needs_browser
@pytest.mark.parametrize(("lang", "size", "ink"), [("zh", "desk", "light"), ("en", "phone", "dark")])
def test_topologies_play_forward_and_backward(site, browser, lang: str, size: str, ink: str) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "topologies"), lang, size, ink) as page:
        page.wait_for_selector("#topologies .graph")
        assert page.locator(".grad.later").count() == 0  # it opens on the solved example
        assert page.inner_text("#cosine") == "1.000"
        assert fits(page)
        shot(page, f"lab-topologies-{lang}-{size}-{ink}")
        page.focus("#at")
        page.keyboard.press("Home")
        assert page.locator(".edge:not(.later)").count() == page.locator(".grad:not(.later)").count() == 0
        for _ in range(3):
            page.click("#on")
        assert ("前向，第 3 步" if lang == "zh" else "forward, step 3") in page.inner_text("#moment")
        assert page.locator("#equations math").count() > 0
        assert "a⟨3⟩" in page.inner_text("#numbers")
        page.keyboard.press("Tab")
        page.focus('[data-key="s-1"]')
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#read").startswith("a⟨1⟩ = (")


@needs_browser
def test_the_window_is_moved_by_keys_and_by_pointer(site, browser) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "topologies", seed=2), "en") as page:
        page.wait_for_selector("#topologies .graph")
        page.focus('[data-key="window-first"]')
        for n in (2, 3):
            page.keyboard.press("ArrowRight")
            page.wait_for_selector(f'[data-key="window-first"][aria-valuenow="{n}"]')
        assert page.evaluate("document.activeElement.dataset.key") == "window-first"  # focus stays
        net = unrolled.small("many-to-many", seed=2)
        want = unrolled.difference(unrolled.unroll(net, 2), unrolled.unroll(net))
        expect(page.locator("#cosine")).to_have_text(f"{want.cosine:.3f}", timeout=SLOW)
        assert page.locator(".cut").count() == 1
        box = page.locator('[data-key="window-last"] .grip').bounding_box()
        column = page.evaluate("106 * document.querySelector('#topologies .graph').getScreenCTM().a")
        page.mouse.move(box["x"] + 4, box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] + 4 - column, box["y"] + 12, steps=4)
        page.mouse.up()
        page.wait_for_selector('[data-key="window-last"][aria-valuenow="4"]')
        assert json.loads(page.evaluate("decodeURIComponent(location.hash.slice(1))")) == {
            "seed": 2,
            "first": 2,
            "last": 3,
        }
        shot(page, "lab-topologies-window")


@needs_browser
@pytest.mark.parametrize("topology", unrolled.TOPOLOGIES)
def test_every_topology_is_drawn(site, browser, topology: str) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "topologies", topology=topology, steps=8, cell="lstm", hidden=4), "zh") as page:
        page.wait_for_selector("#topologies .graph")
        form = unrolled.shape(topology, 8)
        assert page.locator('[data-key^="x"]').count() == sum(form.reads)
        assert page.locator('[data-key^="l"]').count() == sum(form.answers)
        assert page.locator('[data-key^="w"].node').count() == 1 + (topology == "sequence-to-sequence")
        assert page.locator(".edge.weight").count() == len(form.reads)
        assert fits(page)
        shot(page, f"lab-{topology}")


@needs_browser
@pytest.mark.parametrize(("lang", "size", "ink"), [("zh", "desk", "light"), ("en", "phone", "dark")])
def test_gradients_follow_the_slider(site, browser, lang: str, size: str, ink: str) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "gradients"), lang, size, ink) as page:
        page.wait_for_selector("#training .theta")
        expect(page.locator("#norm")).to_have_text(f"{radius.turned(0.9).spectrum.norm:.2f}")
        assert page.locator("#circle .c1").count() == 0
        assert fits(page)
        shot(page, f"lab-gradients-{lang}-{size}-{ink}")
        page.focus("#radius")
        page.keyboard.press("End")
        expect(page.locator("#norm")).to_have_text(f"{radius.turned(1.5).spectrum.norm:.2f}", timeout=SLOW)
        assert page.locator("#circle .c1").count() > 0
        page.check("[value=linear]")
        expect(page.locator("#left")).to_have_text(re.compile("倍|times"), timeout=SLOW)
        expect(page.locator("#training")).to_have_attribute("aria-busy", "false", timeout=SLOW)
        shot(page, f"lab-gradients-linear-{lang}-{size}-{ink}")


@needs_browser
def test_the_threshold_is_dragged_on_the_axis(site, browser) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "gradients", radius=1.2), "en") as page:
        page.wait_for_selector("#training .theta")
        page.focus("#training .theta")
        page.keyboard.press("PageDown")
        assert page.inner_text("#theta") == "0.16"
        held = radius.clipping(1.2, 0.158).held
        expect(page.locator("#held")).to_have_text(f"{held} / 40", timeout=SLOW)
        box = page.locator("#training .theta .grip").bounding_box()
        page.mouse.move(box["x"] + 8, box["y"] + 4)
        page.mouse.down()
        page.mouse.move(box["x"] + 8, box["y"] - 60, steps=3)
        page.mouse.up()
        assert float(page.inner_text("#theta")) > 1
