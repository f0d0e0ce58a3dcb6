"""How much a network's score gains from validation faces that are in training, too: identical ones, and near copies.

    python benchmarks/leaks.py --data fer2013.npz [flagship small runs/seeds/resnet-0 ...]

Near copies are those that `mien data doctor` finds: the same picture in other light, size or quality. Its threshold
misses pairs, so what is left isn't free of them.
"""

import argparse
import platform

import numpy as np

from mien.data.load import load_faces
from mien.doctor.blank import looks
from mien.doctor.copies import identical
from mien.doctor.near import near
from mien.doctor.pool import Pool
from mien.environment import environment
from mien.evaluation.metrics import accuracy, balanced_accuracy, confusion, wilson
from mien.evaluation.scores import score
from mien.net import Net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["flagship", "small"])
    parser.add_argument("--data", help="the faces, as --data of mien takes them")
    asked = parser.parse_args()
    splits = load_faces(asked.data)
    pool, counts = Pool(splits), np.cumsum([len(faces) for _, faces in splits])
    same, seen = identical(pool), looks(pool)
    train, val = (np.isin(np.arange(len(pool)), range(*ends)) for ends in ((0, counts[0]), (counts[0], counts[1])))
    groups = {"identical": same, "near": near(pool, same, seen.constant | seen.faint)}
    leaked = {name: group.shared(val, train)[counts[0] : counts[1]] for name, group in groups.items()}
    made = environment()
    print(f"$ python benchmarks/leaks.py --data ...    (commit {made['commit']}; {made['processor']})")
    print(f"{platform.machine()}, Python {platform.python_version()}; {len(splits.val):,} validation faces")
    print(f"{'network':24}{'left out':20}{'faces':>7}{'accuracy':>10}{'95 % interval':>18}{'balanced':>10}")
    kept = {"none": np.ones(len(splits.val), np.bool_), **{name: ~mask for name, mask in leaked.items()}}
    only = leaked["near"] & ~leaked["identical"]
    for name in asked.networks:
        answers = score(Net(name), splits.val)
        right = answers.predicted == answers.labels
        for said, mask in kept.items():
            here = mask[answers.index]
            table = confusion(answers.labels[here], answers.predicted[here], len(splits.classes))
            low, high = wilson(float(right[here].mean()), int(here.sum()))
            print(
                f"{name:24}{said if said != 'near' else 'identical and near':20}{here.sum():7,}{accuracy(table):10.4f}"
                f"{low:10.4f} to {high:.4f}{balanced_accuracy(table):10.4f}"
            )
        if only.any():
            print(
                f"{'':24}{'right of the ' + str(only.sum()) + ' near ones':20}{right[only[answers.index]].mean():17.4f}"
            )


if __name__ == "__main__":
    main()
