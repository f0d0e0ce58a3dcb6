"""The peer's half of benchmarks/peer.py: runs in the peer's own environment, answers a JSON line with a JSON line."""

import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
answers, sys.stdout = sys.stdout, sys.stderr  # what TensorFlow prints must not stand between the answers

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from fer.fer import FER  # noqa: E402

peer = FER()  # its defaults: Haar cascade, quantised TensorFlow Lite network
SIDE = (64, 64)


def prepared(face: np.ndarray) -> np.ndarray:
    """A crop as its `detect_emotions` prepares it."""
    return peer._FER__preprocess_input(cv2.resize(face, SIDE), True)


def classify(faces: np.ndarray) -> np.ndarray:
    return peer._classify_emotions(np.array([prepared(face) for face in faces], np.float32))


def crops(path: str, batch: int, times: int) -> dict:
    faces = np.load(path)
    spent = []
    for at in range(times):
        some = faces[(at * batch) % len(faces) :][:batch]
        began = time.perf_counter()
        classify(some)
        spent.append((time.perf_counter() - began) / len(some))
    return {"ms": 1000 * float(np.median(spent))}


def answer(path: str) -> dict:
    return {"classes": np.argmax(classify(np.load(path)), 1).tolist()}


def video(path: str) -> dict:
    film, frames, faces = cv2.VideoCapture(path), 0, 0
    began = time.perf_counter()
    while True:
        there, frame = film.read()
        if not there:
            return {"fps": frames / (time.perf_counter() - began), "faces": faces}
        frames += 1
        faces += len(peer.detect_emotions(frame))


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(globals()[asked.pop("do")](**asked)), file=answers, flush=True)
