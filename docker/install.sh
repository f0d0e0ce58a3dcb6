#!/bin/sh
# What the image holds, made in an empty folder: a venv with the server, pinned as is what builds it, without torch.
#   docker/install.sh VENV     from the root of the checkout; `PYTHON` is the Python that the venv is made with
set -eu
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m venv "$1"
PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir -c constraints.txt '.[serve]'
if "$1/bin/python" -c 'import torch' 2>/dev/null; then
    echo 'torch is in it, and should not be' >&2
    exit 1
fi
