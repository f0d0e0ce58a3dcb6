import numpy as np
import pytest
from matplotlib.figure import Figure

from mien.data.faces import FaceSet
from mien.evaluation.figures import sheet
from mien.evaluation.gallery import choose
from mien.evaluation.ladder import Ladder, Rung
from mien.evaluation.report import Report
from mien.evaluation.scores import Scores

CLASSES = ("angry", "happy", "<b>odd & 'quoted'</b>")


def answers(faces: FaceSet, share: float, split: str) -> Scores:
    """Answers of which about `share` are right."""
    rng = np.random.default_rng(int(share * 100))
    n = len(faces)
    answer = np.where(rng.random(n) < share, faces.labels, rng.integers(0, 3, n))
    given = 0.3 * np.eye(3)[answer] + 0.7 * rng.dirichlet(np.ones(3), n) * 0.5 + 0.35 / 3
    return Scores(given.astype(np.float32), faces.labels, faces.classes, np.arange(n), split)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures themselves, of which the pictures are made."""
    kept: list[Figure] = []
    monkeypatch.setattr(sheet, "Figure", lambda **how: kept.append(Figure(**how)) or kept[-1])
    return kept


@pytest.fixture(scope="session")
def some_faces() -> FaceSet:
    rng = np.random.default_rng(0)
    return FaceSet(
        rng.integers(0, 256, (120, 12, 10), np.uint8), np.arange(120) % 3, classes=CLASSES, rows=np.arange(500, 620)
    )


@pytest.fixture(scope="session")
def some_ladder(some_faces: FaceSet) -> Ladder:
    history = tuple(
        {
            "epoch": e,
            "train_loss": 1 / e,
            "val_loss": 1.2 / e,
            "train_accuracy": 1 - 0.5 / e,
            "val_accuracy": 1 - 0.6 / e,
        }
        for e in range(1, 6)
    )
    rungs = []
    for name, share, macs in (("logistic", 0.1, 1000), ("cnn", 0.7, 5000), ("resnet", 0.72, 20_000)):
        reports = {split: Report.of(answers(some_faces, share, split)) for split in ("val", "test")}
        before = {"val": Report.of(answers(some_faces, 0.0, "val"))}
        gallery = choose(answers(some_faces, share, "test"), some_faces, each=5)
        right = {split: answers(some_faces, share, split).correct for split in ("val", "test")}
        rungs.append(Rung(name, "demo", macs // 10, macs, 12.5, 1234.5, before, reports, history, gallery, right))
    counts = {"train": some_faces.counts, "val": some_faces.counts, "test": some_faces.counts}
    return Ladder(tuple(rungs), "drawn faces", CLASSES, counts, {"train": "ab" * 32}, {"torch": "2.13", "nested": {}})
