"""Likely mislabels: the ranking by hand, and labels that were changed on purpose."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mien.data.drawn import drawn_faces
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor import outside
from mien.doctor.examine import examine
from mien.doctor.groups import Groups
from mien.doctor.mislabels import suspects
from mien.doctor.outside import out_of_sample
from mien.doctor.pool import Pool
from mien.errors import DataError
from mien.training import head


def test_the_ranking_by_hand() -> None:
    answers = np.array(
        [
            [0.8, 0.1, 0.1],  # 0: label 0
            [0.6, 0.3, 0.1],  # 1: label 0; thresholds: class 0 (0.8+0.6)/2 = 0.7, 1 (0.2+0.5)/2 = 0.35, 2 0.4
            [0.75, 0.2, 0.05],  # 2: label 1, reaches 0's threshold: a mislabel, margin -0.55
            [0.1, 0.5, 0.4],  # 3: label 1, reaches 1's and 2's; 1 is likelier: none
            [0.1, 0.5, 0.4],  # 4: label 2, reaches 1's and 2's; 1 is likelier: a mislabel, margin -0.1
            [0.9, 0.1, 0.0],  # 5: unlabelled
        ]
    )
    found = suspects(answers, np.array([0, 0, 1, 1, 2, -1]))
    assert found.count == 2
    assert found.order.tolist() == [2, 4, 3, 1, 0]
    assert found.suggested.tolist() == [0, 0, 0, 1, 1, 0]
    assert found.own[[2, 4]] == pytest.approx([0.2, 0.4])
    assert found.other[[2, 4]] == pytest.approx([0.75, 0.5])
    assert found.accuracy == pytest.approx(3 / 5)


def stripes(n: int) -> FaceSet:
    """Noise with a bright stripe in one of four places: a network learns that in a few epochs."""
    labels = np.arange(n) % 4
    images = np.random.default_rng(0).integers(0, 160, (n, 24, 24), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 6 : label * 6 + 6] += 80
    return FaceSet(images, labels, classes=("top", "upper", "lower", "bottom"))


def none(pool: Pool, known: np.ndarray, *_: object) -> np.ndarray:
    """The answers of heads that know nothing."""
    return np.zeros((len(known), len(pool.classes)), np.float32)


@pytest.mark.parametrize("way", ["heads", "networks"])
def test_labels_changed_on_purpose_are_found(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "heads":
        monkeypatch.setattr(outside, "ENOUGH", 0)
    else:
        monkeypatch.setattr(outside, "of_heads", none)
        monkeypatch.setattr(outside, "MOST", 8)
    faces = drawn_faces(400).train if way == "heads" else stripes(160)
    labels = faces.labels.copy()
    wrong = np.random.default_rng(0).choice(len(labels), 24, replace=False)
    labels[wrong] = (labels[wrong] + 3) % len(faces.classes)
    changed = FaceSet(faces.images, labels, classes=faces.classes)
    pool = Pool(Splits(changed, changed[[]], changed[[]]))
    told: list[float] = []
    alone = Groups(np.arange(len(pool)))
    answers = out_of_sample(pool, alone, folds=2, tick=told.append)
    assert answers.sum(1) == pytest.approx(1, abs=1e-4)
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 2  # each part says when it is done
    found = suspects(answers, pool.labels)
    place = np.flatnonzero(np.isin(found.order, wrong)) / len(found.order)
    assert place.mean() < 0.3  # by chance 0.5, give or take 0.06


@pytest.mark.parametrize(
    ("heads", "networks", "taken"), [(0.7, 0.0, "heads"), (0.6, 0.5, "heads"), (0.6, 0.7, "networks")]
)
def test_networks_are_tried_where_heads_agree_with_little(
    heads: float, networks: float, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the commonest class alone a fifth would be right, so 0.68 is enough."""
    labels = np.arange(200) % 5
    faces = FaceSet(np.zeros((200, 24, 24), np.uint8), labels, classes=tuple("abcde"))
    tried: list[str] = []

    def right_on(name: str, share: float) -> object:
        def answers(*_: object) -> np.ndarray:
            tried.append(name)
            told = np.where(np.arange(200) < 200 * share, labels, (labels + 1) % 5)
            return np.eye(5, dtype=np.float32)[told]

        return answers

    monkeypatch.setattr(outside, "of_heads", right_on("heads", heads))
    monkeypatch.setattr(outside, "of_networks", right_on("networks", networks))
    answers = out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), Groups(np.arange(200)))
    assert tried == (["heads"] if heads > 0.68 else ["heads", "networks"])
    assert (answers.argmax(1) == labels).mean() == pytest.approx(heads if taken == "heads" else networks)


def test_a_part_without_a_class_leaves_the_heads_answers() -> None:
    """Whoever answers for the only `b` learned from `a` alone, which a network refuses."""
    drawn = drawn_faces(60).train
    faces = FaceSet(drawn.images, (np.arange(42) == 7).astype(int), classes=("a", "b"))
    found = suspects(out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), Groups(np.arange(42))), faces.labels)
    assert (found.order[0], found.suggested[7]) == (7, 0)


def test_torchs_default_device_modes_and_random_numbers_are_nothing_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "MOST", 2)
    faces, before = stripes(60), torch.get_rng_state()
    pool, alone = Pool(Splits(faces, faces[[]], faces[[]])), Groups(np.arange(60))
    for way in (outside.of_heads, none):
        monkeypatch.setattr(outside, "of_heads", way)
        monkeypatch.setattr(outside, "ENOUGH", 2 if way is none else -1)
        expected = out_of_sample(pool, alone, folds=2)
        for other in (torch.device("meta"), torch.no_grad(), torch.inference_mode()):
            with other:
                assert (out_of_sample(pool, alone, folds=2) == expected).all()
    assert torch.equal(torch.get_rng_state(), before)


def test_any_seed_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "of_heads", none)
    monkeypatch.setattr(outside, "MOST", 2)
    faces = stripes(60)
    answers = out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), Groups(np.arange(60)), folds=2, seed=10**20)
    assert answers.sum(1) == pytest.approx(1, abs=1e-4)


def test_large_faces_in_colour_are_answered_as_what_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "ENOUGH", 0)
    small = drawn_faces(100).train
    images = np.stack([np.asarray(Image.fromarray(face).resize((96, 96)).convert("RGB")) for face in small.images])
    large = FaceSet(images, small.labels)
    alone = Groups(np.arange(len(small)))
    one, other = (out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), alone) for faces in (small, large))
    assert (one.argmax(1) == other.argmax(1)).mean() > 0.8


def test_too_few_faces_to_say() -> None:
    faces = drawn_faces(20).train
    with pytest.raises(DataError, match="too few"):
        out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), Groups(np.arange(len(faces))))


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_without_a_package_the_other_findings_stand(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "mien.checkpoint", raising=False)
    *_, found = examine(drawn_faces(60), skip=("nonfaces",))
    why = f'Finding likely mislabels needs {package}. Install it with: pip install "mien[train]"'
    assert dict(found.left_out)["mislabels"] == why


def test_where_the_network_in_the_box_is_damaged_the_other_findings_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(outside.BOX / outside.BY, tmp_path / outside.BY)
    (tmp_path / outside.BY / "weights.safetensors").write_bytes(b"half of it")
    monkeypatch.setattr(outside, "BOX", tmp_path)
    *_, found = examine(drawn_faces(60), skip=("nonfaces",))
    assert "weights.safetensors: changed or damaged" in dict(found.left_out)["mislabels"]


def test_faces_alike_are_never_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "of_heads", none)
    images = np.zeros((200, 24, 24), np.uint8)
    images[:, 0, 0] = np.arange(200)  # the name of each face
    faces = FaceSet(images, np.arange(200) % 7)
    first = np.arange(200) // 4 * 4
    seen: list[tuple[set[int], set[int]]] = []

    def watched(learn: FaceSet, held: FaceSet, *_: object) -> np.ndarray:
        seen.append((set(first[learn.images[:, 0, 0]]), set(first[held.images[:, 0, 0]])))
        return np.eye(7)[held.labels] * (1 + held.images[:, 0, :1].astype(float))

    monkeypatch.setattr(outside, "_answers", watched)
    answers = out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), Groups(first), folds=3)
    assert len(seen) == 3
    assert all(not learn & held for learn, held in seen)
    assert (answers.max(1) == 1 + np.arange(200)).all()  # each face has its own answer


def test_a_head_never_learned_from_what_it_answers_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each face is the only one that shows its number, and a head of one weight knows which it was fitted to."""
    images = np.zeros((200, 48, 48), np.uint8)
    images[:] = np.arange(200)[:, None, None]
    faces = FaceSet(images, np.arange(200) % 7)
    first = np.arange(200) // 4 * 4
    monkeypatch.setattr(outside, "ENOUGH", -1)
    learned: list[set[int]] = []

    def number(_: object, faces: FaceSet, *__: object) -> torch.Tensor:
        return torch.from_numpy(faces.images[:, 0, :1].astype(float))

    def heads(x: torch.Tensor, labels: torch.Tensor, *_: object) -> tuple[torch.Tensor, torch.Tensor]:
        assert (labels == x[:, 0] % 7).all()
        learned.append(set(first[x[:, 0].long()]))
        part = torch.full((7, 1), 0.0, dtype=torch.double)
        return part, torch.nn.functional.one_hot(torch.tensor(len(learned)), 7).double() * 50

    monkeypatch.setattr(head, "into_head", number)
    monkeypatch.setattr(head, "fitted", heads)
    answers = out_of_sample(Pool(Splits(faces, faces[[]], faces[[]])), Groups(first), folds=3)
    by = answers.argmax(1)  # which head answered
    assert sorted(set(by)) == [1, 2, 3]
    assert all(first[face] not in learned[by[face] - 1] for face in range(200))


def test_a_class_that_nothing_knows_is_suggested_for_no_face() -> None:
    """Its only face has next to nothing for it, and so has every other face."""
    answers = np.array([[0.8, 0.19, 0.01], [0.6, 0.39, 0.01], [0.3, 0.69, 0.01], [0.2, 0.79, 0.01], [0.9, 0.1, 0]])
    found = suspects(answers, np.array([0, 0, 1, 1, 2]))
    assert (found.order[: found.count].tolist(), found.suggested[4]) == ([4], 0)


def test_a_suggestion_is_never_the_label_itself() -> None:
    """A sure class has a high threshold: its faces may miss that, be nearest to it, and reach another one's."""
    answers = np.array([[0.99, 0.01, 0], [0.99, 0.01, 0], [0.5, 0.4, 0.1], [0.7, 0.3, 0], [0.6, 0.4, 0]])
    found = suspects(answers, np.array([0, 0, 0, 1, 1]))  # thresholds 0.83 and 0.35
    assert (found.order[: found.count].tolist(), found.suggested[2]) == ([2], 1)
    assert (found.own[2], found.other[2]) == pytest.approx((0.5, 0.4))
    assert found.accuracy == pytest.approx(3 / 5)
