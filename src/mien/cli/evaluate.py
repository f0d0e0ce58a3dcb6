"""`mien evaluate`: how well a network, or several together, does on a split; trained, as an ONNX file, or untrained."""

from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.calibrated import print_calibration, say_of_calibration
from mien.cli.faces import check_data, learned, read_faces, shape_of
from mien.cli.options import ALL, Data, ExpectedPrior, Groups, SkipBadRows, Votes, note, open_net
from mien.cli.pictures import figure_kind
from mien.cli.places import check_out, check_place
from mien.cli.progress import shares
from mien.cli.tables import print_report, print_table
from mien.errors import CheckpointError, DataError
from mien.files import atomic_write
from mien.labels import SPLITS
from mien.prior import written

if TYPE_CHECKING:
    from mien.data.faces import FaceSet
    from mien.data.splits import Splits
    from mien.evaluation.scores import Scores
    from mien.net import Net


def _known_views(count: int) -> int:
    from mien.evaluation.views import VIEWS

    if count not in VIEWS:
        raise typer.BadParameter(f"there are {', '.join(map(str, VIEWS))} views to choose from.")
    return count


def _known_split(name: str) -> str:
    if name not in (*SPLITS, ALL):
        raise typer.BadParameter(f"there is no split {name!r}; there are {', '.join(SPLITS)}, and {ALL} of them.")
    return name


def evaluate(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET",
            help="A run folder, an .onnx file of mien's, a network in the box (small, flagship; small:int8, "
            "flagship:int8), or a model's name for untrained weights. Several are judged by the mean of their answers.",
        ),
    ],
    data: Data = None,
    votes: Votes = None,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            metavar="train|val|test|all",
            callback=_known_split,
            help="Which faces to judge by; all: every one.",
        ),
    ] = "val",
    views: Annotated[
        int,
        typer.Option(
            metavar="1|2|10",
            callback=_known_views,
            help="Test-time augmentation. 1: none. 2: with the mirror image. 10: with other scales and places, too.",
        ),
    ] = 1,
    prior: ExpectedPrior = None,
    without_leaks: Annotated[
        bool, typer.Option("--without-leaks", help="Leave out faces that are also among the training faces.")
    ] = False,
    calibration: Annotated[
        bool, typer.Option("--calibration", help="Also say which temperature and which threshold would calibrate it.")
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw confidence against accuracy, and accuracy against coverage (.svg, .png)."
        ),
    ] = None,
    groups: Groups = None,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Judge a network, or several together, on a split: accuracy with its interval, macro-F1, calibration, each class.

    Runs and ONNX files need no torch. Faces that FER+'s --votes mark as unknown, no face or a tie aren't judged.
    """
    from mien.environment import as_typed
    from mien.evaluation.calibration import Calibration
    from mien.evaluation.report import Report
    from mien.evaluation.scores import joined, score, together
    from mien.runs import RECIPE

    if any(target.endswith(",") for target in targets):
        raise typer.BadParameter("names are separated by spaces, without commas.", param_hint="TARGET")
    if without_leaks and split in ("train", ALL):
        raise typer.BadParameter(
            "the training faces are what the others are held against.", param_hint="--without-leaks"
        )
    targets = list(dict.fromkeys(targets))  # the mean of a network with itself is its own answer
    # before the data, as names and priors may be wrong
    nets = {target: open_net(target, prior) for target in targets if _trained(target)}
    _check_untrained(untrained := [target for target in targets if target not in nets])
    if untrained and prior is not None:
        raise typer.BadParameter(f"{untrained[0]} is untrained: it has learned none.", param_hint="--prior")
    kind = figure_kind(figure, "--figure")
    if figure:
        check_out(figure, data)
        check_place(figure)
        from mien.evaluation import figures  # a missing matplotlib is said before the networks are asked
    only = SPLITS if without_leaks or split in ("train", ALL) else (split,)
    splits = read_faces(data, votes, skip_bad_rows, groups=groups, shape=shape_of(nets), only=only)
    for target, net in nets.items():
        _check_votes(target, net.classes, splits, votes)
        check_data(target, net.classes, splits, split, data)
    _say_whose(nets, splits, split, data)
    if split == ALL:
        asked = [faces for _, faces in splits if faces.sure.any()] or [splits.train]
    else:
        asked = [_without_leaks(splits, split) if without_leaks else splits[split]]
    passed = sum(len(faces) for _, faces in splits if not faces.sure.any()) if split == ALL else 0
    parts = []
    with shares() as show:
        for target in targets:
            network = nets.get(target) or _untrained(target, asked[0])
            tick = partial(show, target if len(targets) > 1 else split)
            answers = joined([score(network, each, views=views, split=split, tick=tick) for each in asked])
            parts.append(replace(answers, left_out=answers.left_out + passed))
    scores = together(parts)
    report = Report.of(scores)
    seen = f"{report.n:,} {'' if data else 'drawn '}faces of {'all splits' if split == ALL else split}" + (
        f", {views} views" if views > 1 else ""
    )
    seen += f", prior {written(prior)}" if prior is not None else ""
    names = [f"{target}{'' if target in nets else ', untrained'}" for target in targets]
    print_report(report, f"{' + '.join(names)}, {seen}")
    result = report.as_json() | ({"prior": prior} if prior is not None else {})
    if len(parts) > 1:
        members = [
            {"network": target, "accuracy": float(part.correct.mean())}
            for target, part in zip(targets, parts, strict=True)
        ]
        print_table(("member", "accuracy alone"), [(each["network"], f"{each['accuracy']:.4f}") for each in members])
        result["members"] = members
        result["pairs"] = _pairs(targets, parts)
    if calibration:
        found = Calibration.of(scores.labels, scores.probabilities)
        print_calibration(found, scores.classes)
        known = nets.items() if split in ("train", ALL) else ()
        own = [target for target, net in known if learned(target, net.card, splits, data)]
        say_of_calibration(found, own)
        result["calibration"] = found.as_json()
        calibrated = targets[0] in nets and nets[targets[0]].card.calibration
        as_it_is = len(parts) == 1 and views == 1 and prior is None
        if as_it_is and (Path(targets[0]) / RECIPE).is_file() and not (own or calibrated):
            note(f"`{as_typed(['mien', 'calibrate', targets[0]])}` puts what its validation faces say into the run.")
    if figure:
        atomic_write(figure, figures.confidence_picture(scores.labels, scores.probabilities, kind=kind))
        note(f"The figure is in {figure}.")
    return result


def _say_whose(nets: "dict[str, Net]", splits: "Splits", split: str, data: str | None) -> None:
    """Note where networks are judged by faces that they learned from, or by few of those that there are."""
    from mien.data.split import DRAWN

    few = split == "val" and DRAWN in splits.source and bool(data)
    if not (few or split == ALL):
        return
    own = [target for target, net in nets.items() if learned(target, net.card, splits, data)]
    fits = all(set(net.classes) >= set(splits.classes) for net in nets.values())
    if split == ALL and own:
        note(
            f"Learned from most of these faces: {', '.join(own)}. That says how well it knows them, not how good it is."
        )
    if few and fits and not own:
        every = sum(len(faces) for _, faces in splits)
        note(f"{len(splits.val):,} of {every:,} faces were set aside as val; --split all asks about every one.")


def _pairs(targets: list[str], parts: "list[Scores]") -> list[dict[str, Any]]:
    """Print, and return, for each two networks how many faces one alone has right, and McNemar's p.

    Of several pairs also Holm's corrected p, for among many differences one is soon large by chance.
    """
    from mien.evaluation.metrics import holm, mcnemar

    found: list[dict[str, Any]] = []
    for (one, first), (other, second) in combinations(zip(targets, parts, strict=True), 2):
        alone = [int((first.correct & ~second.correct).sum()), int((second.correct & ~first.correct).sum())]
        found.append({"pair": [one, other], "alone": alone, "p": mcnemar(*alone)})
    for each, corrected in zip(found, holm([each["p"] for each in found]), strict=True):
        each["p_holm"] = corrected
    columns = ("pair", "only the first is right", "only the second", "by chance (McNemar's p)")
    together, chances = f"p of {len(found)} pairs together (Holm)", ("p", "p_holm")[: 1 + (len(found) > 1)]
    print_table(
        (*columns, together) if len(found) > 1 else columns,
        [
            (" | ".join(each["pair"]), *(f"{n:,}" for n in each["alone"]), *(_small(each[p]) for p in chances))
            for each in found
        ],
    )
    return found


def _small(chance: float) -> str:
    """A p-value for people; none is 0."""
    return f"{chance:.3f}" if chance >= 0.001 else "< 0.001"


def _check_votes(target: str, classes: tuple[str, ...], splits: "Splits", votes: str | None) -> None:
    """Raise DataError for a network that doesn't know all classes of the votes."""
    if votes and (unknown := [name for name in splits.classes if name not in classes]):
        raise DataError(
            f"{target} doesn't know {', '.join(unknown)}, of FER+'s classes: it tells apart {', '.join(classes)}. "
            "Judge it without --votes. The networks in the box learned votes by a second head, which was left behind."
        )


def _trained(target: str) -> bool:
    from mien.shipped import find

    return find(target).exists() or target.endswith(".onnx") or Path(target).name != target


def _without_leaks(splits: "Splits", split: str) -> "FaceSet":
    from mien.data.copies import leaked

    copies = leaked(splits["train"], splits[split])
    if copies.all():
        raise DataError(f"All {len(copies):,} faces of {split} stand in train, too: without them none is left.")
    note(f"{copies.sum():,} faces of {split} stand in train, too, and are left out.")
    kept: FaceSet = splits[split][~copies]
    return kept


def _check_untrained(names: list[str]) -> None:
    """Raise CheckpointError where one of these isn't a model's name."""
    if not names:
        return
    from mien.models import list_models
    from mien.shipped import shipped

    if unknown := [name for name in names if name not in list_models()]:
        raise CheckpointError(
            f"{unknown[0]}: no such file or folder, and no network's name; those in the box are "
            f"{', '.join(shipped())}, the untrained ones {', '.join(list_models())}."
        )


def _untrained(name: str, faces: "FaceSet") -> Any:
    """Fresh weights of that model, in the shape of its preset `tuned`."""
    import torch

    from mien.models import create_model
    from mien.training.recipe import recipe

    channels = 1 if faces.images.ndim == 3 else 3
    chosen = recipe(name)
    torch.manual_seed(chosen.seed)
    note(f"{name} before any training (preset {chosen.preset}, seed {chosen.seed}).")
    return create_model(
        name, classes=len(faces.classes), channels=channels, size=faces.images.shape[1], **chosen.options
    )
