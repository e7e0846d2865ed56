"""The author's turns of chats, as documents."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from langchain_core.chat_loaders import BaseChatLoader
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_restyle.pairs import abuild_pairs, build_pairs
from langchain_restyle.sessions import ConversationReader, SessionReader
from pairing import contents, lines
from restyle.data.documents import Document as AuthorDocument
from restyle.errors import DocumentError
from restyle.messages import Turn
from scripted import Scripted
from support import styled_passage
from teaching import plain


def read(sessions, sender=None, context=0):
    reader = SessionReader(sender, context)
    return [document for session in sessions for document in reader.feed(session)] + reader.flush()


def texts(*sessions, sender=None):
    return [document.text for document in read(sessions, sender)]


def user(text, **more):
    return {"role": "user", "content": text, **more}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


OPENAI = [
    {"role": "system", "content": "Be brief."},
    user("Who?"),
    assistant("Nobody."),
    user("When?"),
    assistant("At dawn."),
    assistant("Or later."),
]
LANGCHAIN = [
    SystemMessage("Be brief."),
    HumanMessage("Who?"),
    AIMessage("Nobody."),
    HumanMessage("When?"),
    AIMessageChunk(content="At dawn."),
    ChatMessage(role="assistant", content="Or later."),
]


@pytest.mark.parametrize(
    "session",
    [
        OPENAI,
        LANGCHAIN,
        tuple(OPENAI),
        {"messages": OPENAI},
        {"messages": LANGCHAIN, "functions": []},
        [OPENAI[0], *LANGCHAIN[1:]],
    ],
    ids=["openai", "langchain", "tuple", "row", "session", "mixed"],
)
def test_the_author_s_turns_are_a_document(session):
    assert texts(session) == ["Nobody.\n\nAt dawn.\n\nOr later."]
    assert texts(session, sender="user") == texts(session, sender="human") == ["Who?\n\nWhen?"]
    assert texts(session, sender="ai") == texts(session)


def said(sender, text):
    return HumanMessage(text, additional_kwargs={"sender": sender, "events": []})


CHAT = {"messages": [said("Anna", "Hello."), said("Ben", "Good day."), said("Anna", "It rains.")]}


def test_chat_loaders_say_who_sent_a_message():
    assert texts(CHAT, sender="Anna") == ["Hello.\n\nIt rains."]
    assert texts(CHAT, sender="Ben") == ["Good day."]
    assert texts(CHAT, sender="user") == ["Hello.\n\nGood day.\n\nIt rains."]
    named = [HumanMessage("Hello.", name="Anna"), HumanMessage("Good day."), AIMessage("Yes.", name="Anna")]
    assert texts(named, sender="Anna") == ["Hello.\n\nYes."]
    assert texts([user("Hello.", name="Anna"), user("Good day.", name="Ben")], sender="Anna") == ["Hello."]


@pytest.mark.parametrize("messages", [OPENAI, LANGCHAIN], ids=["openai", "langchain"])
def test_with_context_each_turn_is_a_part_of_the_session_s_document(messages):
    who, nobody, when, dawn = (
        Turn("user", "Who?"),
        Turn("assistant", "Nobody."),
        Turn("user", "When?"),
        Turn("assistant", "At dawn."),
    )
    [whole] = read([messages])
    assert read([messages], context=2) == [
        AuthorDocument(whole.id, "Nobody.", (who,)),
        AuthorDocument(whole.id, "At dawn.", (nobody, when)),
        AuthorDocument(whole.id, "Or later.", (when, dawn)),
    ]
    assert read([messages, {"id": "b", "messages": messages}], context=1)[-1].id == "b"
    one = ConversationReader(context=1)
    assert [each for message in messages for each in one.feed(message)] == []
    assert one.flush() == read([messages], context=1)


def test_tools_and_system_prompts_are_no_context():
    messages = [
        SystemMessage("Be brief."),
        HumanMessage("Who?"),
        ToolMessage("Fog.", tool_call_id="1"),
        AIMessage("I."),
    ]
    assert read([messages], context=9)[0].context == (Turn("user", "Who?"),)
    assert read([CHAT], "Anna", 9)[1].context == (Turn("assistant", "Hello."), Turn("user", "Good day."))


def test_without_the_author_the_error_says_who_is_there():
    with pytest.raises(DocumentError) as caught:
        read([CHAT])
    assert str(caught.value).startswith("'assistant' says nothing in these sessions: who does is 'Anna', 'Ben'.")
    assert "sender='...'" in str(caught.value)
    with pytest.raises(DocumentError, match="'anna' says nothing in these sessions: who does is 'Anna', 'Ben'"):
        read([CHAT], "anna")
    with pytest.raises(DocumentError, match="who does is nobody"):
        read([[], {"messages": []}])
    with pytest.raises(DocumentError) as caught:
        read([[said(f"Sender {number}", "Yes.") for number in range(1000)]])
    assert str(caught.value).count("Sender") == 10


def test_a_session_without_the_author_is_skipped():
    assert texts(CHAT, OPENAI, [user("Anyone?")]) == ["Nobody.\n\nAt dawn.\n\nOr later."]


def test_of_a_turn_only_its_text_counts():
    call = {"id": "1", "name": "look", "args": {}}
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    thought = {"type": "reasoning", "text": "Hm."}
    parts = [thought, {"type": "text", "text": "See "}, image, {"type": "text", "text": "this."}]
    openai = [
        assistant(None, tool_calls=[{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]),
        {"role": "assistant", "tool_calls": []},
        {"role": "tool", "tool_call_id": "1", "content": "Fog."},
        assistant(""),
        assistant(" \n"),
        assistant(parts),
        assistant([image]),
        assistant(["Plain ", "parts."]),
    ]
    langchain = [
        AIMessage("", tool_calls=[call]),
        ToolMessage("Fog.", tool_call_id="1"),
        AIMessage(""),
        AIMessage(parts),
        AIMessage([{"type": "tool_use", "id": "1", "name": "look", "input": {}}]),
        AIMessage(["Plain ", "parts."]),
    ]
    assert texts(openai) == texts(langchain) == ["See this.\n\nPlain parts."]
    assert texts(openai, sender="tool") == ["Fog."]


def test_a_session_is_named_after_its_id_or_its_text():
    rows = [{"id": "chat-1", "messages": OPENAI}, {"id": 7, "messages": OPENAI}, OPENAI, {"messages": LANGCHAIN}]
    names = [document.id for document in read(rows)]
    assert names[:2] == ["chat-1", "7"]
    assert re.fullmatch(r"sha256:[0-9a-f]{16}", names[2])
    assert names[3] == names[2]
    assert read([[assistant("Else.")]])[0].id != names[2]


@pytest.mark.parametrize(
    ("session", "says"),
    [
        ("text", r"sources\[1\] is of type str, not a session: give a ChatSession, \{'messages': \[...\]\}, or a list"),
        ({"turns": []}, r"sources\[1\] is of type dict, not a session"),
        ({"messages": "text"}, r"sources\[1\]\['messages'\] is of type str, not a session"),
        (Document("text"), r"sources\[1\] is of type Document, not a session"),
        (["text"], r"sources\[1\]\[0\] is of type str, not a message: give LangChain messages, or dicts with 'role'"),
        ([user("a"), ("human", "b")], r"sources\[1\]\[1\] is of type tuple, not a message"),
        ({"messages": [{"content": "a"}]}, r"sources\[1\]\['messages'\]\[0\] is of type dict, not a message"),
        ([{"role": 1, "content": "a"}], r"sources\[1\]\[0\] is of type dict, not a message"),
        ([user(42)], r"sources\[1\]\[0\]: the content is of type int: give a string or a list of parts"),
        ({"id": [], "messages": OPENAI}, r"sources\[1\]\['id'\] is of type list, which names no source"),
    ],
)
def test_what_is_no_session(session, says):
    with pytest.raises(DocumentError, match=says):
        read([OPENAI, session])


class ChatLoader(BaseChatLoader):
    def __init__(self, sessions) -> None:
        self.sessions = sessions

    def load(self):
        raise AssertionError("everything at once")

    def lazy_load(self):
        yield from self.sessions


@pytest.fixture
def options(tmp_path):
    return {"style": "author", "teacher": Scripted(reply=plain), "out": tmp_path / "pairs"}


def chat(number, **more):
    turns = [user("Say more."), assistant(styled_passage(2 * number)), assistant(styled_passage(2 * number + 1))]
    return {"messages": turns, **more}


def test_sessions_become_pairs_and_stay_on_one_side(options):
    made = build_pairs([chat(number, id=f"chat {number}") for number in range(6)], **options)
    rows = lines(made.directory / "pairs.jsonl")
    # The two turns of each are one block: what a session says is cut as one text.
    assert {row["styled"] for row in rows} == {
        f"{styled_passage(2 * number)}\n\n{styled_passage(2 * number + 1)}" for number in range(6)
    }
    assert list(made.manifest["documents"]) == [f"chat {number}" for number in range(6)]
    assert set(made.manifest["documents"].values()) == {"train", "valid", "test"}
    for row in rows:
        assert row["split"] == made.manifest["documents"][row["document"]]


async def test_every_way_to_give_sessions(options, tmp_path):
    sessions = [chat(number) for number in range(4)]
    wanted = contents(build_pairs(sessions, **options).directory)
    calls = len(options["teacher"].calls)

    async def awaited():
        for session in sessions:
            yield session

    lists = [session["messages"] for session in sessions]
    for number, sources in enumerate([ChatLoader(sessions), iter(sessions), lists, (each for each in lists)]):
        made = build_pairs(sources, **options | {"out": tmp_path / str(number)})
        assert contents(made.directory) == wanted
    for number, sources in enumerate([ChatLoader(sessions), awaited(), lists]):
        made = await abuild_pairs(sources, **options | {"out": tmp_path / f"a{number}"})
        assert contents(made.directory) == wanted
    assert len(options["teacher"].calls) == 8 * calls


def test_messages_alone_are_one_session(options, tmp_path):
    wanted = contents(build_pairs([chat(1)], **options).directory)
    messages = chat(1)["messages"]
    spoken = [HumanMessage("Say more."), *(AIMessage(message["content"]) for message in messages[1:])]
    for number, sources in enumerate([chat(1), messages, iter(messages), spoken, tuple(spoken)]):
        made = build_pairs(sources, **options | {"out": tmp_path / str(number)})
        assert contents(made.directory) == wanted


def test_the_sender_is_named(options):
    messages = [said("Anna", styled_passage(1)), said("Ben", styled_passage(2))]
    made = build_pairs(ChatLoader([{"messages": messages}]), **options, sender="Ben")
    assert [row["styled"] for row in lines(made.directory / "pairs.jsonl")] == [styled_passage(2)]
    with pytest.raises(DocumentError, match="'Carl' says nothing in these sessions: who does is 'Anna', 'Ben'"):
        build_pairs(messages, **options, sender="Carl")


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ([user("a"), OPENAI], r"sources\[1\] is of type list, not a message"),
        ([OPENAI, user("a")], r"sources\[1\] is of type dict, not a session"),
        ([OPENAI, Document("a")], r"sources\[1\] is of type Document, not a session"),
        ([AuthorDocument("a", "text"), OPENAI], r"sources\[1\] is of type list, those before it are paths"),
        ([SimpleNamespace(role="user")], r"sources\[0\] is of type SimpleNamespace: give a loader"),
    ],
)
def test_shapes_do_not_mix(options, sources, says):
    with pytest.raises(DocumentError, match=says):
        build_pairs(sources, **options)
    assert options["teacher"].calls == []
