"""HTML pages as the author's text."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from restyle.blocks import split_blocks
from restyle.data.boilerplate import letters
from restyle.data.documents import read_documents
from restyle.data.html_documents import own_blocks
from restyle.data.html_tree import BLOCKS
from restyle.errors import DocumentError

PAGE = """<!DOCTYPE html>
<html><head><title>The title of the tab</title><style>p { color: red }</style>
<script>var x = "<p>not prose</p>";</script></head>
<body class="post">
<nav><ul><li><a href="/">Home</a></li><li><a href="/about">About</a></li></ul></nav>
<div class="breadcrumbs"><a href="/">Home</a> / <a href="/letters">Letters</a> / <a href="/fog">Fog</a></div>
<main><article>
<header><p>By Ann, in May</p><h1>The Fog</h1></header>
<p>It was Mr.&nbsp;Pike&#8217;s   boat,
and it was <em>very</em> late&mdash;as <a href="/always">always</a>.</p>
<p>Second paragraph<sup><a href="#n1">[1]</a></sup>.<br>A line of its own.
<p>Third, which nobody closed.
<h2>On <i>paper</i></h2>
<ul><li>One<li>Two <b>bold</b></ul>
<ol start=3><li><p>Three</p><p>More of it.</p></li><li>Four<ul><li>Deep</li></ul></li></ol>
<table><thead><tr><th>Boat</th><th>Age</th></tr></thead>
<tr><td>Ann | Mary</td><td>7</td></tr><tr><td>Eve</td></tr></table>
<pre><code>for x in y:
    print(`x`)</code></pre>
<blockquote><p>Said another.</p><p>Twice.</p></blockquote>
<hr>
<p>Run <code>ls</code>, he said: <q>Now</q>.</p>
<p hidden>Hidden one</p><p style="display: none">Hidden two</p><span aria-hidden="true">#</span>
<form><label>Your mail</label><input name="mail"><button>Send</button></form>
<dl><dt>Term</dt><dd>Meaning</dd></dl>
<aside>By the way</aside></article></main>
<footer>Copyright</footer><svg><text>Drawn</text></svg>
</body></html>
"""

BLOCKS_OF_PAGE = [
    "# The Fog",
    "It was Mr. Pike’s boat, and it was very late—as always.",
    "Second paragraph.\nA line of its own.",
    "Third, which nobody closed.",
    "## On paper",
    "- One\n- Two bold",
    "3. Three\n\n   More of it.\n4. Four\n\n   - Deep",
    "| Boat | Age |\n| --- | --- |\n| Ann \\| Mary | 7 |\n| Eve |  |",
    "```\nfor x in y:\n    print(`x`)\n```",
    "> Said another.\n>\n> Twice.",
    "* * *",
    "Run `ls`, he said: “Now”.",
    "Term",
    "Meaning",
]


def html_blocks(markup):
    return own_blocks(markup)[0]


def test_a_page():
    assert html_blocks(PAGE) == BLOCKS_OF_PAGE


LEFT_OUT = """Home About Home / Letters / Fog By Ann, in May [1] Hidden one Hidden two # Your mail Send By the way
Copyright Drawn"""


def test_what_a_page_is_without_is_counted():
    assert own_blocks(PAGE) == (BLOCKS_OF_PAGE, letters(LEFT_OUT))
    assert own_blocks("<p>A &lt;b&gt;&nbsp;caf&eacute;<![CDATA[ <nav> ]]>.<!-- No --><hr><img alt='A boat'>")[1] == 0
    assert own_blocks("<p>Text.<p>End of the Project Gutenberg EBook<p>Law")[1] == letters(
        "End of the Project Gutenberg EBook Law"
    )


def test_the_splitter_leaves_what_is_no_prose_alone(tmp_path):
    (tmp_path / "page.html").write_text(PAGE, "utf-8")
    (document,) = read_documents(tmp_path / "page.html")
    assert document.id == "page.html"
    assert document.text == "\n\n".join(BLOCKS_OF_PAGE)
    kinds = {block.kind for block in split_blocks(document.text)}
    assert kinds == {"prose", "heading", "list", "table", "code", "quote", "ruler"}
    prose = "\n\n".join(block.text for block in split_blocks(document.text) if not block.verbatim)
    assert "Pike" in prose
    assert not any(word in prose for word in ("Fog", "paper", "Two", "Deep", "Eve", "print", "another"))


@pytest.mark.parametrize(
    ("markup", "blocks"),
    [
        ("", []),
        ("Only text", ["Only text"]),
        ("<p>&nbsp;</p><p>a\u00adb\u200bc</p>", ["abc"]),
        ("One.<br><br>Two.<br>Three.<br/> <br/>Four.", ["One.", "Two.\nThree.", "Four."]),
        ("<b><p>An <i>odd</b> pair</i> of tags</p></b>", ["An odd pair of tags"]),
        ("<h2>Title</h3><p>Text", ["## Title", "Text"]),
        ("<h2>Never closed<p>Text", ["Never closed", "Text"]),
        ("<nav>Never closed<p>Text", ["Never closed", "Text"]),
        ("<div><aside>Never closed</div><p>Text", ["Never closed", "Text"]),
        ("<ul><li>Never closed<p>Text", ["Never closed", "Text"]),
        ("<span hidden>Never closed <p>Text", ["Never closed", "Text"]),
        ("<p>Old<script>dropped", ["Old"]),
        ("<a name=x><p>Linked as of old.</p><p>And more.", ["Linked as of old.", "And more."]),
        ("<p><a id='page-1'/>Self-closed<br/>and <i/>open</p>", ["Self-closed\nand open"]),
        ("<p><![CDATA[Marked & <kept>]]></p><![if IE]>a<![endif]>", ["Marked & <kept>", "a"]),
        ("<p>5 &lt; 6 &amp; &#x41;&#66; &unknown; &#1" + "1" * 5000, ["5 < 6 & AB &unknown; \ufffd"]),
        ("<table><tr><td><p>" + "word " * 41 + "</p></td><td>Menu</td></tr></table>", [("word " * 41).strip(), "Menu"]),
        ("<table><tr><td>Outer<table><tr><td>a<td>b</tr></table></table>", ["Outer", "| a | b |\n| --- | --- |"]),
        ("<table><tr><td>One</td></tr><tr><td>column</td></tr></table>", ["One", "column"]),
        ("<table>Stray<tr><td>a<td>b</tr></table>", ["Stray", "a", "b"]),
        ("<table><caption>Of boats</caption><tr><td>a<td>b</tr></table>", ["Of boats", "a", "b"]),
        ("<ul>Stray<li>One</li></ul>", ["- Stray\n- One"]),
        ("<pre>\n\nx ``` y\n</pre><pre> </pre>", ["````\nx ``` y\n````"]),
        ("<form><p>" + "word " * 300 + "</p></form>", [("word " * 300).strip()]),
        ("<img alt='O' class='initial'>nce upon", ["Once upon"]),
        ("<p>Text<span class='pagenum'>[12]</span>, on<a epub:type='noteref' href='#n'>3</a></p>", ["Text, on"]),
        ("<p><a href=a>This</a>, <a href=b>that</a>, and <a href=c>those</a>.</p>", ["This, that, and those."]),
        ("<p><a href=a>This</a>, <a href=b>and that</a></p>", ["This, and that"]),
        ("<p hidden=x hidden style='' style='display:none'>a</p><p style='' style='display:none'>b</p>", ["b"]),
        ("<p><a href=a>This</a>, <a href=b>that</a>, <a href=c>those</a></p>Text", ["Text"]),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>", ["漢"]),
        ("<p>Before</p><main>The main part.</main><p>After</p>", ["The main part."]),
        ("<p>Before it</p><div role=main>Part.</div><p>After</p>", ["Before it", "Part.", "After"]),
        ("<main>One part.</main><main>Two.</main>", ["One part.", "Two."]),
        ("<p>Before</p><main>Never closed.<p>After", ["Before", "Never closed.", "After"]),
        ("<header role='banner'>Site</header><div role=navigation>Go</div><p>Text", ["Text"]),
    ],
)
def test_shapes(markup, blocks):
    assert html_blocks(markup) == blocks


WORD = st.from_regex(r"[a-zé]{1,9}", fullmatch=True)
INLINE = ["a", "i", "em", "span", "font", "q", "code", "sup"]
KEPT = sorted(
    BLOCKS - {"aside", "dialog", "footer", "form", "header", "hgroup", "main", "nav", "select", "textarea", "title"}
)
TAGS = st.one_of(
    st.sampled_from(["p", "li", "ul", "td", "tr", "table", "h2", "pre", "b"]), st.sampled_from(KEPT + INLINE)
)


@st.composite
def spoilt(draw):
    """Words with tags between them that are opened and closed at random."""
    words = [f"{word}{number:02}" for number, word in enumerate(draw(st.lists(WORD, min_size=1, max_size=25)))]
    tags = st.builds(
        "<{}{}{}>".format,
        st.sampled_from(["", "", "/"]),
        TAGS,
        st.sampled_from(["", "", "", "/", " class=x", " x='1'", ' y="<>"', " ="]),
    )
    noise = st.one_of(tags, st.sampled_from(["<br>", "<!-- c -->", "<!doctype>", "</>", "<?pi>", "<hr>", "\n"]))
    return words, "".join(f"{' '.join(draw(st.lists(noise, max_size=4)))} {word} " for word in words)


@settings(max_examples=300)
@given(spoilt())
@example((["a00", "b01"], "<table><tr><h1>a00</td></h2><li>b01"))
def test_no_word_is_lost_whatever_the_tags_and_all_keep_their_order(page):
    words, markup = page
    found = " ".join(html_blocks(markup))
    places = [found.find(word) for word in words]
    assert -1 not in places
    assert places == sorted(places)


@given(st.lists(st.tuples(st.sampled_from(["p", "h2", "li", "div", "nav", "aside", "footer"]), WORD), max_size=20))
def test_every_letter_of_a_page_is_kept_or_counted(parts):
    kept = [word for tag, word in parts if tag not in {"nav", "aside", "footer"}]
    blocks, stripped = own_blocks("".join(f"<{tag}>{word}</{tag}>" for tag, word in parts))
    assert stripped + letters("".join(kept)) == letters("".join(word for _, word in parts))
    assert all(word in "".join(blocks) for word in kept)


@given(
    st.lists(
        st.one_of(
            st.text(max_size=4),
            st.sampled_from(["<", "</", ">", "<!", "<![", "<!--", "-->", "]]>", "<?", "&#", "&#x", "&amp", "<script>"]),
            st.sampled_from(sorted(BLOCKS)).map("<{}>".format),
        ),
        max_size=30,
    ).map("".join)
)
@example("<![foo[" + "<p" * 3)
@example("<a \ud800='\x00'>\ud800")
def test_nothing_raises(markup):
    blocks, stripped = own_blocks(markup)
    assert all(block.strip() for block in blocks)
    assert stripped >= 0


@pytest.mark.parametrize(
    "markup",
    [
        "<div>" * 20_000 + "word",
        "<table><tr><td>" * 500 + "word<td>x" + "</td></tr></table>" * 500,
        "<ul><li>" * 500 + "word" + "</li></ul>" * 500,
        "<blockquote>" * 500 + "word" + "</blockquote>" * 500,
        "<p>some " * 20_000 + "word",
    ],
    ids=["open", "tables", "lists", "quotes", "paragraphs"],
)
def test_depth_and_length_cost_little(markup):
    started = time.perf_counter()
    assert "word" in "".join(html_blocks(markup))
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("", "utf-16"),
        ("<meta charset='windows-1252'>", "cp1252"),
        ("<meta charset=iso-8859-1>", "cp1252"),  # as browsers take it
        ("<META HTTP-EQUIV='Content-Type' CONTENT='text/html; charset=ISO-8859-15'>", "iso-8859-15"),
        ("<?xml version='1.0' encoding=\"latin-1\"?>", "latin-1"),
        ("<meta charset=utf-16>", "utf-8"),  # what can be read so far is not UTF-16
        ("<meta charset='gb18030'>", "gb18030"),
    ],
)
def test_encodings(tmp_path, head, encoding):
    text = "“Straße”" if encoding not in {"latin-1", "iso-8859-15"} else "Straße"
    (tmp_path / "a.htm").write_bytes(f"{head}<p>{text}</p>".encode(encoding))
    assert next(read_documents(tmp_path)).text == text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<p>one\n\xe9", r"a\.html:2: byte 0xe9 is not UTF-8: save the file as UTF-8"),
        (
            b"<meta charset=cp1252>\n\n\x81",
            r"a\.html:3: byte 0x81 is not cp1252: mend its charset, or save it as UTF-8",
        ),
        (
            b"<meta charset=klingon><p>a",
            r"a\.html: the charset 'klingon' is unknown: save the file as UTF-8, and say so",
        ),
        (b"<meta charset=rot13><p>a", "the charset 'rot13' is unknown"),
        (b"<meta charset=unicode_escape><p>\\q", "the charset 'unicode_escape' is unknown"),
        (b"<nav>Only this</nav>", r"a\.html: the document is empty: remove it from the sources"),
        (b"", "the document is empty"),
    ],
)
def test_bad_pages(tmp_path, content, says):
    (tmp_path / "a.html").write_bytes(content)
    with pytest.raises(DocumentError, match=says):
        list(read_documents(tmp_path))
