from __future__ import annotations

import pytest

pytest.importorskip("together")

from restyle.errors import ModelError
from restyle.training.hosts.host import Files
from together_rows import BASE, KEY, TAG
from together_stub import Fault

pytest_plugins = ["together_fixtures"]


SAFE = [  # all but what begins a job
    "/v1/fine-tunes/models/limits",
    "/v1/files",
    "/storage/.+",
    "/v1/files/[^/]+",
    "/v1/fine-tunes/preview",
    "/v1/fine-tunes/estimate-price",
    "/v1/fine-tunes/ft-[^/]+",
    "/v1/fine-tunes/ft-[^/]+/events",
    "/v1/fine-tunes/ft-[^/]+/metrics",
    "/v1/finetune/download",
]


@pytest.mark.parametrize("status", [429, 503, None])
def test_trouble_that_passes_is_asked_away(stub, begun, tmp_path, status):
    stub.faults += [Fault(path, status, times=2) for path in SAFE]
    host, _, job = begun(until="succeeded")
    host.events(job)
    host.serve(job, role="restyle", model="m", folder=tmp_path / "style")
    assert [fault.path for fault in stub.faults if fault.times] == []
    assert len(stub.sent("POST", "/v1/fine-tunes")) == 1


def test_the_host_says_how_long_to_wait(stub, begun, monkeypatch):
    waits = []
    monkeypatch.setattr("restyle.training.hosts.together_client.time.sleep", waits.append)
    stub.faults.append(Fault("/v1/fine-tunes", 429, headers={"Retry-After": "17"}))
    begun()
    assert 17.0 in waits
    assert len(stub.jobs) == 1


@pytest.mark.parametrize("status", [500, 408, None])
def test_a_job_that_may_have_begun_is_not_begun_again_but_found(stub, opened, rows, status):
    host = opened()
    files = Files(host.upload(rows()))
    stub.faults.append(Fault("/v1/fine-tunes", status, late=True))
    with pytest.raises(ModelError) as caught:
        host.create(files, role="restyle", tag=TAG)
    assert caught.value.status == status
    assert len(stub.sent("POST", "/v1/fine-tunes")) == 1
    assert opened().find(files, tag=TAG) == "ft-2"
    assert opened().find(files, tag=TAG.replace("-1", "-2")) is None


def test_what_the_host_refuses_is_an_error_at_once(stub, opened, rows):
    host = opened()
    host.upload(rows())
    with pytest.raises(ModelError, match="invalid files") as caught:
        host.create(Files("file-1", "file-9"), role="restyle", tag=TAG)
    assert caught.value.status == 400
    assert len(stub.sent("POST", "/v1/fine-tunes")) == 1


def test_a_host_that_stays_in_trouble_is_given_up_and_the_key_is_not_shown(stub, opened, rows):
    fault = Fault("/v1/fine-tunes/models/limits", 500, times=100)
    stub.faults.append(fault)
    with pytest.raises(ModelError, match=r"HTTP 500: trouble, Bearer \$TOGETHER_API_KEY") as caught:
        opened().upload(rows())
    assert caught.value.status == 500
    assert KEY not in repr(caught.value)
    assert 3 < 100 - fault.times < 10


def test_a_key_that_is_refused_is_named_and_not_shown(stub, opened, rows):
    stub.faults.append(Fault("/v1/fine-tunes/models/limits", 401))
    with pytest.raises(ModelError, match="check TOGETHER_API_KEY") as caught:
        opened().upload(rows())
    assert caught.value.status == 401
    assert KEY not in str(caught.value)


def test_a_host_that_is_not_there_is_named(opened, rows):
    with pytest.raises(ModelError, match=r"http://127.0.0.1:9 did not answer \(APIConnectionError\)") as caught:
        opened(base_url="http://127.0.0.1:9", poll=0.0001).upload(rows())
    assert caught.value.status is None


def test_an_address_that_is_no_api_is_named(stub, opened, rows):
    stub.limits = {"model_name": BASE}
    stub.answer = lambda *_: b"<html>"
    with pytest.raises(ModelError, match="does not answer in JSON"):
        opened().upload(rows())
