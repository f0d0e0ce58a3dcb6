"""The version of mien that runs here."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("mien")
except PackageNotFoundError:  # from a checkout that isn't installed: PYTHONPATH=src
    VERSION = "0+source"
