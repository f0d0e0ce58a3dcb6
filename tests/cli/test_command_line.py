"""Exit codes, messages, and what goes to stdout and what to stderr."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from mien.cli import main
from mien.data.drawn import drawn_faces
from mien.shipped import shipped


@pytest.fixture
def bare(without_extras: str, tmp_path: Path) -> "Callable[..., subprocess.CompletedProcess[str]]":
    """Run `mien` with these words where no extra is installed."""
    program = without_extras + "from mien.cli import main; sys.exit(main())"

    def run(*words: str | Path) -> "subprocess.CompletedProcess[str]":
        line = [sys.executable, "-c", program, *map(str, words)]
        return subprocess.run(
            line, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
        )

    return run


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk to print to")
@pytest.mark.parametrize("words", [("--version",), ("models", "cnn", "--json")])
def test_where_nothing_can_be_printed_it_says_so(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        line = [sys.executable, "-m", "mien", *words]
        asked = os.environ | {"PYTHONUNBUFFERED": ""}
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False, env=asked)
    assert done.returncode != 0
    assert "error: standard output: No space left on device." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no such descriptors there")
def test_an_interrupt_while_it_loads_is_no_traceback() -> None:
    program = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "mien.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from mien.__main__ import run
run()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_what_daft_prints_itself_is_no_part_of_the_document(tmp_path: Path) -> None:
    code = (
        "import os, sys; from mien import cli; import mien.cli.app as app\n"
        "app.run = lambda words: os.write(1, b'prose') and os.system('echo more') or (0, {'rows': 3})\n"
        "code = cli.main(['--json']); os.write(1, b'after'); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == '{\n  "rows": 3\n}\nafter'
    assert done.stderr == "prosemore\n"


def test_alone_it_says_what_to_try_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr()
    assert "mien ladder" in said.out
    assert said.err == ""
    for verb in ("ladder", "train", "sweep", "evaluate", "show", "compare", "models", "data"):
        assert f" {verb} " in said.out


@pytest.mark.parametrize("line", ["--help", "predict --help", "train --help", "data get --help"])
def test_a_flag_names_no_type_in_its_help(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 0
    said = capsys.readouterr().out
    assert " -h, --help " in said
    assert "bool" not in said.lower()


@pytest.mark.parametrize(("verb", "said"), [("train", "synthetic, drawn faces"), ("calibrate", "those the run was")])
def test_help_says_which_faces_there_are_without_data(verb: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert f"Without it: {said}" in " ".join(capsys.readouterr().out.split())


def test_help_may_be_asked_for_as_a_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["predict"], ["data", "show"]):
        assert main(["help", *words]) == main([*words, "--help"]) == 0
        said = capsys.readouterr().out
        assert said[: len(said) // 2] == said[len(said) // 2 :]
        assert said.startswith(" ".join(["Usage: mien", *words]))


@pytest.mark.parametrize("verb", ["predict", "data convert", "explain", "train"])
def test_help_names_no_types_of_pythons(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    assert not re.search(r"<\w+>", capsys.readouterr().out)


@pytest.mark.parametrize("width", [40, 80, 100])
def test_help_cuts_nothing_off_and_is_plain_text(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["train", "-h"]) == main([]) == 0
    said = capsys.readouterr().out
    assert said.isascii()
    assert "Recipe (any field, in place of the preset's):" in said
    for part in ("--preset article|tuned|demo|finetune", "--weight-decay N", "(0 or more, at most 2147483647)"):
        assert part in " ".join(said.split())
    assert "without torch; keeps only what you ask for." in " ".join(said.split())  # a verb's first paragraph
    if width > 40:
        assert max(map(len, said.splitlines())) <= width


def test_a_shell_gets_a_line_for_each_completion() -> None:
    asked = {"_MIEN_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "COLUMNS": "60"}
    for words, found in (("mien ex", ["explain", "export"]), ("mien predict --mo", ["--model"])):
        line = [sys.executable, "-m", "mien"]
        settings = os.environ | asked | {"_TYPER_COMPLETE_ARGS": words}
        done = subprocess.run(line, env=settings, capture_output=True, text=True, timeout=120, check=True)
        assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == found


def test_data_alone_lists_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 0
    said = capsys.readouterr().out
    assert all(f" {verb} " in said for verb in ("get", "show", "convert"))


def test_version(mien, tmp_path: Path) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    done = mien(tmp_path, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"mien {project['version']}\n", "")


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from mien.cli import main; main(['train', '--help']); print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    loaded = {line.split(".")[0] for line in done.stdout.splitlines()}
    assert {"mien", "typer"} <= loaded
    assert loaded.isdisjoint({"torch", "onnx", "onnxruntime", "matplotlib", "pandas", "numpy", "PIL"})


def test_sweeps_and_tensorboard_load_only_when_asked_for() -> None:
    code = "import sys, mien.experiment, mien.cli.train, mien.cli.sweep; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    assert {"optuna", "sqlalchemy", "tensorboard"}.isdisjoint(done.stdout.splitlines())


@pytest.mark.parametrize(
    "line",
    [
        "nosuchverb",
        "train",
        "train cnn --nosuchoption 1",
        "train cnn --epochs three",
        "train cnn --epochs 0",
        "train cnn --lr 0",
        "train cnn --optimiser adagrad",
        "train cnn --preset best",
        "train cnn --option dropout",
        "train --resume runs/cnn --epochs 3",
        "train cnn --resume runs/cnn",
        "ladder --preset best",
        "ladder --preset finetune",
        "evaluate",
        "evaluate cnn --views 3",
        "evaluate cnn --split validation",
        "evaluate cnn --data nosuch.csv --split train --without-leaks",
        "leaderboard small --votes votes.csv",
        "show run --index -1",
        "show run --out face.gif",
        "compare",
        "models cnn --preset best",
        "data nosuchverb",
        "data convert faces.csv faces.csv",
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Usage: mien" in said.err
    assert "\nerror: " in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("evaluate nosuch.onnx", "nosuch.onnx: no such file"),
        ("evaluate runs/nosuch", "nosuch"),
        ("evaluate nosuch --data nosuch.csv", "nosuch: no such file or folder, and no network's name"),
        ("train cnn --data nosuch.csv --device nosuch", "There is no device 'nosuch' that works here"),
        ("show nosuch", "nosuch: no such file"),
        ("compare nosuch", "nosuch"),
        ("data show --data nosuch.csv", "nosuch.csv: no such file"),
        ("data show --votes votes.csv", "say where its CSV file is"),
        ("data convert nosuch.csv out.npz", "nosuch.csv: no such file"),
        (f"train cnn --data {'n' * 300}", "n: can't be read ("),
        ("robustness small --figure taken/a.svg", "taken/a.svg: it can't be written there"),
        ("show small --data nosuch.csv --out taken/a.svg", "taken/a.svg: it can't be written there"),
    ],
)
def test_what_a_person_can_mend_is_1_and_one_message(
    line: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("a file")
    assert main([*line.split(), "--json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert expected in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("place", [0, 1, 2, 4])
def test_debug_shows_the_traceback_wherever_it_stands(place: int, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["evaluate", "nosuch.onnx", "--split", "val"]
    assert main([*line[:place], "--debug", *line[place:]]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert (
        "\nerror: nosuch.onnx: no such file. Name a .onnx file, a run folder that mien wrote, or one of the box: "
        in said
    )
    assert said.endswith(f"{', '.join(shipped())}.\n")


def test_a_file_that_cant_be_written_is_1(faces_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["data", "convert", str(faces_file), str(tmp_path / "file" / "out.npz")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path / 'file'}")
    assert "Traceback" not in said


def test_an_unfinished_run_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "my run"
    run.mkdir()
    (run / "recipe.json").write_text("{}")
    for verb in ("evaluate", "show", "compare"):
        assert main([verb, str(run)]) == 1
        assert f"mien train --resume '{run}'" in capsys.readouterr().err


def test_bad_rows_are_named_or_left_out_and_counted(mien, tmp_path: Path) -> None:
    rows = ["emotion,pixels,Usage"]
    for usage, (_, faces) in zip(("Training", "PublicTest", "PrivateTest"), drawn_faces(70), strict=True):
        rows += [f"{label},{' '.join(map(str, face.ravel()))},{usage}" for face, label in faces]
    rows.insert(3, "9,0 0 0,Training")
    (tmp_path / "faces.csv").write_text("\n".join(rows) + "\n")
    done = mien(tmp_path, "data", "convert", "faces.csv", "faces.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 bad row" in done.stderr
    assert not (tmp_path / "faces.npz").exists()
    done = mien(tmp_path, "data", "convert", "faces.csv", "faces.npz", "--skip-bad-rows", "--json")
    assert done.returncode == 0
    assert "1 bad row was left out of faces.csv" in done.stderr
    document = json.loads(done.stdout)
    assert document == {
        "path": "faces.npz",
        "bytes": (tmp_path / "faces.npz").stat().st_size,
        "faces": {"train": 50, "val": 10, "test": 10},
        "left_out": 1,
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_reader_that_has_gone_is_met_quietly(faces_file: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "mien", "data", "convert", str(faces_file), "out.npz", "--json"]
    process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 1
    assert "error" not in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


AND_A_FILE = """
import sys
from mien.cli import main
codes = main(["--version", "--json"]), main(["evaluate", "nosuch.onnx"])
with open("next", "w") as file:
    print(*codes, file.fileno() > 2, file=file)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_end_nothing_and_no_file_takes_their_place(closed: str, tmp_path: Path) -> None:
    line = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", AND_A_FILE]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert (tmp_path / "next").read_text() == "0 1 True\n"
    assert "Traceback" not in done.stderr
    document = f'{{\n  "mien": "{version("mien")}"\n}}\n'
    assert done.stdout == (document if closed == "2>&-" else "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps its settings elsewhere")
def test_matplotlib_doesnt_complain_of_a_home_that_cant_be_written() -> None:
    code = "from mien.cli import main; main(['--version']); import matplotlib; print(matplotlib.get_configdir())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))}
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, env=kept | {"HOME": os.devnull}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert os.devnull not in done.stdout


def test_without_torch_it_evaluates_and_shows_onnx(bare, finished: Path, faces_file: Path) -> None:
    done = bare("evaluate", finished / "model.onnx", "--data", faces_file, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 63
    done = bare("show", finished, "--data", faces_file)
    assert done.returncode == 0, done.stderr
    assert 'pip install "mien[figures]"' in done.stderr


@pytest.mark.parametrize("line", ["models", "train cnn", "ladder", "evaluate cnn", "explain photo.jpg"])
def test_without_torch_the_rest_says_what_to_install(bare, line: str, faces_file: Path) -> None:
    words = ["--data", str(faces_file)] if line.split()[0] in ("train", "ladder", "evaluate") else []
    extra = "explain" if line.startswith("explain") else "train"  # that extra brings torch, too
    done = bare(*line.split(), *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f'error: This needs torch. Install it with: pip install "mien[{extra}]"\n'


@pytest.mark.parametrize("verb", ["train", "ladder"])
def test_without_torch_no_face_is_drawn_first(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mien.cli.recipes.find_spec", lambda name: None)
    monkeypatch.setattr(f"mien.cli.{verb}.read_source", None)
    assert main([verb, *(["cnn"] if verb == "train" else []), "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == 'error: This needs torch. Install it with: pip install "mien[train]"\n'


def test_without_optuna_a_sweep_says_what_to_install(bare, tmp_path: Path) -> None:
    done = bare("sweep", "cnn", "--field", "lr=0.01..0.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'error: This needs optuna. Install it with: pip install "mien[sweep]"\n'
    assert not list(tmp_path.iterdir())


NARROW = """
from mien.cli.tables import print_table
print_table(["source", "expression"], [["abcdefgh" * 4 + ".jpg", "happy"]])
"""


def test_a_narrow_terminal_cuts_nothing_off() -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    settings = os.environ | {"COLUMNS": "30", "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", NARROW], stdout=theirs, env=settings, check=True, timeout=120)
    os.close(theirs)
    said = re.sub(r"\x1b\[[\d;]*m", "", os.read(ours, 10_000).decode())
    os.close(ours)
    assert max(map(len, said.splitlines())) <= 30
    assert "abcdefgh" * 4 + ".jpg" in said.replace("happy", "").translate(dict.fromkeys(map(ord, " \r\n")))
