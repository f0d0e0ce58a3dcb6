"""`mien score`: very many images into Parquet files, here or on a Ray cluster."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.options import ExpectedPrior, Network, given_path, note
from mien.cli.progress import ended_as_by_ctrl_c, shares
from mien.errors import Incomplete
from mien.shipped import DEFAULT


def score(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder or a pattern of images, or a table (.parquet, .csv, .jsonl) that lists or holds them: a "
            "path, s3://... or https://...",
        ),
    ],
    out: Annotated[
        Path, typer.Option(parser=given_path, metavar="DIR", help="The folder for the results, Parquet files.")
    ],
    model: Network = DEFAULT,
    column: Annotated[
        str, typer.Option(metavar="NAME", help="The table's column with their addresses, or their bytes.")
    ] = "",
    detect: Annotated[
        bool, typer.Option("--detect/--no-detect", help="--no-detect: each image is one cropped face.")
    ] = True,
    prior: ExpectedPrior = None,
    endpoint: Annotated[str, typer.Option(metavar="URL", help="An S3 server that isn't Amazon's.")] = "",
    workers: Annotated[
        int, typer.Option(min=0, metavar="N", help="Images read side by side; 0 for as many as there are cores.")
    ] = 0,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on this Ray cluster; auto for the one on this machine.")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=1, metavar="N", help="Rows in a file of results; a kill loses at most that many.")
    ] = 1000,
    again: Annotated[
        bool, typer.Option("--again", help="Retry what couldn't be read, for example after renewing expired keys.")
    ] = False,
) -> dict[str, Any]:
    """Read very many images, here or in the cloud, into Parquet files: a row for each, with its faces or its error.

    If it is stopped or killed, the same command goes on; in the end each image has one row.
    """
    from mien.score.job import Job, Progress
    from mien.score.run import score as run

    at = Progress(0, 0, 0, 0)
    with ended_as_by_ctrl_c(), shares() as tick:
        try:
            job = Job(source, model, detect, column, endpoint, prior)
            for at in run(job, out, workers=workers or None, ray=ray, rows=rows, again=again, note=note):
                tick("scored", at.done / at.total)
        except KeyboardInterrupt:
            if not at.total:  # there may be no such folder yet
                raise
            raise KeyboardInterrupt(f"{at.done:,} of {at.total:,} are in {out}; the same command goes on.") from None
    print(f"{out}: {at.done:,} rows")
    result = {"out": str(out), "rows": at.done, "failed": at.failed, "new": at.new}
    if at.failed:
        whose = f"{at.failed:,} of {at.total:,} couldn't be read"
        told = "their rows have the status failed, and the error. --again tries them once more."
        raise Incomplete(f"{whose}; {told}", result)
    return result
