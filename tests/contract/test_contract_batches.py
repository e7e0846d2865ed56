"""One limit for all inputs, and failures where their inputs were, whatever stands around."""

from __future__ import annotations

import pytest
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from contract.models import Listening, Pair
from contract.wrappings import CHOSEN, configurable
from restyle.errors import ShapeError
from scripted import Runs, paragraphs, uncommon

AROUND = {
    "plain": lambda restyle: restyle,
    "config": lambda restyle: restyle.with_config(tags=["mine"]),
    "types": lambda restyle: restyle.with_types(input_type=str),
    "retry": lambda restyle: restyle.with_retry(stop_after_attempt=2, wait_exponential_jitter=False),
    "bound": lambda restyle: restyle.bind(attempts=3),
    "chain": lambda restyle: RunnableLambda(lambda text: text) | restyle | RunnablePassthrough(),
}

INPUTS = ["very old", f"{paragraphs(2)}\n\nA wreck.", 42, "very cold"]

around = pytest.mark.parametrize("wrap", AROUND.values(), ids=AROUND)
both = pytest.mark.parametrize("way", ["batch", "abatch"])


async def batched(way, runnable, inputs, config=None, **options):
    outputs = getattr(runnable, way)(inputs, config, **options)
    return outputs if way == "batch" else await outputs


def one_model(**options):
    """The same model in both roles, to count the calls of both."""
    model = Listening(**options)
    return model, Pair(model, model)


@both
@around
@pytest.mark.parametrize("field", [1, 32])
async def test_the_config_s_limit_holds_for_all_inputs_together(way, wrap, field):
    model, pair = one_model(delay=0.005)
    runnable = wrap(pair.restyle(max_concurrency=field))
    assert await batched(way, runnable, [paragraphs(3)] * 4, {"max_concurrency": 3}) == [uncommon(paragraphs(3))] * 4
    assert model.peak in {2, 3}
    assert len(model.calls) == 24


@both
@around
async def test_the_field_s_limit_holds_where_the_config_has_none(way, wrap):
    model, pair = one_model(delay=0.005)
    await batched(way, wrap(pair.restyle(max_concurrency=2)), [paragraphs(3)] * 4)
    assert (model.peak, len(model.calls)) == (2, 24)


def failing(text):
    if "wreck" in text:
        raise ConnectionError("the model is gone")
    return uncommon(text)


@both
@around
async def test_exceptions_stand_in_the_place_of_their_input(way, wrap):
    runs = Runs()
    runnable = wrap(Pair(style=Listening(reply=failing)).restyle())
    outputs = await batched(way, runnable, INPUTS, {"callbacks": [runs]}, return_exceptions=True)
    assert (outputs[0], outputs[3]) == ("uncommon old", "uncommon cold")
    assert isinstance(outputs[1], ConnectionError)
    assert isinstance(outputs[2], ShapeError)
    assert {"error", "end"} == {runs.all[run].ended for run in runs.named("Restyle")}


@both
@around
async def test_the_first_exception_is_raised_otherwise(way, wrap):
    runnable = wrap(Pair(style=Listening(reply=failing)).restyle())
    with pytest.raises((ConnectionError, ShapeError)):
        await batched(way, runnable, INPUTS)
    assert await batched(way, runnable, ["very", "very"]) == ["uncommon"] * 2


@both
async def test_retries_touch_the_failed_input_alone(way):
    failed = []

    def fails_once(text):
        if "wreck" in text and not failed:
            failed.append(text)
            raise ConnectionError("the model is gone")
        return uncommon(text)

    pair = Pair(style=Listening(reply=fails_once))
    runnable = pair.restyle().with_retry(wait_exponential_jitter=False)
    outputs = await batched(way, runnable, ["very old", "a very old wreck"], return_exceptions=True)
    assert outputs == ["uncommon old", "a uncommon old wreck"]
    assert sorted(pair.style.calls) == ["a very old wreck", "a very old wreck", "very old"]


@both
async def test_fallbacks_take_over_for_the_failed_input_alone(way):
    pair = Pair(style=Listening(reply=failing))
    runnable = pair.restyle().with_fallbacks([RunnableLambda(lambda text: f"as it was: {text}")])
    assert await batched(way, runnable, ["very old", "a wreck"]) == ["uncommon old", "as it was: a wreck"]


@both
async def test_a_configured_style_keeps_places_too(way):
    pair = Pair(style=Listening(reply=failing))
    outputs = await batched(way, configurable(pair.restyle()), INPUTS, CHOSEN, return_exceptions=True)
    assert (outputs[0], outputs[3]) == ("uncommon old", "uncommon cold")
    assert [type(each) for each in outputs[1:3]] == [ConnectionError, ShapeError]


@both
async def test_many_inputs_in_one(pair, way):
    """`Runnable.map`."""
    lists = [[paragraphs(2)] * 3, ["very"]]
    outputs = await batched(way, pair.restyle().map(), lists)
    assert outputs == [[uncommon(text) for text in each] for each in lists]
