"""Who may use a server, and what it does with what it is sent."""

import json
import math
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mien.errors import MienError
from mien.server.gate import Buckets, Gate
from mien.server.refusal import Refusal
from mien.server.run import _bind
from mien.server.settings import Settings, loopback

resource = pytest.importorskip("resource")  # Windows has none

TOKEN = "a-token-of-some-length"


def test_it_listens_to_this_machine_only(server) -> None:
    assert server.address.startswith("http://127.0.0.1:")
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:] if sys.platform == "linux" else []
    port = f"{int(server.address.rpartition(':')[2]):04X}"
    listening = [line.split()[1] for line in lines if line.split()[3] == "0A" and line.split()[1].endswith(port)]
    assert listening in ([f"0100007F:{port}"], [])


def test_an_address_in_brackets_is_announced_as_it_is_asked(serve) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    served = serve("--host", "[::1]")
    assert served.address.startswith("http://[::1]:")
    with served.client() as client:
        assert client.get("/readyz").status_code == 200


def test_all_of_ipv6_has_ipv4_too() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with _bind(Settings(host="::", port=0, open_to_all=True)) as listening:
        socket.create_connection(("127.0.0.1", listening.getsockname()[1]), 10).close()
        accepted, (address, *_) = listening.accept()
        accepted.close()
    assert loopback(address)  # the rate of this machine isn't limited


def test_an_address_that_is_taken_is_named_once(server) -> None:
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(MienError, match=rf"^127\.0\.0\.1:{port}: can't listen there \([^()]+\)\. Choose another"):
        _bind(Settings(port=port))
    with pytest.raises(MienError, match=r"^192\.0\.2\.1:0: can't listen there \([^()]+\)\. Choose another with --host"):
        _bind(Settings(host="192.0.2.1", port=0, open_to_all=True))  # of documentation, RFC 5737: no machine has it


def test_others_need_a_token_or_a_flag(serve, picture: bytes) -> None:
    with pytest.raises(AssertionError, match="--no-auth"):
        serve("--host", "0.0.0.0")
    served = serve("--host", "0.0.0.0", environment={"MIEN_TOKEN": TOKEN})
    address = served.address.replace("0.0.0.0", "127.0.0.1")
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"authorization": "Bearer é"}):
        raw = {name: value.encode() for name, value in headers.items()}
        refused = httpx.post(f"{address}/v1/predict", content=picture, headers=raw)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert TOKEN not in refused.text
    assert httpx.get(f"{address}/metrics").status_code == 401
    for path in ("/healthz", "/readyz", "/"):
        assert httpx.get(f"{address}{path}").status_code == 200
    right = {"authorization": f"Bearer {TOKEN}"}
    assert httpx.post(f"{address}/v1/predict", content=picture, headers=right).status_code == 200
    served.end()
    assert TOKEN not in "".join(served.lines)
    assert serve("--host", "0.0.0.0", "--no-auth").end() == 0


def test_other_sites_pages_and_foreign_names_are_turned_away(client: httpx.Client, serve, picture: bytes) -> None:
    elsewhere = {"origin": "http://elsewhere.example"}
    refused = client.post("/v1/predict", content=picture, headers=elsewhere)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")
    refused = client.get("/v1/models", headers={"origin": "http://["})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")
    refused = client.get("/v1/models", headers={"host": "elsewhere.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_host")
    own = {"origin": str(client.base_url).rstrip("/")}
    told = client.post("/v1/predict", content=picture, headers=own)
    assert told.status_code == 200
    assert "access-control-allow-origin" not in told.headers
    ask = elsewhere | {"access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in client.options("/v1/predict", headers=ask).headers
    served = serve("--cors", elsewhere["origin"], "--token", TOKEN)
    with served.client() as other:
        assert other.options("/v1/predict", headers=ask).headers["access-control-allow-origin"] == elsewhere["origin"]
        told = other.post("/v1/predict", content=picture, headers=elsewhere | {"authorization": f"Bearer {TOKEN}"})
        assert told.status_code == 200
        assert told.headers["access-control-allow-origin"] == elsewhere["origin"]
        for host in ("elsewhere.example", "Elsewhere.Example"):  # as a proxy there hands it on, and as curl sends it
            assert other.get("/", headers={"host": host}).status_code == 200
        assert other.get("/", headers={"host": "nowhere.example"}).status_code == 403


def test_who_names_no_host_is_no_page(server) -> None:
    """As HAProxy's and Nagios' checks ask; every browser names one."""
    host, _, port = server.address.removeprefix("http://").partition(":")
    for told, status in ((b"", b" 200 "), (b"Host: a.example\r\n", b" 403 "), (b"Origin: http://a\r\n", b" 403 ")):
        with socket.create_connection((host, int(port)), 10) as line:
            line.sendall(b"GET /v1/models HTTP/1.0\r\n" + told + b"\r\n")
            assert status in line.recv(10_000).partition(b"\r\n")[0]


def test_a_page_elsewhere_cant_see_that_it_runs(client: httpx.Client, serve) -> None:
    """As a browser asks for its pictures and scripts: without an Origin."""
    for site, mode, dest, path, status in (
        ("cross-site", "no-cors", "image", "/static/mark.svg", 403),
        ("same-site", "no-cors", "script", "/v1/models", 403),
        ("cross-site", "no-cors", "image", "/healthz", 403),
        ("cross-site", "navigate", "iframe", "/", 403),
        ("cross-site", "navigate", "document", "/", 200),  # a link
        ("same-origin", "cors", "empty", "/v1/models", 200),
        ("none", "navigate", "document", "/", 200),
    ):
        told = client.get(path, headers={"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest})
        assert (told.status_code, told.headers["cross-origin-resource-policy"]) == (status, "same-origin"), site
    friend = {"origin": "http://friend.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    with serve("--cors", friend["origin"]).client() as other:
        told = other.get("/v1/models", headers=friend)
        assert told.status_code == 200
        assert told.headers["cross-origin-resource-policy"] == "same-origin"


def test_what_browsers_are_told_to_keep_to(client: httpx.Client) -> None:
    for path in ("/", "/healthz", "/nothing"):
        told = client.get(path).headers
        assert "; frame-ancestors 'none'" in told["content-security-policy"]
        assert told["x-content-type-options"] == "nosniff"
        assert told["referrer-policy"] == "no-referrer"
        assert told["permissions-policy"] == "camera=(self), microphone=(), geolocation=()"
        assert told["cache-control"] == "no-store"


def test_nobody_says_that_a_request_comes_from_elsewhere(serve) -> None:
    served = serve()
    with served.client() as client:
        client.get("/healthz", headers={"x-forwarded-for": "198.51.100.7"})
    served.end()
    assert [one["client"] for one in served.log()] == ["127.0.0.1"]
    assert [json.loads(line)["event"] for line in served.lines] == ["ready", "request", "ending", "ended"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no limits of resources")
def test_nothing_is_written_and_nothing_of_a_picture_is_logged(serve, picture: bytes) -> None:
    """With the kernel's limit for files at 0 bytes, whatever writes one fails."""
    served = serve(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    large = picture + bytes(3 << 20)  # a parser of forms that spools to disk does so from a megabyte on
    with served.client() as client:
        form = {"file": ("a-private-name.jpg", large)}
        assert client.post("/v1/predict", files=form).status_code == 200
        assert client.post("/v1/predict/batch", files=form).json()["pictures"][0]["faces"]
        assert client.post("/v1/predict?model=a-private-name", content=picture).status_code == 404
    served.end()
    said = "".join(served.lines)
    assert len(served.log()) == 3
    for private in ("happy", "a-private-name", "JFIF", "probabilities", "Traceback"):
        assert private not in said


def test_every_request_has_an_id_in_the_log(server, client: httpx.Client, picture: bytes) -> None:
    told = client.post("/v1/predict", content=picture, headers={"x-request-id": "mine-1"})
    assert told.json()["request_id"] == "mine-1"
    forged = client.get("/healthz", headers={"x-request-id": 'x"} forged {'})
    assert "forged" not in forged.headers["x-request-id"]
    twice = client.get("/healthz", headers=[("x-request-id", "first"), ("x-request-id", "second")])
    assert twice.headers["x-request-id"] == "first"
    until = time.monotonic() + 10  # the line is written after the answer, and read by another thread
    while not (records := [one for one in server.log() if one["request_id"] == "mine-1"]) and time.monotonic() < until:
        time.sleep(0.01)
    [record] = records
    assert (record["method"], record["path"], record["status"], record["faces"]) == ("POST", "/v1/predict", 200, 1)
    assert record["ms"] > 0


def test_what_is_too_large_is_refused_before_it_is_read(serve, picture: bytes) -> None:
    served = serve("--max-bytes", "100000", "--max-pixels", "90000", "--timeout", "1")
    with served.client() as client:
        refused = client.post("/v1/predict", content=picture)
        assert (refused.status_code, "; the limit is 90,000." in refused.json()["error"]["message"]) == (400, True)

        def endless():
            while True:
                yield bytes(10_000)

        try:
            refused = client.post("/v1/predict", content=endless())
            assert refused.status_code == 413
        except httpx.TransportError:
            pass  # it went on sending and was hung up on before it read the answer
        told = time.monotonic() + 10  # the line is written after the answer
        while [one["status"] for one in served.log()] != [400, 413] and time.monotonic() < told:
            time.sleep(0.01)
        assert [one["status"] for one in served.log()] == [400, 413]
    with connect(served.address.replace("http", "ws", 1) + "/v1/stream") as stream:
        stream.send(bytes(200_000))
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(10)
        assert closed.value.rcvd.code == 1009
    host, _, port = served.address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 10) as line:
        line.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        assert line.recv(1000).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((host, int(port)), 10) as line:
        line.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nslow")
        assert line.recv(1000).startswith(b"HTTP/1.1 408 ")
    with socket.create_connection((host, int(port)), 10) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        with pytest.raises(ConnectionError):
            line.sendall(10_000_000 * b"a")
    with socket.create_connection((host, int(port)), 30) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        began = time.monotonic()
        assert line.recv(1000) == b""
        assert 8 < time.monotonic() - began < 25
    assert served.process.poll() is None


def test_what_stands_after_a_body_takes_no_memory(server, client: httpx.Client) -> None:
    """Trailers, in lines or in one that doesn't end; words after a chunk's size; and a few, which do no harm."""
    host, _, port = server.address.removeprefix("http://").partition(":")
    head = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for begun, endless in ((b"0\r\n", b"X-A: b\r\n"), (b"0\r\nX-A: ", b"bbbbbbbb"), (b"5;x=", b"bbbbbbbb")):
        with socket.create_connection((host, int(port)), 30) as line:
            line.sendall(head + begun)
            with pytest.raises(ConnectionError):
                line.sendall(endless * (1 << 22))
    with socket.create_connection((host, int(port)), 10) as line:
        forged = b"0\r\nX-Request-ID: forged\r\n\r\n"
        line.sendall(head + forged + b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        told = b"".join(iter(lambda: line.recv(10_000), b""))
        assert told.count(b" 200 OK") == 2
        assert b"forged" not in told
    large = client.post("/v1/predict", content=(bytes(1000) for _ in range(1000)))  # a body in many chunks is none
    assert large.json()["error"]["code"] == "bad_picture"


def test_after_an_answer_only_another_request_keeps_a_connection_open(server) -> None:
    host, _, port = server.address.removeprefix("http://").partition(":")
    ask = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    chunked, sized = ask + b"Transfer-Encoding: chunked\r\n\r\n", ask + b"Content-Length: 100\r\n\r\n"
    talks = [(sized, b"x"), (chunked + b"ffff\r\n", b"x"), (ask + b"\r\n", b"\r\n")]
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection((host, int(port)), 10)) for _ in range(len(talks) + 1)]
        for line, (sent, _) in zip(lines, [*talks, (ask + b"\r\n", b"")], strict=True):
            line.sendall(sent)
            assert b" 200 OK" in said(line)
        *idle, busy = lines
        began, left = time.monotonic(), list(zip(idle, talks, strict=True))
        while left and time.monotonic() < began + 20:
            time.sleep(0.5)
            left = [(line, talk) for line, talk in left if not hung_up(line, talk[1])]
            busy.sendall(ask + b"\r\n")
            assert b" 200 OK" in said(busy)
        assert not left
        assert time.monotonic() - began > 3


def said(line: socket.socket) -> bytes:
    """An answer of /healthz."""
    told = b""
    while not told.endswith(b"}"):
        told += line.recv(4000)
    return told


def hung_up(line: socket.socket, more: bytes) -> bool:
    line.settimeout(0.01)
    try:
        line.sendall(more)
        return line.recv(1000) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_the_rate_is_for_each_client_and_not_for_this_machine(client: httpx.Client) -> None:
    gate = Gate(Settings(host="192.0.2.1", token=TOKEN, rate=2))
    headers = {"host": "192.0.2.1", "authorization": f"Bearer {TOKEN}"}
    for _ in range(4):
        gate.check("/v1/predict", headers, "198.51.100.7")
    with pytest.raises(Refusal, match=r"198\.51\.100\.7") as refused:
        gate.check("/v1/predict", headers, "198.51.100.7")
    assert (refused.value.status, refused.value.headers["retry-after"]) == (429, "1")
    gate.check("/v1/predict", headers, "198.51.100.8")
    for _ in range(50):
        for own in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            gate.check("/v1/predict", headers, own)
        gate.check("/healthz", {"host": "192.0.2.1"}, "198.51.100.7")
    assert {client.get("/v1/models").status_code for _ in range(60)} == {200}


def test_buckets_fill_again_and_dont_grow_without_end() -> None:
    buckets = Buckets(rate=5, depth=2)
    assert [buckets.take("a", now=0.0) > 0 for _ in range(3)] == [False, False, True]
    assert buckets.take("a", now=0.2) == pytest.approx(0)
    assert buckets.take("a", now=0.3) == pytest.approx(0.1)
    for number in range(20_000):
        buckets.take(str(number), now=1.0)
    assert len(buckets._left) == 10_000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": "0.0.0.0"}, "token"),
        ({"host": "::"}, "token"),
        ({"host": "example.org"}, "token"),
        ({"token": "short"}, "16"),
        ({"origins": ("example.org",)}, "origin"),
        ({"origins": ("*",)}, "origin"),
        ({"origins": ("http://[",)}, "origin"),
        ({"origins": ("http://",)}, "origin"),
        ({"origins": ("https://a.example/path",)}, "origin"),
        ({"origins": ("HTTPS://A.example:443",)}, r"write https://a\.example\."),
        ({"origins": ("http://a.example:80 ",)}, r"write http://a\.example\."),
        ({"certificate": Path("a.pem")}, "both"),
        ({"timeout": math.inf}, "timeout is inf"),
        ({"drain": math.nan}, "drain is nan"),
    ],
)
def test_settings_that_arent_safe(settings: dict, said: str) -> None:
    with pytest.raises(MienError, match=said):
        Settings(**settings)


def test_https_and_certificates_that_are_none(serve, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    own, key = certificate
    torn, locked = tmp_path / "torn.pem", tmp_path / "locked.pem"
    served = serve("--certificate", str(own), "--key", str(key))
    assert served.address.startswith("https://127.0.0.1:")
    with served.client(verify=ssl.create_default_context(cafile=own)) as client:
        assert client.get("/healthz").status_code == 200
    healthy = [sys.executable, Path(__file__).parents[2] / "docker" / "healthy.py"]
    port = served.address.rpartition(":")[2]
    assert subprocess.run(healthy, env=os.environ | {"MIEN_PORT": port}, check=False).returncode == 0
    torn.write_text("-----BEGIN CERTIFICATE-----\nnothing\n")
    lock = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked]
    subprocess.run(lock, check=True)
    none = tmp_path / "none.pem"
    said = r"none\.pem: can't be read|torn\.pem and|key\.pem and|locked\.pem: has a passphrase"
    for one, other in ((none, key), (own, none), (torn, key), (key, key), (own, locked)):
        with pytest.raises(AssertionError, match=said) as told:
            serve("--certificate", str(one), "--key", str(other), "--model", "nothing", stdin=subprocess.DEVNULL)
        assert "Traceback" not in str(told.value)


def test_the_server_needs_no_torch() -> None:
    code = """
import sys
import time
from mien.server.app import create_app
from mien.server.settings import Settings
import mien.server.run, mien.client.clients
create_app(Settings())
print(sorted({"torch", "onnx", "matplotlib", "pandas"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def hung_up_on() -> dict[str, object]:
    """How a process is started on which SIGHUP has its effect, whoever started the tests."""
    return {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)}


def test_sighup_ends_it_as_sigterm_does(serve) -> None:
    served = serve("--model", "small:int8", **hung_up_on())
    assert served.end(signal.SIGHUP) == 0
    assert served.log("ended")


def test_sighup_takes_up_a_renewed_certificate(serve, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    first, key = (shutil.copy(path, tmp_path) for path in certificate)
    served = serve("--model", "small:int8", "--certificate", first, "--key", key, **hung_up_on())
    address = "127.0.0.1", int(served.address.rpartition(":")[2])

    def told(event: str) -> str:
        served.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while not served.log(event) and time.monotonic() < until:
            time.sleep(0.01)
        assert served.log(event)
        return ssl.get_server_certificate(address)

    before = ssl.get_server_certificate(address)
    subprocess.run(["openssl", "req", "-x509", "-key", key, "-subj", "/CN=renewed", "-out", first], check=True)
    renewed = told("certificate read again")
    assert renewed == Path(first).read_text() != before
    Path(key).write_text("nothing")
    assert told("certificate kept") == renewed
    assert "not a certificate and its key" in served.log("certificate kept")[0]["why"]
    assert served.end() == 0
