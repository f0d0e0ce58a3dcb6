"""What a server may do and how much of it: one frozen record, checked when it is made."""

import ipaddress
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from mien.errors import MienError
from mien.shipped import BOX, DEFAULT, INT8, shipped

TOKEN = re.compile(r"[A-Za-z0-9._~-]{16,256}")
"""What a token may be: it travels in headers and as the name of a WebSocket protocol."""


@dataclass(frozen=True)
class Settings:
    """How a server runs.

    `models` may be asked for by name, the first of them if no name is given. At most `queue` pictures wait or are
    worked on at once, others are refused; `workers` decode and find faces side by side, and up to `batch` faces of all
    that wait go into one call of the network. A request has `timeout` seconds from its first byte to its answer.
    A picture may have `max_bytes` and `max_pixels`, a batch `max_pictures` and `max_batch_bytes`. `rate` is requests a
    second for each client, with bursts of twice as many; 0 is no limit, and clients on this machine have none. `token`
    is what clients must send; `open_to_all` says that none is needed although other machines reach the server.
    `origins` are other sites whose pages may use it. `in_browser` lets the page run the networks itself.

    Raises:
        MienError: a setting that isn't safe, or makes no sense.
    """

    models: tuple[str, ...] = (DEFAULT,)
    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    open_to_all: bool = False
    origins: tuple[str, ...] = ()
    device: str | None = None
    certain: float = 0.6
    queue: int = 128
    workers: int = 2
    batch: int = 32
    timeout: float = 30.0
    drain: float = 30.0
    max_bytes: int = 16 << 20
    max_pixels: int = 32_000_000
    max_pictures: int = 32
    max_batch_bytes: int = 64 << 20
    streams: int = 16
    rate: float = 20.0
    certificate: Path | None = None
    key: Path | None = None
    in_browser: bool = False

    def __post_init__(self) -> None:
        if self.token and not TOKEN.fullmatch(self.token):
            raise MienError("A token has 16 to 256 letters, digits or . _ ~ - and nothing else.")
        if not (self.local or self.token or self.open_to_all):
            raise MienError(
                f"{self.host} can be reached from other machines. Give a token (--token, or MIEN_TOKEN in the "
                "environment), or say with --no-auth that anyone may use this server."
            )
        for origin in self.origins:
            if origin != (sent := _as_sent(origin)):
                meant = f"write {sent}." if sent else "one is http:// or https:// and a host, as a browser sends it."
                raise MienError(f"{origin!r}: not an origin; {meant}")
        if bool(self.certificate) != bool(self.key):
            raise MienError("A certificate and its key go together: give both, or neither.")
        for name in ("timeout", "drain", "rate", "certain"):
            if not math.isfinite(value := getattr(self, name)):
                raise MienError(f"{name} is {value}: it has to be a finite number.")

    @property
    def places_of_a_batch(self) -> int:
        """The places in the queue that a batch holds while it is received: as many as single pictures of its size.

        So all batches together hold no more memory than single pictures that fill the queue.
        """
        return min(-(-self.max_batch_bytes // self.max_bytes), self.max_pictures)

    @property
    def local(self) -> bool:
        """Whether only this machine reaches the server."""
        return loopback(self.host)


def boxed() -> tuple[str, ...]:
    """The names of all networks in the box, `DEFAULT` first: of each float32, and int8 where it has that."""
    family = DEFAULT.partition(":")[0]
    names = [name + kind for name in shipped() for kind in ("", ":int8") if not kind or (BOX / name / INT8).exists()]
    return tuple(sorted(names, key=lambda name: (name != DEFAULT, name.partition(":")[0] != family)))


def _as_sent(origin: str) -> str:
    """An origin as browsers send it: in lower case, without its scheme's default port; "" if it is none.

    >>> _as_sent("HTTPS://Faces.example:443/ "), _as_sent("http://[::1]:8000"), _as_sent("http://")
    ('https://faces.example', 'http://[::1]:8000', '')
    """
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return ""
    if parts.path.strip("/") or parts.query or parts.fragment or re.search(r"[\s*]", parts.hostname):
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    own = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, own) else f":{port}")


@lru_cache(64)
def loopback(host: str) -> bool:
    """Whether an address or name reaches this machine from this machine only.

    >>> loopback("127.0.0.1"), loopback("localhost"), loopback("0.0.0.0"), loopback("::1"), loopback("::ffff:127.0.0.1")
    (True, True, False, True, True)
    """
    try:
        address = ipaddress.ip_address(host.strip("[]"))
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        return host == "localhost"
