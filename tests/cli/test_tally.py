"""What is shown at the end of `mien predict`, and when it says that not all is."""

from dataclasses import replace

import pytest

from mien.cli.tally import FOLLOWED, Tally
from mien.recognition.records import Face, Reading

FACE = Face("happy", 0.9, False, {"sad": 0.1, "happy": 0.9}, (1.0, 2.0, 30.0, 40.0))
CLIP = [Reading("a.mp4", number, number / 25, 64, 48, (replace(FACE, id=1),)) for number in range(60)]
CROWD = [Reading("b.mp4", number, number / 25, 64, 48, (replace(FACE, id=number + 1),)) for number in range(300)]


@pytest.mark.parametrize(
    ("readings", "hidden"),
    [
        ([Reading(f"{number}.jpg", faces=(FACE,)) for number in range(40)], False),
        ([Reading(f"{number}.jpg", faces=(FACE,) * 3) for number in range(20)], True),
        ([Reading("a.jpg", faces=(FACE,)), *CLIP], False),
        (CROWD, True),
    ],
)
def test_it_says_that_not_all_is_shown_when_that_is_so(
    readings: list[Reading], hidden: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = Tally("cpu")
    for reading in readings:
        tally.add(reading)
    tally.print()
    said = capsys.readouterr()
    assert ("Not everything is shown" in said.out + said.err) == hidden


def test_of_a_crowd_those_seen_longest_stay() -> None:
    tally = Tally("cpu")
    for reading in (*CLIP, *CROWD):
        tally.add(reading)
    assert len(tally._seen) == FOLLOWED
    assert ("a.mp4", 1) in tally._seen


def test_one_is_one_and_nothing_is_less_than_none(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally("cpu")
    tally.others = 1
    tally.add(Reading("a.jpg", faces=(replace(FACE, box=(-0.3, 66.7, 67.5, 108.0)),)))
    tally.print()
    said = capsys.readouterr()
    assert "1 other file, neither" in said.err
    assert " 0, 67, 68 × 108" in said.out
    assert "-0" not in said.out
