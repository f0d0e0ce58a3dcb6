import json

import numpy as np
import pytest

from mien.evaluation.report import Report
from mien.evaluation.scores import Scores


def report() -> Report:
    rng = np.random.default_rng(0)
    given = rng.dirichlet(np.ones(3), 50).astype(np.float32)
    return Report.of(Scores(given, rng.integers(0, 3, 50), ("no", "maybe", "yes"), np.arange(50), "val", 2))


def test_json_has_exactly_these_fields_and_comes_back() -> None:
    text = json.dumps(report().as_json(), allow_nan=False)
    assert list(json.loads(text)) == [
        *("accuracy", "interval", "balanced_accuracy", "macro_f1", "ece", "loss"),
        *("per_class", "confusion", "n", "split", "views", "left_out", "distance"),
    ]
    assert Report.from_json(json.loads(text)) == report()
    assert set(json.loads(text)["per_class"][0]) == {"name", "n", "precision", "recall", "f1"}


def test_markdown_has_the_scores_and_a_row_per_class() -> None:
    text = report().as_markdown()
    assert "50 faces of val, 2 views" in text
    assert f"| {report().accuracy:.3f} |" in text
    assert [line.split(" | ")[0] for line in text.splitlines()[-3:]] == ["| no", "| maybe", "| yes"]


def test_a_report_by_hand() -> None:
    """Six faces, as in test_metrics: class 0 has 3 (2 found), class 1 has 2 (1 found), class 2 has 1, and 3 none."""
    labels, sure = np.array([0, 0, 0, 1, 1, 2]), np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2, 2]]
    made = Report.of(Scores(0.6 * sure + 0.1, labels, tuple("abcd"), np.arange(6)))
    found = [(one.n, one.precision, one.recall, one.f1) for one in made.per_class]
    by_hand = [(3, 1, 2 / 3, 4 / 5), (2, 1 / 2, 1 / 2, 1 / 2), (1, 1 / 2, 1, 2 / 3), (0, 0, 0, 0)]
    assert found == [pytest.approx(one) for one in by_hand]
    lines = made.as_markdown().splitlines()
    # calibration: equally sure of all, so one bin, of 0.7 against 4 / 6; loss: 4 times ln 0.7, twice ln 0.1
    assert lines[4] == "| 0.667 | 0.300 to 0.903 | 0.722 | 0.656 | 0.033 | 1.005 |"
    assert lines[8] == "| a | 3 | 1.000 | 0.667 | 0.800 |"


def test_a_table_bears_any_name_and_no_negative_zero() -> None:
    report = Report.of(Scores(np.eye(2, dtype=np.float32), np.array([0, 1]), ("a|b", "c"), np.arange(2)))
    assert "| a\\|b | 1 |" in report.as_markdown()
    assert "-0.000" not in report.as_markdown()


def test_it_prints_as_tables_and_is_short_among_others() -> None:
    made = report()
    low, high = made.interval
    assert repr(made) == f"Report(accuracy {made.accuracy:.3f}, {low:.3f} to {high:.3f}, 50 faces of val, 2 views)"
    title, _, head, scores, _, columns, *classes = str(made).splitlines()
    assert title == "50 faces of val, 2 views"
    assert (head.split()[0], scores.split()[0]) == ("accuracy", f"{made.accuracy:.3f}")
    assert [line.split()[:2] for line in classes] == [[one.name, str(one.n)] for one in made.per_class]
    assert {len(line) for line in (columns, *classes)} == {len(columns)}
    assert made == report()
    assert made != Report.from_json(made.as_json() | {"loss": 0.0})
