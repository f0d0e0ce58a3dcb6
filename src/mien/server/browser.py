"""What the page gets from Python: colours and constants, so that it has no copies; with `--in-browser` the networks.

onnxruntime-web isn't part of mien: `make browser` takes it from npm into build/browser, and it is served from there.
"""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from mien.errors import MienError
from mien.labels import COLOURS
from mien.recognition import align, detect, track
from mien.recognition.records import LANDMARKS
from mien.server.envelope import as_json
from mien.server.refusal import Refusal
from mien.server.routes import reader_of
from mien.server.settings import Settings

BUILD = Path("build", "browser", "node_modules", "onnxruntime-web", "dist")
"""Where `make browser` puts onnxruntime-web, from the folder of mien's sources."""

RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""Its files that the page loads: for the CPU, in WebAssembly."""

router = APIRouter(include_in_schema=False)
networks = APIRouter(include_in_schema=False)


def add_page(app: FastAPI, settings: Settings) -> None:
    """Add to an application what its page asks for.

    Raises:
        MienError: the page is to run the networks, but onnxruntime-web isn't there.
    """
    app.include_router(router)
    if settings.in_browser:
        app.include_router(networks)
        app.mount("/browser", _Kept(directory=_runtime()), name="browser")


@router.get("/page.json")
async def page(request: Request) -> Response:
    """Colours, the landmarks' names, and the constants of finding, cutting and following faces."""
    certain = reader_of(request).settings.certain
    return as_json({"colours": COLOURS, "landmarks": LANDMARKS} | _constants(certain))


@networks.get("/v1/networks/detector")
async def detector() -> Response:
    """The detector, as an ONNX file."""
    return Response(detect.network(), media_type="application/octet-stream")


@networks.get("/v1/networks/file")
async def network(request: Request, model: str, name: str) -> Response:
    """A file of a served network: one of those that `/v1/models` names."""
    served = await reader_of(request).networks.get(model)
    for path in served.net.files:
        if path.name == name:
            return FileResponse(path, media_type="application/octet-stream")
    raise Refusal("not_found", f"{model} has no file {name!r}; it has {', '.join(p.name for p in served.net.files)}.")


def _constants(certain: float) -> dict[str, Any]:
    return {
        "detect": {
            "side": detect.SIDE,
            "strides": detect.STRIDES,
            "tile": detect.TILE,
            "overlap": detect.OVERLAP,
            "certain": certain,
            "same": detect.SAME,
            "enlarge": detect.ENLARGE,
        },
        "align": {"share": align.SHARE, "finest": align.FINEST, "flat": align.FLAT},
        "track": {
            "half_life": track.HALF_LIFE,
            "patience": track.PATIENCE,
            "missed": track.MISSED,
            "near": track.NEAR,
            "steady": track.STEADY,
            "shrinks": track.SHRINKS,
        },
    }


class _Kept(StaticFiles):
    """Large files: a browser keeps its copy, and asks each time whether it is still current."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["cache-control"] = "no-cache"
        return response


def _runtime() -> Path:
    """The folder with onnxruntime-web's files, below that of mien's sources. Not below the current folder: the page
    would run any program that lies there."""
    folder = Path(__file__).parents[3] / BUILD
    if all((folder / name).is_file() for name in RUNTIME):
        return folder
    raise MienError(
        f"onnxruntime-web isn't in {folder}. `make browser` puts it there; without make: npm install --prefix "
        f'"{folder.parents[2]}", and the rest as docs/how-to/page.md has it.'
    )
