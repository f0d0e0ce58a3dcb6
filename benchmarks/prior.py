"""What a prior brings where expressions are otherwise frequent than in training: pictures drawn from validation.

    python benchmarks/prior.py --data fer2013.npz [--votes fer2013new.csv] [--networks flagship small:int8]

Of each mix many albums of N validation faces are drawn, each class by its share (with replacement, where a class has
too few). "found" knows the faces of the album and none of their labels, as `mien predict --prior found`; "known" has
the mix itself; "counted" the labels of COUNTED of the faces, as one who looks at so many, and names the shares of a
tenth and more (of smaller albums it knows all labels, which says nothing). Then come albums for which "found" isn't
meant: poor pictures, and a network that leans towards some classes throughout, as it may for one person. With --votes
last the same faces by FER+'s plurality, a mix that wasn't made here: its annotators call twice as many neutral.
"""

import argparse
import platform
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mien.data.load import load_faces
from mien.environment import environment
from mien.evaluation.corruptions import CORRUPTIONS, corrupted
from mien.evaluation.metrics import accuracy, balanced_accuracy, confusion
from mien.net import Net
from mien.prior import adapted, estimated
from mien.prior import shares as shares_of

PARTY = {"happy": 0.6, "neutral": 0.3, "surprise": 0.05, "sad": 0.02, "angry": 0.01, "fear": 0.01, "disgust": 0.01}
MIXES = ("training's", "even", "party", "random")
COUNTED = 50
PRIORS = ("as trained", "even", "found", "known")
POOR = {"low resolution": 24.0, "low light": 0.25, "JPEG": 8.0}
LEANING = 0.6
"""Deviation of what is added to each class's logit, once for an album."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="the faces, as --data of mien takes them")
    parser.add_argument("--votes", help="FER+'s fer2013new.csv")
    parser.add_argument("--networks", nargs="+", default=["flagship", "small:int8"])
    parser.add_argument("--albums", type=int, default=200)
    given = parser.parse_args()
    faces = load_faces(given.data, only=("val",)).val.labelled
    made = environment()
    print(f"$ python benchmarks/prior.py --data ...    (commit {made['commit']}; {made['processor']})")
    print(f"{platform.machine()}, Python {platform.python_version()}; {len(faces):,} validation faces")
    print(f"{given.albums} albums each; accuracy, and log loss after /")
    print(
        f"{'network':13}{'pictures':20}{'mix':11}{'faces':>6}  "
        + "".join(f"{name:14}" for name in (*PRIORS, "counted"))
        + f"{'sure ones, of':16}{'found':15}{'shares: count':15}found"
    )
    for name in given.networks:
        net = Net(name)
        asked = {"as they are": net(faces.images)}
        for kind in CORRUPTIONS:
            if kind.name in POOR:
                poor = corrupted(faces, kind, POOR[kind.name])
                asked[f"{kind.name} {POOR[kind.name]:g}"] = net(poor.images)
        albums = Albums(net, faces.labels, given.albums)
        whole(f"{name:13}validation", net, asked["as they are"], faces.labels)
        for pictures, answers in asked.items():
            for mix in MIXES:
                for size in (3, 10, 30, 100, 1000) if pictures == "as they are" else (100,):
                    print(f"{name:13}{pictures:20}{mix:11}{size:6}  {albums.row(answers, mix, size)}", flush=True)
        for mix in MIXES:
            print(f"{name:13}{'leaning':20}{mix:11}{100:6}  {albums.row(asked['as they are'], mix, 100, LEANING)}")
        if given.votes:
            judged = load_faces(given.data, given.votes, only=("val",)).val.judged
            known = judged[np.isin(judged.labels, [judged.classes.index(expression) for expression in net.classes])]
            labels = np.array([net.classes.index(judged.classes[label]) for label in known.labels])
            whole(f"{name:13}FER+", net, net(known.images), labels)


def whole(said: str, net: Net, answers: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Print how all these answers do by each prior, as if all faces were one album."""
    learned, there = np.array(net.card.prior), np.bincount(labels, minlength=len(net.classes)) / len(labels)
    even = np.full(len(there), 1 / len(there))
    print(f"{said}, {len(labels):,} faces: " + ", ".join(map("{} {:.3f}".format, net.classes, there)))
    for what, prior in zip(PRIORS, (learned, even, estimated(answers, learned), there), strict=True):
        moved = adapted(answers, learned, prior)
        table = confusion(labels, moved.argmax(1), len(net.classes))
        loss = -np.log(moved[np.arange(len(labels)), labels] + 1e-9).mean()
        print(f"{said}, {what}: {accuracy(table):.4f}, balanced {balanced_accuracy(table):.4f}, log loss {loss:.3f}")


class Albums:
    """Albums of validation faces, and how a network's answers for them do."""

    def __init__(self, net: Net, labels: NDArray[np.int64], many: int) -> None:
        self.net, self.labels, self.many = net, labels, many
        self.learned = np.array(net.card.prior)
        self.places = [np.flatnonzero(labels == number) for number in range(len(net.classes))]

    def row(self, answers: NDArray[np.float32], mix: str, size: int, leaning: float = 0.0) -> str:
        """Means over the albums, as text."""
        found = np.array([list(self._album(answers, *drawn)) for drawn in self._drawn(mix, size, leaning)])
        mean = found.mean(0)
        scores = "".join(f"{f'{mean[at]:.3f} / {mean[at + 1]:.3f}':14}" for at in range(0, 10, 2))
        sure = [f"{mean[at] / mean[at + 1]:.3f}, {mean[at + 1]:.2f}" for at in (10, 12)]
        return f"{scores}{sure[0]:16}{sure[1]:15}{mean[14]:<15.3f}{mean[15]:.3f}"

    def _drawn(self, mix: str, size: int, leaning: float) -> Iterator[tuple[NDArray, NDArray, NDArray]]:
        dice, classes = np.random.default_rng(0), len(self.places)
        fixed = {
            "training's": self.learned,
            "even": np.full(classes, 1 / classes),
            "party": np.array([PARTY[name] for name in self.net.classes]),
        }
        for _ in range(self.many):
            shares = fixed[mix] if mix in fixed else dice.dirichlet(np.ones(classes))
            chosen = dice.choice(classes, size, p=shares / shares.sum())
            index = np.array([dice.choice(self.places[number]) for number in chosen])
            yield shares / shares.sum(), index, np.exp(leaning * dice.normal(size=classes))

    def _album(self, answers: NDArray, shares: NDArray, index: NDArray, lean: NDArray) -> Iterator[float]:
        labels, raw = self.labels[index], answers[index].astype(np.float64) * lean
        raw /= raw.sum(1, keepdims=True)
        found = adapted(raw, self.learned, estimated(raw, self.learned))
        priors = np.full(len(shares), 1 / len(shares)), shares, self._counted(labels[:COUNTED])
        even, known, counted = (adapted(raw, self.learned, prior) for prior in priors)
        for each in (raw, even, found, known, counted):
            yield np.mean(each.argmax(1) == labels)
            yield -np.log(each[np.arange(len(labels)), labels] + 1e-9).mean()
        for each in (raw, found):
            sure = each.max(1) >= self.net.card.uncertain
            yield np.mean(sure & (each.argmax(1) == labels))
            yield sure.mean()
        there = np.bincount(labels, minlength=len(shares)) / len(labels)
        answered = np.bincount(raw.argmax(1), minlength=len(shares)) / len(labels)
        yield abs(answered - there).sum() / 2
        yield abs(found.mean(0) - there).sum() / 2

    def _counted(self, labels: NDArray[np.int64]) -> NDArray[np.float64]:
        there = np.bincount(labels, minlength=len(self.learned)) / len(labels)
        named = {name: share for name, share in zip(self.net.classes, there, strict=True) if share >= 0.1}
        return shares_of(named, self.net.classes, self.net.card.prior)


if __name__ == "__main__":
    main()
