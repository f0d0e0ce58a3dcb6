"""Options that several verbs share, and what is checked of them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.errors import CheckpointError
from mien.labels import SPLITS
from mien.names import printable

if TYPE_CHECKING:
    from mien.net import Net
    from mien.prior import Prior


ALL = "all"
"""As --split: every face of the data, whatever its split."""


def _known_split(name: str) -> str:
    if name not in SPLITS:
        raise typer.BadParameter(f"there is no split {name!r}; the splits are {', '.join(SPLITS)}.")
    return name


def _known_device(context: typer.Context, name: str | None) -> str | None:
    if name is not None and not context.resilient_parsing:  # which is a shell's that asks for completions
        from mien.training.device import pick_device

        pick_device(name)  # a wrong one is said before minutes of reading
    return name


def given_path(text: str) -> Path:
    """The path of an option. An empty one, as "$OUT" is where OUT isn't set, would be this folder."""
    if not text:
        raise typer.BadParameter("the path is empty; for this folder say a dot.")
    return Path(text)


def given_prior(text: str) -> "Prior":
    """The prior of an option: a word, or NAME=SHARE,NAME=SHARE. What the words mean is the verb's to say."""
    if "=" not in text:
        return text.strip().lower()
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, share = (word.strip() for word in part.rsplit("=", 1)) if "=" in part else (part.strip(), "")
        if name in shares:
            raise typer.BadParameter(f"{name!r} stands there twice.")
        try:
            shares[name] = float(share)
        except ValueError:
            raise typer.BadParameter(
                f"{part.strip()!r} isn't a class and its share, such as happy=0.5; several are separated by commas."
            ) from None
    return shares


_FACES = (
    "The faces: a folder with a folder of images for each class, a CSV file of FER2013 (also .gz, .xz, .zip), RAF-DB, "
    "AffectNet, or the .npz or .faces of `mien data convert`. Without it: "
)
Data = Annotated[str | None, typer.Option("--data", metavar="PATH", help=f"{_FACES}synthetic, drawn faces.")]
OwnData = Annotated[str | None, typer.Option("--data", metavar="PATH", help=f"{_FACES}those the run was trained on.")]
"""The same for a verb that asks about a run's own faces."""
Votes = Annotated[
    str | None,
    typer.Option("--votes", metavar="CSV", help="FER+'s fer2013new.csv: ten people's votes for each face of FER2013."),
]
SkipBadRows = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Leave out rows and images that can't be read, rather than stop.")
]
Size = Annotated[
    int | None,
    typer.Option(
        "--size", min=8, max=1024, metavar="PIXELS", help="Resize image files to this many pixels a side; default 48."
    ),
]
Rgb = Annotated[bool | None, typer.Option("--rgb/--gray", help="Keep the colours of image files; default gray.")]
InitSize = Annotated[
    int | None,
    typer.Option(
        "--size", min=8, max=1024, metavar="PIXELS",
        help="Resize image files to this many pixels a side; default 48, with --init that network's.",
    ),
]  # fmt: skip
InitRgb = Annotated[
    bool | None,
    typer.Option("--rgb/--gray", help="Keep the colours of image files; default gray, with --init that network's."),
]
"""The same for verbs that may start from trained weights."""
Groups = Annotated[
    str | None,
    typer.Option(
        "--groups", metavar="CSV",
        help="Who is in each picture, so that each person stays in one split: columns file,subject or row,subject.",
    ),
]  # fmt: skip
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="NAME", callback=_known_device,
        help="cpu, cuda or mps; default an NVIDIA GPU if there is one, else the CPU.",
    ),
]  # fmt: skip
Network = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="A network in the box (small, flagship; small:int8, flagship:int8), a run folder, an .onnx file.",
    ),
]
ExpectedPrior = Annotated[
    Any,
    typer.Option(
        "--prior", parser=given_prior, metavar="even|NAME=SHARE,...",
        help="How frequent the expressions are expected to be: all alike, or such as happy=0.6,neutral=0.3, where the "
        "others divide the rest as in training. Default: as in training.",
    ),
]  # fmt: skip
Certain = Annotated[
    float, typer.Option("--certain", min=0.05, max=1, metavar="0..1", help="How sure the detector must be of a face.")
]
OnnxDevice = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="Where onnxruntime runs the networks: cpu (the default), cuda, ..."),
]
Split = Annotated[
    str, typer.Option("--split", metavar="|".join(SPLITS), callback=_known_split, help="Which faces of the data.")
]
Into = Annotated[
    Path | None,
    typer.Option(
        "--into",
        parser=given_path,
        metavar="FILE.md",
        help="Also put the table into this Markdown file, between the two lines that mark its place.",
    ),
]


def note(text: str) -> None:
    """Say something on stderr that is no part of the result."""
    print("\n".join(map(printable, text.split("\n"))), file=sys.stderr)


def open_net(target: str, prior: "Prior | None" = None) -> "Net":
    """The trained network of a run folder or an .onnx file. Raises CheckpointError; of an unfinished run it says so."""
    from mien.net import Net

    check_finished(Path(target))
    return Net(target, prior=prior)


def check_finished(run: Path) -> None:
    """Raise CheckpointError for a run folder whose training isn't finished."""
    from mien.cards import CARD
    from mien.environment import as_typed
    from mien.runs import RECIPE, RELEASE

    if not (run / RECIPE).exists() or (run / CARD).exists():
        return
    if (run.parent / RELEASE).exists():  # its teachers and votes are the release's to give
        raise CheckpointError(f"{run}: its training isn't finished. Go on with the `mien release` that began it.")
    go_on = as_typed(["mien", "train", "--resume", str(run)])
    raise CheckpointError(f"{run}: its training isn't finished. Go on with: {go_on}")
