"""Recognizer: frames in, the expression of every face in them out."""

import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Semaphore
from typing import Any, Literal, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.cards import Card
from mien.errors import CheckpointError, DataError, MediaError, check_kind
from mien.images import MAX_PIXELS, several
from mien.net import Net
from mien.prior import Prior, estimated
from mien.recognition.ahead import ahead, side_by_side
from mien.recognition.align import crops, flat, whole
from mien.recognition.detect import CERTAIN, Detection, Detector
from mien.recognition.given import timed_frames, told_apart
from mien.recognition.records import Face, Frame, Reading
from mien.recognition.sources import Name, Sources, Undecoded, as_frame, called, check_every
from mien.recognition.track import HALF_LIFE, Tracker
from mien.session import workers
from mien.shipped import DEFAULT

Found = tuple[tuple[Detection, ...], NDArray[np.uint8]]
"""Where a frame's faces are, and their crops as the network's input `(N, C, H, W)`."""

Timed = tuple[NDArray[Any], float]
"""A frame that the caller decoded, and its time in seconds."""

SIDE_BY_SIDE = 8
"""Frames that are searched at once, at most: a video is decoded no faster, and each is held in memory."""

LARGE = 8 << 20
"""Pixels: of larger frames, and of photos, none is held besides those that are searched; 48 megapixels are 144 MB."""


def faces_of(
    card: Card,
    found: Sequence[Detection],
    seen: NDArray[np.uint8],
    answers: NDArray[Any],
    ids: Sequence[int] | None = None,
) -> tuple[Face, ...]:
    """A network's answers as Faces.

    Args:
        card: the network's. found: where each face is; empty where the whole frame was taken for a face.
        seen: the crops `(N, C, H, W)`. answers: probabilities `(N, K)`. ids: the faces' numbers in a video.
    """
    faces, doubtful = [], flat(seen) & (card.uncertain > 0)
    for place, answer in enumerate(answers.tolist()):
        likeliest = answer.index(max(answer))
        at = found[place] if found else None
        faces.append(
            Face(
                label=card.classes[likeliest],
                confidence=answer[likeliest],
                # 1: no confidence is enough
                uncertain=answer[likeliest] < card.uncertain or card.uncertain == 1 or bool(doubtful[place]),
                probabilities=dict(zip(card.classes, answer, strict=True)),
                box=at.box if at else None,
                landmarks=at.landmarks if at else None,
                detection=at.score if at else None,
                id=ids[place] if ids else None,
            )
        )
    return tuple(faces)


def find(
    pixels: NDArray[np.uint8], detector: Detector | None, shape: tuple[int, int, int], *, photo: bool = True
) -> Found:
    """Where a picture's faces are, and their crops; without a detector all of it is one face.

    Args:
        pixels: uint8 `(H, W, 3)`. shape: of the network's input. photo: as `Detector` has it.

    Raises:
        MediaError: OpenCV can't work on it.
    """
    try:
        if detector is None:
            return (), whole(pixels, shape)
        found = detector(pixels, photo=photo)
        return found, crops(pixels, found, shape)
    except cv2.error as error:
        raise MediaError(f"OpenCV can't work on it ({error.err}).") from None


class Recognizer:
    """Finds the faces of a picture and says what each of them shows.

    Args:
        model: a network in the box such as "small" or "small:int8", a run folder, or an .onnx file of mien's.
        device: where the networks run: "cpu", "cuda", ...; what onnxruntime here has. None is the CPU.
        detect: find faces. False takes every picture for one face, cropped as FER2013's are.
        certain: how sure (0..1) the detector must be that something is a face.
        smooth: half-life in seconds of the probabilities' smoothing in videos; 0 takes each frame by itself.
        max_pixels: the largest picture that is decoded.
        threads: how many may work at once; 0: as many as there are cores.
        prior: how frequent the classes are expected to be, as for `mien.Net`; `estimate_prior` tells.

    `device` says where it runs, `classes` what it can answer. It can be pickled, as a `mien.Net` can.

    Raises:
        CheckpointError: no such network, or it is damaged, or it doesn't say which prior it has. MienError: no such
            device. DataError: `certain`, `smooth` or `threads` out of range, or a prior that can't be.

    >>> recognizer = Recognizer(detect=False)
    >>> [face.label in recognizer.classes for face in recognizer(np.zeros((48, 48), np.uint8))]
    [True]
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT,
        *,
        device: str | None = None,
        detect: bool = True,
        certain: float = CERTAIN,
        smooth: float = HALF_LIFE,
        max_pixels: int = MAX_PIXELS,
        threads: int = 0,
        prior: Prior | None = None,
    ) -> None:
        if not (0 < certain <= 1 and 0 <= smooth < math.inf):
            raise DataError(f"certain lies between 0 and 1, smooth is 0 or more seconds; found {certain} and {smooth}.")
        check_kind(
            model, str | os.PathLike, CheckpointError,
            'A Recognizer reads its network from a file: name one in the box ("small"), a run folder or an .onnx file. '
            "mien.train makes a run folder, mien.export_onnx writes a network that is in memory.",
        )  # fmt: skip
        self.net = Net(model, device=device, threads=threads, spin=False, prior=prior)
        self.classes, self.device = self.net.classes, self.net.device
        self.smooth, self.max_pixels, self.threads = smooth, max_pixels, threads or workers()
        # two frames with a thread each are done sooner than one after the other with two, which wait at every layer
        self._detector = Detector(device=device, threads=1, certain=certain) if detect else None

    def __repr__(self) -> str:
        return f"Recognizer({self.net.card.model}, {len(self.classes)} classes, {self.net.path}, on {self.device})"

    def __call__(self, picture: Any) -> Reading:
        """Read one picture: iterate over what comes back to get its faces, the largest first.

        Args:
            picture: a path, a file's bytes, or an array, uint8 `(H, W)` gray or `(H, W, 3)` RGB.

        Raises:
            MediaError: it can't be read.
        """
        return self.read(picture)

    def read(self, picture: Any) -> Reading:
        """The same as calling it."""
        return self.crops(picture)[0]

    def read_all(self, pictures: Iterable[Any], *, most: int = 64) -> list[Reading]:
        """The same for several pictures. The network is called once for up to `most` of their faces, which is quicker.

        What can't be read gives a Reading with an `error`.

        Raises:
            MediaError: `pictures` is one path, one file's bytes, or one picture's array; several in one array are
                `(N, H, W)` or `(N, H, W, 3)`. DataError: `most` is less than 1.
        """
        given = several(pictures, "read")
        if most < 1:
            raise DataError(f"most is {most}; it is faces in a call of the network, 1 or more.")
        readings, places, seen = [], [], []
        for picture in given:
            try:
                frame = as_frame(picture, max_pixels=self.max_pixels)
                found, own = self._find(frame)
            except MediaError as error:
                frame, found, own = Frame(called(picture), None, error=str(error)), (), self._none
            places.append(found)
            seen.append(own)
            readings.append(_reading(frame))  # without its pixels
        if not readings:
            return []
        faces = np.concatenate(seen)
        answers = np.concatenate([self.net(faces[at : at + most]) for at in range(0, max(1, len(faces)), most)])
        each = np.split(answers, np.cumsum([len(crops) for crops in seen])[:-1])
        together = zip(readings, places, seen, each, strict=True)
        return [replace(one, faces=faces_of(self.net.card, found, own, its)) for one, found, own, its in together]

    def crops(self, picture: Any) -> tuple[Reading, NDArray[np.uint8]]:
        """The same, and the crops that the network saw: uint8 `(N, 48, 48)`, or `(N, 48, 48, 3)` for one of colours."""
        frame = as_frame(picture, max_pixels=self.max_pixels)
        found, seen = self._find(frame)
        reading = _reading(frame, faces_of(self.net.card, found, seen, self.net(seen)))
        return reading, seen[:, 0] if seen.shape[1] == 1 else seen.transpose(0, 2, 3, 1)

    def estimate_prior(
        self, photos: Name | Iterable[Name], *, told: Callable[[int], None] | None = None
    ) -> dict[str, float]:
        """The share of each class among the faces of these photos, for `Recognizer(prior=...)`.

        For photos of many people, taken as those that the network learned from: where it errs on most of them alike, as
        on very dark ones or on one person, the estimate errs, too (`mien.prior.estimated`). Without faces it is the
        recogniser's own prior, and with few it is near that.

        Args:
            photos: as for `stream`, without videos and cameras. What can't be read is passed over.
            told: called with the number of pictures read, after each.

        Raises:
            MediaError: there is nothing under one of the names. DataError: there is a video or a camera.
            CheckpointError: the network doesn't say which prior it has.
        """
        own = [*self.net.prior.values()] if self.net.prior else self.net.card.expecting({})
        media, answers = Sources(photos, max_pixels=self.max_pixels), []
        media.check_photos()
        for number, reading in enumerate(self.stream(media), start=1):
            answers += [[*face.probabilities.values()] for face in reading]
            if told:
                told(number)
        found = estimated(np.reshape(answers, (-1, len(self.classes))), own)
        return dict(zip(self.classes, found.round(4).tolist(), strict=True))

    @overload
    def stream(
        self, sources: Name | Iterable[Name] | Iterable[Timed] | Sources, *, every: int = ...,
        after: Mapping[str, int] | None = ...,
        keep: Literal[False] = ...,
    ) -> Generator[Reading, None, None]: ...  # fmt: skip
    @overload
    def stream(
        self, sources: Name | Iterable[Name] | Iterable[Timed] | Sources, *, every: int = ...,
        after: Mapping[str, int] | None = ...,
        keep: Literal[True],
    ) -> Generator[tuple[Frame, Reading], None, None]: ...  # fmt: skip
    def stream(
        self,
        sources: Name | Iterable[Name] | Iterable[Timed] | Sources,
        *,
        every: int = 1,
        after: Mapping[str, int] | None = None,
        keep: bool = False,
    ) -> Generator[Any, None, None]:
        """Read photos, folders, videos or a camera, frame by frame, in constant memory whatever their length.

        Decoding and finding faces run ahead in threads of their own. Faces of a video or camera get numbers that stay,
        and probabilities smoothed over time. What can't be read gives a Reading with an `error`.

        Args:
            sources: a path, pattern or camera number, several of them, or `Sources`; or frames that you decode, an
                iterable of (array, seconds), which are read as they come. Whoever leaves the loop early waits at most a
                second for the next of them, so close what you decode only once your iterator has ended.
            every: as for `Sources`.
            after: as for `Sources`.
            keep: give (frame, reading) instead of the reading alone, for drawing on the pixels.

        Raises:
            MediaError: there is nothing under one of the names, or it is no name; or there is no such camera; or what
                you decode isn't (array, seconds). DataError: those seconds aren't finite, or decrease; or `every` or
                `after` is given together with Sources, which have their own.
        """
        check_every(every)
        given, timed = (sources, False) if isinstance(sources, Sources) else told_apart(sources)
        frames: Iterator[Frame | Undecoded]
        if timed:
            frames, live = timed_frames(given, every), True
        else:
            if not isinstance(given, Sources):
                given = Sources(given, every=every, after=after, max_pixels=self.max_pixels)
            elif every != 1 or after is not None:
                raise DataError("Sources have every and after of their own: Sources(..., every=3, after=...).")
            frames, live = given.undecoded(), given.live
        tracker, source = Tracker(half_life=self.smooth), None
        side = min(self.threads, SIDE_BY_SIDE)

        def held(frame: Frame | Undecoded) -> int:
            if live:  # pictures of now mustn't grow old in a queue
                return 1
            small = isinstance(frame, Frame) and (frame.pixels is None or frame.pixels.size <= 3 * LARGE)
            return side + (min(side, 2) if small else 0)

        # the caller may never give another frame; in a second one that is being decoded is done, before its film closes
        come = ahead(frames, patience=1.0 if timed else 10.0)
        work = partial(self._found, Semaphore(max(2, side // 2)))  # while a photo is decoded it takes memory twice
        for frame, found, seen in side_by_side(work, come, side, held):
            if frame.source != source:
                tracker, source = Tracker(half_life=self.smooth), frame.source
            reading = self._read_on(frame, found, seen, tracker)
            yield (frame, reading) if keep else reading

    def _read_on(
        self, frame: Frame, found: tuple[Detection, ...], seen: NDArray[np.uint8], tracker: Tracker
    ) -> Reading:
        answers: NDArray[Any] = self.net(seen)
        ids = None
        if frame.time is not None and self._detector:
            ids, answers = tracker.update(frame.time, found, answers)
        return _reading(frame, faces_of(self.net.card, found, seen, answers, ids))

    def _found(self, decoding: Semaphore, come: Frame | Undecoded) -> tuple[Frame, *Found]:
        if isinstance(come, Frame):
            frame = come
        else:
            with decoding:
                frame = come()
        try:
            return frame, *self._find(frame)
        except MediaError as error:  # the other files go on
            return replace(frame, pixels=None, error=str(error)), (), self._none

    def _find(self, frame: Frame) -> Found:
        if frame.pixels is None:
            return (), self._none
        return find(frame.pixels, self._detector, self.net.card.input_shape, photo=frame.time is None)

    @property
    def _none(self) -> NDArray[np.uint8]:
        return np.empty((0, *self.net.card.input_shape), np.uint8)


def _reading(frame: Frame, faces: tuple[Face, ...] = ()) -> Reading:
    height, width = frame.pixels.shape[:2] if frame.pixels is not None else (0, 0)
    return Reading(frame.source, frame.index, frame.time, width, height, faces, frame.error)
