"""Malformed requests by the thousand: what the OpenAPI document allows and what it doesn't, and ruined pictures."""

import asyncio
from collections import Counter
from itertools import islice

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from load import load
from pictures import ruined
from running import Served
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

load_all_checks()
ALL = list(HealthCheck)
BOUNDARY = "7f9c2ba4e88f827d"
CONFORMS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


def test_a_tenth_of_the_malformed_requests(server: Served, crop_files: list[bytes], picture: bytes) -> None:
    by_the_document(server, examples=50)
    by_ruined_pictures(server, [*crop_files, picture], count=800)


@pytest.mark.soak
def test_ten_thousand_malformed_requests(server: Served, crop_files: list[bytes], picture: bytes) -> None:
    by_the_document(server, examples=500)
    by_ruined_pictures(server, [*crop_files, picture], count=8_000)


def by_the_document(server: Served, examples: int) -> None:
    """For each operation so many requests that fit the document and as many that don't.

    No answer may be a 5xx, and each must have a status, a kind and a content that the document tells of. A request
    that fits it may still be refused: not every string is a picture.
    """
    schema = schemathesis.openapi.from_url(f"{server.address}/openapi.json")
    seen: Counter[tuple[str, int]] = Counter()
    checks = [CHECKS.get_one(name) for name in CONFORMS]
    session = requests.Session()
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:
            if operation.method == "get" and mode is GenerationMode.NEGATIVE:
                continue  # these take nothing that could be wrong

            @settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=ALL)
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                response = case.call(session=session)
                seen[case.operation.label, response.status_code] += 1
                case.validate_response(response, checks=checks)

            ask()
    session.close()
    print("\nby the document:", *(f"{label} {status}: {count}," for (label, status), count in sorted(seen.items())))
    assert {label for label, _ in seen} >= {"POST /v1/predict", "POST /v1/predict/batch"}
    assert {400, 422} <= {status for _, status in seen}
    still_well(server)


def by_ruined_pictures(server: Served, files: list[bytes], count: int) -> None:
    """As bytes, with and without detection; and as parts of forms that are ruined themselves."""
    bodies = list(islice(ruined(files), count))
    for path, some in (
        ("/v1/predict?detect=false", bodies[::3]),
        ("/v1/predict", bodies[1::3]),
        ("/v1/predict/batch", [next(ruined([form(one)], seed)) for seed, one in enumerate(bodies[2::3])]),
    ):
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} if "batch" in path else {}
        done = asyncio.run(
            load(server.address, some, path=path, clients=8, seconds=600, most=len(some), headers=headers)
        )
        print(f"ruined, {path}:", dict(done.statuses))
        assert set(done.statuses) <= {200, 400, 415}
        assert sum(done.statuses.values()) == len(some)
        assert done.statuses[400] > 0.1 * len(some)
        assert not done.lost
    still_well(server)


def form(picture: bytes) -> bytes:
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    return part.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def still_well(server: Served) -> None:
    assert server.process.poll() is None
    assert [failure["traceback"] for failure in server.log("failed")] == []
    assert not [line for line in server.lines if "Traceback" in line]
    with server.client() as client:
        assert client.get("/readyz").status_code == 200
