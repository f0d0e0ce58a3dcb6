import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from mien.cards import Card, TrainedOn, checksum
from mien.checkpoint import load_state
from mien.errors import CheckpointError, DataError
from mien.evaluation.leaderboard import Leaderboard
from mien.files import SMALL_BYTES
from mien.labels import FER2013
from mien.runs import read_note


def full_card() -> Card:
    return Card(
        model="resnet",
        options={"width": 32},
        classes=FER2013,
        input_shape=(1, 48, 48),
        preset="tuned",
        recipe={"epochs": 3, "lr": 0.1, "loss": "cross_entropy"},
        parameters=1234,
        macs=5678,
        data=TrainedOn(source="fer2013.csv", checksums={"train": "ab" * 32}),
        scores={"after": {"val": {"accuracy": 0.5, "interval": [0.4, 0.6]}}},
        epoch=2,
        temperature=1.25,
        notes="a note: ä",
    )


def test_a_card_survives_the_file(tmp_path: Path) -> None:
    card = full_card()
    card.write(tmp_path / "card.json")
    assert Card.read(tmp_path / "card.json") == card
    assert Card.read(tmp_path) == card  # the folder it stands in
    assert json.loads((tmp_path / "card.json").read_text("utf-8"))["classes"] == list(FER2013)
    assert card.mien_version
    assert card.created.endswith("+00:00")


def test_a_card_is_frozen_and_refuses_unknown_fields() -> None:
    with pytest.raises(ValidationError):
        full_card().model = "cnn"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Card(model="cnn", classes=FER2013, colour="blue")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", ""),
        ("classes", ["happy"]),
        ("classes", ["happy", "happy"]),
        ("input_shape", [1, 48]),
        ("input_shape", [1, 0, 48]),
        ("temperature", 0),
        ("temperature", -1.0),
        ("parameters", -1),
        ("checksums", {"../elsewhere": "00"}),
        ("checksums", {"..\\elsewhere": "00"}),
        ("checksums", {"..": "00"}),
        ("surprise", 1),
        ("scores", {"after": 3}),
        ("scores", {"after": {"val": 3}}),
        ("scores", {"after": {"val": {"accuracy": "high"}}}),
        ("scores", {"after": {"val": {"accuracy": None}}}),
        ("scores", {"after": {"val": {"interval": 3}}}),
        ("scores", {"after": {"val": {"interval": ["a", "b"]}}}),
        ("scores", {"after": {"val": {"per_class": [float("nan")]}}}),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps({**json.loads(full_card().to_json()), field: value}))
    with pytest.raises(CheckpointError, match=rf"card\.json: not a card .*{field}"):
        Card.read(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b"null", b"{}", b'{"model": "cnn"}'])
def test_a_damaged_card_is_an_error_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"card\.json: not a card"):
        Card.read(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files in folders")
def test_nobody_waits_for_a_pipe_or_reads_a_device_without_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        path = tmp_path / name
        for read, error in (
            (Card.read, CheckpointError), (checksum, CheckpointError), (read_note, CheckpointError),
            (Leaderboard.read, DataError), (load_state, CheckpointError),
        ):  # fmt: skip
            with pytest.raises(error, match=r"no file \(a folder, a pipe or a device\)"):
                read(path)
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(SMALL_BYTES + 1)
    with pytest.raises(CheckpointError, match="larger than 33,554,432 bytes"):
        Card.read(large)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    text = full_card().to_json().encode()
    for end in range(0, len(text.rstrip()), 7):
        with pytest.raises(CheckpointError):
            Card.from_json(text[:end])


def test_where_there_is_no_run_it_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such run. Name a run folder"):
        Card.read(tmp_path / "nobody")
    with pytest.raises(CheckpointError, match=r"can't read the card|no such run"):
        Card.read("n" * 300)
    with pytest.raises(CheckpointError, match=r"no finished run in this folder\."):
        Card.read(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "card.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"no finished run in this folder; it holds .*one\."):
        Card.read(tmp_path)


def test_the_card_of_a_network_in_the_box() -> None:
    assert Card.read("small").model == "flagship_small"
    with pytest.raises(CheckpointError, match="without `:int8`"):
        Card.read("small:int8")


def test_what_is_written_must_be_numbers() -> None:
    card = full_card().model_copy(update={"options": {"dropout": float("nan")}})
    with pytest.raises(ValueError, match="JSON"):
        card.to_json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "hot"),
        ("temperature", -1.0),
        ("foo", 3),
        ("classes", ("happy", "happy")),
        ("scores", {"after": {"val": {"loss": float("nan")}}}),
    ],
)
def test_a_copy_is_checked(field: str, value: object) -> None:
    card = full_card()
    with pytest.raises(CheckpointError, match=f"A card can't have this: {field}"):
        card.model_copy(update={field: value})
    copy = card.model_copy(update={"temperature": 2})
    assert (copy.temperature, copy.model_copy(update={"temperature": card.temperature})) == (2.0, card)
    assert card.model_copy() == card


def test_verify_finds_missing_changed_and_unlisted_files(tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"weights")
    assert checksum(weights) == "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"
    card = full_card().model_copy(update={"checksums": {weights.name: checksum(weights)}})
    card.verify(tmp_path)
    card.verify(tmp_path, [weights.name])
    with pytest.raises(CheckpointError, match="lists no such file"):
        card.verify(tmp_path, ["model.onnx"])
    weights.write_bytes(b"weightz")
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: changed or damaged"):
        card.verify(tmp_path)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"weights\.safetensors: can't read"):
        card.verify(tmp_path)
