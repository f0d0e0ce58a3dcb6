# ruff: noqa: F821
"""What a copy of the fork server does, by `runpy.run_path`: it becomes `mien` as a person would have started it.

It is given `folder`, `words`, `environment`, and `out` and `err`, the files that it writes its streams to.
"""

import os
import runpy
import signal
import sys

if __name__ == "__main__":
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if "torch" in sys.modules:  # it was loaded without
        sys.modules["torch"].set_num_threads(int(environment["OMP_NUM_THREADS"]))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have had it ignored
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, name in ((1, out), (2, err)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), stream)
    sys.stdin, sys.stdout, sys.stderr = (
        open(stream, mode, encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115  # the process's, to its end
        for stream, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    sys.argv = ["mien", *words]
    runpy.run_module("mien", run_name="__main__", alter_sys=True)
