"""`mien models`: what the networks cost, and what is in them."""

import statistics
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import note
from mien.cli.recipes import PRESETS, make_recipe
from mien.cli.tables import print_table
from mien.errors import UnknownModel

if TYPE_CHECKING:
    from torch import nn

WARM, MEASURED = 3, 15
"""Forward passes of one face: before the clock runs, and on it."""


def models(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Show this one, layer by layer.")] = None,
    preset: Annotated[str, typer.Option(metavar=PRESETS, help="Show the networks in this preset's sizes.")] = "tuned",
) -> dict[str, Any]:
    """List the networks with parameters, multiply-adds and time for a face; or show one layer by layer."""
    return _all(preset) if name is None else _one(name, preset)


def _all(preset: str) -> dict[str, Any]:
    from mien.evaluation.ladder import amount
    from mien.models import LADDER, create_model, list_models, summarise

    rows: list[dict[str, Any]] = []
    for name in list_models():
        if preset == "article" and name not in LADDER:
            continue  # it has four networks
        model = create_model(name, **make_recipe(name, preset, {}).options)
        cost = summarise(model)
        rows.append({"model": name, "parameters": cost.parameters, "macs": cost.macs, "cpu_ms": _milliseconds(model)})
    print_table(
        ("model", "parameters", "multiply-adds", "CPU ms a face"),
        [(row["model"], amount(row["parameters"]), amount(row["macs"]), f"{row['cpu_ms']:.2f}") for row in rows],
        f"Preset {preset}",
    )
    note(f"Times: this machine now, the median of {MEASURED} single faces. `mien models NAME` shows the layers.")
    return {"preset": preset, "models": rows}


def _one(name: str, preset: str) -> dict[str, Any]:
    from mien.models import create_model, list_models, summarise
    from mien.models.summary import COLUMNS
    from mien.shipped import shipped

    if name in shipped() and name not in list_models(unlisted=True):
        raise UnknownModel(
            f"{name} is a trained network in the box; models are untrained: {', '.join(list_models())}. To train on "
            f"from it: mien train --init {name}"
        )
    summary = summarise(create_model(name, **make_recipe(name, preset, {}).options))
    print_table(
        COLUMNS,
        summary.rows(),
        f"{name}, preset {preset}: one 48×48 gray face in, seven logits out",
    )
    return {"model": name, "preset": preset} | asdict(summary)


def _milliseconds(model: "nn.Module") -> float:
    """Median time of one face on the CPU."""
    import torch

    face = torch.zeros(1, 1, 48, 48, dtype=torch.uint8)
    times = []
    with torch.inference_mode():
        model.eval()
        for _ in range(WARM + MEASURED):
            began = time.perf_counter()
            model(face)
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[WARM:])
