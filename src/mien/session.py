"""An ONNX file ready to run: on which device, with how many threads; what onnxruntime complains of, in a line."""

import os
import subprocess
import sys
from contextlib import redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any

from mien.errors import CheckpointError, MienError, first_line
from mien.names import is_text

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "rocm": "MIGraphXExecutionProvider",
}
"""What onnxruntime calls each device. Which of them there are depends on which build of it is installed."""


def open_session(
    path: Path, threads: int = 0, device: str | None = None, *, spin: bool = False, content: bytes | None = None
) -> Any:
    """An ONNX file ready to run, on the CPU unless told.

    Args:
        threads: how many threads one call may use; 0: one for each core. device: a name from `PROVIDERS`.
        spin: let threads wait for the next call awake instead of sleeping: quicker where one network is called all the
            time, and in the way of another one. With the detector and the network on two cores a video was read at 20
            frames a second with it, at 50 without.
        content: bytes to take instead of the file's.

    Raises:
        CheckpointError: the file is damaged.
        MienError: there is no such device in this build of onnxruntime, or it doesn't work here, with this file.
    """
    import onnxruntime  # 60 ms: not for those who only read a card

    onnxruntime.disable_telemetry_events()  # Windows' before 1.32 doesn't heed ORT_DISABLE_TELEMETRY
    there = [name for name, provider in PROVIDERS.items() if provider in onnxruntime.get_available_providers()]
    device = device or "cpu"
    if device not in there:
        raise MienError(f"There is no device {device!r} here; this onnxruntime has {', '.join(there)}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spin)))
    options.log_severity_level = 4  # what goes wrong is raised; it needn't be printed as well
    model = content or (str(path) if is_text(str(path)) else path.read_bytes())  # it takes UTF-8 names only
    if isinstance(model, bytes):  # else it would look for files beside it in the current folder
        beside = str(path.parent) if is_text(str(path.parent)) else os.devnull
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", beside)
    wanted: list[Any] = list(dict.fromkeys([PROVIDERS[device], PROVIDERS["cpu"]]))  # the CPU does what the other can't
    if device == "cuda":
        with redirect_stdout(sys.stderr):  # it prints what it doesn't find
            onnxruntime.preload_dlls()  # NVIDIA's libraries may have come as packages, with torch
        wanted[0] = (PROVIDERS["cuda"], {"cudnn_conv_algo_search": "HEURISTIC"})  # else it searches for each batch size
    try:
        session = onnxruntime.InferenceSession(model, options, providers=wanted, enable_fallback=0)
    except Exception as error:  # onnxruntime's own errors share no other root
        if device != "cpu":
            raise MienError(f"{path}: can't be run on {device} ({first_line(error)}). Try the device cpu.") from None
        raise CheckpointError(
            f"{path}: not an ONNX file, or damaged ({first_line(error)}). Copy or export it again."
        ) from None
    if device_of(session) != device:
        raise MienError(f"The device {device} doesn't work here: onnxruntime fell back to the CPU.")
    return session


def workers() -> int:
    """How many threads may work side by side: the `cores`, or what the system counts where these aren't known."""
    return cores() or os.cpu_count() or 1


def cores() -> int:
    """How many cores this process may use: hyper-threads count once, a container's limit counts, and on a Mac only the
    fast cores do, as each call waits for the slowest. 0 (let onnxruntime choose) where that isn't known.

    Where onnxruntime chooses it ties each of its threads to a core, and one tied to the core that the caller runs on
    gets nothing done: a call then took a third longer, for as long as the caller stayed there.
    """
    if sys.platform == "darwin":
        return _fast_cores()
    try:
        own = [f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list" for core in os.sched_getaffinity(0)]
        return min(len({Path(siblings).read_text() for siblings in own}), quota())
    except (AttributeError, OSError):  # Windows, or a container that hides which threads are one core's
        return allowed if (allowed := quota()) < (os.cpu_count() or 1) else 0


def quota(root: Path = Path("/")) -> int:
    """How many cores' time this process's control groups allow it, rounded up; `sys.maxsize` without a limit. Those of
    `docker run --cpus`, Kubernetes and systemd's CPUQuota are such limits."""
    allowed = [sys.maxsize]
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds and "cpu" not in kinds.split(","):
                continue
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if kinds else ("cpu.max",)  # version 1, version 2
            group = root / "sys/fs/cgroup" / ("cpu" if kinds else "") / path[1:]
            for folder in (group, *group.parents):  # a container may see its own group alone, as the topmost one
                with suppress(OSError):
                    time, period = " ".join((folder / name).read_text() for name in names).split()
                    if time not in ("max", "-1"):
                        allowed.append(-(-int(time) // int(period)))
    return min(allowed)


@cache
def _fast_cores() -> int:
    """How many performance cores a Mac has; 0 where it doesn't say."""
    asked = ("/usr/sbin/sysctl", "-n", "hw.perflevel0.physicalcpu")
    try:
        return int(subprocess.run(asked, capture_output=True, check=True, timeout=5).stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def device_of(session: Any) -> str:
    """The name of the device that a session runs on."""
    first = session.get_providers()[0]
    return next((name for name, provider in PROVIDERS.items() if provider == first), first)
