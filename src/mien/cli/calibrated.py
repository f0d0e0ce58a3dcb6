"""A Calibration as people read it: two tables, and notes on what to make of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mien.cli.options import note
from mien.cli.tables import print_table

if TYPE_CHECKING:
    from mien.evaluation.calibration import Calibration

FEW = 300
"""With fewer faces the calibration error is mostly chance: with 100, a perfectly calibrated network shows 0.13."""


def print_calibration(found: "Calibration", classes: Sequence[str]) -> None:
    """Print a Calibration of a network with these classes."""
    from mien.evaluation.metrics import wilson

    print_table(
        ("temperature", "calibration error", "after", "uncertain below", "sure of", "accuracy of those"),
        [
            (
                f"{found.temperature:.3f}", f"{found.ece:.4f}", f"{found.ece_after:.4f}", f"{found.uncertain:.3f}",
                f"{found.coverage:.1%}", _share(found.reliable),
            )
        ],
        "Calibrated on these faces; the error after it by halves, each with the other's temperature, five times",
    )  # fmt: skip
    low, high = wilson(found.reliable_after or 0.0, max(1, round(found.coverage_after * found.n)))
    interval = "" if found.reliable_after is None else f"{low:.4f} to {high:.4f}"
    by_answer = zip(classes, map(_share, found.reliable_by_answer), strict=True)
    print_table(
        ("answer", "accuracy where it is sure", "95 % interval", "sure of"),
        [
            ("any", _share(found.reliable_after), interval, f"{found.coverage_after:.1%}"),
            *((name, share, "", "") for name, share in by_answer),
        ],
        "What to expect of other faces: by halves, each with the other's temperature and threshold, five times",
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def say_of_calibration(found: "Calibration", own: Sequence[str] = ()) -> None:
    """Note what limits a Calibration: few faces, no best temperature, no threshold, or faces that were learned.

    Args:
        own: the networks that learned from these faces.
    """
    from mien.evaluation.calibration import RELIABLE

    if found.n < FEW:
        note(f"{found.n:,} faces say little of calibration: take {FEW} or more, and better thousands.")
    if own:
        note(
            f"Learned from these faces: {', '.join(own)}. Of others they are less often right, so this temperature and "
            "this threshold claim too much: calibrate on faces that they never saw, such as --split val."
        )
    if found.all_right:
        note("Every answer is right, so these faces don't show how sure it is where it errs: take more.")
    elif found.at_bound:
        note(
            f"The temperature {found.temperature:.3g} is the last that is looked at, so it means little: the faces are "
            "few or of another kind, or the network's confidence says nothing of them."
        )
    if found.uncertain == 1:
        note(f"At no confidence are {RELIABLE:.0%} of the answers right: by this threshold all are uncertain.")
