"""The four ways to have a text rewritten."""

from __future__ import annotations

import asyncio

from restyle import arewrite, arewrite_stream, rewrite, rewrite_stream


async def achunks(text, size=7):
    for start in range(0, len(text), size):
        yield text[start : start + size]
        await asyncio.sleep(0)


def chunks(text, size=7):
    return (text[start : start + size] for start in range(0, len(text), size))


async def all_ways(text, style, **options):
    """What each of the four ways makes of a text."""
    return {
        "rewrite": (await asyncio.to_thread(rewrite, text, style, **options)).text,
        "arewrite": (await arewrite(text, style, **options)).text,
        "rewrite_stream": await asyncio.to_thread(
            lambda: "".join(block.text for block in rewrite_stream(chunks(text), style, **options))
        ),
        "arewrite_stream": "".join([block.text async for block in arewrite_stream(achunks(text), style, **options)]),
    }


def last_text(messages):
    return messages[-1]["content"]
