import dataclasses
import json

import numpy as np
import pytest

from mien.evaluation.ladder import Ladder, Step


def test_json_has_the_promised_form(some_ladder: Ladder) -> None:
    data = json.loads(json.dumps(some_ladder.as_json(), allow_nan=False))
    assert list(data) == ["rungs", "data", "environment"]
    rung = data["rungs"][0]
    assert list(rung) == [
        *("model", "preset", "parameters", "macs", "train_seconds", "faces_per_second", "before", "after")
    ]
    assert (list(rung["before"]), list(rung["after"])) == (["val"], ["val", "test"])
    assert rung["after"]["test"]["accuracy"] == some_ladder.rungs[0].after["test"].accuracy
    assert data["data"]["counts"]["train"]["happy"] == 40


def test_steps_by_hand(some_ladder: Ladder) -> None:
    first, second = some_ladder.steps
    low, middle, _ = some_ladder.reports
    assert first.accuracy == (low.accuracy, middle.accuracy)
    assert first.recalls["angry"] == pytest.approx(middle.per_class[0].recall - low.per_class[0].recall)
    assert (first.times, second.times) == (5, 4)
    assert first.apart
    assert not second.apart
    gain = 100 * (middle.accuracy - low.accuracy)
    assert str(first).startswith(f"+{gain:.1f} points of accuracy ({low.accuracy:.3f} to")
    assert "It may be chance" in str(second)
    assert "chance" not in str(first)


def test_what_tells_rungs_apart_are_the_faces_that_only_one_is_right_on(some_ladder: Ladder) -> None:
    n = some_ladder.reports[0].n
    below = np.arange(n) < 60
    above = below | (np.arange(n) < 66)
    below[0], above[0] = False, True  # seven of 120 faces: the intervals overlap, yet nothing speaks for the one below

    def step(*right: np.ndarray) -> Step:
        rungs = [
            dataclasses.replace(rung, right={"test": mask})
            for rung, mask in zip(some_ladder.rungs, right, strict=False)
        ]
        return dataclasses.replace(some_ladder, rungs=tuple(rungs)).steps[0]

    assert (step(below, above).alone, step(below, above).apart) == ((0, 7), True)
    assert (step(above, np.roll(above, 5)).alone, step(above, np.roll(above, 5)).apart) == ((5, 5), False)


def test_steps_are_judged_together(some_ladder: Ladder) -> None:
    n = some_ladder.reports[0].n
    counts = [50, 56, 62]  # either step alone has six faces for it and none against: p is 0.031
    rungs = [
        dataclasses.replace(rung, right={"test": np.arange(n) < count})
        for rung, count in zip(some_ladder.rungs, counts, strict=True)
    ]
    steps = dataclasses.replace(some_ladder, rungs=tuple(rungs)).steps
    assert [step.p for step in steps] == [2 * 0.03125] * 2
    assert [step.apart for step in steps] == [False, False]
    assert dataclasses.replace(some_ladder, rungs=tuple(rungs[:2])).steps[0].apart


def test_without_a_test_split_the_rungs_are_judged_on_val(some_ladder: Ladder) -> None:
    assert some_ladder.judged == "test"
    last = some_ladder.rungs[-1]
    blind = dataclasses.replace(last, after={"val": last.after["val"]})
    ladder = dataclasses.replace(some_ladder, rungs=(*some_ladder.rungs[:-1], blind))
    assert ladder.judged == "val"
    assert ladder.reports[0] is some_ladder.rungs[0].after["val"]
    assert "test after" not in ladder.as_markdown()


def test_baseline_is_the_most_common_class(some_ladder: Ladder) -> None:
    assert some_ladder.baseline == pytest.approx(1 / 3)


def test_markdown_table_is_rectangular(some_ladder: Ladder) -> None:
    table = [line for line in some_ladder.as_markdown().splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3
    assert {line.count("|") for line in table} == {13}
    assert "| resnet | demo | 2.0 k | 20.0 k | 12.5 s | 1,234 |" in table[-1]


def test_a_ladder_never_tested_has_no_column_for_it(some_ladder: Ladder) -> None:
    rungs = tuple(dataclasses.replace(rung, after={"val": rung.after["val"]}) for rung in some_ladder.rungs)
    columns, rows = dataclasses.replace(some_ladder, rungs=rungs).table()
    assert "test after" not in columns
    assert {len(row) for row in rows} == {len(columns)}
