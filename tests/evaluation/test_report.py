import json

import numpy as np

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


def test_a_table_bears_any_name_and_no_negative_zero() -> None:
    report = Report.of(Scores(np.eye(2, dtype=np.float32), np.array([0, 1]), ("a|b", "c"), np.arange(2)))
    assert "| a\\|b | 1 |" in report.as_markdown()
    assert "-0.000" not in report.as_markdown()
