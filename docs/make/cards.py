"""The networks in the box, from their cards: docs/models.md, and tables of the README and RESULTS.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from speed import made

from mien.cards import Card
from mien.net import MODEL, WEIGHTS, Net
from mien.shipped import BOX, INT8, shipped

TEMPLATE = Path(__file__).with_name("models.md.j2")

PICTURES = Path(__file__).parents[1] / "pictures"

LEGEND = (
    "*balanced* is the mean of the classes' recalls, *macro-F1* that of their F1 scores, *ECE* the expected "
    "calibration error, 0 at best ([glossary](glossary.md))."
)
"""What the columns of the tables mean."""

MEASURED = Path("benchmarks/results/box.json")
"""What `benchmarks/box.py` measured beyond the cards."""


def cards() -> dict[str, Card]:
    """The cards of the networks in the box, the most accurate first."""
    found = {name: Card.read(BOX / name) for name in shipped()}
    return dict(sorted(found.items(), key=lambda item: -_after(item[1])["accuracy"]))


def models() -> str:
    """docs/models.md."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    known = {"after": _after, "judged": _judged, "millions": _millions, "numbers": _numbers, "size": _size}
    known["pictured"] = lambda name: (PICTURES / f"{name}-confidence.svg").exists()
    return template.render(cards=cards(), legend=LEGEND, **known).rstrip() + "\n"


def short_table(root: Path) -> str:
    """The README's table: a row for each file of each network; and what they have without leaked faces."""
    lines = [
        "| in the box | parameters | size | accuracy | 95 % interval | balanced | macro-F1 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, card in cards().items():
        for file, scores in _judged(card):
            target = f"{name}:int8" if file == INT8 else name
            size = f"{sum(path.stat().st_size for path in Net(target).files) / 1e6:.1f} MB"
            cells = [f"`{target}`", _millions(card.parameters), size, *_numbers(scores)[:4]]
            lines.append(f"| {' | '.join(cells)} |")
    free = [(name, row["scores"]) for name, row in _measured(root) if row["command"].endswith("--without-leaks")]
    if free:
        leaked = _after(cards()[free[0][0]])["n"] - free[0][1]["n"]
        each = " and ".join(f"{scores['accuracy']:.3f} (`{name}`)" for name, scores in free)
        lines += ["", f"Without the {leaked} faces that are also among the training faces, the accuracy is {each}."]
    return "\n".join(lines)


def _measured(root: Path) -> list[tuple[str, dict[str, Any]]]:
    """What `benchmarks/box.py` measured with the weights that are in the box: of others of a name it says nothing."""
    now = {name: card.checksums[WEIGHTS] for name, card in cards().items()}
    rows = json.loads((root / MEASURED).read_text("utf-8"))["rows"] if (root / MEASURED).exists() else []
    return [(row["network"], row) for row in rows if now.get(row["network"]) == row["checksum"]]


def long_table(root: Path) -> str:
    """The table of docs/RESULTS.md: the cards' scores, and what `benchmarks/box.py` measured with the same weights."""
    lines = [
        "| command | faces | accuracy | 95 % interval | balanced | macro-F1 | ECE |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, card in cards().items():
        rows = {f"mien evaluate {name}{':int8' * (file == INT8)}": scores for file, scores in _judged(card)}
        rows |= {row["command"]: row["scores"] for network, row in _measured(root) if network == name}
        lines += [f"| `{said}` | {s['n']:,} | {' | '.join(_numbers(s))} |" for said, s in rows.items()]
    if (root / MEASURED).exists():
        environment = json.loads((root / MEASURED).read_text("utf-8"))["environment"]
        lines += ["", f"{made(environment)}; rows without options are from the cards."]
    return "\n".join(lines)


def _after(card: Card) -> dict[str, Any]:
    scores: dict[str, Any] = card.scores["after"]["val"]
    return scores


def _judged(card: Card) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files that the card has scores of, with them."""
    yield MODEL, _after(card)
    yield INT8, card.scores["int8"]["val"]


def _numbers(scores: dict[str, Any]) -> list[str]:
    """Accuracy, its interval, balanced accuracy, macro-F1 and calibration error, as cells."""
    low, high = scores["interval"]
    rest = (scores[key] for key in ("balanced_accuracy", "macro_f1", "ece"))
    return [f"{scores['accuracy']:.3f}", f"{low:.3f} to {high:.3f}", *(f"{value:.3f}" for value in rest)]


def _millions(number: int) -> str:
    return f"{number / 1e6:.2f} M" if number < 1e7 else f"{number / 1e6:.0f} M"


def _size(name: str, file: str) -> str:
    size = (BOX / name / file).stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"
