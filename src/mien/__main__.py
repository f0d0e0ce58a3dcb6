"""The command `mien`, which is also `python -m mien`: the command line; Ctrl-C ends it quietly while it loads, too."""

import sys


def run() -> None:
    """What `mien.cli.run` does, loading it first."""
    try:
        from mien.cli import run as run_line
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run_line()


if __name__ == "__main__":
    run()
