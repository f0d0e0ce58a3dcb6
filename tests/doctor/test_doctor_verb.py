"""`mien data doctor` as a person runs it."""

import json
import re
import signal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.cli import main
from mien.data.faces import FaceSet
from mien.data.splits import Splits
from mien.doctor import nonfaces, outside
from mien.doctor.examine import SLOW, examine

VOTES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.fixture(scope="session")
def data(planted: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planted") / "faces.npz"
    planted.save(path)
    return path


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> dict:
    capsys.readouterr()
    assert main(["data", "doctor", *map(str, words), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_everything_at_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "ENOUGH", 0)  # heads alone; how well it finds them is tested elsewhere
    page, clean = tmp_path / "page.html", tmp_path / "clean.npz"
    wanted = (
        "--report",
        page,
        "--write-clean",
        clean,
        "--drop",
        "copies,constant",
        "--move",
        "mislabels",
        "--folds",
        2,
    )
    found = ask(capsys, data, *wanted)
    assert found["duplicates"] == {"groups": 5, "copies": 5, "conflicting": 1}
    assert found["leaks"] == {"val": 2, "test": 1}
    assert (found["constant"], found["faint"], found["unlabelled"]) == (2, 1, 0)
    assert found["faces"] == {"train": 294, "val": 63, "test": 63}
    assert found["resolution"] == {"height": 48, "width": 48, "channels": 1}
    assert found["nonfaces"]["count"] >= 3  # the blanks at least; the detector knows drawn faces, too, or not
    assert {(f["split"], f["row"]) for f in found["nonfaces"]["faces"]} >= {("train", 30), ("train", 31), ("train", 32)}
    suspects = found["mislabels"]
    assert len(suspects["faces"]) == suspects["count"]
    assert set(suspects["faces"][0]) == {"split", "row", "label", "suggested", "p_label", "p_suggested"}
    assert suspects["faces"][0]["p_label"] < suspects["faces"][0]["p_suggested"]
    assert found["votes"] is None
    assert found["left_out"] == {}
    assert found["clean"]["kept"] == sum(len(faces) for _, faces in Splits.load(clean))
    assert found["clean"]["kept"] + found["clean"]["dropped"] + found["clean"]["moved"] == 420
    check_page(page.read_text())


def check_page(text: str) -> None:
    class Reader(HTMLParser):
        images = 0

        def handle_starttag(self, tag: str, attributes: list) -> None:
            named = dict(attributes)
            assert tag not in ("script", "iframe")
            if tag == "img":
                self.images += 1
                assert named["src"].startswith("data:image/png;base64,")
                assert named["alt"]

    reader = Reader()
    reader.feed(text)
    assert reader.images > 20
    assert not re.search(r"https?://|src=\"(?!data:)|url\(", text)  # it loads nothing
    for name in ("copies", "conflicts", "leaks", "constant", "mislabels"):
        assert f'<h2 id="{name}">' in text


def test_what_is_near_is_counted_without_what_is_identical_and_empty_classes_are_none(planted: Splits) -> None:
    images, targets = planted.val.images.copy(), planted.val.targets.copy()
    dimmed = (planted.train.images[[50, 51]] * 0.9).astype(np.uint8)
    images[[10, 11]], targets[[10, 11]] = dimmed, [planted.train.targets[50], (planted.train.targets[51] + 1) % 7]
    train = planted.train[planted.train.targets != 2]
    some = Splits(train, FaceSet(images, targets, classes=planted.classes), planted.test)
    (found,) = examine(some, skip=SLOW)
    said = found.as_json()
    assert said["near"] == {"groups": 2, "copies": 2, "conflicting": 1, "leaks": {"val": 2, "test": 0}}
    counts = [count for count in train.counts.values() if count]
    assert len(counts) == 6
    assert found.imbalance == said["imbalance"] == max(counts) / min(counts)


def test_for_people(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "doctor", str(data), "--skip", "nonfaces,mislabels"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"copies +5 +identical to an earlier face, in 5 groups", said)
    assert re.search(r"mislabels +- +not looked for: it was skipped", said)


def test_votes_say_how_right_it_was(tmp_path: Path, planted: Splits, capsys: pytest.CaptureFixture[str]) -> None:
    usages = ("Training", "PublicTest", "PrivateTest")
    rows, votes = (
        ["emotion,pixels,Usage"],
        [VOTES],
    )
    columns = (4, 5, 6, 1, 3, 2, 0)  # where FER2013's label stands among the votes
    for usage, (_, faces) in zip(usages, planted, strict=True):
        for image, label in zip(faces.images, faces.labels, strict=True):
            rows.append(f"{label},{' '.join(map(str, image.ravel()))},{usage}")
            counts = [0] * 10
            counts[9 if image.std() < 3 else columns[label]] = 10
            votes.append(f"{usage},,{','.join(map(str, counts))}")
    (tmp_path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "votes.csv").write_text("\n".join(votes) + "\n")
    found = ask(capsys, tmp_path / "fer2013.csv", "--votes", tmp_path / "votes.csv", "--skip", "mislabels")["votes"]
    assert (found["no_face"], found["recall"]) == (3, 1.0)
    assert (found["base"], found["clear"]) == (0, 417)
    assert found["undecided"] == pytest.approx(3 / 420)
    assert found["apart_identical"] == pytest.approx(1 / 4)  # of the four that have votes one differs
    assert found["lift"] is None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--drop", "ugly", "--write-clean", "out.npz"), 1, "no finding 'ugly'"),
        (("--drop", "copies"), 2, "--write-clean"),
        (("--write-clean", "out.npz"), 2, "--drop or --move"),
        (("--skip", "copies"), 2, "can't be skipped"),
        (("--skip", "nonfaces", "--drop", "nonfaces", "--write-clean", "out.npz"), 2, "--skip leaves nonfaces out"),
    ],
)
def test_wrong_use(data: Path, words: tuple, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "doctor", str(data), *words]) == code
    message = capsys.readouterr().err
    assert said in message
    assert "Traceback" not in message


@pytest.mark.parametrize("words", [("--report", "a.html"), ("--drop", "copies", "--write-clean", "a.npz")])
def test_a_place_that_cant_be_written_is_refused_before_anything_is_done(
    data: Path,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("mien.doctor.examine.examine", None)  # so that looking at the faces fails
    assert main(["data", "doctor", str(data), *words[:-1], str(tmp_path / "file" / words[-1])]) == 1
    assert f"{words[-1]}: it can't be written there" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_found(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(nonfaces, "_on_sheets", pressed)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        assert main(["data", "doctor", str(data)]) == 130
        said = capsys.readouterr()
        found = ask(capsys, data, code=130)
    finally:
        signal.signal(signal.SIGINT, before)
    assert "what was found until then stands above" in said.err
    assert "in 5 groups" in said.out
    assert found["duplicates"]["groups"] == 5
    assert found["nonfaces"] is None


def test_a_folder_of_large_colour_photos(
    planted: Splits, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They keep their size and colours in the clean set, and are called by their files' names."""
    root, faces = tmp_path / "photos", planted.val
    for place, (image, label) in enumerate(zip(faces.images, faces.labels, strict=True)):
        large = Image.fromarray(image).resize((64, 64)).convert("RGB")
        for name in (f"{place}.png", *(["again.png"] if place == 3 else [])):
            home = root / faces.classes[label]
            home.mkdir(parents=True, exist_ok=True)
            large.save(home / name)
    clean, page, of = tmp_path / "clean.npz", tmp_path / "page.html", faces.classes[faces.labels[3]]
    words = ("--size", 64, "--rgb", "--skip", "nonfaces,mislabels", "--report", page)
    found = ask(capsys, root, *words, "--write-clean", clean, "--drop", "copies")
    assert found["resolution"] == {"height": 64, "width": 64, "channels": 3}
    kept = Splits.load(clean)
    assert kept.train.images.shape[1:] == (64, 64, 3)
    lines = [json.loads(line) for line in (tmp_path / "clean.manifest.jsonl").read_text().splitlines()[1:]]
    both = {line["file"] for line in lines if line["decision"] == "dropped"}
    both |= {line["like"]["file"] for line in lines if line["decision"] == "dropped"}
    assert {f"{of}/3.png", f"{of}/again.png"} <= both
    assert f"{of}/again.png" in page.read_text()

    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(["show", "small", "--data", str(root), "--split", "train", "--index", "0", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["faces"][0]
    assert (root / shown["file"]).is_file()
    assert shown["file"].startswith(f"{shown['true']}/")
