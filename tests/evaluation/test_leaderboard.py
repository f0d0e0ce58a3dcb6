"""The board: seeds in one row, intervals, order, and what may not stand together."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from mien.cards import TAUGHT, Card, TrainedOn
from mien.errors import DataError
from mien.evaluation.leaderboard import COLUMNS, Leaderboard, cells
from mien.evaluation.metrics import wilson


def card(accuracy: float, seed: int = 0, val: str = "abc", model: str = "cnn", train: str = "t", **more: Any) -> Card:
    scores = {"n": 100, "accuracy": accuracy, "balanced_accuracy": accuracy - 0.1, "macro_f1": 0.5, "ece": 0.02}
    return Card(
        model=model,
        classes=("sad", "happy"),
        recipe={"epochs": 3, "seed": seed},
        data=TrainedOn(checksums={"train": train, "val": val}),
        scores={"after": {"val": scores, "test": {"accuracy": 1 - accuracy}}},
        **more,
    )


def test_seeds_of_one_recipe_are_one_row_and_the_best_row_is_first() -> None:
    values = [0.70, 0.72, 0.71]
    cards = {f"c{seed}": card(value, seed) for seed, value in enumerate(values)} | {"r": card(0.8, model="resnet")}
    board = Leaderboard.of(cards, {"c0": 0.6, "c1": 0.6, "c2": 0.9, "r": 0.5})
    assert [row.name for row in board.rows] == ["resnet", "cnn"]  # by a test score it would be the other way round
    row = board.rows[1]
    assert row.seeds == (0, 1, 2)
    assert row.accuracy == pytest.approx(0.71)
    expected = stats.t.interval(0.95, 2, 0.71, stats.sem(values))
    assert row.interval == pytest.approx(expected, abs=1e-4)
    assert row.leak_free == pytest.approx(0.7)
    assert board.rows[0].interval is None
    text = board.as_markdown()
    assert "| (resnet) | 1 |" in text
    assert "| cnn | 3 | 0.7100 |" in text


@pytest.mark.parametrize("n", range(2, 12))
def test_the_interval_is_student_s_of_that_many_seeds(n: int) -> None:
    values = [0.7 + 0.01 * (seed * seed % 7) for seed in range(n)]
    [row] = Leaderboard.of({f"c{seed}": card(value, seed) for seed, value in enumerate(values)}).rows
    assert row.interval is not None
    low, high = stats.t.interval(0.95, n - 1, loc=sum(values) / n, scale=stats.sem(values))
    assert row.interval == pytest.approx((low, high), abs=1e-5)


@pytest.mark.parametrize("n", [12, 30])
def test_of_many_seeds_the_interval_is_a_little_wide(n: int) -> None:
    values = [0.7 + 0.01 * (seed * seed % 7) for seed in range(n)]
    [row] = Leaderboard.of({f"c{seed}": card(value, seed) for seed, value in enumerate(values)}).rows
    assert row.interval is not None
    half = (row.interval[1] - row.interval[0]) / 2 / float(stats.sem(values))
    assert half == pytest.approx(2.228)
    assert half > stats.t.ppf(0.975, n - 1)


def test_an_interval_of_accuracies_ends_at_0_and_1() -> None:
    [row] = Leaderboard.of({"a": card(0.8), "b": card(1.0, 1)}).rows
    assert row.interval == (0.0, 1.0)


def test_each_cell_stands_below_its_column() -> None:
    cards = {f"c{seed}": card(0.7, seed, parameters=1_200_000, macs=34_000_000) for seed in range(3)}
    [row] = Leaderboard.of(cards, dict.fromkeys(cards, 0.65)).rows
    assert dict(zip(COLUMNS, cells(row), strict=True)) == {
        "network": "cnn", "seeds": "3", "accuracy": "0.7000", "95 % over seeds": "0.7000 to 0.7000",
        "without leaks": "0.6500", "balanced": "0.6000", "macro-F1": "0.5000", "ECE": "0.020",
        "parameters": "1.2 M", "multiply-adds": "34.0 M",
    }  # fmt: skip


def test_runs_that_learned_other_faces_are_two_rows() -> None:
    board = Leaderboard.of({"a": card(0.7), "b": card(0.8, 1), "c": card(0.9, 2, train="others")})
    assert [row.runs for row in board.rows] == [("c",), ("a", "b")]


def test_runs_of_networks_of_another_cost_are_two_rows() -> None:
    small = {"parameters": 2_000, "macs": 16_000}
    board = Leaderboard.of({"a": card(0.8, **small), "b": card(0.7, 1, **small | {"parameters": 13_000})})
    assert [row.name for row in board.rows] == [
        *("cnn, parameters 2000, multiply-adds 16000", "cnn, parameters 13000, multiply-adds 16000")
    ]
    wide = card(0.7, 1, **small | {"parameters": 13_000, "options": {"widths": [9]}})
    assert [row.name for row in Leaderboard.of({"a": card(0.8, **small), "b": wide}).rows] == ["cnn", "cnn, widths [9]"]


def test_options_in_another_order_are_the_same_recipe() -> None:
    orders = {"width": 4, "depth": 2}, {"depth": 2, "width": 4}
    cards = {f"c{seed}": card(0.7, seed, options=options) for seed, options in enumerate(orders)}
    for one, options in zip(cards.values(), orders, strict=True):
        one.recipe["options"] = options
    assert [row.seeds for row in Leaderboard.of(cards).rows] == [(0, 1)]


def test_what_cannot_stand_together() -> None:
    with pytest.raises(DataError, match="different validation faces"):
        Leaderboard.of({"a": card(0.7), "b": card(0.7, 1, val="xyz")})
    with pytest.raises(DataError, match="a: its card has no checksum of its validation faces"):
        Leaderboard.of({"a": card(0.7, val=""), "b": card(0.7, 1, val="")})
    fewer = card(0.7, 1)
    fewer.scores["after"]["val"]["n"] = 99
    with pytest.raises(DataError, match="different validation faces"):
        Leaderboard.of({"a": card(0.7), "b": fewer})
    board = Leaderboard.of({"a": card(0.7)})
    with pytest.raises(DataError, match="different validation faces"):
        replace(board, n=99).beside(board)
    with pytest.raises(DataError, match="same seed"):
        Leaderboard.of({"a": card(0.7), "b": card(0.7)})
    with pytest.raises(DataError, match="no scores"):
        Leaderboard.of({"a": Card(model="cnn", classes=("sad", "happy"))})


@pytest.mark.parametrize("name", ["./runs/a", "runs//a/", "runs/b/../a", str(Path.cwd() / "runs" / "a")])
def test_a_run_by_two_names_stands_once(name: str) -> None:
    with pytest.raises(DataError, match=r"stands on both boards"):
        Leaderboard.of({"runs/a": card(0.7)}).beside(Leaderboard.of({name: card(0.7)}))
    assert len(Leaderboard.of({"runs/a": card(0.7)}).beside(Leaderboard.of({f"{name}b": card(0.7)})).rows) == 2


def test_without_leaks_it_is_the_mean_of_all_seeds_or_none() -> None:
    cards = {f"c{seed}": card(0.7, seed) for seed in range(3)}
    assert Leaderboard.of(cards, {"c0": 0.6, "c2": 0.6}).rows[0].leak_free is None


def test_runs_that_went_on_from_other_weights_are_two_rows() -> None:
    cards = {
        name: card(0.7, seed, init=weights * 32) for seed, (name, weights) in enumerate({"a": "ab", "b": "cd"}.items())
    }
    for one in cards.values():
        one.recipe["init"] = "best"  # a folder's name, of two different folders
    assert [row.name for row in Leaderboard.of(cards).rows] == ["cnn, init best abababab", "cnn, init best cdcdcdcd"]


def test_what_the_intervals_leave_out_is_said() -> None:
    text = Leaderboard.of({"a": card(0.8), "b": card(0.6, 1)}).as_markdown()
    low, high = wilson(0.7, 100)
    assert f"for that alone 0.7000 of 100 has {low:.4f} to {high:.4f} (Wilson)" in text


def test_a_card_that_lacks_something_is_named() -> None:
    lacking = card(0.7)
    del lacking.scores["after"]["val"]["macro_f1"]
    with pytest.raises(DataError, match=r"mine: its card has no macro_f1"):
        Leaderboard.of({"mine": lacking})
    with pytest.raises(DataError, match=r"mine: the ece of the calibration"):
        Leaderboard.of({"mine": card(0.7, calibration={"ece": "low"})})
    odd = card(0.7)
    odd.recipe["seed"] = "x"
    with pytest.raises(DataError, match=r"mine: the seed"):
        Leaderboard.of({"mine": odd})


def test_a_name_is_no_markdown() -> None:
    text = Leaderboard.of({"a": card(0.7, model="<img src=x> | a\n| b")}).as_markdown()
    assert "| (&lt;img src=x&gt; \\| a\N{REPLACEMENT CHARACTER}\\| b) | 1 |" in text


def test_more_labels_are_marked() -> None:
    board = Leaderboard.of({"a": card(0.7, options={"second": 8})})
    assert "cnn †" in board.as_markdown()
    assert "more labels" in board.as_markdown()


@pytest.mark.parametrize("known", [{"notes": f"0.7 {TAUGHT} 2: flagship; small."}, {"init": "small"}])
def test_help_of_other_networks_is_marked(known: dict[str, str]) -> None:
    plain, helped = card(0.7), card(0.8, model="resnet", notes=known.get("notes", ""))
    helped.recipe["init"] = known.get("init", "")
    text = Leaderboard.of({"a": plain, "b": helped}).as_markdown()
    assert "(resnet ‡)" in text
    assert "(cnn)" in text
    assert "‡ went on from other weights or was taught" in text
    assert "‡" not in Leaderboard.of({"a": plain}).as_markdown()


def test_calibration_errors_are_all_as_trained() -> None:
    boxed = card(0.8, model="resnet", calibration={"ece": 0.05})
    boxed.scores["int8"] = boxed.scores["after"]  # as networks in the box have
    board = Leaderboard.of({"a": card(0.7), "b": boxed, "c": card(0.6, model="mlp", calibration={"ece": 0.05})})
    assert [row.ece for row in board.rows] == [0.05, 0.02, 0.02]


def test_recipes_of_one_preset_are_told_apart() -> None:
    cards = {str(place): card(0.7, preset="tuned") for place in range(3)} | {"r": card(0.6, model="resnet")}
    cards["1"].recipe["lr"] = cards["2"].recipe["lr"] = 0.1
    cards["2"].recipe["epochs"] = 9
    names = {row.name for row in Leaderboard.of(cards).rows}
    assert names == {"cnn, tuned, epochs 3", "cnn, tuned, epochs 3, lr 0.1", "cnn, tuned, epochs 9, lr 0.1", "resnet"}
