"""Tables of speed, from what `benchmarks/peer.py --json` and `benchmarks/server.py --json` wrote."""

import json
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path("benchmarks/results")
FRAME = 25
"""The goal for a frame with one face, in milliseconds."""


def beside_peer(root: Path) -> str:
    """mien beside the other tool, in one run."""
    told = _read(root, "peer")
    lines = ["| what | mien | `fer` | ratio | goal |", "|---|---:|---:|---:|---|"]
    for row in told["rows"]:
        ours, theirs = (f"{_three(row[side])} {row['unit']}" for side in ("mien", "peer"))
        lines.append(f"| {row['what']} | {ours} | {theirs} | {row['ratio']:.2f} | {_goal(row['ratio'], row['goal'])} |")
    frame = told["frame_ms"]
    reached = "reached" if frame <= FRAME else "missed"
    lines.append(f"| a 640 × 480 frame with one face | {_three(frame)} ms | | | at most {FRAME} ms, {reached} |")
    return "\n".join([*lines, "", f"{made(told['environment'])}; recognised with `{told['network']}`."])


def accuracy_and_time(root: Path) -> str:
    """Every network that was timed there, and the other tool."""
    told = _read(root, "peer")
    lines = ["| network | accuracy | ms a face, one at a time | 64 at a time |", "|---|---:|---:|---:|"]
    for name, point in sorted(told["points"].items(), key=lambda item: item[1]["accuracy"]):
        times = " | ".join(f"{point[batch]:.3f}" for batch in ("ms_1", "ms_64"))
        lines.append(f"| `{name}` | {point['accuracy']:.4f} | {times} |")
    return "\n".join(lines)


def served(root: Path) -> str:
    """`mien serve` beside two plain servers."""
    told = _read(root, "server")
    cases: dict[tuple[str, str], dict[str, list[dict[str, float]]]] = {}
    for case in told["cases"]:
        cases.setdefault((case["what"], case["network"]), {})[case["server"]] = case["rounds"]
    lines = ["| what | mien serve | lock | ratio | blocking | ratio |", "|---|---:|---:|---:|---:|---:|"]
    for (what, network), servers in cases.items():
        ours = servers.pop("mien serve")
        speed = f"{_middle(ours, 'pictures_a_second'):,.0f} a second, p50 {_middle(ours, 'p50'):.0f} ms"
        cells = [f"{what}, `{network}`", speed]
        for other in (servers["lock"], servers["blocking"]):
            ratios = [a["pictures_a_second"] / b["pictures_a_second"] for a, b in zip(ours, other, strict=True)]
            cells += [f"{_middle(other, 'pictures_a_second'):,.0f} a second", f"{median(ratios):.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    load = f"{told['clients']} clients, {told['rounds']} rounds of {told['seconds']:g} s"
    return "\n".join([*lines, "", f"{made(told['environment'])}; {load}; a ratio is the median of the rounds' ratios."])


def _read(root: Path, name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((root / RESULTS / f"{name}.json").read_text("utf-8"))
    return told


def made(environment: dict[str, Any]) -> str:
    """The commit, processor and onnxruntime with which figures were measured."""
    cores = f"{environment['cores']} cores of an {environment['processor']}"
    return f"Commit {environment['commit']}, {cores}, onnxruntime {environment['packages']['onnxruntime']}"


def _goal(ratio: float, goal: float) -> str:
    return f"{goal}, {'reached' if ratio >= goal else 'missed'}"


def _three(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _middle(rounds: list[dict[str, float]], name: str) -> float:
    return median(one[name] for one in rounds)
