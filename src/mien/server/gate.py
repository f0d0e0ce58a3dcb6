"""Who may come in, by the host that they address, the site that they come from, their token, how often they ask."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from mien.server.refusal import Refusal
from mien.server.settings import Settings, loopback

BEARER = "bearer."
"""A browser's WebSocket can't send headers; it offers its token as a subprotocol, `bearer.TOKEN`, besides `mien`."""

CLIENTS = 10_000
"""Clients that are remembered for the rate limit; those that haven't asked for longest are forgotten first."""


class Gate:
    """Decides from a request's head alone, before any of its body is read."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._names = {urlsplit(origin).netloc for origin in settings.origins}  # of a proxy on this machine, say
        self._buckets = Buckets(settings.rate, 2 * settings.rate)

    def check(self, path: str, headers: Mapping[str, str], client: str) -> None:
        """Let a request through, or raise Refusal.

        Args:
            headers: names in lower case. client: its address.
        """
        host = headers.get("host", "").lower()  # browsers write it so, other programs as they were given it
        if self.settings.local and host and not loopback(_name(host)) and host not in self._names:
            # another site's name that was made to point here (DNS rebinding); every browser sends one
            raise Refusal("foreign_host", f"This server is for this machine only; it isn't called {host!r}.")
        origin = headers.get("origin")
        if origin not in self.settings.origins and _from_elsewhere(headers):
            raise Refusal("foreign_origin", "Pages of other sites may not use this server; --cors allows one.")
        if path in OPEN:
            return
        if origin is not None and _site(origin) != host and origin not in self.settings.origins:
            raise Refusal("foreign_origin", f"Pages of {origin!r} may not use this server; --cors allows one.")
        if path.startswith(GUARDED) and self.settings.token and not self._knows(headers):
            raise Refusal("no_token", "Send the server's token: Authorization: Bearer TOKEN.")
        if path.startswith(GUARDED) and self.settings.rate and not loopback(client):
            wait = self._buckets.take(client)
            if wait:
                said = f"More than {self.settings.rate:g} requests a second from {client}."
                raise Refusal("too_many_requests", said, retry_after=wait)

    def _knows(self, headers: Mapping[str, str]) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = [token.strip()] if scheme.lower() == "bearer" else []
        offered = [word.strip() for word in headers.get("sec-websocket-protocol", "").split(",")]
        given += [word.removeprefix(BEARER) for word in offered if word.startswith(BEARER)]
        right = self.settings.token.encode()
        return any(hmac.compare_digest(one.encode(), right) for one in given)


OPEN = ("/healthz", "/readyz")
GUARDED = ("/v1/", "/metrics")
"""Paths without a token or a rate limit; and paths that have both, where these are set. The page is in neither."""


class Buckets:
    """A token bucket for each client (Turner, 1986): `rate` tokens a second go in, `depth` fit in.

    >>> buckets = Buckets(rate=10, depth=1)
    >>> buckets.take("a", now=0), buckets.take("a", now=0), buckets.take("a", now=1)
    (0.0, 0.1, 0.0)
    """

    def __init__(self, rate: float, depth: float) -> None:
        self.rate, self.depth = rate, max(depth, 1.0)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float | None = None) -> float:
        """Take a token: 0.0 if there was one, else the seconds until there is."""
        now = time.monotonic() if now is None else now
        left, before = self._left.pop(client, (self.depth, now))
        left = min(self.depth, left + self.rate * (now - before))
        wait = 0.0 if left >= 1 else (1 - left) / self.rate
        self._left[client] = (left if wait else left - 1, now)
        if len(self._left) > CLIENTS:
            self._left.popitem(last=False)
        return wait


def _from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site's page sent the request; following a link from there is allowed.

    A page's pictures and scripts are requested without an Origin, and could tell it that mien runs here.
    """
    link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not link


def _site(origin: str) -> str | None:
    """An Origin header's host, with its port; None where it's damaged."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


@lru_cache(64)
def _name(host: str) -> str:
    """A Host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
