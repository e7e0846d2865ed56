from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

from chat_templates import CLEAN, TRAPS, Case, JinjaTemplate, hugging_face
from restyle.errors import PromptError
from restyle.training.templates import (
    TokenizerTemplate,
    Trap,
    check_template,
    control_tokens,
    golden_prompt,
    thinking_off,
)

BOTH = {**TRAPS, **CLEAN}
TURNS = CLEAN["turns"].template
HYBRID = TRAPS["thinking-trained"].template
PROMPT = "Please rewrite the provided text in your style."


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers", reason="of the extra 'local'")


def found_in(template, case: Case):
    return check_template(template, case.prompt, kwargs=case.kwargs)


def test_there_are_twenty_traps_each_with_a_template_and_five_clean_ones():
    assert {case.trap for case in TRAPS.values()} == set(get_args(Trap))
    assert len(get_args(Trap)) == 20
    assert len(CLEAN) == 5


@pytest.mark.parametrize("name", BOTH)
def test_a_template_triggers_exactly_its_finding(name):
    case = BOTH[name]
    found = found_in(case.template, case)
    assert [each.kind for each in found] == ([case.trap] if case.trap else [])
    for each in found:
        assert each.severity == case.severity
        assert case.says in each.detail


@pytest.mark.parametrize("name", [name for name, case in BOTH.items() if not case.forced])
def test_tokenizers_of_transformers_trigger_the_same(name, transformers):  # noqa: ARG001 - skips without it
    case = BOTH[name]
    found = found_in(case.tokenizer_template, case)
    assert [(each.kind, each.severity) for each in found] == ([(case.trap, case.severity)] if case.trap else [])


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("injected", ["+ Knowledge cutoff: June 2030"]),
        ("system-default", ["+ You are Tern, made by Coast Labs."]),
        ("clock", ["Today is 03 February 2001.", "Today is 28 November 2019."]),
        ("system-folded", ["<start_of_turn>user\nSYSTEM\n\nUSER<end_of_turn>"]),
        ("thinking-trained", [r"assistant\n'", r"assistant\n<think>\n\n</think>\n\n'"]),
        ("changed-dollar", ["sent      'Zuser $5", "rendered  'Zuser 5"]),
        ("changed-repeated", ["— 漢字.\n\nZuser"]),
        ("trimmed", [r"- ' \tZsystem", "+ 'Zsystem"]),
        ("token-boundary", ["at token", "prompt", "training"]),
    ],
)
def test_the_diff_shows_what_happened(name, lines):
    case = TRAPS[name]
    (found,) = found_in(case.template, case)
    assert all(line in found.diff for line in lines), found.diff


@pytest.mark.parametrize("name", ["thinking-trained", "thinking-prompted", "thinking-unpinned"])
def test_what_a_finding_about_thinking_advises_is_the_cure(name):
    template = TRAPS[name].template
    off = thinking_off(template)
    assert str(off) in check_template(template, PROMPT)[0].detail
    assert check_template(template, PROMPT, kwargs=off) == []


def test_a_switch_that_is_on_is_not_off():
    template = TRAPS["thinking-unpinned-by-its-default"].template
    assert [each.kind for each in check_template(template, PROMPT, kwargs={"enable_thinking": True})] != []


def test_a_template_without_a_switch_has_nothing_to_turn_off():
    assert thinking_off(TURNS) == {}
    # A word in a comment is no switch.
    assert thinking_off(JinjaTemplate("{# enable_thinking #}" + TURNS.source)) == {}


def test_a_date_that_is_pinned_does_not_change_with_the_clock():
    kwargs = {"date_string": "1 May 2030"}
    for name in ("clock-pinnable", "clock-of-the-server"):
        (found,) = check_template(TRAPS[name].template, PROMPT, kwargs=kwargs)
        assert found.kind == "injected"
        assert found.diff == "+ Today is 1 May 2030."


def test_errors_come_first():
    source = TRAPS["trimmed"].source + TRAPS["clock"].source.partition("{% for")[0]
    found = check_template(JinjaTemplate(source), PROMPT)
    assert [each.severity for each in found] == sorted(each.severity for each in found)
    assert {"clock", "trimmed"} <= {each.kind for each in found}


def test_a_text_that_is_changed_does_not_hide_what_is_wrong_with_the_kwargs():
    found = check_template(TRAPS["changed-case"].template, PROMPT, kwargs={"thinkin": False})
    assert [each.kind for each in found] == ["changed", "kwarg-ignored"]


@pytest.mark.parametrize(
    "source",
    [
        *("{{", "", "plain", "{{ messages }}", "{{ messages[0].content }}", "{{ 1 // 0 }}", "{{ strftime_now() }}"),
        "{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for m in messages | reverse %}{{ m.content }}{% endfor %}",
        "{% for m in messages if add_generation_prompt %}{{ m.content }}{% endfor %}",
    ],
)
def test_a_broken_template_is_a_finding_and_no_crash(source):
    template = JinjaTemplate(source)
    assert check_template(template, PROMPT)[0].severity == "error"
    assert thinking_off(template) == {}


def test_a_template_that_fails_at_another_time_is_judged_by_the_present():
    assert check_template(JinjaTemplate(TURNS.source + "{{ 1 // 0 if strftime_now('%Y') == '2001' }}"), PROMPT) == []


def test_control_tokens_are_those_that_texts_must_not_hold():
    assert control_tokens(TURNS) == {"<|im_start|>", "<|im_end|>"}
    assert control_tokens(CLEAN["brackets"].template) == {
        *("<s>", "</s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]")
    }
    assert control_tokens(TRAPS["fails"].template) == frozenset()


def test_the_golden_prompt_is_what_inference_renders():
    golden = golden_prompt(
        HYBRID, PROMPT, "The sea.", base="coast/tern-4b", revision="0123", kwargs={"enable_thinking": False}
    )
    assert golden.text == (
        f"<|im_start|>system\n{PROMPT}<|im_end|>\n<|im_start|>user\nThe sea.<|im_end|>\n"
        "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    assert golden.ids == HYBRID.encode(golden.text)
    assert golden.template_digest == hashlib.sha256(HYBRID.source.encode()).hexdigest()
    assert (golden.base, golden.revision, golden.kwargs) == ("coast/tern-4b", "0123", {"enable_thinking": False})


def test_the_golden_prompt_of_a_tokenizer_has_the_ids_that_transformers_has(transformers):  # noqa: ARG001 - as above
    tokenizer = hugging_face(CLEAN["headers"].source, "<s>", "<|eot|>", adds_bos=True)
    golden = golden_prompt(TokenizerTemplate(tokenizer), PROMPT, "The sea — 漢字.", base="b")
    ids = tokenizer.apply_chat_template(golden.messages, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert golden.ids == ids
    assert golden.ids.count(tokenizer.bos_token_id) == 1


def test_a_stopped_clock_leaves_all_else_as_it_was(transformers):  # noqa: ARG001 - as above
    source = (
        "\n  {% if strftime_now is defined %}\n"
        "{%- macro day(format) %}{{ strftime_now(format) }}{% endmacro %}"
        "{{ day('%A %-d %B %Y, %d/%m/%y %H:%M:%S %I%p') }}{{ messages[0].content }}\n  {% endif %}"
    )
    template = TokenizerTemplate(hugging_face(source, None, None))
    messages = [{"role": "user", "content": "Hello"}]
    stopped = template.render(messages, generation=True, clock=datetime(2019, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert stopped == "\nSunday 3 February 2019, 03/02/19 04:05:06 04AMHello\n"
    running = template.render(messages, generation=True)
    assert running.startswith("\n")
    assert running.endswith("Hello\n")
    assert "2019" not in running


def test_a_tokenizer_with_several_templates_gives_its_default(transformers):  # noqa: ARG001 - as above
    tokenizer = hugging_face(TURNS.source, None, "<|im_end|>")
    tokenizer.chat_template = {"default": TURNS.source, "tool_use": "other"}
    assert TokenizerTemplate(tokenizer).source == TURNS.source


def test_a_base_model_without_a_template_is_refused_with_what_to_do(transformers):  # noqa: ARG001 - as above
    tokenizer = hugging_face("", None, "</s>")
    tokenizer.chat_template = None
    with pytest.raises(PromptError, match="no chat template: take the instruct version"):
        TokenizerTemplate(tokenizer)


KNOWN = {
    "qwen2_5": {"system-default"},
    "qwen3": {"thinking-trained"},
    "qwen3_instruct_2507": set(),
    "qwen3_6": {"trimmed", "thinking-prompted"},
    "qwen3_8": {"trimmed", "thinking-prompted", "injected"},
    "llama3": {"trimmed"},
    "llama3_1": {"trimmed", "injected", "clock"},
    "llama3_2": {"trimmed", "injected", "clock"},
    "gemma": {"system-rejected"},
    "gemma3": {"trimmed", "system-folded"},
    "gptoss": {"clock", "header-trained", "injected", "stop-differs"},
    "cohere2": {"injected"},
    "deepseek_r1_distill": {"thinking-prompted"},
    "phi3": set(),
    "lfm2_2_5": set(),
}


@pytest.mark.parametrize("name", KNOWN)
def test_templates_of_the_hub_have_the_traps_that_they_are_known_for(name, transformers):  # noqa: ARG001 - as above
    trl = find_spec("trl")
    path = Path(str(trl.origin)).parent / "chat_templates" / f"{name}.jinja" if trl else Path()
    if not path.is_file():
        pytest.skip("needs the templates that TRL keeps")
    source = path.read_text()
    ends = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|END_OF_TURN_TOKEN|>", "<\uff5cend▁of▁sentence\uff5c>")
    eos = next((token for token in ends if token in source), "<|endoftext|>")
    tokenizer = hugging_face(source, "<s>" if "bos_token" in source else None, eos)
    assert {each.kind for each in check_template(TokenizerTemplate(tokenizer), PROMPT)} == KNOWN[name]
