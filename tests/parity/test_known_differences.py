"""A stage that doctor found to differ is asked by nobody, whichever package is used."""

from __future__ import annotations

import pytest
from llama_index.core.base.response.schema import Response

from langchain_restyle import Restyle
from llama_index_restyle import RestylePostprocessor
from restyle import rewrite
from restyle.errors import ModelError
from restyle.known_differences import note_differences
from restyle.style import Style
from restyle.testing import Sandbox
from support import style_of

TEXT = "The boat was late."


def through_llama_index(style: Style) -> str:
    return str(RestylePostprocessor(style=style).postprocess_response(Response(TEXT)))


WAYS = {
    "restyle": lambda style: rewrite(TEXT, style).text,
    "langchain": lambda style: Restyle(style).invoke(TEXT),
    "llama_index": through_llama_index,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_stage_that_is_known_to_differ_is_not_asked(way, tmp_path):
    with Sandbox(replies={"styler": TEXT, "neutraliser": TEXT}) as sandbox:
        style = style_of(sandbox.base_url)
        style.save(tmp_path)
        assert way(style) == TEXT
        asked = len(sandbox.requests)
        note_differences(style, {"restyle": "error"})
        with pytest.raises(ModelError, match="'styler' of 'author' is not asked"):
            way(style)
        assert "styler" not in [request.body["model"] for request in sandbox.requests[asked:]]
