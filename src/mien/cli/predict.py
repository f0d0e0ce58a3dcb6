"""`mien predict`: the expression of every face in photos, folders, videos and from a camera."""

import sys
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.options import Certain, Network, OnnxDevice, check_finished, given_path, given_prior, note
from mien.cli.places import check_place
from mien.cli.progress import shares
from mien.cli.screen import live as bars
from mien.cli.screen import progress
from mien.cli.sinks import Sink, annotator, check_films, figure, undrawn
from mien.cli.tables import counted
from mien.cli.tally import Tally
from mien.errors import DataError, Incomplete, Stopped
from mien.files import naming
from mien.prior import written
from mien.shipped import DEFAULT

if TYPE_CHECKING:
    from mien.recognition.recognizer import Recognizer
    from mien.recognition.sources import Sources


FOUND = "found"
"""As --prior: what the photos themselves show."""

SOME = 2000
"""Photos that are read for that, at most."""


def predict(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Photos, videos, folders (with their subfolders), patterns in quotes such as 'a*.jpg', or a camera's "
            "number, from 0 on.",
        ),
    ],
    model: Network = DEFAULT,
    out: Annotated[
        Path | None,
        typer.Option(parser=given_path, metavar="FILE", help="A row for every face: .jsonl, .csv or .parquet."),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(
            parser=given_path,
            metavar="PATH",
            help="Draw what was found on copies: into a folder, or for one video into a .webm or .mp4 file.",
        ),
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(parser=given_path, metavar="FILE", help="Draw a video's expressions over time (.svg, .png)."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(parser=given_path, metavar="FILE", help="Draw all faces on a sheet, by expression (.svg, .png)."),
    ] = None,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Read only every N-th frame of a video.")] = 1,
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="--no-detect: each picture is one cropped face.")
    ] = True,
    certain: Certain = 0.6,
    prior: Annotated[
        Any,
        typer.Option(
            parser=given_prior,
            metavar="even|found|NAME=SHARE,...",
            help="How frequent the expressions are expected to be: all alike; found: estimated from these photos; or "
            "such as happy=0.6,neutral=0.3, where the others divide the rest as in training. Default: as in training.",
        ),
    ] = None,
    smooth: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Half-life of the smoothing in videos; 0 for none.")
    ] = 0.25,
    device: OnnxDevice = None,
    max_pixels: Annotated[
        int, typer.Option(min=1, metavar="N", help="Refuse pictures of more pixels, before decoding them.")
    ] = 64_000_000,
    limit: Annotated[
        int, typer.Option(min=0, metavar="N", help="Stop after N pictures or frames; 0 for no limit.")
    ] = 0,
    live: Annotated[bool, typer.Option("--live", help="Show a video's faces as bars while it runs.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue --out where it was stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace --out if it is there.")] = False,
) -> dict[str, Any]:
    """Find the faces and say which expression each shows. Works offline, without torch; keeps only what you ask for.

    Of a camera, a pipe gets a line of JSON for each face, as it comes. The exit code is 1 when something couldn't be
    read; the rest is read all the same. A name that isn't there stops it at once.
    """
    from mien.recognition.recognizer import Recognizer
    from mien.recognition.sources import Sources
    from mien.recognition.video import VIDEOS

    check_finished(Path(model))
    known = partial(
        Recognizer, model, device=device, detect=detect, certain=certain, smooth=smooth, max_pixels=max_pixels
    )
    recognizer = known(prior=None if prior == FOUND else prior)  # before the files: a wrong name shows at once
    if resume and overwrite:
        raise typer.BadParameter("--resume goes on with --out, --overwrite replaces it: say one of them.")
    outputs = [path for path in (out, annotate, timeline, sheet) if path]
    media = Sources(sources, every=every, max_pixels=max_pixels, outputs=outputs)  # before any of them is opened
    if prior == FOUND:
        media.check_photos()
    with ExitStack() as stack:
        kept: list[Sink] = []
        last: dict[str, int] = {}
        found: dict[str, float] = {}
        if out:
            from mien.cards import checksum
            from mien.recognition.write import RowWriter

            job: dict[str, Any] = {"network": [checksum(file) for file in recognizer.net.files], "detect": detect}
            moving = media.videos or media.cameras
            job |= {"certain": certain} if detect else {}
            job |= {"prior": prior}
            job |= {"every": every} if moving else {}
            job |= {"smooth": smooth} if moving and detect else {}
            writer = RowWriter(out, classes=recognizer.classes, resume=resume, overwrite=overwrite, job=job)
            stack.enter_context(writer)
            if writer.unnoted:
                note(f"{out}: it isn't noted which network and options its rows come from. Resuming all the same.")
            found = writer.noted.get(FOUND, {})
            last = {name: frame for name, frame in writer.last.items() if name not in media.cameras}
            # a video's faces keep their numbers only where it is followed from its start, a figure shows earlier faces,
            # too, and drawings may have been asked for just now: such are read again, and not written
            again = set(last) if timeline or sheet else {writer.unfinished}
            again |= undrawn(annotate, last, media.names) if annotate else set()
            media.after = {name: None for name in last if name not in again}
            if media.after:
                note(f"{out} has the rows of {counted(len(media.after), 'file')} already: not read again.")
        elif resume:
            raise DataError("--resume goes on with a file of rows; name it with --out.")
        kept += [annotator(annotate, stack, media.names, recognizer.classes)] if annotate else []
        kept += [figure(path, what, stack, last) for path, what in ((timeline, "timeline"), (sheet, "sheet")) if path]
        check_films(annotate, timeline, media)
        for place in outputs:
            check_place(place, folder=place == annotate and place.suffix.lower() not in VIDEOS)

        if prior == FOUND:  # last of all, as it may take minutes
            found = found or _estimated(recognizer, media)
            recognizer = known(prior=found)
            if out:
                writer.job = job | {FOUND: found}
        tally = Tally(recognizer.device, calibrated=recognizer.net.card.uncertain > 0, kept=bool(out))
        tally.prior = None if prior is None else recognizer.net.prior

        def tell(kind: object, *_: object) -> None:
            """Before the outputs are put in place: should that fail, what was found has been said."""
            tally.others, tally.drawn, tally.animations = media.others, media.drawn, media.animations
            if (tally.entries or not kind) and (sys.stdout.isatty() or not (live or media.live)):
                tally.print()

        stack.push(tell)
        show = stack.enter_context(bars(tally) if live or media.live else progress(media, tally))
        stopped, fresh = False, 0
        with closing(recognizer.stream(media, keep=True)) as stream:
            try:
                for frame, reading in stream:
                    new = reading.frame > last.get(reading.source, -1)
                    for keep in kept:  # which may fail: then no row replaces --out
                        keep(frame, reading)
                    if out and new:
                        with naming(out):
                            writer.write(reading)
                    tally.add(reading)
                    show(reading)
                    fresh += new
                    if fresh == limit and new:
                        break
            except KeyboardInterrupt:
                if not fresh:  # then no output takes the place of an earlier one
                    raise
                stopped = True
    for what, path in (("rows", out), ("drawings", annotate), ("timeline", timeline), ("sheet", sheet)):
        if path:
            note(f"{what} in {path}")
    if stopped and not media.live:
        kept_until = "what was read until then is kept" + ("; --resume goes on." if out else ".")
        raise Stopped(kept_until if outputs else "", tally.as_json())
    if tally.failed:
        listed = "\n".join(f"  {line}" for line in tally.failures)
        listed += "\n--max-pixels N reads larger ones." * (f"; the limit is {max_pixels:,}." in listed)
        of_all = "" if tally.frames else f" of {tally.entries:,}"  # a video's frames are no files
        raise Incomplete(f"{tally.failed:,}{of_all} couldn't be read:\n{listed}", tally.as_json())
    return tally.as_json()


def _estimated(recognizer: "Recognizer", media: "Sources") -> dict[str, float]:
    """The prior that the photos show, which are read once more for it; it is said. Raises DataError without photos."""
    if not (photos := media.some_photos(SOME)):
        raise DataError("--prior found reads photos twice, and a pipe's come once. Name their files or folders.")
    with shares() as show:
        prior = recognizer.estimate_prior(photos, told=lambda read: show("estimating the prior", read / len(photos)))
    note(f"The prior of {counted(len(photos), 'photo')}: {written(prior)}")
    return prior
