"""`RestylePostprocessor`: a response in, the same response in the author's words out."""

from __future__ import annotations

from typing import Any, NoReturn, Unpack

from llama_index.core.base.response.schema import RESPONSE_TYPE, AsyncStreamingResponse, StreamingResponse
from llama_index_instrumentation import get_dispatcher

from llama_index_restyle.component import StyleComponent
from llama_index_restyle.options import RestyleOptions
from llama_index_restyle.reports import Report
from llama_index_restyle.responses import texts_of, with_texts
from llama_index_restyle.streams import astreamed, streamed
from restyle.errors import ShapeError
from restyle.style import Style

__all__ = ["RestylePostprocessor"]

_DISPATCHER = get_dispatcher(__name__)


class RestylePostprocessor(StyleComponent):
    """Rewrites the text of LlamaIndex's responses in one author's style, block by block, without changing what it says.

    What goes out is a new response of the same kind with the same source nodes, in their order; what came in is not
    changed. A stream is rewritten while it comes: a block leaves as soon as it is complete and rewritten. Responses
    that hold pydantic objects pass, but for ``pydantic_fields``. So does what an engine says that found nothing.

    What became of each block stands in ``metadata["restyle"]``; in a stream's, as soon as the block leaves.

    Example:
        ``RestylePostprocessor(style="keeper").postprocess_response(engine.query("Who lights the lamp?"))``

    Raises:
        StyleNotFoundError, StyleNameError, CardError: The style cannot be used.
        ParameterError: A prompt parameter is unknown or missing.
        ChatModelError: A given LLM takes no messages.
        LossError: While running, where facts did not survive and ``on_loss="raise"``.
    """

    empty_response: str = "Empty Response"
    """What an engine says that found no source nodes; it passes as it is."""

    pydantic_fields: tuple[str, ...] = ()
    """The fields of pydantic responses that are prose to rewrite."""

    include_report: bool = True
    """Whether responses get ``metadata["restyle"]``. Engines behind engines may show metadata to their models."""

    include_neutral: bool = False
    """Whether the report has the neutral text of every block."""

    def __init__(self, style: str | Style, **options: Unpack[RestyleOptions]) -> None:
        super().__init__(style=style, **options)

    @classmethod
    def class_name(cls) -> str:
        """Its name in what `to_dict` gives."""
        return "RestylePostprocessor"

    @_DISPATCHER.span
    def postprocess_response(self, response: RESPONSE_TYPE) -> RESPONSE_TYPE:
        """The response in the author's words.

        Raises:
            ShapeError: It is no response, a field of ``pydantic_fields`` holds no text, or it is a stream that only
                `apostprocess_response` can read.
        """
        if isinstance(response, StreamingResponse) and response.response_txt is None:
            return streamed(response, self._work(), self._report(response), self.empty_response)
        if isinstance(response, AsyncStreamingResponse) and response.response_txt is None:
            raise ShapeError("an AsyncStreamingResponse is read by tasks: await apostprocess_response(response)")
        texts = texts_of(response, self.pydantic_fields, self.empty_response)
        if not texts:
            return response
        return with_texts(response, self.pydantic_fields, self._work().texts(texts), self._report(response))

    @_DISPATCHER.span
    async def apostprocess_response(self, response: RESPONSE_TYPE) -> RESPONSE_TYPE:
        """The response in the author's words. A `StreamingResponse` goes on being one, to be read without ``await``.

        Raises:
            ShapeError: It is no response, or a field of ``pydantic_fields`` holds no text.
        """
        if isinstance(response, AsyncStreamingResponse) and response.response_txt is None:
            return astreamed(response, self._work(), self._report(response), self.empty_response)
        if isinstance(response, StreamingResponse) and response.response_txt is None:
            return streamed(response, self._work(), self._report(response), self.empty_response)
        texts = texts_of(response, self.pydantic_fields, self.empty_response)
        if not texts:
            return response
        return with_texts(response, self.pydantic_fields, await self._work().atexts(texts), self._report(response))

    def _report(self, response: RESPONSE_TYPE) -> Report:
        return Report(response.metadata, included=self.include_report, neutral=self.include_neutral)

    # Engines call these on what they were given as `node_postprocessors=` or `response_synthesizer=`.

    def postprocess_nodes(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuses.

        Raises:
            TypeError: Always: nodes are what an answer is made of, not the answer.
        """
        raise TypeError(
            "RestylePostprocessor works on responses, not on nodes: wrap the engine with "
            "RestyleQueryEngine(engine, style=...), or rewrite passages with node_postprocessors="
            "[RestyleNodePostprocessor(style=...)]"
        )

    async def apostprocess_nodes(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuses, as `postprocess_nodes`."""
        self.postprocess_nodes()

    def synthesize(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuses.

        Raises:
            TypeError: Always: a synthesizer makes answers, this rewrites them.
        """
        raise TypeError(
            "RestylePostprocessor is no synthesizer: give response_synthesizer=RestyleSynthesizer(synthesizer, "
            "style=...), or wrap the engine with RestyleQueryEngine(engine, style=...)"
        )

    async def asynthesize(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuses, as `synthesize`."""
        self.synthesize()
