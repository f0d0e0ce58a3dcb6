"""The ladder's tables, from the cards of its runs.

python docs/make/ladder.py runs/tuned    # keeps what the cards say in benchmarks/results/ladder-tuned.json
"""

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from mien.cards import Card
from mien.data.drawn import drawn_faces
from mien.evaluation.ladder import amount
from mien.evaluation.scores import evaluate
from mien.files import atomic_write
from mien.models import LADDER
from mien.net import Net
from mien.runs import history

RESULTS = Path("benchmarks/results")


def gather(folder: Path) -> list[dict[str, Any]]:
    """A row for each rung's finished run in the folder, from its card, history and environment."""
    rows = []
    for rung in LADDER:
        card, epochs = Card.read(folder / rung), history(folder / rung)
        seen = json.loads((folder / rung / "environment.json").read_text("utf-8"))
        rows.append(
            {
                "rung": rung,
                "preset": card.preset,
                "seed": card.recipe["seed"],
                "parameters": card.parameters,
                "macs": card.macs,
                "epochs": len(epochs),
                "best": card.epoch,
                "seconds": round(sum(epoch["seconds"] for epoch in epochs), 1),
                "before": card.scores["before"]["val"]["accuracy"],
                "scores": card.scores["after"]["val"],
                "checksums": {**card.data.checksums, **card.checksums},
                # paths are the machine's own
                "command": " ".join(Path(word).name if "/" in word else word for word in shlex.split(seen["command"])),
                **{name: seen[name] for name in ("commit", "python", "packages", "processor", "threads")},
            }
        )
    if rows[0]["preset"] == "demo":  # with drawn faces the test split may be shown, too
        for row in rows:
            row["test"] = evaluate(Net(folder / row["rung"]), drawn_faces()["test"], split="test").as_json()
    return rows


def read(root: Path, preset: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((root / RESULTS / f"ladder-{preset}.json").read_text("utf-8"))
    return rows


def long_ladder(rows: list[dict[str, Any]]) -> str:
    """The full table, for docs/RESULTS.md."""
    lines = [
        "| rung | parameters | multiply-adds | epochs (best) | training | before | accuracy | 95 % interval | balanced "
        "| macro-F1 | ECE | commit |",
        f"|---|{'---:|' * 11}",
    ]
    for row in rows:
        accuracy, interval, *rest = _cells(row["scores"])
        first = [row["rung"], amount(row["parameters"]), amount(row["macs"]), f"{row['epochs']} ({row['best']})"]
        first += [f"{row['seconds'] / 60:.1f} min", f"{row['before']:.3f}", f"**{accuracy}**", interval]
        cells = [*first, *rest, f"{row['scores']['ece']:.3f}", row["commit"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def short_ladder(rows: list[dict[str, Any]]) -> str:
    """The columns of the full table that the README has."""
    lines = ["| rung | parameters | accuracy | 95 % interval | balanced | macro-F1 | training |", f"|---|{'---:|' * 6}"]
    for row in rows:
        cells = [row["rung"], amount(row["parameters"]), *_cells(row["scores"]), f"{row['seconds'] / 60:.1f} min"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def both_splits(rows: list[dict[str, Any]]) -> str:
    """Validation beside test, where mien has a test split of its own."""
    lines = ["| rung | validation | 95 % interval | test | 95 % interval |", f"|---|{'---:|' * 4}"]
    for row in rows:
        cells = [cell for split in ("scores", "test") for cell in _cells(row[split])[:2]]
        lines.append(f"| {row['rung']} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", "Commit {commit}, one thread of an {processor}.".format(**rows[0])])


def recalls(rows: list[dict[str, Any]]) -> str:
    """Each rung's recall of each expression."""
    names = [one["name"] for one in rows[0]["scores"]["per_class"]]
    lines = [f"| recall of | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    table = {"faces": [str(one["n"]) for one in rows[0]["scores"]["per_class"]]}
    table |= {row["rung"]: [f"{one['recall']:.3f}" for one in row["scores"]["per_class"]] for row in rows}
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in table.items()]
    return "\n".join(lines)


def _cells(scores: dict[str, Any]) -> list[str]:
    low, high = scores["interval"]
    rest = [f"{scores[name]:.4f}" for name in ("balanced_accuracy", "macro_f1")]
    return [f"{scores['accuracy']:.4f}", f"{low:.3f} to {high:.3f}", *rest]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("runs", type=Path, help="what `mien ladder --out` wrote")
    rows = gather(options.parse_args().runs)
    target = Path(__file__).parents[2] / RESULTS / f"ladder-{rows[0]['preset']}.json"
    atomic_write(target, json.dumps(rows, indent=1) + "\n")
    print(target)


if __name__ == "__main__":
    main()
