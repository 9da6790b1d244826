"""Series: tables, times, windows, quantiles, naive forecasts, rolling origins, classes. All data here is made."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rondo.data.batch import Batch
from rondo.files import FileError
from rondo.models.moments import Moments, MomentsError
from rondo.tasks.series import ahead, lines, naive, sequences, times
from rondo.tasks.series.classes import named
from rondo.tasks.series.config import SeriesConfig
from rondo.tasks.series.evaluate import evaluate, opened
from rondo.tasks.series.lines import Line
from rondo.tasks.series.model import QUANTILES, Forecaster, pinball
from rondo.tasks.series.request import forecast_request
from rondo.tasks.series.sequences import Reader, Sequences
from rondo.tasks.series.table import SeriesError, table
from rondo.tasks.series.teller import Teller
from rondo.tasks.series.train import build, files, load, resume, train
from rondo.tasks.series.windows import Plan, Windows, window
from rondo.train.config import ConfigError
from upstream import SHARED

SMALL = {"season": 4, "context": 6, "horizon": 3, "hidden": 6, "rows": 8, "steps": 4, "valid_every": 0}


def config(**settings: Any) -> SeriesConfig:
    return SeriesConfig(**{**SMALL, **settings})


def made(size: int = 60, season: int = 4, seed: int = 0) -> Line:
    """A rising series with a season and a little noise, from 2001-01 on."""
    at = np.arange(size)
    noise = np.random.default_rng(seed).normal(0, 0.5, size)
    y = 50 + 0.5 * at + 6 * np.sin(2 * np.pi * at / season) + noise
    return Line("value", [times.text("month", 2001 * 12 + k) for k in range(size)], y)


def written(path: Path, line: Line, first: int = 0, last: int | None = None) -> Path:
    rows = zip(line.times[first:last], line.values[first:last], strict=True)
    path.write_text("month\tvalue\n" + "".join(f"{t}\t{v:.4f}\n" for t, v in rows), encoding="utf-8")
    return path


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t:1: .*the first line names the columns"),
        ("a,b\n", "t:2: .*no row"),
        ("1,2\n3,4", "t:1: .*must name the columns"),
        ("a,a\n1,2", "t:1: .*two columns are called 'a'"),
        ("a,\n1,2", "t:1: .*column 2 has no name"),
        ("a,b\n1,2\n3", "t:3: .*it has 1 cells"),
        ('a,b\n1,2\n"3,4', "t:3: .*not CSV"),
    ],
)
def test_tables_that_are_none(text: str, message: str) -> None:
    with pytest.raises(SeriesError, match=message):
        table(text.split("\n"), "t")


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_separators_are_found(separator: str) -> None:
    found = table(
        [separator.join(row) for row in (("month", "y", "z"), ("2001-01", "1.5", "-2"), ("2001-02", "NA", "3e2"))]
    )
    assert found.columns == ["month", "y", "z"]
    assert found.cell(0, 1) == 1.5
    assert np.isnan(found.cell(1, 1))
    assert found.cell(1, 2) == 300


@pytest.mark.parametrize("cell", ["12x", "1,5", "inf", "1e99", "\x1b[31m"])
def test_a_cell_that_is_no_number_is_named_with_its_line(cell: str) -> None:
    found = table(["month\ty", "2001-01\t1", "", f"2001-02\t{cell}"], "t.tsv")
    with pytest.raises(SeriesError, match=r"t\.tsv:4: .*in the column 'y' is no number") as error:
        found.cell(1, 1)
    assert "\x1b" not in str(error.value)


def test_times_must_go_on_evenly() -> None:
    head = ["month,y", "2001-01,1", "2001-02,2"]
    with pytest.raises(SeriesError, match=r"t:4: .*2001-02 is followed by 2001-05"):
        lines.of_table(table([*head, "2001-05,3"], "t"))
    with pytest.raises(SeriesError, match=r"t:4: .*2001-01 follows 2001-02"):
        lines.of_table(table([*head, "2001-01,3"], "t"))
    assert len(lines.of_table(table(["when,y", "spring,1", "autumn,2"]))[0]) == 2  # other words are not looked at


def test_gaps_are_filled_on_a_line_and_counted() -> None:
    (found,) = lines.of_table(table(["month,y", "2001-01,1", "2001-02,", "2001-03,NA", "2001-04,4", "2001-05,5"]))
    np.testing.assert_allclose(found.values, [1, 2, 3, 4, 5])
    assert found.filled == 2
    with pytest.raises(SeriesError, match="3 of 4 values"):
        lines.of_table(table(["month,y", "2001-01,1", "2001-02,", "2001-03,", "2001-04,"]))


def test_columns_are_chosen_by_name() -> None:
    rows = table(["month,a,b", "2001-01,1,2", "2001-02,3,4"])
    assert [line.name for line in lines.of_table(rows)] == ["a", "b"]
    assert [line.name for line in lines.of_table(rows, ["b"])] == ["b"]
    with pytest.raises(SeriesError, match="no column is called 'c': month, a, b"):
        lines.of_table(rows, ["c"])
    with pytest.raises(SeriesError, match="'2001-01' in the column 'month' is no number"):
        lines.of_table(rows, ["month"])
    years = table(["year,y", "1901,5", "1902,6", "1903,7"])
    assert [line.name for line in lines.of_table(years)] == ["y"]


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["2001-11", "2001-12"], ["2002-01", "2002-02"]),
        (["2004-02-27", "2004-02-28"], ["2004-02-29", "2004-03-01"]),
        (["1999", "2000"], ["2001", "2002"]),
        (["2001-01", "2001-04"], ["2001-07", "2001-10"]),
        (["spring", "autumn"], ["+1", "+2"]),
        ([""], ["+1", "+2"]),
    ],
)
def test_what_time_comes_next(given: list[str], wanted: list[str]) -> None:
    assert times.after(given, 2) == wanted


def test_times_that_are_none() -> None:
    assert [times.place(t) for t in ("2001-13", "2001-02-30", "2001-1", "x", "")] == [None] * 5
    assert times.phase("2001-03", 12) == 2
    assert times.phase("2001-03", 7) is None


# --- windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["last", "seasonal", "drift"])
def test_a_window_does_not_know_what_comes(base: str) -> None:
    plan, line = Plan.of(config(base=base, lags="2,5")), made()
    one = window(line.values, line.times, 30, plan)
    changed = line.values.copy()
    changed[30:] = 1e6
    two = window(changed, line.times, 30, plan)
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(one.base, two.base)
    assert one.x.shape == (6, plan.width)


def test_a_window_does_not_know_how_large_a_series_is() -> None:
    plan, line = Plan.of(config(lags="3")), made()
    one, two = (window(z, line.times, 30, plan) for z in (line.values, 1000 * line.values - 4))
    np.testing.assert_allclose(one.x, two.x, atol=1e-5)
    np.testing.assert_allclose(1000 * one.base - 4, two.base)


def test_a_series_that_is_too_short_is_refused_with_what_it_needs() -> None:
    plan = Plan.of(config())
    with pytest.raises(SeriesError, match=f"needs {plan.needed}"):
        window(np.arange(9.0), [""] * 9, 9, plan)
    with pytest.raises(SeriesError, match="at least 13 are needed"):
        Windows([made(12)], plan)


def test_batches_of_windows_depend_on_seed_and_step_alone() -> None:
    windows = Windows([made(), made(40, seed=2)], Plan.of(config()))
    every = windows.batches(8, 1)
    three = [next(every) for _ in range(12)]
    again = next(windows.batches(8, 1, 11))
    assert torch.equal(three[11].x, again.x)
    assert torch.equal(three[11].labels, again.labels)


# --- the network ----------------------------------------------------------------------------------


def test_quantiles_never_cross() -> None:
    torch.manual_seed(0)
    model = Forecaster("gru", 4, 6, 5).eval()
    with torch.no_grad():
        model.head.weight.mul_(50)
        q = model(torch.randn(32, 7, 4) * 10)
    assert q.shape == (32, 5, len(QUANTILES))
    assert (q.diff(dim=-1) >= 0).all()


def test_the_pinball_loss_is_least_at_the_quantiles() -> None:
    y = torch.linspace(0, 1, 2001)
    losses = {
        shift: float(pinball((torch.tensor(QUANTILES) + shift).expand(2001, -1), y).mean())
        for shift in (-0.05, 0, 0.05)
    }
    assert losses[0] < min(losses[-0.05], losses[0.05])
    assert float(pinball(torch.full((7,), 2.0), torch.tensor(2.0))) == 0


def test_the_loss_ignores_nothing_and_counts_steps() -> None:
    torch.manual_seed(0)
    loss = Forecaster("gru", 2, 4, 3).loss(Batch(torch.randn(5, 6, 2), torch.randn(5, 3)))
    assert loss.count == 15
    assert loss.total.requires_grad


# --- naive forecasts ------------------------------------------------------------------------------


def test_naive_forecasts_of_what_they_are_made_for() -> None:
    at = np.arange(40.0)
    np.testing.assert_allclose(naive.drift(3 + 2 * at, 4, 1), 3 + 2 * np.arange(40, 44))
    np.testing.assert_allclose(naive.last(at, 3, 4), [39, 39, 39])
    np.testing.assert_allclose(naive.seasonal(at % 4, 6, 4), [0, 1, 2, 3, 0, 1])
    season = np.array([1.0, 2.0, 3.0, 2.0])
    np.testing.assert_allclose(naive.theta(100 * season[at.astype(int) % 4], 4, 4), 100 * season, rtol=0.02)
    for forecast in naive.NAIVE.values():
        np.testing.assert_allclose(forecast(np.full(30, 7.0), 5, 4), np.full(5, 7.0), rtol=1e-6)
        assert np.isfinite(forecast(np.array([3.0]), 5, 4)).all()


@pytest.mark.parametrize("positive", [True, False])
def test_a_season_is_taken_apart(positive: bool) -> None:
    at = np.arange(60)
    terms = np.array([0.5, 1.5, 1.25, 0.75])
    y = (10 + 0.1 * at) * terms[at % 4] if positive else 10 + 0.1 * at + terms[at % 4] - 1
    np.testing.assert_allclose(naive.indices(y, 4, positive), terms if positive else terms - 1, atol=0.01)


# --- transforms, histories ------------------------------------------------------------------------


@pytest.mark.parametrize("transform", ["none", "log", "sqrt"])
def test_what_is_transformed_comes_back(transform: str) -> None:
    y = np.array([1.0, 2.0, 900.0])
    np.testing.assert_allclose(lines.back(lines.into(y, transform), transform), y)
    if transform != "none":
        with pytest.raises(SeriesError, match="take transform = none"):
            lines.into(np.array([-1.0]), transform)


def test_a_history_is_put_before_what_goes_on_from_it() -> None:
    line = made(30)
    whole, follows = lines.joined(line.part(0, 20), line.part(20, 30))
    assert follows
    np.testing.assert_array_equal(whole.values, line.values)
    earlier, follows = lines.joined(line.part(0, 25), line.part(20, 30))  # what it has itself is its own
    assert follows
    assert len(earlier) == 30
    for held in (line.part(21, 30), Line("value", ["x", "y"], np.ones(2)), line.part(0, 5)):
        assert lines.joined(line.part(0, 20), held) == (held, False)


# --- rolling origins ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    torch.manual_seed(0)
    model = build(config()).eval()
    assert isinstance(model, Forecaster)
    return model


def test_every_origin_is_tried_as_if_nothing_came_after(forecaster: Forecaster) -> None:
    plan, line = Plan.of(config()), made()
    found = ahead.backtest(forecaster, [line], [40], plan)
    assert found["origins"] == 60 - 3 - 40 + 1
    alone = ahead.quantiles(forecaster, line.part(0, 44), [44], plan)[0]
    np.testing.assert_allclose(ahead.quantiles(forecaster, line, [43, 44], plan)[1], alone, rtol=1e-5)
    errors = [np.abs(line.values[o : o + 3] - naive.seasonal(line.values[:o], 3, 4)).mean() for o in range(40, 58)]
    assert found["table"]["seasonal"]["mae"] == pytest.approx(np.mean(errors))
    assert set(found["table"]) == {"model", *naive.NAIVE}
    json.dumps(found)


def test_wider_intervals_hold_more_and_calibration_holds_four_fifths(forecaster: Forecaster) -> None:
    plan, line = Plan.of(config()), made(120)
    factor = ahead.calibrate(forecaster, [line], [60], plan)
    narrow, right, wide = (
        ahead.backtest(forecaster, [line], [60], plan, f)["coverage"]["80"] for f in (0.2, factor, 5.0)
    )
    assert narrow <= right <= wide
    assert factor == 5.0 or abs(right - 0.8) < 0.03


def test_a_file_that_ends_before_the_horizon_is_still_measured(forecaster: Forecaster) -> None:
    found = ahead.backtest(forecaster, [made(42)], [41], Plan.of(config()))
    assert found["origins"] == 1
    with pytest.raises(SeriesError, match="the series has 8"):
        ahead.backtest(forecaster, [made(8)], [0], Plan.of(config()))


# --- training -------------------------------------------------------------------------------------


def test_a_forecast_is_trained_measured_and_resumed(tmp_path: Path) -> None:
    line = made(80)
    file = written(tmp_path / "a.tsv", line)
    run = train(file, config(save_every=2), tmp_path / "run")
    before = run.model_file.read_bytes()
    resume(run.folder)
    assert run.model_file.read_bytes() == before
    # what comes after the history goes on from it; a file of its own begins where it has enough
    longer = made(100)
    found = evaluate(run.folder, written(tmp_path / "b.tsv", longer, 80))
    assert found["goes_on_from_training"]
    assert found["origins"] == 18
    alone = evaluate(run.folder, written(tmp_path / "c.tsv", longer))
    assert alone["origins"] > found["origins"]
    answer = Teller.load(run.folder)(forecast_request(table=file.read_text(encoding="utf-8"), until=70))
    assert [step.time for step in answer.ahead] == line.times[70:73]
    assert len(answer.values) - answer.shown_before == 3
    assert all(s.q05 <= s.q10 <= s.q25 <= s.median <= s.q75 <= s.q90 <= s.q95 for s in answer.ahead)
    with pytest.raises(FileError, match="is a model to forecast, one to classify is needed"):
        opened(run.folder, "classify")


def test_a_forecast_learns_a_season_better_than_the_last_value(tmp_path: Path) -> None:
    file = written(tmp_path / "a.tsv", made(160))
    run = train(file, config(steps=60, lr=0.01, warmup=5, base="drift"), tmp_path / "run")
    found = evaluate(run.folder, file)
    assert found["table"]["model"]["mae"] < 0.5 * found["table"]["last"]["mae"]


def test_files_that_do_not_follow_each_other_are_refused(tmp_path: Path) -> None:
    line = made(60)
    written(tmp_path / "a.tsv", line, 0, 40)
    written(tmp_path / "b.tsv", line, 45)
    settings = config(train_file="a.tsv", valid_file="b.tsv")
    with pytest.raises(SeriesError, match=r"b\.tsv: 2004-10 does not follow 2004-04"):
        load(files(tmp_path, settings), settings)
    with pytest.raises(SeriesError, match="is a folder: name a file"):
        files(tmp_path, config())
    with pytest.raises(SeriesError, match="name their own files"):
        files(tmp_path / "a.tsv", settings)
    with pytest.raises(SeriesError, match="is missing"):
        files(tmp_path, config(train_file="none.tsv"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "guess"}, "kind cannot be 'guess'"),
        ({"lags": "1,x"}, "lags are whole numbers"),
        ({"lags": "0"}, "at least one step"),
        ({"season": 1}, 'base = "last"'),
        ({"window": 3}, "window stays 0"),
        ({"view": "columns"}, "view cannot be"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(**settings)


# --- classes --------------------------------------------------------------------------------------


def waves(path: Path, count: int = 12) -> Path:
    """Sequences of two classes, slow and fast waves, as a table."""
    random, rows = np.random.default_rng(0), ["id,label,a,b"]
    for k in range(count):
        pace, label = (0.4, "slow") if k % 2 == 0 else (1.9, "fast")
        at = np.arange(8 + k % 3) + random.uniform(0, 6)
        rows += [f"s{k},{label},{np.sin(t * pace):.4f},{random.normal():.3f}" for t in at]
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_classes_from_a_table(tmp_path: Path) -> None:
    path = waves(tmp_path / "a.csv", 24)
    run = train(path, config(kind="classify", pooling="mean", steps=50, lr=0.02, warmup=5, hidden=12), tmp_path / "run")
    found = evaluate(run.folder, path)
    assert found["sequences"] == 24
    assert found["accuracy"] > 0.8
    assert {"accuracy_baseline", "accuracy_commonest"} < set(found)
    model, about = opened(run.folder, "classify")
    rows = list(named(model, about, path))
    assert len(rows) == 24
    assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-3 for row in rows)
    (tmp_path / "b.csv").write_text("id,label,a\nx,slow,1", encoding="utf-8")
    with pytest.raises(SeriesError, match="the model reads 2 columns"):
        evaluate(run.folder, tmp_path / "b.csv")
    (tmp_path / "b.csv").write_text("id,label,a,b\nx,odd,1,2", encoding="utf-8")
    with pytest.raises(SeriesError, match="knows no class 'odd': fast, slow"):
        evaluate(run.folder, tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["x,p,1", "y,p,1", "x,p,2"], "t.csv:4: .*the rows of 'x' do not stand together"),
        (["x,p,1", "x,q,1"], "t.csv:2: .*needs one label"),
        (["x,p,1", "x,p,"], "t.csv:3: .*a value is not known"),
        (["x,p,one"], "t.csv:2: .*'one' in the column 'a' is no number"),
    ],
)
def test_tables_of_sequences_that_cannot_be_read(tmp_path: Path, rows: list[str], message: str) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["id,label,a", *rows]), encoding="utf-8")
    with pytest.raises(SeriesError, match=message):
        sequences.read(tmp_path / "t.csv", config(kind="classify"))


@pytest.mark.parametrize("frames", ["[]", "[[1], [1, 2]]", "3", "[[NaN]]", "null"])
def test_records_that_cannot_be_read(tmp_path: Path, frames: str) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"label": 1, "frames": [[1]]}\n{"label": 1, "frames": ' + frames + "}", encoding="utf-8"
    )
    with pytest.raises(SeriesError, match=r"a\.jsonl:2: .*frames are lists"):
        sequences.read(tmp_path / "a.jsonl", config(kind="classify"))


def idx(path: Path, values: np.ndarray[Any, Any]) -> Path:
    head = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))
    return path


def test_pictures_are_read_in_three_ways(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 5))
    path = idx(tmp_path / f"a{sequences.IMAGES}.gz", images)
    idx(tmp_path / f"a{sequences.LABELS}.gz", np.array([0, 1, 0, 1, 2, 2]))
    found = {v: sequences.read(path, config(kind="classify", view=v)) for v in ("rows", "pixels", "permuted")}
    assert [found[v].width for v in found] == [5, 1, 1]
    rows, flat, mixed = (sequences.pictures(found[v].x[:2], v) for v in found)  # type: ignore[call-overload]
    np.testing.assert_array_equal(rows[1].ravel(), flat[1].ravel())
    np.testing.assert_array_equal(flat[1][sequences.permutation(25)], mixed[1])
    reader = Reader.of(found["pixels"])
    assert reader.classes == ["0", "1", "2"]
    assert next(iter(reader.plain(found["pixels"])))[1].x.shape == (6, 25, 1)
    with pytest.raises(SeriesError, match="say how they are read"):
        sequences.read(path, config(kind="classify"))
    whole = gzip.decompress(path.read_bytes())
    for content in (gzip.compress(whole[:-3]), whole, gzip.compress(b"hello"), path.read_bytes()[:40]):
        path.write_bytes(content)
        with pytest.raises(SeriesError, match=r"not whole|damaged|no idx"):
            sequences.read(path, config(kind="classify", view="rows"))


def test_padding_changes_no_answer() -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    data = Sequences([random.random((n, 2)).astype(np.float32) for n in (3, 9, 1)], ["a", "b", "a"])
    reader = Reader.of(data)
    model = build(config(kind="classify", pooling="mean", bidirectional=True), 2, 2).eval()
    beside = model.predict(reader.batch(data, np.arange(3)).x, reader.batch(data, np.arange(3)).lengths)  # type: ignore[union-attr]
    for i in range(3):
        batch = reader.batch(data, np.array([i]))
        # float32 in another order of sums
        torch.testing.assert_close(model.predict(batch.x, batch.lengths)[0], beside[i], atol=1e-6, rtol=1e-5)  # type: ignore[union-attr]


# --- the cheap baseline ---------------------------------------------------------------------------


def test_moments_tell_classes_apart_and_travel_as_json() -> None:
    random = np.random.default_rng(0)
    x = [random.normal([k % 3 == 0, k % 3 == 1, k % 3 == 2, 0], 1, (30, 4)) for k in range(60)]
    y = [k % 3 for k in range(60)]
    base = Moments.fit(x, y, 3)
    assert (base.scores(x).argmax(1) == y).mean() > 0.9
    again = Moments.from_json(json.loads(json.dumps(base.to_json())))
    np.testing.assert_allclose(again.scores(x), base.scores(x))
    shuffled = [v[random.permutation(len(v))] for v in x]
    assert (base.scores(shuffled).argmax(1) == y).mean() > 0.9
    with pytest.raises(MomentsError, match="reads 4 columns, found 2"):
        base.scores([np.ones((3, 2))])
    for value in ({}, None, {**base.to_json(), "bias": [1]}, {**base.to_json(), "mean": "x"}):
        with pytest.raises(MomentsError):
            Moments.from_json(value)
    with pytest.raises(MomentsError, match="need a class each"):
        Moments.fit(x, y[:-1], 3)
    with pytest.raises(MomentsError, match="at least one step"):
        base.scores([np.ones((0, 4))])


# --- the models of the package --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["airline", "sunspots"])
def test_a_bundled_forecast_continues_its_own_series(name: str) -> None:
    found = Teller.load(f"series-{name}")(forecast_request())
    assert len(found.ahead) in (12, 24)
    assert found.ahead[0].time == times.after(found.times[: found.shown_before], 1)[0]
    assert found.backtest is not None
    assert found.backtest.table["model"].mae > 0


@pytest.mark.skipif(not (SHARED / "classic-series").is_dir(), reason="the data set is not here")
def test_the_bundled_forecast_beats_seasonal_naive_on_what_is_held_out() -> None:
    found = evaluate("series-airline", SHARED / "classic-series" / "airline_valid.tsv")
    assert found["goes_on_from_training"]
    assert found["beats_seasonal"]
