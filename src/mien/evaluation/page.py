"""Self-contained HTML pages, every picture inside: how all are rendered, also the doctor's, and the ladder's."""

import base64
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.errors import MissingExtra
from mien.evaluation.gallery import Shown
from mien.evaluation.ladder import Ladder, Rung, amount, duration
from mien.evaluation.report import Report

KINDS = {
    "right": "Right",
    "wrong": "Wrong",
    "sure": "The mistakes it was most confident of",
}
"""The parts of a gallery, in order, and their headings."""


@dataclass(frozen=True)
class Picture:
    """A picture as the page holds it: a data URI, and what it shows in words for those who don't see it."""

    uri: str
    alt: str


def ladder_page(ladder: Ladder, title: str = "The ladder") -> str:
    """The whole comparison as one self-contained HTML page: light and dark, readable on a phone.

    Raises:
        MissingExtra: without jinja2 or matplotlib (the extra `figures`).
    """
    jinja()  # what is missing is said before anything is drawn
    columns, rows = ladder.table()
    return render(
        "mien.evaluation",
        "report.html.j2",
        title=title,
        ladder=ladder,
        columns=columns,
        rows=rows,
        picture=_ladder_picture(ladder),
        rungs=[_rung(rung, report) for rung, report in zip(ladder.rungs, ladder.reports, strict=True)],
    )


def render(package: str, template: str, **values: Any) -> str:
    """A template of a package as a page, in the style that all pages share, with the time when it was written.

    Raises:
        MissingExtra: without jinja2 (the extra `figures`).
    """
    jinja2 = jinja()
    source = resources.files(package).joinpath(template).read_text("utf-8")
    style = resources.files("mien.evaluation").joinpath("page.css").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.lstrip_blocks = True
    written = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    page: str = environment.from_string(source).render(style=style, written=written, **values)
    return page.encode(errors="replace").decode()  # a file's name may be no text, which UTF-8 couldn't hold


def jinja() -> Any:
    """The package. Raises MissingExtra without it."""
    try:
        import jinja2
    except ImportError:
        raise MissingExtra("jinja2", "figures", "The HTML report") from None
    return jinja2


def picture(image: NDArray[np.uint8], alt: str) -> Picture:
    """An image, uint8 `(H, W)` or `(H, W, 3)`, as a page holds it."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return Picture(_uri("image/png", buffer.getvalue()), alt)


def _ladder_picture(ladder: Ladder) -> Picture:
    from mien.evaluation.figures import ladder_picture

    names = [rung.model for rung in ladder.rungs]
    accuracies = [report.accuracy for report in ladder.reports]
    picture = ladder_picture(
        names,
        accuracies,
        [report.interval for report in ladder.reports],
        baseline=ladder.baseline,
        title=f"Accuracy on {ladder.judged}, with 95 % intervals",
    )
    said = ", ".join(f"{name} {accuracy:.3f}" for name, accuracy in zip(names, accuracies, strict=True))
    return Picture(_svg(picture), f"Accuracy on {ladder.judged}, rung by rung: {said}.")


def _rung(rung: Rung, report: Report) -> dict[str, Any]:
    from mien.evaluation.figures import confusion_matrix, curves

    said = f"{rung.model}: loss and accuracy over {len(rung.history)} epochs"
    said += f"; at the end validation accuracy {rung.history[-1]['val_accuracy']:.3f}."
    matrix = confusion_matrix(report.confusion, report.classes)
    confusion = Picture(_svg(matrix), f"Confusion matrix of {rung.model}. Found of each class: {_confused(report)}.")
    groups = {KINDS[kind]: [face for face in rung.gallery if face.kind == kind] for kind in KINDS}
    return {
        "name": rung.model,
        "costs": f"{amount(rung.parameters)} parameters, {amount(rung.macs)} multiply-adds a face, "
        f"trained in {duration(rung.train_seconds)} (preset {rung.preset})",
        "report": report,
        "curves": Picture(_svg(curves(rung.history)), said),
        "confusion": confusion,
        "gallery": {name: [(face, _face(face)) for face in group] for name, group in groups.items() if group},
    }


def _confused(report: Report) -> str:
    """Of each class the share that is found, and what else it is taken for most often."""
    told = []
    for place, (score, row) in enumerate(zip(report.per_class, report.confusion, strict=True)):
        if score.n:
            count, wrong = max((count, -other) for other, count in enumerate(row) if other != place)
            often = f", most often taken for {report.classes[-wrong]} {count / score.n:.2f}" if count else ""
            told.append(f"{score.name} {score.recall:.2f}{often}")
    return "; ".join(told)


def _face(face: Shown) -> Picture:
    said = "right" if face.right else f"but it is {face.true}"
    alt = f"A face called {face.predicted} with {face.confidence:.2f}, {said}."
    return picture(face.image, alt)


def _svg(content: bytes) -> str:
    return _uri("image/svg+xml", content)


def _uri(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
