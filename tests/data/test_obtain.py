"""Fetching, without Kaggle and without the network: what is refused, what is checked, what people are told."""

import functools
import hashlib
import http.server
import sys
import threading
import types

import numpy as np
import pytest
from fer2013_files import HEADER, text, write

from mien.data import obtain
from mien.errors import DataError, MienError

NOWHERE = "http://127.0.0.1:9/fer2013new.csv"  # the discard port: nobody answers


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def fer2013() -> bytes:
    """As many rows of each class as FER2013 has, all of one face: right in every count, but not the data set."""
    face, rows = text(np.zeros((48, 48), np.uint8)), [HEADER]
    for usage, counts in zip((b"Training", b"PublicTest", b"PrivateTest"), obtain.COUNTS.values(), strict=True):
        for label, count in enumerate(counts):
            rows += [b"%d,%s,%s" % (label, face, usage)] * count
    return b"\n".join(rows)


@pytest.fixture
def server(tmp_path):
    """A real web server on this machine, with the files of a folder."""
    (tmp_path / "site").mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield tmp_path / "site", f"http://127.0.0.1:{served.server_port}/"
        served.shutdown()


def kagglehub(monkeypatch, account, download):
    """A stand-in for the package with its real functions' names: what it does is what `download` does."""
    package, config = types.ModuleType("kagglehub"), types.ModuleType("kagglehub.config")
    package.competition_download = package.dataset_download = download
    package.config, config.get_kaggle_credentials = config, lambda: account
    monkeypatch.setitem(sys.modules, "kagglehub", package)
    monkeypatch.setitem(sys.modules, "kagglehub.config", config)


def test_where_has_three_lines_with_sources_terms_and_checksums():
    assert len(obtain.WHERE.splitlines()) == 3
    for word in (obtain.CONTEST, obtain.VOTES_URL, "Terms", "MIT", *(known.faces for known in obtain._STRETCHES)):
        assert word in obtain.WHERE
    assert [sum(counts) for counts in obtain.COUNTS.values()] == [28709, 3589, 3589]


def test_without_kagglehub_one_clear_message(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MienError, match=r'pip install "mien\[kaggle\]"') as raised:
        obtain.fetch(tmp_path / "data")
    assert "By hand: sign in at" in str(raised.value)
    assert not (tmp_path / "data").exists()


def test_without_an_account_one_clear_message(monkeypatch, tmp_path):
    kagglehub(monkeypatch, None, lambda handle: pytest.fail("asked Kaggle without an account"))
    with pytest.raises(MienError, match="No Kaggle account is set up here") as raised:
        obtain.fetch(tmp_path)
    assert "By hand" in str(raised.value)


def test_when_kaggle_doesnt_answer_one_clear_message(monkeypatch, tmp_path):
    def download(handle):
        raise ConnectionError(f"no way to {handle}\nand a long story")

    kagglehub(monkeypatch, object(), download)
    with pytest.raises(MienError, match="Kaggle didn't give FER2013") as raised:
        obtain.fetch(tmp_path)
    for part in (obtain.CONTEST, obtain.CSV_COPY, "By hand"):
        assert part in str(raised.value)
    assert "long story" not in str(raised.value)


def test_what_kaggle_gives_is_checked_before_it_is_kept(monkeypatch, tmp_path):
    (tmp_path / "cache").mkdir()
    write(tmp_path / "cache/icml_face_data.csv", HEADER + b"\n3," + text(np.zeros((48, 48), np.uint8)) + b",Training\n")
    kagglehub(monkeypatch, object(), lambda handle: str(tmp_path / "cache"))
    with pytest.raises(DataError, match=r"icml_face_data\.csv: not FER2013: train has 0, 0, 0, 1, ") as raised:
        obtain.fetch(tmp_path / "data")
    assert str(tmp_path / "cache") in str(raised.value)  # a file that is there, to be removed
    assert not (tmp_path / "data").exists()
    there = (tmp_path / "cache/icml_face_data.csv").read_bytes()
    monkeypatch.setattr(obtain, "verify", lambda path: path)
    obtain.fetch_images(tmp_path / "data/fer2013.csv")
    assert (tmp_path / "data/fer2013.csv").read_bytes() == there


def test_without_network_one_clear_message():
    with pytest.raises(MienError, match="couldn't be fetched from http://127") as raised:
        obtain.fetch_votes(NOWHERE)
    assert "By hand" in str(raised.value)
    with pytest.raises(MienError, match="couldn't be fetched"):
        obtain.fetch_votes("no address")


def test_votes_come_over_http_within_a_limit(server):
    site, url = server
    write(site / "votes.csv", b"Usage,Image name\n")
    assert obtain.fetch_votes(url + "votes.csv") == b"Usage,Image name\n"
    write(site / "large.csv", bytes(obtain._MOST_VOTES + 1))
    with pytest.raises(MienError, match="more than 8,388,608 bytes"):
        obtain.fetch_votes(url + "large.csv")
    with pytest.raises(MienError, match="404"):
        obtain.fetch_votes(url + "none.csv")


def test_right_counts_with_other_faces_are_refused_by_checksum(fer2013, tmp_path):
    path = write(tmp_path / "fer2013.csv", fer2013)
    with pytest.raises(DataError, match="rows 26,898 to 28,600 aren't the original ones"):
        obtain.verify(path)
    swapped = fer2013.replace(b"PublicTest", b"?").replace(b"PrivateTest", b"PublicTest").replace(b"?", b"PrivateTest")
    with pytest.raises(DataError, match="val has 491, 55, 528"):
        obtain.verify(write(path, swapped))


def test_what_comes_as_votes_is_checked_before_it_is_kept(fer2013, server, tmp_path, monkeypatch):
    site, url = server
    (site / "votes.csv").write_text("<html>Sign in to this network</html>")  # as a hotel's network answers
    monkeypatch.setattr(obtain, "_STRETCHES", ())
    dest = tmp_path / "data"
    dest.mkdir()
    write(dest / "fer2013.csv", fer2013)
    with pytest.raises(DataError, match=rf"^{dest / 'fer2013new.csv'}: no column for"):
        obtain.fetch(dest, votes_url=url + "votes.csv")
    assert [path.name for path in dest.iterdir()] == ["fer2013.csv"]


def test_files_that_are_there_are_checked_and_kept(fer2013, tmp_path, monkeypatch):
    """The checksums of both files go to the comparison, which is content here, and nothing is fetched."""
    votes = [b"Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"]
    places = (4, 5, 6, 1, 3, 2, 0)
    for row in fer2013.splitlines()[1:]:
        cells = [b"0"] * 10
        cells[places[int(row[:1])]] = b"10"
        votes.append(b",".join([row.rpartition(b",")[2], b"", *cells]))
    write(tmp_path / "fer2013.csv", fer2013)
    write(tmp_path / "fer2013new.csv", b"\n".join(votes))
    compared, expected = [], []
    monkeypatch.setattr(obtain, "_compare", lambda *given: compared.append(given))
    fetched = obtain.fetch(tmp_path, votes_url=NOWHERE)
    assert fetched.images == tmp_path / "fer2013.csv"
    assert len(fetched.checked) == 5
    labels = np.array([int(row[:1]) for row in fer2013.splitlines()[1:]], np.uint8)
    for known in obtain._STRETCHES:
        those = labels[known.first : known.first + known.n]
        images, shares = those.tobytes() + bytes(known.n * 48 * 48), 1000 * np.eye(8, dtype="<u2")[those]
        expected.append((fetched.images, known, hashlib.sha256(images).hexdigest(), known.faces))
        expected.append((fetched.votes, known, hashlib.sha256(shares.tobytes()).hexdigest(), known.votes))
    assert sorted(compared, key=str) == sorted(expected, key=str)
