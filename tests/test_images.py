import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mien.errors import MediaError
from mien.images import BAND, FORMATS, decode
from mien.tiff import tile

FACE = np.add.outer(np.arange(30), 2 * np.arange(40)).astype(np.uint8)


def encoded(pixels, form="PNG", **options) -> bytes:
    held = io.BytesIO()
    if form == "HEIF":  # Pillow writes none
        pytest.importorskip("pillow_heif").from_pillow(Image.fromarray(pixels)).save(held, **options)
    else:
        Image.fromarray(pixels).save(held, form, **options)
    return held.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_by_content(tmp_path, form):
    path = tmp_path / "no_suffix"
    path.write_bytes(encoded(FACE, form, **({"lossless": True} if form == "WEBP" else {})))
    pixels = decode(path)
    assert pixels.dtype == np.uint8
    assert pixels.shape == FACE.shape
    assert np.abs(pixels.astype(int) - FACE).max() <= (8 if form in ("JPEG", "AVIF", "HEIF") else 1)
    assert decode(path, gray=False).shape == (30, 40, 3)


def test_gray_is_luma_and_rgb_is_as_it_was():
    colour = np.zeros((2, 3, 3), np.uint8)
    colour[:, 0, 0], colour[:, 1, 1], colour[:, 2, 2] = 255, 255, 255
    assert decode(encoded(colour)).tolist() == [[76, 150, 29]] * 2
    assert np.array_equal(decode(encoded(colour), gray=False), colour)


@pytest.mark.parametrize(("shape", "gray"), [((701, 1003, 3), False), ((1100, 2003), True), ((30_000, 20, 3), False)])
def test_a_large_picture_is_taken_out_in_bands(shape, gray):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert pixels.nbytes > BAND
    found = decode(encoded(pixels, "PPM"), gray=gray)
    assert np.array_equal(found, pixels)
    assert found.flags.writeable


def test_what_is_seen_through_is_white():
    assert (decode(encoded(np.zeros((4, 4, 4), np.uint8))) == 255).all()


def test_size_takes_the_middle_square_with_antialiasing():
    wide = np.zeros((40, 80), np.uint8)
    wide[:, 20:60] = 100
    assert np.abs(decode(encoded(wide), size=10)[:, 1:-1].astype(int) - 100).max() <= 1
    stripes = np.tile(np.array([0, 200], np.uint8), (96, 48))
    assert np.abs(decode(encoded(stripes), size=12).astype(int) - 100).max() < 20  # no moiré: each pixel is a mean
    assert np.array_equal(decode(encoded(FACE[:, :30]), size=30), FACE[:, :30])


def test_a_photo_taken_sideways_stands_upright():
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by 90 degrees to the right
    assert np.array_equal(decode(encoded(FACE, exif=turned)), np.rot90(FACE, -1))


def test_a_phones_photo_is_turned_once_and_held_to_the_limits():
    turned = Image.Exif()
    turned[0x0112] = 6
    taken = pytest.importorskip("pillow_heif").from_pillow(Image.fromarray(FACE))
    taken.info["exif"] = turned.tobytes()
    held = io.BytesIO()
    taken.save(held, quality=-1)
    photo = held.getvalue()
    assert np.abs(decode(photo).astype(int) - np.rot90(FACE, -1)).max() <= 8
    with pytest.raises(MediaError, match=r"40 × 30 pixels; the limit|30 × 40 pixels; the limit"):
        decode(photo, max_pixels=1000)
    for cut in (40, len(photo) // 2, len(photo) - 9):
        with pytest.raises(MediaError, match=r"not an image|damaged"):
            decode(photo[:cut])


def test_sixteen_bits_a_pixel_are_scaled_not_cut():
    deep = FACE.astype(np.uint16) * 257
    assert np.array_equal(decode(encoded(deep)), FACE)


def test_a_deep_gray_picture_is_as_bright_as_a_shallow_one():
    wide = FACE.astype(np.int32)
    assert np.array_equal(decode(encoded(wide * 257, "TIFF")), FACE)
    assert np.array_equal(decode(encoded(wide, "TIFF")), FACE)
    sixteen = b"P5 40 30 65535\n" + (wide * 257).astype(">u2").tobytes()
    assert np.array_equal(decode(sixteen), FACE)
    ten = b"P5 40 30 1020\n" + (wide * 4).astype(">u2").tobytes()
    assert np.abs(decode(ten).astype(int) - FACE).max() <= 1


@pytest.mark.parametrize("values", [FACE / np.float32(255), FACE.astype(np.int32) * 65537, FACE.astype(np.int32) - 1])
def test_values_whose_white_nobody_knows_are_refused(values):
    with pytest.raises(MediaError, match=r"the image: its values .* 8 or 16 bits"):
        decode(encoded(values, "TIFF"))


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [8_001, 9_500, 30_000])
def test_too_many_pixels_are_refused_before_decoding(side):
    with pytest.raises(MediaError, match=r"the image: .*; the limit is 64,000,000"):
        decode(huge_png(side, side))


def test_more_than_pillow_opens_is_opened_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(MediaError, match="too many pixels"):
        decode(encoded(FACE))
    assert Image.MAX_IMAGE_PIXELS == 500  # the limit of whoever set it
    assert np.array_equal(decode(encoded(FACE), max_pixels=64_000_001), FACE)


@pytest.mark.parametrize(("width", "height"), [(32_767, 1), (1, 60_000), (1_000_000, 1)])
def test_a_side_too_long_is_refused_before_decoding(width, height):
    with pytest.raises(MediaError, match=r"the image: .* the limit is 32,766 a side"):
        decode(huge_png(width, height))
    assert decode(encoded(np.zeros((2, 32_766), np.uint8))).shape == (2, 32_766)


TIGHT = """
import resource, sys, mien.images
mien.images.decode(b"P5 2 2 255 abcd")  # all that decoding loads is loaded
used = 4096 * int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]), -1))
data = sys.argv[1] if sys.argv[3] == "file" else open(sys.argv[1], "rb").read()
try:
    mien.images.decode(data)
except mien.images.MediaError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        (30 << 20, "bytes", "the image: there is too little memory to decode"),
        (9 << 20, "file", "too little memory to read"),
    ],
)
def test_too_little_memory_is_said_and_no_damage(tmp_path, more, kind, said):
    (tmp_path / "large.png").write_bytes(encoded(np.zeros((8000, 8000), np.uint8)))
    line = [sys.executable, "-c", TIGHT, str(tmp_path / "large.png"), str(more), kind]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert said in done.stdout, done.stderr
    assert "damaged" not in done.stdout


def test_limits_are_the_callers():
    with pytest.raises(MediaError, match="30"):
        decode(encoded(FACE), max_pixels=1199)
    assert decode(encoded(FACE), max_pixels=1200).shape == (30, 40)
    with pytest.raises(MediaError, match=r"the image: larger than the limit of 10 bytes\.$"):
        decode(encoded(FACE), max_bytes=10)


def test_what_is_no_image(tmp_path):
    for content, found in ((b"", "0 bytes"), (b"hello", "not an image"), (encoded(FACE)[:-40], "damaged")):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(MediaError, match=found) as raised:
            decode(tmp_path / "a.png")
        assert "a.png" in str(raised.value)
    with pytest.raises(MediaError, match="no such file"):
        decode(tmp_path / "none.png")
    with pytest.raises(MediaError, match=r": a folder; name one picture in it\.$"):
        decode(tmp_path)
    with pytest.raises(MediaError, match="can't be read"):
        decode("a\0b")
    with pytest.raises(MediaError, match=r"can't be read|no such file"):
        decode("n" * 300)


def directory(*entries: tuple[int, int, int]) -> bytes:
    """A TIFF file's header and one directory of tags, their types (3 for 16 bits, 4 for 32) and values."""
    entries = sorted(entries, key=lambda entry: entry[0])
    held = [struct.pack("<HHI", tag, kind, 1) + value.to_bytes(4, "little") for tag, kind, value in entries]
    return struct.pack("<2sHIH", b"II", 42, 8, len(held)) + b"".join(held) + bytes(4)


def tiff(*entries: tuple[int, int, int]) -> bytes:
    """64 × 64 pixels of 8 bits, all 90, deflated, in tiles of 64 × 64."""
    tile = zlib.compress(bytes([90]) * 64 * 64)
    tags = [(256, 4, 64), (257, 4, 64), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1), (325, 4, len(tile))]
    tags += [tag for tag in ((322, 3, 64), (323, 3, 64)) if tag[0] not in [entry[0] for entry in entries]]
    begin = len(directory(*tags, *entries, (324, 4, 0)))
    return directory(*tags, *entries, (324, 4, begin)) + tile


@pytest.mark.parametrize(
    "tiles",
    [
        [(322, 4, 16384), (323, 4, 16384)],
        [(322, 4, 16384), (322, 4, 64), (323, 4, 16384), (323, 4, 64)],  # of two Pillow and libtiff may take either
        [(322, 17, 16384), (322, 4, 64), (323, 17, 16384), (323, 4, 64)],  # a type that only libtiff knows
    ],
)
def test_tiles_larger_than_the_limit_are_refused_before_decoding(tiles):
    assert np.array_equal(decode(tiff()), np.full((64, 64), 90))
    with pytest.raises(MediaError, match=r"16384 × 16384 pixels; the limit|the size of its tiles"):
        decode(tiff(*tiles))


@pytest.mark.parametrize("tag", [(254, 4, 1), (50706, 4, 0x0401)])
def test_a_raw_photo_isnt_read_as_its_thumbnail(tag):
    assert decode(tiff((254, 4, 2))).shape == (64, 64)  # a page of several
    with pytest.raises(MediaError, match=r"the image: a raw photo, .* Convert it to JPEG\."):
        decode(tiff(tag))


def test_a_tiff_with_64_bits_or_the_largest_byte_first():
    for options in ({"big_tiff": True}, {"tiffinfo": {254: 2}}):
        assert np.array_equal(decode(encoded(FACE, "TIFF", **options)), FACE)
    with pytest.raises(MediaError, match="a raw photo"):
        decode(encoded(FACE, "TIFF", big_tiff=True, tiffinfo={254: 1}))
    with pytest.raises(MediaError, match="a raw photo"):
        decode(encoded(FACE.astype(">u2"), "TIFF", tiffinfo={254: 1}))


def test_the_tiles_of_a_tiff_with_64_bits() -> None:
    tags = [struct.pack("<HHQQ", tag, kind, 1, 256) for tag, kind in ((322, 16), (323, 4))]
    data = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags)) + b"".join(tags)
    assert tile(data, 16) == (256, 256)
    with pytest.raises(MediaError, match="the size of its tiles isn't a whole number"):
        decode(tiff((322, 16, 64), (323, 16, 64)))  # 64 bits in 32


def test_a_jpeg_of_very_many_scans_is_refused_before_decoding():
    photo = encoded(FACE, "JPEG", progressive=True)
    last = photo.rindex(b"\xff\xda")
    many = photo[:last] + 200 * photo[last:-2]
    with pytest.raises(MediaError, match="a JPEG of more than 100 scans"):
        decode(many + b"\xff\xd9")
    with pytest.raises(MediaError, match="10,000 segments"):
        decode(photo[:2] + 20_000 * b"\xff\xfe\x00\x02" + photo[2:])
    pixels = decode(photo)
    thumbnail = b"\xff\xe2" + struct.pack(">H", 2 + len(many)) + many
    assert np.array_equal(decode(photo[:2] + thumbnail + photo[2:] + many), pixels)  # and a film at its end


def test_a_ppm_of_very_many_comments_is_refused_before_decoding():
    pixels = b"P2 2 2 255 # drawn by hand\n0 50 100 255"
    assert decode(pixels).tolist() == [[0, 50], [100, 255]]
    with pytest.raises(MediaError, match="more than 1,000 comments"):
        decode(b"P2 2 2 255\n" + 20_000 * b"#\n" + pixels[27:])


ODD = b"Exif\0\0" + directory((274, 3, 6), (531, 2, 97))
"""EXIF data that ask for a turn, with a letter where a number belongs, so that they can't be written anew."""


def test_a_photo_with_an_odd_tag_stands_upright():
    photo = encoded(FACE, exif=ODD)
    with Image.open(io.BytesIO(photo)) as image, pytest.raises(Exception, match="required argument"):
        image.getexif().tobytes()
    assert np.array_equal(decode(photo), np.rot90(FACE, -1))


@pytest.mark.parametrize("orientation", range(10))
def test_each_orientation_is_turned_as_pillow_does(orientation):
    turned = Image.Exif()
    turned[0x0112] = orientation
    for form in ("PNG", "TIFF"):
        photo = encoded(FACE, form, exif=turned)
        with Image.open(io.BytesIO(photo)) as image:
            assert np.array_equal(decode(photo), ImageOps.exif_transpose(image))


def test_what_pillow_warns_of_isnt_told(tmp_path):
    (tmp_path / "large.png").write_bytes(huge_png(10_000, 10_000))
    cut_off = ODD.replace(b"\2\0\1\0\0\0", b"\2\0\xff\xff\0\0")  # one letter, which should be 65,535
    (tmp_path / "odd.jpg").write_bytes(encoded(FACE, "JPEG", exif=cut_off))
    program = (
        "import mien.images\n"
        "print(mien.images.decode('odd.jpg').shape)\n"
        "try: mien.images.decode('large.png')\n"
        "except mien.images.MediaError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "(40, 30)",
        "large.png: 10000 × 10000 pixels; the limit is 64,000,000.",
    ]


KINDS = [encoded(FACE, form) for form in FORMATS]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"", *KINDS]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    st.binary(max_size=60),
)
def test_any_bytes_give_pixels_or_a_media_error(start, changes, end):
    content = bytearray(start + end)
    for at, byte in changes:
        if content:
            content[at % len(content)] = byte
    try:
        pixels = decode(bytes(content), size=8)
    except MediaError:
        return
    assert pixels.shape == (8, 8)
    assert pixels.dtype == np.uint8
