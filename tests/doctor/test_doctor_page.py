"""The doctor's page, read as a person reads it."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor.examine import examine
from mien.doctor.page import EACH, findings, write_page


def splits_with(copies: int) -> Splits:
    """Faces of noise; so many of them, in train, are the same one."""
    images = np.random.default_rng(0).integers(0, 256, (80 + copies, 48, 48), np.uint8)
    images[80:] = images[20]
    labels = np.arange(len(images)) % 2
    labels[80:] = labels[20]
    parts = [FaceSet(images[k], labels[k], classes=("a", "b")) for k in (slice(20, None), slice(20))]
    return Splits(*parts, parts[1][:0], "noise")


def page_of(splits: Splits, to: Path) -> str:
    *_, found = examine(splits, skip=("nonfaces", "mislabels"))
    assert ("copies", "1", "identical to an earlier face, in 1 group") in findings(found)
    write_page(found, to)
    return to.read_text()


def test_the_page_counts_as_people_do(tmp_path: Path) -> None:
    text = page_of(splits_with(1), tmp_path / "page.html")
    assert not re.search(r"\b1 groups", text)
    assert "At most" not in text  # everything is shown
    assert EACH == 48


def test_only_sentences_stand_left(tmp_path: Path) -> None:
    """The last figures of the table of classes stand on the right, as their heading does."""
    text = page_of(splits_with(1), tmp_path / "page.html")
    assert "td:last-child" not in text
    findings_table, classes_table = re.findall(r"<table>.*?</table>", text, re.DOTALL)
    assert '<th scope="col" class="said">what it means</th>' in findings_table
    assert findings_table.count('class="said"') > 5
    assert "said" not in classes_table


def test_rows_and_groups_have_names_that_screen_readers_say(tmp_path: Path) -> None:
    splits = splits_with(1)
    images = splits.train.images.copy()
    images[5] = images[6]
    again = Splits(FaceSet(images, splits.train.targets, classes=splits.classes), splits.val, splits.test, "noise")
    *_, found = examine(again, skip=("nonfaces", "mislabels"))
    assert all(name for name, _, _ in findings(found))
    write_page(found, tmp_path / "page.html")
    sections = (tmp_path / "page.html").read_text().split("<section>")
    labels = [re.findall(r'role="group" aria-label="(group \d)"', section) for section in sections]
    assert ["group 1", "group 2"] in labels
    for section, named in zip(sections, labels, strict=True):
        assert len(named) == section.count('class="group"') or (named, section.count('class="group"')) == ([], 1)


def test_names_from_right_to_left_turn_nothing_beside_them(tmp_path: Path) -> None:
    splits = splits_with(1)
    name = "\u05e9\u05de\u05d7 (1)"
    own = [FaceSet(part.images, part.targets, classes=(name, "b")) for part in (splits.train, splits.val, splits.test)]
    text = page_of(Splits(*own, "noise"), tmp_path / "page.html")
    assert text.count(name) == text.count(f"<bdi>{name}</bdi>") + text.count(f'labelled {name}."')
    assert f"<bdi>{name}</bdi><br>train, <bdi>row " in text


def test_a_file_whose_name_is_no_text_stands_on_the_page(tmp_path: Path) -> None:
    splits = splits_with(1)
    files = [f"a/b\udce4r{row}.png" for row in range(len(splits.train))]
    assert "a/b?r0.png" in page_of(replace(splits, files=files), tmp_path / "page.html")
