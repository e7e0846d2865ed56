from __future__ import annotations

import openai
import pytest

from gates import Clock
from restyle.serving.limits import RateLimits, Refused
from restyle.testing import Fault, Sandbox


def body(words, **options):
    return {"messages": [{"role": "user", "content": "word " * words}], **options}


def test_a_minutes_requests_may_come_at_once_and_then_one_for_each_that_grows_back():
    clock = Clock()
    limits = RateLimits(60, None, clock)
    for _ in range(60):
        limits.take(body(5))
    with pytest.raises(Refused, match=r"on requests per minute: Limit 60\. Please try again in 1\.000s") as caught:
        limits.take(body(5))
    assert caught.value.seconds == pytest.approx(1.0)
    clock.now += 1.0
    limits.take(body(5))
    with pytest.raises(Refused):
        limits.take(body(5))
    clock.now += 3600.0  # never more than a minute's worth
    assert limits.headers()["x-ratelimit-remaining-requests"] == "0"
    limits.take({})
    assert limits.headers()["x-ratelimit-remaining-requests"] == "59"


def test_tokens_count_as_they_come_in_with_the_answer_that_is_expected():
    clock = Clock()
    limits = RateLimits(None, 100, clock)
    limits.take(body(20))  # 20 read, 20 expected
    limits.take(body(20, max_tokens=10))
    assert limits.headers() == {
        "x-ratelimit-limit-tokens": "100",
        "x-ratelimit-remaining-tokens": "30",
        "x-ratelimit-reset-tokens": "42s",
    }
    with pytest.raises(Refused) as caught:
        limits.take(body(20))
    assert caught.value.seconds == pytest.approx(6.0)
    limits.take(body(15))  # what was refused took nothing


@pytest.mark.parametrize(
    ("limit", "taken", "reset"), [(600, 1, "100ms"), (60, 1, "1s"), (40, 1, "1.5s"), (1, 1, "1m0s"), (2, 2, "1m0s")]
)
def test_how_soon_all_is_whole_again_is_told_as_hosts_do(limit, taken, reset):
    limits = RateLimits(limit, None, Clock())
    for _ in range(taken):
        limits.take({})
    assert limits.headers()["x-ratelimit-reset-requests"] == reset


def test_the_sandbox_refuses_what_is_too_much_and_tells_in_every_answer_what_is_left():
    with Sandbox(requests_per_minute=2, tokens_per_minute=1000) as sandbox:
        sandbox.inject(Fault("status", status=500))
        with openai.OpenAI(base_url=sandbox.base_url, api_key="unused", max_retries=0) as client:
            create = client.chat.completions.with_raw_response.create
            hello = [{"role": "user", "content": "Hello there."}]
            with pytest.raises(openai.InternalServerError) as failed:
                create(model="echo", messages=hello)
            answered = create(model="echo", messages=hello)
            with pytest.raises(openai.RateLimitError, match="Rate limit reached on requests per minute") as refused:
                create(model="echo", messages=hello)
        left = "x-ratelimit-remaining-requests"
        assert [failed.value.response.headers[left], answered.headers[left]] == ["1", "0"]
        assert answered.headers["x-ratelimit-remaining-tokens"] == "992"
        assert answered.parse().choices[0].message.content == "Hello there."
        headers = refused.value.response.headers
        assert (headers["retry-after"], headers["x-ratelimit-limit-requests"]) == ("30", "2")
        assert 29_000 < int(headers["retry-after-ms"]) <= 30_000
        assert refused.value.code == "rate_limit_exceeded"
        assert len(sandbox.requests) == 3


def test_without_limits_nothing_is_told():
    with Sandbox() as sandbox, openai.OpenAI(base_url=sandbox.base_url, api_key="unused", max_retries=0) as client:
        answered = client.chat.completions.with_raw_response.create(
            model="echo", messages=[{"role": "user", "content": "Hello there."}]
        )
        assert not [name for name in answered.headers if name.startswith("x-ratelimit")]
