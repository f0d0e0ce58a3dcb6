"""Bytes -> pixels: a format is told by content, never by name; what is too large or damaged is refused."""

import io
import math
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base

from mien import jpeg, tiff
from mien.errors import MediaError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "HEIF")
"""What is read, of all that Pillow could: the formats that people have photos in."""

SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".avif", ".heic", ".heif")
)
"""The endings of such files, for finding them in a folder."""

HEIF = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
"""Brands in the `ftyp` box of HEIC photos, as iPhones take them."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture with this EXIF orientation upright."""

# Pillow warns of odd EXIF tags and of very many pixels; here the answer is the pixels or a MediaError. Appended after
# all other filters, so that whoever asks for these warnings, or turns them into errors, still gets them.
for _category in (UserWarning, Image.DecompressionBombWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"PIL\.", append=True)

MAX_BYTES = 64 << 20
COMMENTS = 1000
"""The most in a PPM picture written as text: for each, Pillow's decoder goes over all that follows."""

MAX_SIDE = 32_766
"""Pixels. OpenCV rotates nothing larger, and a strip of a million would be searched for faces in a thousand pieces."""

MAX_PIXELS = 64_000_000
"""Decoded pixels. A few hundred bytes of PNG can ask for gigabytes; the largest phone photos have 50 million or so."""

BAND = 1 << 20
"""Bytes of pixels that are taken out of Pillow at a time."""


def decode(
    data: bytes | str | os.PathLike[str],
    *,
    size: int | None = None,
    gray: bool = True,
    box: tuple[int, int, int, int] | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> NDArray[np.uint8]:
    """Decode one image, upright as its EXIF data says; of an animation the first picture.

    Args:
        data: the file's bytes, or its path.
        size: give a square of `size` × `size` pixels: the middle of the image, resized with antialiasing.
        gray: one channel (ITU-R 601 luma) rather than RGB.
        box: (left, top, right, bottom) in pixels, the part of the upright image that is wanted.
        max_bytes, max_pixels: refuse files and pictures that are larger, before decoding them.

    Returns:
        uint8, 0..255: `(H, W)`, or `(H, W, 3)` RGB.

    Raises:
        MediaError: no such file, empty, damaged, cut off, not an image in one of `FORMATS`, a raw photo, or too large.

    >>> decode(b"P5 2 2 255 " + bytes([0, 50, 100, 255])).tolist()
    [[0, 50], [100, 255]]
    """
    name = "the image" if isinstance(data, bytes) else str(data)
    data = data if isinstance(data, bytes) else _bytes_of(Path(data), max_bytes)
    if not data:
        raise MediaError(f"{name}: empty, 0 bytes.")
    if len(data) > max_bytes:
        raise MediaError(f"{name}: larger than the limit of {max_bytes:,} bytes.")
    _allow(max_pixels)
    try:
        if data.startswith(jpeg.MAGIC):
            jpeg.check_scans(data)
        if data.startswith((b"P1", b"P2", b"P3")) and data.count(b"#") > COMMENTS:
            raise MediaError(f"a PPM of more than {COMMENTS:,} comments. Open it and save it anew.")
        with Image.open(io.BytesIO(data), formats=_formats(data)) as image:
            check_size(*image.size, max_pixels)
            if (directory := getattr(image, "tag_v2", None)) is not None:
                _check_tiff(data, directory.offset, max_pixels)
            return _pixels(image, size, gray, box)
    except MediaError as error:
        raise MediaError(f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise MediaError(f"{name}: not an image ({', '.join(FORMATS)}).") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # raised before its size is known
        raise MediaError(f"{name}: too many pixels; the limit is {max_pixels:,}.") from None
    except MemoryError:
        raise MediaError(f"{name}: there is too little memory to decode it; the file itself may be whole.") from None
    except Exception as error:  # on damaged bytes Pillow's decoders raise nearly every kind there is
        raise MediaError(f"{name}: a damaged image ({str(error).strip()}).") from None


def check_array(array: NDArray[Any]) -> None:
    """Raise MediaError where an array is no picture, uint8 `(H, W)` gray or `(H, W, 3)` RGB."""
    if array.dtype != np.uint8 or not array.size or array.ndim < 2 or array.shape[2:] not in ((), (3,)):
        more = (
            " Several go to `read_all`, and cropped faces, as `mien.evaluate` brings them, to the network alone: "
            "recognizer.net."
        )
        raise MediaError(
            f"A picture as an array is uint8, (H, W) gray or (H, W, 3) RGB; found {array.dtype} of shape {array.shape}."
            f"{more if array.ndim == 4 else ''}"
        )


def no_picture(given: object) -> MediaError:
    """The error for what is neither a path, nor bytes, nor an array."""
    return MediaError(
        f"A picture is a path, a file's bytes or an array, not {type(given).__name__}. Of an open file take .read(), "
        "of Pillow's Image the file that it came from, or of 8 bits "
        'numpy.asarray(ImageOps.exif_transpose(image).convert("RGB")).'
    )


def several(pictures: Iterable[Any], verb: str) -> Iterator[Any]:
    """These pictures one by one; the error names the `verb` for a single one.

    Raises:
        MediaError: it is a single picture (a path, a file's bytes, an array), or nothing to iterate over.
    """
    one = isinstance(pictures, (str, os.PathLike, bytes, bytearray, memoryview)) or (
        isinstance(pictures, np.ndarray) and (pictures.ndim == 2 or pictures.shape[2:] == (3,))
    )
    if one or not isinstance(pictures, Iterable):
        raise MediaError(f"Several pictures are a list of them, even of one; one alone is for `{verb}`.")
    return iter(pictures)


def _formats(data: bytes) -> tuple[str, ...]:
    """The formats these bytes may be in. The decoder for HEIF isn't Pillow's, and is loaded for such files only."""
    if data[4:8] != b"ftyp" or data[8:12] not in HEIF:
        return FORMATS[:-1]
    try:
        from pi_heif import register_heif_opener
    except ImportError:  # no build of it for this machine
        raise MediaError("a HEIC photo; `pip install pi-heif` brings what decodes it.") from None
    register_heif_opener()
    return FORMATS


def _allow(max_pixels: int) -> None:
    """Raise Pillow's own limit where the caller allows more than both it and `MAX_PIXELS`.

    It holds for the whole process, and some readers allocate by it while they open a file, before the size can be
    checked here. So it is raised only as far as someone asked for, and never removed.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and max_pixels > max(limit, MAX_PIXELS):
        Image.MAX_IMAGE_PIXELS = max_pixels


def _check_tiff(data: bytes, offset: int, max_pixels: int) -> None:
    check_size(*tiff.tile(data, offset), max_pixels)
    if tiff.is_raw(data, offset):
        raise MediaError("a raw photo, of which only a thumbnail could be read. Convert it to JPEG.")


def check_size(width: float, height: float, max_pixels: float = math.inf) -> None:
    """Raises MediaError where a picture of so many pixels across and down is too large."""
    if width * height > max_pixels:
        raise MediaError(f"{width:.0f} × {height:.0f} pixels; the limit is {max_pixels:,}.")
    if max(width, height) > MAX_SIDE:
        raise MediaError(f"{width:.0f} × {height:.0f} pixels; the limit is {MAX_SIDE:,} a side. Cut it or shrink it.")


def _bytes_of(path: Path, most: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(most + 1)
    except FileNotFoundError:
        raise MediaError(f"{path}: no such file.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if os.path.isdir(path):  # which Windows says otherwise
            raise MediaError(f"{path}: a folder; name one picture in it.") from None
        raise MediaError(f"{path}: can't be read ({getattr(error, 'strerror', None) or error}).") from None
    except MemoryError:
        raise MediaError(f"{path}: there is too little memory to read it.") from None


def _pixels(
    image: Image.Image, size: int | None, gray: bool, box: tuple[int, int, int, int] | None
) -> NDArray[np.uint8]:
    image.load()
    if (method := _UPRIGHT.get(_orientation(image))) is not None:
        image = image.transpose(method)
    if box is not None:
        left, top, right, bottom = box
        box = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
        if box[0] >= box[2] or box[1] >= box[3]:
            raise MediaError(f"the box {left, top, right, bottom} lies outside of the picture.")
        image = image.crop(box)
    if image.mode[0] in "IF":  # more than 8 bits a pixel, which Pillow's own conversion would cut at 255
        image = _eight_bits(image)
    if image.has_transparency_data:  # what is seen through shows white, not whatever colour it happens to have
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    if image.mode != (wanted := "L" if gray else "RGB"):  # Pillow copies also where there is nothing to convert
        image = image.convert(wanted)
    if size is not None and image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return _array(image)


def _array(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels; of a large image in bands, because Pillow joins all bytes in memory before numpy copies them."""
    channels = len(image.getbands())
    rows = max(1, BAND // (channels * image.width))
    if image.height <= rows:
        return np.array(image)
    pixels = np.empty((image.height, image.width, channels)[: 2 + (channels > 1)], np.uint8)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 where the EXIF data is damaged, as the pixels may be whole. ImageOps.exif_transpose would
    rewrite all tags, and fails where one is odd."""
    try:
        return int(image.getexif().get(Base.Orientation, 1))
    except Exception:  # Pillow raises many kinds on damaged tags
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    deep = np.asarray(image)
    if image.mode == "F" or deep.min() < 0 or deep.max() > 65535:
        raise MediaError("its values have no known range. Save it with 8 or 16 bits a pixel.")
    if image.mode == "I" and deep.max() <= 255:  # 8 bits in 32, as arrays of whole numbers are often saved
        return Image.fromarray(deep.astype(np.uint8))
    return Image.fromarray((deep >> 8).astype(np.uint8))


def channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures `(N, H, W)` or `(N, H, W, 3)` as networks take them, `(N, C, H, W)`: a view of the same bytes."""
    return images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
