"""mien: facial-expression recognition. Learn it, measure it honestly, use it anywhere.

Importing this is fast and loads nothing heavy: each name below is fetched from its module when it is first used.
"""

import os
from importlib import import_module

TYPE_CHECKING = False  # as checkers know it; the command `mien` loads this before Ctrl-C can end it quietly
if TYPE_CHECKING:
    from mien import pictures as pictures
    from mien.cards import Card
    from mien.checkpoint import load_run
    from mien.client.calls import ServedNetwork
    from mien.client.clients import AsyncClient, Client
    from mien.confidence import calibrate
    from mien.data.drawn import drawn_faces
    from mien.data.faces import UNLABELLED, FaceSet
    from mien.data.fer2013 import load_fer2013
    from mien.data.ferplus import load_ferplus
    from mien.data.folder import load_folder
    from mien.data.load import load_faces
    from mien.data.split import split_off
    from mien.data.splits import Splits
    from mien.errors import (
        BadRow,
        CheckpointError,
        DataError,
        Diverged,
        MediaError,
        MienError,
        MissingExtra,
        RecipeError,
        ServerError,
        TooLittleMemory,
        UnknownModel,
    )
    from mien.evaluation.calibration import Calibration
    from mien.evaluation.report import ClassScore, Report
    from mien.evaluation.scores import evaluate
    from mien.experiment import train
    from mien.export import export_onnx
    from mien.models import Layer, Summary, create_model, list_models, register, summarise
    from mien.net import Net
    from mien.recognition.recognizer import Recognizer
    from mien.recognition.records import Face, Frame, Reading
    from mien.recognition.sources import Sources
    from mien.training.device import DeviceLoader, pick_device, to_device
    from mien.training.fit import Epoch, fit
    from mien.training.recipe import Recipe, recipe

    __version__: str

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""onnxruntime, from 1.32 on, would report to Microsoft which programs and files ran it; it asks as it is loaded."""

_PUBLIC = {
    "cards": ("Card",),
    "checkpoint": ("load_run",),
    "client.calls": ("ServedNetwork",),
    "client.clients": ("AsyncClient", "Client"),
    "confidence": ("calibrate",),
    "data.drawn": ("drawn_faces",),
    "data.faces": ("FaceSet", "UNLABELLED"),
    "data.fer2013": ("load_fer2013",),
    "data.ferplus": ("load_ferplus",),
    "data.folder": ("load_folder",),
    "data.load": ("load_faces",),
    "data.split": ("split_off",),
    "data.splits": ("Splits",),
    "errors": (
        "BadRow", "CheckpointError", "DataError", "Diverged", "MediaError", "MienError", "MissingExtra", "RecipeError",
        "ServerError", "TooLittleMemory", "UnknownModel",
    ),
    "evaluation.calibration": ("Calibration",),
    "evaluation.report": ("ClassScore", "Report"),
    "evaluation.scores": ("evaluate",),
    "experiment": ("train",),
    "export": ("export_onnx",),
    "models": ("Layer", "Summary", "create_model", "list_models", "register", "summarise"),
    "net": ("Net",),
    "recognition.recognizer": ("Recognizer",),
    "recognition.records": ("Face", "Frame", "Reading"),
    "recognition.sources": ("Sources",),
    "training.device": ("DeviceLoader", "pick_device", "to_device"),
    "training.fit": ("Epoch", "fit"),
    "training.recipe": ("Recipe", "recipe"),
}  # fmt: skip
"""The public names, by the modules that have them."""

_HOMES = dict(sorted((name, home) for home, names in _PUBLIC.items() for name in names))

_ROOMS = ("pictures",)
"""Modules that are public as a whole."""

_NEEDS = {
    "checkpoint": "torch",
    "client.calls": "httpx",
    "client.clients": "httpx",
    "confidence": "torch",
    "experiment": "torch",
    "export": "torch",
    "models": "torch",
    "training.device": "torch",
    "training.fit": "torch",
}
"""What the homes need that an extra brings."""

__all__ = [
    "UNLABELLED", "AsyncClient", "BadRow", "Calibration", "Card", "CheckpointError", "ClassScore", "Client",
    "DataError", "DeviceLoader", "Diverged", "Epoch", "Face", "FaceSet", "Frame", "Layer", "MediaError", "MienError",
    "MissingExtra", "Net", "Reading", "Recipe", "RecipeError", "Recognizer", "Report", "ServedNetwork", "ServerError",
    "Sources", "Splits", "Summary", "TooLittleMemory", "UnknownModel", "calibrate", "create_model", "drawn_faces",
    "evaluate", "export_onnx", "fit", "list_models", "load_faces", "load_fer2013", "load_ferplus", "load_folder",
    "load_run", "pick_device", "recipe", "register", "split_off", "summarise", "to_device", "train",
]  # fmt: skip


if not TYPE_CHECKING:  # checkers know the names from above, and so see a wrong one

    def __getattr__(name: str) -> object:
        if name in _ROOMS:
            return import_module(f"mien.{name}")
        if name == "__version__":
            return import_module("mien.version").VERSION
        if name not in _HOMES:
            raise AttributeError(f"module 'mien' has no attribute {name!r}")
        try:
            value = getattr(import_module(f"mien.{_HOMES[name]}"), name)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in ("torch", "safetensors", "onnx", "onnxscript", "httpx"):
                raise
            from mien.errors import MissingExtra

            extra = "serve" if package == "httpx" else "train"
            raise MissingExtra(package, extra, f"mien.{name}") from None
        globals()[name] = value  # the next look-up doesn't come here
        return value

    def __dir__() -> list[str]:
        """The names that are to be had here: those of an extra that isn't installed raise MissingExtra."""
        from importlib.util import find_spec

        missing = {package for package in set(_NEEDS.values()) if find_spec(package) is None}
        return sorted(["__version__", *_ROOMS, *(name for name in __all__ if _NEEDS.get(_HOMES[name]) not in missing)])
