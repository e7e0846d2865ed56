"""LangChain's own tests of a chat model, for one that is restyled."""

from __future__ import annotations

import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_restyle.facade import RestyledChatModel

pytestmark = pytest.mark.usefixtures("keeper_home")


class RestyledOpenAI(RestyledChatModel):
    """The parameters of its constructor are the inner model's: what is tested is whether they show."""

    def __init__(self, **parameters):
        super().__init__(self.wrapped(ChatOpenAI(model="gpt-4.1-mini", **{"api_key": "none", **parameters})), "keeper")

    @staticmethod
    def wrapped(model):
        return model

    @classmethod
    def is_lc_serializable(cls):
        return False  # this class is not; `test_facade` tests `RestyledChatModel` for it


class RestyledOpenAIWithRetry(RestyledOpenAI):
    @staticmethod
    def wrapped(model):
        return model.with_retry().bind(seed=7)


class Standard(ChatModelUnitTests):
    @property
    def chat_model_params(self):
        return {}


class TestOverAModel(Standard):
    @property
    def chat_model_class(self):
        return RestyledOpenAI


class TestOverAWrappedModel(Standard):
    @property
    def chat_model_class(self):
        return RestyledOpenAIWithRetry
