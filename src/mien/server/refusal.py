"""Why a request gets no answer: a status, a code for programs, a sentence for people."""

from collections.abc import Mapping
from typing import Any

STATUS = {
    "bad_picture": 400,
    "bad_request": 400,
    "bad_parameter": 422,
    "unknown_model": 404,
    "not_found": 404,
    "wrong_method": 405,
    "slow_body": 408,
    "too_large": 413,
    "wrong_media": 415,
    "no_token": 401,
    "foreign_host": 403,
    "foreign_origin": 403,
    "too_many_requests": 429,
    "busy": 429,
    "internal": 500,
    "timeout": 504,
    "not_ready": 503,
}
"""The codes that there are, and the HTTP status of each."""


class Refusal(Exception):
    """A refused request; after `retry_after` seconds it may succeed."""

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.retry_after = code, message, retry_after

    @property
    def status(self) -> int:
        return STATUS[self.code]

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of its answer: Retry-After in whole seconds, WWW-Authenticate, Connection."""
        headers = {}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, round(self.retry_after)))
        if self.code == "no_token":
            headers["www-authenticate"] = "Bearer"
        if self.code in ("too_large", "slow_body"):
            headers["connection"] = "close"  # the rest of what it sends isn't wanted
        return headers

    def as_json(self, request_id: str) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}, "request_id": request_id}
