"""Very many images -> Parquet: every image is read once, wherever it is, and leaves exactly one row.

daft reads the images (from disk, S3, HTTP, out of Parquet files) and keeps the workers busy, on a Ray cluster, too.
What it doesn't do is here: the list of inputs is written first, results go into files that are put in place whole, and
what they have isn't done again.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mien import session
from mien.errors import DataError, MienError
from mien.files import replacing
from mien.recognition.recognizer import Recognizer
from mien.score.engine import environment, join, literal, need_daft
from mien.score.inputs import largest, list_inputs, new_images
from mien.score.job import INPUTS, Job, Progress, claimed, counted, parts, scored
from mien.score.worker import SHARED, readings

ROWS = 1000
"""The most in a file of results. A run that is killed loses at most so many, and does them again."""


def score(
    job: Job,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    ray: str | None = None,
    rows: int = ROWS,
    again: bool = False,
    note: Callable[[str], object] = lambda text: None,
) -> Iterator[Progress]:
    """Score every image of `job` into Parquet files in the folder `out`; yields after each file.

    Started again, after a stop or a kill -9, it does what isn't there yet. A row has `row` (the input's number),
    `source`, `status` ("face", "no face", "failed"), `error`, `width`, `height` and `faces`, each with `label`,
    `confidence`, `uncertain`, `probabilities` in the order of the network's classes, `box` and `detection`.

    Args:
        workers: how many images are read side by side, each by a recogniser of its own; None for one per core.
        ray: the address of a Ray cluster that runs already, "auto" for the one of this machine; None runs it here.
        rows: the most in a file of results.
        again: do once more what couldn't be read before.
        note: called with a sentence on what isn't scored: other files, images that came too late.

    Raises:
        DataError: there is nothing to score; the folder is another job's or network's, or another command is at work in
            it, or it has a copy of a file of results, or lost one meanwhile; a table lacks the column, or changed.
        MissingExtra: without daft, or on a cluster without Ray. MienError: no such cluster, or a worker was ended.
        CheckpointError: the network was replaced while it was read.
    """
    daft, out = need_daft(), Path(out)
    inputs = literal(out / INPUTS)
    net = Recognizer(job.model, detect=job.detect, threads=1, prior=job.prior).net  # first of all, as it may be wrong
    with environment(), claimed(job, net, out) as network:
        if ray is not None:
            join(daft, ray)
        new: int | None = 0
        if not (out / INPUTS).exists():
            list_inputs(daft, job, out / INPUTS, note)
        elif new := new_images(job, out / INPUTS):
            came = f"{new:,} images have" if new > 1 else "1 image has"
            note(f"{came} come since the list was written; score {'them' if new > 1 else 'it'} into another folder.")
        total = counted(out / INPUTS)
        done, unread = scored(out, total)
        if again and unread:
            _forget_failed(out)
            done, unread = done - unread, 0
        yield Progress(done, total, unread, new)
        if done == total:
            return
        frame = daft.read_parquet(inputs)
        if done:
            there = daft.read_parquet([literal(path) for path in parts(out)]).select("row")
            frame = frame.join(there, on="row", how="anti")
        if ray is not None:
            frame = frame.into_partitions(max(1, -(-(total - done) // rows)))
        first = 1 + max((int(path.stem.removeprefix("part-")) for path in parts(out)), default=-1)
        held = 0 if ray is not None else largest(out / INPUTS)  # how much room other machines have isn't known
        width = workers or session.workers()

        def failure(why: str) -> MienError:
            if "'/psm_" in why:  # multiprocessing's name for it, which looks like no file's
                why = f"shared memory, {SHARED}: {why}"
            if why == "AF_UNIX path too long":  # of the socket to a worker
                why = f"the path of temporary files is too long, {tempfile.gettempdir()}: set TMPDIR to another"
            if re.match(r"\[Errno \d+\] (Connection reset|Broken pipe)", why):  # of the connection to a worker
                why = "a worker was ended"
            return MienError(f"The job was cut short ({why}). What is done stays in {out}; the same command goes on.")

        found = readings(daft, job, frame, width, network=network, largest=held, failure=failure)
        for number, table in enumerate(_in_files(found, rows), first):
            _write(out / f"part-{number:06d}.parquet", table)
            done += len(table)
            unread += table["status"].to_pylist().count("failed")
            yield Progress(done, total, unread, new)
        if missing := total - scored(out, total)[0]:
            mend = "Give the same command again" if (out / INPUTS).exists() else "Name another folder"
            raise DataError(f"{out}: files of results were removed meanwhile; {missing:,} rows are missing. {mend}.")


def _in_files(tables: Iterator[Any], rows: int) -> Iterator[Any]:
    """The same rows in tables of `rows` each; the last may have fewer."""
    import pyarrow as arrow

    held, count = [], 0
    for table in tables:
        held.append(table)
        count += len(table)
        if count >= rows:
            together = arrow.concat_tables(held)
            whole = count // rows * rows
            yield from (together.slice(start, rows) for start in range(0, whole, rows))
            held, count = [together.slice(whole)], count - whole
    if count:
        yield arrow.concat_tables(held)


def _forget_failed(out: Path) -> None:
    """Remove the rows of what couldn't be read from the files of results, so that it is done again."""
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet

    for path in parts(out):
        table = parquet.read_table(path)
        kept = table.filter(compute.not_equal(table["status"], "failed"))
        if not len(kept):
            path.unlink()
        elif len(kept) < len(table):
            _write(path, kept)


def _write(path: Path, table: Any) -> None:
    import pyarrow.parquet as parquet

    with replacing(path) as beside:
        parquet.write_table(table, beside)
