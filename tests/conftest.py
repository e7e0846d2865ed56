"""What every test stands on: a home of its own, no network beyond this machine, and one trained style for all."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import restyle_command
from restyle.data.pairs import PairSet, build_pairs
from restyle.demo import ANSWERS, CORPUS, RECORDED, STYLE
from restyle.training import train
from support import write_letters

_FOREIGN = (
    "OPENAI_",
    "AZURE_OPENAI_",
    "NEBIUS_",
    "TOGETHER_",
    "RESTYLE_",
    "LANGSMITH_",
    "LANGCHAIN_",
)  # settings of whoever runs the tests


def _is_here(host: object) -> bool:
    try:
        return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError:
        return host in {None, "", "localhost", b"localhost"}


@pytest.fixture(scope="session")
def _attempts() -> Iterator[list[str]]:
    """Every attempt to reach another machine; each is refused."""
    attempts: list[str] = []

    def refuse(host: object) -> None:
        attempts.append(str(host))
        raise RuntimeError(f"tests reach this machine only, not {host!r}")

    def guarded(name: str) -> None:
        original = getattr(socket.socket, name)

        def connect(self, address):
            if self.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
                refuse(address[0])
            return original(self, address)

        patch.setattr(socket.socket, name, connect)

    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **options):
        if not _is_here(host):
            refuse(host)
        return resolve(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        guarded("connect")
        guarded("connect_ex")
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield attempts


@pytest.fixture(autouse=True)
def _no_network(_attempts: list[str]) -> Iterator[None]:
    _attempts.clear()
    yield
    # The refusal may have been caught where it was raised, but it does not pass unseen.
    assert not _attempts, f"the test tried to reach {_attempts}"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No keys, and never the home of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RESTYLE_HOME", str(tmp_path_factory.getbasetemp() / "nobody"))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home, in ``RESTYLE_HOME``."""
    path = tmp_path / "home"
    monkeypatch.setenv("RESTYLE_HOME", str(path))
    return path


@pytest.fixture(scope="session")
def demo_pairs(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """The keeper's pair set. Read it, leave it as it is."""
    return build_pairs(CORPUS, style=STYLE, teacher=RECORDED, out=tmp_path_factory.mktemp("demo") / "pairs")


@pytest.fixture(scope="session")
def trained_keeper(demo_pairs: PairSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the style ``keeper``, trained once for all tests; `keeper_home` lends it."""
    path = tmp_path_factory.mktemp("keeper")
    train(demo_pairs, home=path)
    return path


@pytest.fixture
def keeper_home(trained_keeper: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That home, in ``RESTYLE_HOME``, to read only: the style in it must be the same after the test."""
    monkeypatch.setenv("RESTYLE_HOME", str(trained_keeper))
    before = _state(trained_keeper / "styles")
    yield trained_keeper
    assert _state(trained_keeper / "styles") == before, "a test changed the style that all tests share: copy it first"


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def letters(tmp_path):
    return write_letters(tmp_path)


@pytest.fixture
def command(monkeypatch, capsys):
    return lambda *arguments, stdin=b"": restyle_command(arguments, monkeypatch, capsys, stdin)


@pytest.fixture
def workplace(tmp_path, monkeypatch, trained_keeper):
    """Where the examples of the help texts are at home: letters, their recording, a report, a style ``author``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESTYLE_HOME", str(tmp_path / "home"))
    write_letters(tmp_path)
    (tmp_path / "report.md").write_text("# Report\n\n" + "\n\n".join(ANSWERS.values()) + "\n", "utf-8")
    shutil.copytree(trained_keeper / "styles/keeper", tmp_path / "home/styles/author")
    card = tmp_path / "home/styles/author/style.json"
    card.write_text(card.read_text("utf-8").replace('"name": "keeper"', '"name": "author"'), "utf-8")
    return tmp_path
