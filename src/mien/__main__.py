"""`python -m mien` is the command line `mien`."""

from mien.cli import run

if __name__ == "__main__":
    run()
