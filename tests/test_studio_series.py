"""The series desk's route and page."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from browser import needs_browser, opened, shot

MONTHS = [f"{year}-{month:02d}" for year in range(2010, 2016) for month in range(1, 13)]
TABLE = "month,sales,costs\n" + "".join(
    f"{m},{100 + k + 20 * (k % 12 == 11)},{50 + k % 3}\n" for k, m in enumerate(MONTHS)
)


@pytest.mark.parametrize(("model", "steps"), [("airline", 12), ("sunspots", 24)])
def test_a_series_of_the_models_own_is_continued(api: TestClient, model: str, steps: int) -> None:
    found = api.post("/api/series", json={"model": model}).json()
    assert len(found["ahead"]) == steps == found["backtest"]["horizon"]
    assert set(found["naive"]) == {"last", "seasonal", "drift", "theta"} == set(found["backtest"]["table"]) - {"model"}
    for step in found["ahead"]:
        assert step["q05"] <= step["q10"] <= step["median"] <= step["q90"] <= step["q95"]


def test_a_table_is_continued_from_an_origin_in_the_past(api: TestClient) -> None:
    found = api.post("/api/series", json={"table": TABLE, "column": "sales", "until": 60}).json()
    assert found["columns"] == ["sales", "costs"]
    assert [step["time"] for step in found["ahead"]] == MONTHS[60:72]
    assert len(found["values"]) - found["shown_before"] == 12
    shorter = "\n".join(TABLE.splitlines()[:61])
    alone = api.post("/api/series", json={"table": shorter, "column": "sales"}).json()
    assert alone["ahead"] == found["ahead"]  # nothing of what came is looked at


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"table": "month,y\n2010-01,one"}, "table:2: 'y' 列的 'one' 不是数 / 'one' in the column 'y' is no number"),
        ({"table": "month,y\n2010-01,1\n2010-02,2"}, "needs 36"),
        ({"table": "y"}, "no row"),
        ({"table": TABLE, "column": "z"}, "no column is called 'z'"),
        ({"table": TABLE, "until": 500}, "cannot be 500"),
        ({"table": TABLE, "until": 3}, "3 steps are known"),
        ({"table": TABLE.replace("2011-05", "2011-06")}, "2011-04 is followed by 2011-06"),
        ({"model": "weather"}, "model"),
    ],
)
def test_tables_that_are_refused(api: TestClient, body: dict[str, Any], message: str) -> None:
    response = api.post("/api/series", json=body)
    assert response.status_code == 422
    assert message in response.json()["detail"]


# ---------------------------------------------------------------- the page


@needs_browser
def test_the_page_opens_on_a_forecast_and_goes_into_the_past(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/series", "en") as page:
        page.wait_for_selector("#tried tr:nth-child(6)")
        assert page.locator("#chart .median").count() == 1
        assert page.locator("#chart .came").count() == 0
        page.locator("#until").press("ArrowLeft")
        page.wait_for_selector("#chart .came")
        assert "until" in page.url
        shot(page, "series-en-desk")


@needs_browser
def test_a_table_of_ones_own(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/series", "zh", "phone", "dark") as page:
        page.wait_for_selector("#tried tr:nth-child(6)")
        page.select_option("#source", "own")
        page.fill("#table", "month,y\n2010-01,x")
        page.click("#continue")
        page.wait_for_selector("#alert:not([hidden])")
        assert "不是数" in page.inner_text("#alert")
        assert page.input_value("#table").endswith("x")  # kept
        page.fill("#table", TABLE)
        page.click("#continue")
        page.wait_for_selector("#alert", state="hidden")
        page.wait_for_selector("#column-part:not([hidden])")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        shot(page, "series-zh-phone-dark")
