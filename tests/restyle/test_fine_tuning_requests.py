from __future__ import annotations

import openai
import pytest

from fine_tuning import BASE, TRAINING, running, upload


@pytest.mark.parametrize(
    ("change", "error", "param", "code"),
    [
        ({"model": "gpt-4o"}, openai.BadRequestError, "model", "model_not_available"),
        ({"training_file": "file-none"}, openai.NotFoundError, "training_file", "file_not_found"),
        ({"validation_file": "../x"}, openai.NotFoundError, "validation_file", "file_not_found"),
        ({"training_file": 3}, openai.BadRequestError, "training_file", "invalid_type"),
        ({"suffix": "a/b"}, openai.BadRequestError, "suffix", "invalid_value"),
        ({"suffix": "x" * 65}, openai.BadRequestError, "suffix", "invalid_value"),
        ({"seed": "x"}, openai.BadRequestError, "seed", "invalid_type"),
        ({"metadata": {"k": 1}}, openai.BadRequestError, "metadata.k", "invalid_type"),
        ({"metadata": {"k": "v" * 513}}, openai.BadRequestError, "metadata", "string_above_max_length"),
        (
            {"metadata": {str(number): "v" for number in range(17)}},
            openai.BadRequestError,
            "metadata",
            "object_above_max_properties",
        ),
        ({"method": {"type": "dpo"}}, openai.BadRequestError, "method.type", "invalid_value"),
        ({"hyperparameters": {"n_epochs": "many"}}, openai.BadRequestError, "hyperparameters.n_epochs", "invalid_type"),
    ],
)
def test_a_bad_request_makes_no_job(tmp_path, change, error, param, code):
    with running(tmp_path) as client:
        request = {"model": BASE, "training_file": upload(client, TRAINING), **change}
        with pytest.raises(error) as caught:
            client.fine_tuning.jobs.create(**request)
        assert (caught.value.body["param"], caught.value.body["code"]) == (param, code)
        assert list(client.fine_tuning.jobs.list()) == []
