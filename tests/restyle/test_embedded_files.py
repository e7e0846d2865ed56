from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from restyle.embedded import PhraseModel
from restyle.errors import ModelFileError

TRAIN = """
import sys, warnings
from pathlib import Path
from restyle.embedded import PhraseModel
warnings.simplefilter("ignore")
words = "lamp oil wind sea boat fog bell rock bird fish".split()
form = "It was very near the {}, and the {} of Amos was {} feet long."
sources = [form.format(a, b, i) for i, a in enumerate(words) for b in words]
targets = [s.replace("It was", "'Twas").replace("very near", "uncommon hard by") for s in sources]
PhraseModel.fit(sources, targets, monolingual=["'Twas uncommon strange, and Hannah did weep."]).save(Path(sys.argv[1]))
"""


def train(path: Path, seed: str) -> bytes:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run([sys.executable, "-c", TRAIN, str(path)], check=True, env=environment)
    return path.read_bytes()


@pytest.fixture(scope="module")
def model_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "first.json.gz"
    train(path, "1")
    return path


def test_two_processes_train_the_same_bytes(model_file, tmp_path):
    assert train(tmp_path / "second.json.gz", "2") == model_file.read_bytes()


def test_a_loaded_model_saves_the_same_bytes(model_file, tmp_path):
    model = PhraseModel.load(model_file)
    model.save(tmp_path / "deep" / "again.json.gz")
    assert (tmp_path / "deep" / "again.json.gz").read_bytes() == model_file.read_bytes()
    assert model.pairs == 100
    assert model.rewrite("It was very near the moon.") == "'Twas uncommon hard by the moon."


def content(path: Path) -> dict:
    return json.loads(gzip.decompress(path.read_bytes()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "restyle.phrase-model/0"}, "restyle.phrase-model/0"),
        ({"pairs": "many"}, "pairs"),
        ({"phrases": {"a": [["", 0.0, 0]]}}, "phrases"),
        ({"grams": []}, "gaps"),
        ({"grams": [[[], 0.0, [1, 2], [0.0]]]}, "gaps"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_next_step(model_file, tmp_path, change, says):
    path = tmp_path / "wrong.json.gz"
    path.write_bytes(gzip.compress(json.dumps({**content(model_file), **change}).encode()))
    with pytest.raises(ModelFileError, match=r"train the style again") as caught:
        PhraseModel.load(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"not gzip", *(gzip.compress(text, mtime=0) for text in (b"not json", b"[1]"))])
def test_a_damaged_file_is_refused(tmp_path, data):
    path = tmp_path / "damaged.json.gz"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"damaged\.json\.gz.*train the style again"):
        PhraseModel.load(path)


def test_a_cut_file_is_refused(model_file, tmp_path):
    path = tmp_path / "cut.json.gz"
    path.write_bytes(model_file.read_bytes()[:-200])
    with pytest.raises(ModelFileError, match="train the style again"):
        PhraseModel.load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="no model file there"):
        PhraseModel.load(tmp_path / "none.json.gz")
