from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restyle.errors import CardError, ParameterError, PromptError, RestyleError, StyleNameError, StyleNotFoundError
from restyle.messages import Ask
from restyle.prompts import RESTYLE_PROMPT_TONE_MOOD
from restyle.stage import Stage
from restyle.style import Style, check_name, styles_directory
from support import style_of

TONED = Style(
    "toned",
    Stage(RESTYLE_PROMPT_TONE_MOOD, "styler", "http://localhost:8000/v1"),
    Stage("Neutralise this $tone text.", "neutraliser", "http://localhost:8000/v1"),
    parameters={"tone": ["dry", "warm"], "mood": ["sad"]},
)


@pytest.mark.parametrize("name", ["a", "0", "author", "a.b_c-d", "a" * 64])
def test_good_names(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "a" * 65, "-a", ".a", "..", "a/b", "a\\b", "a b", "ä", "a\n", "a\0", "../a"])
def test_bad_names(name):
    with pytest.raises(StyleNameError) as caught:
        check_name(name)
    assert repr(name) in str(caught.value)
    with pytest.raises(StyleNameError):
        Style(name, Stage("Rewrite.", "m"))


def test_a_card_survives_saving_and_loading(home):
    style = Style(
        "author",
        Stage("Réécris: „$tone“.", "m/1", "https://host:8443/v1", request={"temperature": 0.3, "extra": {"a": [1]}}),
        Stage("Neutralise.", "neutral.json.gz", provider="embedded"),
        parameters={"tone": ["dry", "très sec"]},
        dataset="abc",
        training={"rows": 12},
        metrics={"restyle": {"bleu": 12.5}},
    )
    path = style.save()
    assert path == home / "styles/author/style.json"
    assert style.directory == path.parent
    for source in ("author", path, path.parent, str(path), str(path.parent)):
        loaded = Style.load(source)
        assert loaded == style
        assert loaded.directory == path.parent
        assert loaded.to_json() == style.to_json()
    assert "directory" not in json.loads(path.read_text("utf-8"))


@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="$"), min_size=1).filter(
        lambda text: text == text.strip()
    ),
    model=st.text(min_size=1),
    value=st.text(),
)
def test_any_card_survives_json(tmp_path_factory, prompt, model, value):
    style = Style("any", Stage(prompt, model, request={"value": value}), metrics={"note": value})
    path = tmp_path_factory.getbasetemp() / "any-card.json"
    path.write_text(style.to_json(), "utf-8")
    assert Style.load(path) == style


def test_an_explicit_home_wins_over_the_environment(home, tmp_path):
    other = tmp_path / "other"
    style_of().save(other)
    assert Style.list(other) == ["author"]
    assert Style.list() == []
    assert Style.load("author", other).name == "author"
    assert styles_directory() == home / "styles"


def test_without_any_setting_the_platform_says_where(monkeypatch):
    import platformdirs

    monkeypatch.delenv("RESTYLE_HOME")
    assert styles_directory() == platformdirs.user_data_path("restyle", appauthor=False) / "styles"


def test_styles_are_listed_by_name(home):
    for name in ("b", "a", "c"):
        style_of(name=name).save()
    (home / "styles" / "no-card").mkdir()
    assert Style.list() == ["a", "b", "c"]


def test_a_style_that_is_not_there(home):
    style_of(name="b").save()
    with pytest.raises(StyleNotFoundError, match=r"no style 'author' under .*\(there: b\): train one with") as caught:
        Style.load("author")
    assert str(home / "styles") in str(caught.value)
    with pytest.raises(StyleNotFoundError, match=r"no style card at .*style\.json"):
        Style.load(home / "styles" / "author")


@pytest.mark.parametrize("name", ["a/b", "No Such", "x" * 300, "x" * 5000, "a\0b"])
@pytest.mark.usefixtures("home")
def test_what_is_neither_a_name_nor_a_path(name):
    with pytest.raises(StyleNameError, match="is not a style's name"):
        Style.load(name)


@pytest.mark.usefixtures("home")
def test_a_failed_save_leaves_the_old_card(monkeypatch):
    path = style_of().save()
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            style_of("https://elsewhere/v1").save()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["style.json"]
    assert Style.load("author") == style_of()


def test_a_card_can_be_read_like_any_other_file(home):
    path = style_of().save()
    reference = home / "reference"
    reference.write_text("x", "utf-8")
    assert path.stat().st_mode == reference.stat().st_mode


def edited(path: Path, change) -> None:
    card = json.loads(path.read_text("utf-8"))
    change(card)
    path.write_text(json.dumps(card), "utf-8")


def nested(card, place, value):
    *parents, last = place.split(".")
    for key in parents:
        card = card[key]
    card[last] = value


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("restyle.prompt", "Rewrite it, please.", "not the one the model was trained with"),
        ("restyle.prompt", 7, "restyle.prompt"),
        ("restyle.prompt", " Rewrite.", "white space"),
        ("restyle.digest", "0" * 64, "not the one the model was trained with"),
        ("restyle.model", "", "has no model"),
        ("restyle", None, "restyle"),
        ("restyle", "styler", "restyle"),
        ("restyle.base_url", "localhost:8000", "base_url"),
        ("restyle.base_url", "http://me:secret@host/v1", "base_url"),
        ("restyle.base_url", "http://[::1/v1", "base_url"),
        ("restyle.base_urll", "http://localhost:8000/v1", "base_urll"),
        ("destyle.temperature", 0.5, "temperature"),
        ("restyle.request", {"api_key": "sk-1"}, "'api_key' looks like a secret"),
        ("restyle.request", {"Authorization": "sk-1"}, "'Authorization' looks like a secret"),
        ("schema", 2, "schema 2"),
        ("name", "Author", "'Author' is not a style's name"),
        ("name", "other", "names itself 'other'"),
        ("parameters", {"tone": ["dry"]}, "'tone', which no prompt uses"),
        ("parameters", {"tone": "dry"}, "parameters.tone"),
        ("directory", "/tmp", "unknown field 'directory'"),
        ("colour", "blue", "unknown field 'colour'"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_broken_card_is_refused_with_its_place(place, value, says):
    path = style_of().save()
    edited(path, lambda card: nested(card, place, value))
    with pytest.raises(CardError) as caught:
        Style.load("author")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "secret@" not in message
    assert "sk-1" not in message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe{}", b"[]", b"null", b"[" * 100_000], ids=lambda content: repr(content[:4])
)
@pytest.mark.usefixtures("home")
def test_a_card_that_is_no_json_object_is_refused(content):
    path = style_of().save()
    path.write_bytes(content)
    with pytest.raises(CardError) as caught:
        Style.load("author")
    assert str(caught.value).startswith(f"{path}: ")
    assert "train the style again" in str(caught.value)


def test_an_embedded_model_is_a_file_beside_the_card():
    for name in ("../model", "/etc/passwd", "a/b", "", ".hidden"):
        with pytest.raises(CardError):
            Stage("Rewrite.", name, provider="embedded")
    style = Style("author", Stage("Rewrite.", "model.json.gz", provider="embedded"))
    with pytest.raises(CardError):
        style.model_path("restyle")  # neither loaded nor saved: there is no folder yet


def test_a_base_url_is_checked_and_never_shown_with_its_password():
    for url in ("localhost:8000/v1", "ftp://host/v1", "http://", "http://u:hush@host/v1", "http://:hush@host/v1"):
        with pytest.raises(CardError, match="must be http") as caught:
            Stage("Rewrite.", "m", url)
        assert "hush" not in str(caught.value)
    for url in ("http://[::1]:8000/v1", "https://host", "http://localhost:11434/v1/"):
        assert Stage("Rewrite.", "m", url).base_url == url


def test_a_stage_refuses_what_a_prompt_refuses():
    with pytest.raises(PromptError):
        Stage("Rewrite. ", "m")


def test_an_ask_holds_the_exact_prompt_and_the_text_alone():
    text = "  $tone {x} %s \n"
    assert TONED.ask("restyle", text, {"tone": "dry", "mood": "sad"}) == Ask(
        "Please rewrite the given text in your style. "
        "Use a dry tone and make the reader feel that you are in a sad mood.",
        text,
        "restyle",
    )
    assert TONED.ask("destyle", text, {"tone": "dry", "mood": "sad"}).system == "Neutralise this dry text."
    assert TONED.ask("restyle", text, {"tone": "dry", "mood": "sad"}) == TONED.restyle.ask(
        text, "restyle", {"tone": "dry", "mood": "sad"}
    )


def test_parameters_without_values_are_refused():
    with pytest.raises(CardError, match=r"use \$mood: list its trained values as parameters"):
        Style("toned", TONED.restyle, parameters={"tone": ["dry"]})


def test_a_style_without_a_destyle_model_says_so():
    with pytest.raises(CardError, match="no de-style model: pass destyle=False"):
        style_of(destyle=False).ask("destyle", "Text.")


def test_known_parameters_pass_silently():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TONED.check_parameters({"tone": "warm", "mood": "sad"})


def test_a_value_that_training_never_saw_is_warned_about():
    with pytest.warns(UserWarning, match=r"never trained with tone='loud' \(seen: dry, warm\)"):
        TONED.check_parameters({"tone": "loud", "mood": "sad"})


def test_unknown_and_missing_parameters_are_refused():
    with pytest.raises(ParameterError, match="'toned' has no parameter 'colour': its parameters are tone, mood"):
        TONED.check_parameters({"tone": "dry", "mood": "sad", "colour": "red"})
    with pytest.raises(ParameterError, match=r"needs \$mood"):
        TONED.check_parameters({"tone": "dry"})
    with pytest.raises(ParameterError, match="its parameters are none"):
        style_of().check_parameters({"tone": "dry"})


def test_without_destyling_its_parameters_are_not_asked_for():
    style = Style("s", Stage("Rewrite.", "a"), Stage("Neutralise $tone.", "b"), parameters={"tone": ["dry"]})
    style.check_parameters({}, destyle=False)
    with pytest.raises(ParameterError):
        style.check_parameters({})


def test_every_error_of_a_card_is_one_of_ours():
    with pytest.raises(RestyleError):
        Style("a", Stage("Rewrite.", "m"), schema=2)


@pytest.mark.parametrize(
    "request_", [{"api_key": "x"}, {"extra_headers": {"Authorization": "x"}}, {"a": [{"secret": 1}]}]
)
def test_a_secret_in_the_request_options_is_refused_however_deep(request_):
    with pytest.raises(CardError, match="looks like a secret"):
        Stage("Rewrite.", "m", request=request_)
