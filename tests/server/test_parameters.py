"""A parameter that a route doesn't have: the answer says which it has."""

import asyncio
import json

import httpx
from running import Served
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus


def test_the_parameters_that_there_are_are_told(client: httpx.Client, server: Served) -> None:
    answer = client.post("/v1/predict?mdl=small", content=b"x")
    assert answer.status_code == 422
    said = "mdl: There is no such parameter; there are model, detect."
    assert answer.json()["error"]["message"] == said
    assert client.post("/v1/predict/batch?mdl=small", content=b"x").json()["error"]["message"] == said
    stream = server.address.replace("http", "ws", 1) + "/v1/stream?mdl=small"
    assert asyncio.run(refusal(stream)) == said.replace("detect", "detect, smooth")


async def refusal(address: str) -> str:
    try:
        async with connect(address):
            return ""
    except InvalidStatus as error:
        return str(json.loads(error.response.body)["error"]["message"])
