"""`mien data get | show | convert`: where the faces come from, what they look like, and a file that loads fast."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.faces import of_images, read_source, say_leaked, say_left_out, say_read_as
from mien.cli.options import Data, Groups, Rgb, Size, SkipBadRows, Votes, note
from mien.cli.pictures import write_picture
from mien.cli.places import check_out, check_place
from mien.cli.tables import print_table

if TYPE_CHECKING:
    from mien.data.faces import FaceSet
    from mien.data.origin import DataPath
    from mien.data.splits import Splits


def get(
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to put the files in.")] = Path("data"),
) -> dict[str, Any]:
    """Say where FER2013 and FER+ come from, under which terms, and fetch and check them where that is possible."""
    from mien.data.obtain import WHERE, fetch
    from mien.environment import as_typed

    note(WHERE)
    fetched = fetch(dest)
    print(f"In place and checked: {fetched.images}, {fetched.votes}")
    for checked in fetched.checked:
        print(f"  {checked}")
    note(f"Try next: {as_typed(['mien', 'ladder', '--data', str(fetched.images)])}")
    return {"images": str(fetched.images), "votes": str(fetched.votes), "checked": list(fetched.checked)}


def show(
    data: Data = None,
    votes: Votes = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the pictures.")] = Path("runs/data"),
    groups: Groups = None,
    size: Size = None,
    rgb: Rgb = None,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Look at the faces: how many of each class, pixel statistics, samples, each class's mean face, a batch of 64."""
    from mien.data.origin import DataPath

    check_out(out, data)
    splits = read_source(DataPath(data, votes, skip_bad_rows, size, bool(rgb), groups))
    found = {name: _described(faces) for name, faces in splits if len(faces)}
    _print(splits, found)
    return {
        "source": splits.source,
        "classes": list(splits.classes),
        "left_out": splits.left_out,
        "splits": found,
        "pictures": _pictures(splits, out),
    }


def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="Faces, as `mien train --data` takes them.")],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="What to write: one file NAME.npz, or a folder NAME.faces for large sets."),
    ],
    votes: Votes = None,
    groups: Groups = None,
    size: Size = None,
    rgb: Rgb = None,
    skip_bad_rows: SkipBadRows = False,
) -> dict[str, Any]:
    """Write faces as a file that loads much faster than pictures or a CSV file; --data takes it.

    A .faces folder is mapped rather than read, so that sets larger than memory can be trained on. Building one from
    pictures takes constant memory; if it is stopped, the same command goes on.
    """
    from mien.data.origin import DataPath

    if out.suffix.lower() not in (".npz", ".faces"):
        raise typer.BadParameter(
            f"{out}: let the name end in .npz or .faces, so that --data knows it.", param_hint="OUT"
        )
    if out.suffix.lower() == ".faces":  # a file beside the folders of the classes is passed over
        check_out(out, source)
    where = DataPath(source, votes, skip_bad_rows, size, bool(rgb), groups)
    if out.suffix.lower() == ".npz":
        check_place(out)
        splits = read_source(where)
        say_leaked(splits)
        splits.save(out)
    else:
        splits = _convert_large(where, out)
    counts = {name: len(faces) for name, faces in splits}
    taken = sum(path.stat().st_size for path in ([out] if out.is_file() else out.iterdir()))
    print(f"{out}: {', '.join(f'{n:,} {name}' for name, n in counts.items())} faces, {taken / 1e6:.1f} MB")
    return {"path": str(out), "bytes": taken, "faces": counts, "left_out": splits.left_out}


def _convert_large(source: "DataPath", out: Path) -> "Splits":
    from mien.cli.progress import shares
    from mien.data.folder import list_folder
    from mien.data.listing import SIZE
    from mien.data.mapped import convert_listing, load_mapped, save_mapped

    if of_images(source.path) and not source.votes:
        listing = list_folder(source.path, groups=source.groups)
        with shares() as show:
            convert_listing(
                listing, out, size=source.size or SIZE, rgb=source.rgb, skip_bad_rows=source.skip_bad_rows,
                tick=lambda done, total: show("reading", done / total),
            )  # fmt: skip
        splits = load_mapped(out)
        say_left_out(splits.left_out, str(source.path))
        say_read_as(replace(splits, files=listing.names))
    else:
        splits = read_source(source)
        say_leaked(splits)
        save_mapped(splits, out)
    return load_mapped(out)


def _described(faces: "FaceSet") -> dict[str, Any]:
    """One split as plain data."""
    labelled = max(1, sum(faces.counts.values()))
    return {
        "faces": len(faces),
        "labelled": sum(faces.counts.values()),
        "counts": faces.counts,
        "shares": {name: count / labelled for name, count in faces.counts.items()},
        "shape": list(faces.images.shape[1:]),
        "pixels": _pixels(faces),
        "checksum": faces.checksum,
    }


def _pixels(faces: "FaceSet") -> dict[str, float]:
    """Mean, standard deviation, least and greatest of all pixels, 0..255, from their exact histogram."""
    import numpy as np

    histogram = np.zeros(256, np.int64)
    for start in range(0, len(faces), 1024):  # in pieces: bincount needs eight bytes a pixel
        histogram += np.bincount(faces.images[start : start + 1024].ravel(), minlength=256)
    values, total = np.arange(256), histogram.sum()
    mean = float(histogram @ values / total)
    deviation = float(np.sqrt(histogram @ (values - mean) ** 2 / total))
    there = np.flatnonzero(histogram)
    return {"mean": mean, "std": deviation, "min": int(there[0]), "max": int(there[-1])}


def _print(splits: "Splits", found: dict[str, Any]) -> None:
    rows: list[tuple[object, ...]] = []
    for name in splits.classes:
        cells = (f"{one['counts'][name]:,} ({one['shares'][name]:.3f})" for one in found.values())
        rows.append((name, *cells))
    unlabelled = [one["faces"] - one["labelled"] for one in found.values()]
    if any(unlabelled):
        rows.append(("unlabelled", *(f"{n:,}" for n in unlabelled)))
    rows.append(("all", *(f"{one['faces']:,}" for one in found.values())))
    print_table(("faces (share)", *found), rows, splits.source)
    print_table(
        ("pixels, 0..255", *found),
        [
            ("size", *("×".join(map(str, one["shape"])) for one in found.values())),
            ("mean", *(f"{one['pixels']['mean']:.2f}" for one in found.values())),
            ("standard deviation", *(f"{one['pixels']['std']:.2f}" for one in found.values())),
            ("least to greatest", *(f"{one['pixels']['min']} to {one['pixels']['max']}" for one in found.values())),
        ],
    )


def _pictures(splits: "Splits", out: Path) -> dict[str, str]:
    """Draw what there is to see of the first split with faces, which is `train` where there is one."""
    named = {name: faces for name, faces in splits if len(faces)}
    faces = next(iter(named.values()))
    counts = {name: part.counts for name, part in named.items()}
    drawn = {
        "counts": write_picture(out / "counts.png", lambda f: f.class_counts(counts, kind="png"), asked=False),
    }
    if drawn["counts"]:  # without matplotlib it was said once
        drawn["samples"] = write_picture(out / "samples.png", lambda f: f.class_samples(faces), asked=True)
        drawn["means"] = write_picture(out / "means.png", lambda f: f.class_means(faces), asked=True)
        drawn["batch"] = write_picture(out / "batch.png", lambda f: f.batch_picture(faces), asked=True)
        note(f"Pictures are in {out}: {', '.join(f'{name}.png' for name in drawn)}.")
    return {name: path for name, path in drawn.items() if path}
