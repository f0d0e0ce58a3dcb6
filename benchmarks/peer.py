"""mien beside a peer from PyPI, `fer` 25.10.3 with TensorFlow, each in its own environment, in one run.

    python benchmarks/peer.py [--data fer2013.csv] [--model runs/cnn ...] [--plot docs/pictures/peer.svg]
                              [--json benchmarks/results/peer.json]    # then `make pages`

It makes the peer's environment in build/peer (up to 7 GB) unless it is there. Calls of both are interleaved, and their
medians compared. The peer's settings are its defaults, which are its fastest.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from PIL import Image

import mien
from mien.environment import environment
from mien.files import atomic_write
from mien.shipped import DEFAULT

PEER = "fer==25.10.3"
HOME = Path(__file__).parents[1]
PYTHON = HOME / "build" / "peer" / "bin" / "python"
SIDE = Path(__file__).with_name("peer_side.py")


class Peer:
    """The peer's process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [PYTHON, "-W", "ignore", SIDE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def ask(self, do: str, **what: object) -> dict:
        self.process.stdin.write(json.dumps({"do": do, **what}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the peer's process ended")
        return json.loads(line)


def install() -> None:
    if PYTHON.exists():
        return
    subprocess.run([sys.executable, "-m", "venv", PYTHON.parents[1]], check=True)
    if subprocess.run([PYTHON, "-m", "pip", "install", "-q", PEER, "setuptools<81"], check=False).returncode:
        sys.exit("the peer can't be installed here")


def astronaut() -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import skimage.data
    return skimage.data.astronaut()


def film(path: Path, photo: np.ndarray, frames: int = 150) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (640, 480))
    for number in range(frames):
        left, width = 90 - number // 2, 320 + number // 3
        part = photo[20 : 20 + width * 3 // 4, left : left + width]
        writer.write(np.ascontiguousarray(cv2.resize(part, (640, 480))[..., ::-1]))
    writer.release()


def wall(line: list) -> float:
    compiled = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    subprocess.run([str(word) for word in line], check=True, capture_output=True, env=compiled)
    return time.perf_counter() - began


def per_face(net: mien.Net, faces: np.ndarray, batch: int, times: int) -> float:
    spent = []
    for at in range(times):
        some = faces[(at * batch) % len(faces) :][:batch]
        began = time.perf_counter()
        net(some)
        spent.append((time.perf_counter() - began) / len(some))
    return 1000 * median(spent)


def versus(what: str, unit: str, ours: float, theirs: float, goal: float, *, more: bool = False) -> dict:
    """A row of the results; `more`: of this unit more is better."""
    ratio = ours / theirs if more else theirs / ours
    print(f"{what}: mien {ours:.3g} {unit}, peer {theirs:.3g} {unit}, ratio {ratio:.2f} (goal >= {goal})", flush=True)
    return {"what": what, "unit": unit, "mien": ours, "peer": theirs, "ratio": ratio, "goal": goal}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data")
    parser.add_argument("--model", nargs="*", default=[])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    install()
    made = environment()
    print(f"commit {made['commit']}, {made['processor']}, {os.cpu_count()} cores, Python {platform.python_version()}")
    size = subprocess.run(["du", "-sm", PYTHON.parents[1]], capture_output=True, text=True).stdout.split("\t")[0]
    print(f"the peer's environment: {size} MB")
    faces = (mien.load_faces(given.data) if given.data else mien.drawn_faces()).val.labelled
    folder = Path(tempfile.mkdtemp(prefix="mien-peer-"))
    photo = astronaut()
    Image.fromarray(photo).save(folder / "photo.jpg", quality=95)
    film(folder / "film.mp4", photo)
    np.save(folder / "faces.npy", faces.images)

    once = "import warnings; warnings.simplefilter('ignore'); import cv2; from fer.fer import FER; "
    once += f"print(FER().detect_emotions(cv2.imread({str(folder / 'photo.jpg')!r})))"
    here = Path(sys.executable).with_name("mien")
    cold = [(wall([here, "predict", folder / "photo.jpg"]), wall([PYTHON, "-c", once])) for _ in range(5)]
    ours, theirs = (median(times) for times in zip(*cold, strict=True))
    rows = [versus("cold start to the first prediction", "s", ours, theirs, 8)]

    peer = Peer()
    right = np.array(peer.ask("answer", path=str(folder / "faces.npy"))["classes"]) == faces.labels
    points = {"fer 25.10.3": (float(right.mean()), [], [])}
    nets = {name: mien.Net(name) for name in ("small", "small:int8", *given.model)}
    for name, net in nets.items():
        points[name] = (float((net(faces.images).argmax(1) == faces.labels).mean()), [], [])
    for _ in range(5):
        for place, (batch, times) in enumerate(((1, 400), (64, 12))):
            path = str(folder / "faces.npy")
            points["fer 25.10.3"][1 + place].append(peer.ask("crops", path=path, batch=batch, times=times)["ms"])
            for name, net in nets.items():
                points[name][1 + place].append(per_face(net, faces.images, batch, times))
    print(f"accuracy on {len(faces):,} faces of val, ms a face at batch 1 and 64")
    table = {name: (accuracy, median(one), median(many)) for name, (accuracy, one, many) in points.items()}
    for name, (accuracy, one, many) in table.items():
        print(f"  {name:14s} {accuracy:.4f}  {one:.3f}  {many:.3f}")
    them = table.pop("fer 25.10.3")
    rows.append(versus("a crop alone", "ms", table[DEFAULT][1], them[1], 1))
    rows.append(versus("64 crops", "faces/s", 1000 / table[DEFAULT][2], 1000 / them[2], 2, more=True))
    worse = [n for n, t in table.items() if them[0] >= t[0] and (them[1] <= t[1] or them[2] <= t[2])]
    print(f"networks of ours that the peer beats in accuracy and time: {', '.join(worse) or 'none'} (goal: none)")

    reader = mien.Recognizer()
    rates = []
    for _ in range(3):
        theirs = peer.ask("video", path=str(folder / "film.mp4"))
        began = time.perf_counter()
        found = [len(reading) for reading in reader.stream(folder / "film.mp4")]
        rates.append((len(found) / (time.perf_counter() - began), theirs["fps"], sum(found), theirs["faces"]))
    ours_fps, theirs_fps = median(rate[0] for rate in rates), median(rate[1] for rate in rates)
    rows.append(versus("video of 640 × 480 with detection", "frames/s", ours_fps, theirs_fps, 5, more=True))
    print(f"  faces found in its 150 frames: mien {rates[0][2]}, peer {rates[0][3]}")
    frame, spent = cv2.resize(photo, (640, 640))[80:560], []
    for _ in range(60):
        began = time.perf_counter()
        next(iter(reader(frame)))
        spent.append(1000 * (time.perf_counter() - began))
    print(f"a 640 × 480 frame with one face: {median(spent):.1f} ms (goal <= 25)")
    points = {name: dict(zip(("accuracy", "ms_1", "ms_64"), values, strict=True)) for name, values in table.items()}
    points["fer 25.10.3"] = dict(zip(("accuracy", "ms_1", "ms_64"), them, strict=True))
    if given.json:
        kept = {name: value for name, value in made.items() if name != "command"}  # its paths are the machine's own
        about = {"environment": kept, "faces": len(faces), "network": DEFAULT}
        told = about | {"rows": rows, "frame_ms": median(spent), "points": points}
        atomic_write(given.json, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if given.plot:
        draw(given.plot, points)


def draw(path: Path, points: dict[str, dict[str, float]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for place, axis in enumerate(figure.subplots(1, 2, sharey=True)):
        for name, point in points.items():
            mark = "D" if name.startswith("fer") else "o"
            at = point[("ms_1", "ms_64")[place]], point["accuracy"]
            axis.plot(*at, mark, color="#D55E00" if mark == "D" else "#0072B2")
            axis.annotate(name, at, xytext=(5, 5), textcoords="offset points", fontsize=8)
        axis.set(xlabel=f"ms a face, batch {(1, 64)[place]}", xlim=(0, None))
        axis.grid(color="#EBEBEB")
        axis.margins(x=0.3)
    figure.axes[0].set_ylabel("accuracy on PublicTest")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
