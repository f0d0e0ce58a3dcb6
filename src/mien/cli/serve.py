"""`mien serve`: recognition over HTTP, and a page that uses it."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mien.cli.options import Certain, OnnxDevice, note

LEVELS = ("debug", "info", "warning", "error")


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; by default this machine only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", envvar="MIEN_PORT", help="The port; 0 takes any that is free.")
    ] = 8000,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="A network in the box, a run folder, an .onnx file; several may be given, the first is the default. "
            "Without it: all in the box.",
        ),
    ] = None,
    token: Annotated[
        str, typer.Option(metavar="TOKEN", envvar="MIEN_TOKEN", help="What clients must send; better in MIEN_TOKEN.")
    ] = "",
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Let anyone who reaches the server use it, without a token.")
    ] = False,
    cors: Annotated[
        list[str] | None,
        typer.Option("--cors", metavar="ORIGIN", help="Another site whose pages may use it. Repeatable."),
    ] = None,
    queue: Annotated[int, typer.Option(min=1, metavar="N", help="Most pictures that wait or are being read.")] = 128,
    workers: Annotated[
        int, typer.Option(min=0, metavar="N", help="Pictures decoded and searched side by side; 0: one for each core.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Most faces in one call of the network.")] = 32,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="Time limit for receiving a request, and again for reading its pictures.",
        ),
    ] = 30,
    drain: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Time to finish open requests at shutdown.")
    ] = 30,
    max_bytes: Annotated[int, typer.Option(min=1024, metavar="N", help="Largest picture file, in bytes.")] = 16 << 20,
    max_pixels: Annotated[int, typer.Option(min=1, metavar="N", help="Most pixels in a picture.")] = 32_000_000,
    rate: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="N",
            help="Requests per second for each client; 0 for no limit. Clients on this machine aren't limited.",
        ),
    ] = 20,
    certain: Certain = 0.6,
    device: OnnxDevice = None,
    certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="Serve https with this (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate's key (PEM).")] = None,
    in_browser: Annotated[
        bool,
        typer.Option("--in-browser", help="The page runs the networks itself: no picture leaves the browser."),
    ] = False,
    log: Annotated[
        str, typer.Option(metavar="|".join(LEVELS), help="How much is logged, as JSON, on stderr.")
    ] = "info",
) -> dict[str, Any]:
    """Serve recognition over HTTP until Ctrl-C or SIGTERM; requests accepted by then are answered first.

    It needs no torch, keeps nothing, and listens to this machine only unless told otherwise.
    """
    from mien import session
    from mien.server.run import serve as run
    from mien.server.settings import Settings, boxed

    if log not in LEVELS:
        raise typer.BadParameter(f"there is no level {log!r}; the levels are {', '.join(LEVELS)}.", param_hint="--log")
    settings = Settings(
        models=tuple(model or boxed()),
        host=host,
        port=port,
        token=token,
        open_to_all=no_auth,
        origins=tuple(cors or ()),
        device=device,
        certain=certain,
        queue=queue,
        workers=workers or session.workers(),
        batch=batch,
        timeout=timeout,
        drain=drain,
        max_bytes=max_bytes,
        max_pictures=min(Settings.max_pictures, queue),
        max_pixels=max_pixels,
        rate=rate,
        certificate=certificate,
        key=key,
        in_browser=in_browser,
    )

    def announce(address: str) -> None:
        if sys.stderr.isatty():  # elsewhere there is the log alone, which says so in JSON
            note(_where(address, token))

    return {"answered": run(settings, level=log, announce=announce)}


def _where(address: str, token: str) -> str:
    """What people are told of a server's address: 0.0.0.0 and [::] are none that a browser opens.

    >>> print(_where("https://[::]:8000", "secret"))  # doctest: +NORMALIZE_WHITESPACE
    mien is at https://localhost:8000 and ends with Ctrl-C. Other machines use this one's name or address in place of
    localhost. Open the page with /#TOKEN after the address.
    """
    here = address.replace("//0.0.0.0:", "//localhost:").replace("//[::]:", "//localhost:")
    said = f"mien is at {here} and ends with Ctrl-C."
    said += " Other machines use this one's name or address in place of localhost." * (here != address)
    return said + " Open the page with /#TOKEN after the address." * bool(token)
