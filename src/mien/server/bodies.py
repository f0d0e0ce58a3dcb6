"""Request bodies -> pictures, in memory only: a file's bytes, or multipart/form-data with files in it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from mien.recognition.kinds import kind_of
from mien.server.refusal import Refusal

FIELD = "file"
"""The field of a form that holds a picture; a batch has several of that name."""

PIECE = 64 << 10
"""Bytes of a form that are parsed at a time: a crafted form may take two seconds as a whole, and others would wait."""

FIRST, PACE = 5.0, 16 << 10
"""Seconds that a body may take, and bytes that earn it a second more. It holds a place in the queue meanwhile, so a few
requests a second that never send anything would hold all places."""

QUERY = ("model", "detect")
"""Fields in the forms of other servers that are query parameters here."""

WORDS = 8
"""The most fields without a file that are parsed, to say what is wrong with them."""


@dataclass(frozen=True)
class Picture:
    """A picture as it was sent: its bytes, and the name of its file where it had one."""

    data: bytes = field(repr=False)
    name: str = ""


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 40  # by default a part larger than a megabyte goes to a file


async def pictures(request: Request, *, most: int, most_bytes: int, seconds: float) -> list[Picture]:
    """The pictures of a request, `most` at most.

    Raises:
        Refusal: too many, too large, too slow, none, or no such form.
    """
    body = await _body(request, most_bytes, seconds)
    coding = request.headers.get("content-encoding", "identity")
    if coding.lower() != "identity":
        raise Refusal("wrong_media", f"Send the picture uncompressed, not in {coding[:20]!r}: its file is compressed.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _of_form(request, body, most)
    if kind == "application/x-www-form-urlencoded" and kind_of(body[:16]) != "image":  # curl's for --data-binary
        raise Refusal("wrong_media", f"Send a picture's bytes, or multipart/form-data with the field {FIELD!r}.")
    if not body:
        raise Refusal("bad_picture", f"No picture came. Send its bytes, or a form with the field {FIELD!r}.")
    return [Picture(body)]


async def _body(request: Request, most: int, seconds: float) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > most:
        raise _too_large(most)
    parts, size, began = [], 0, asyncio.get_running_loop().time()
    allowed = min(seconds, FIRST)
    try:
        async with asyncio.timeout(allowed) as limit:
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
                allowed = min(seconds, FIRST + size / PACE)
                limit.reschedule(began + allowed)
    except TimeoutError:
        came = f"{size:,} byte{'s' * (size != 1)} in {allowed:.3g} seconds"
        raise Refusal(
            "slow_body", f"The picture came too slowly: {came}. Take a faster network or a smaller picture."
        ) from None
    except ClientDisconnect:
        raise Refusal("bad_request", "The client left before it had sent everything.") from None
    return b"".join(parts)


async def _of_form(request: Request, body: bytes, most: int) -> list[Picture]:
    async def stream() -> AsyncGenerator[bytes, None]:
        for at in range(0, len(body), PIECE):
            yield body[at : at + PIECE]
            await asyncio.sleep(0)

    parser = _InMemory(request.headers, stream(), max_files=most, max_fields=WORDS, max_part_size=len(body))
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal("bad_request", f"The form can't be read: {error.message}") from None
    except Exception as error:  # damaged forms make the parser raise several kinds
        raise Refusal("bad_request", f"The form can't be read ({type(error).__name__}).") from None
    try:
        files = []
        for name, value in form.multi_items():
            if name != FIELD:
                mend = f"write ?{name}= into the address" if name in QUERY else f"the pictures are in {FIELD!r}"
                raise Refusal("bad_request", f"There is no field {name!r} in this form; {mend}.")
            if not isinstance(value, UploadFile):
                raise Refusal("bad_request", f"{FIELD!r} is text, not a file; with curl: -F {FIELD}=@photo.jpg.")
            files.append(value)
        if not files:
            raise Refusal("bad_request", f"The form has no file in the field {FIELD!r}.")
        # in the charset of a form a name may be half a character, which can't be sent back
        names = [(file.filename or "").encode(errors="replace").decode() for file in files]
        return [Picture(await file.read(), name) for file, name in zip(files, names, strict=True)]
    finally:
        await form.close()


def _too_large(most: int) -> Refusal:
    return Refusal("too_large", f"The request is larger than the limit of {most:,} bytes.")
