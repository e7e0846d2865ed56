"""EPUB books as the author's chapters."""

from __future__ import annotations

from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from restyle.data import epub_documents
from restyle.data.documents import Document, read_documents
from restyle.errors import DocumentError, DocumentNotFoundError

CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def page(body, attributes=""):
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>Tab</title></head>'
        f"<body{attributes}>{body}</body></html>"
    )


def chapter(number):
    return page(f"<section epub:type='chapter'><h2>{number}</h2><p>Chapter {number}&#8217;s text.</p></section>")


def package(items, spine=None, guide=""):
    """An OPF; items are (id, href) or (id, href, properties)."""
    manifest = "".join(
        f'<item id="{id_}" href="{href}" media-type="application/xhtml+xml" properties="{"".join(more)}"/>'
        for id_, href, *more in items
    )
    refs = "".join(f'<opf:itemref idref="{id_}"/>' for id_ in spine or [item[0] for item in items])
    return (
        f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{manifest}'
        '<item id="art" href="art.svg" media-type="image/svg+xml"/></manifest>'
        f'<spine><itemref idref="art"/>{refs}<itemref idref="aside" linear="no"/></spine>'
        f"<guide>{guide}</guide></package>"
    )


def write(path, files, compression=ZIP_DEFLATED):
    with ZipFile(path, "w", compression) as book:
        book.writestr("mimetype", "application/epub+zip", ZIP_STORED)
        for name, content in {"META-INF/container.xml": CONTAINER, **files}.items():
            book.writestr(name, content)
    return path


@pytest.fixture
def book(tmp_path):
    return tmp_path / "book.epub"


CHAPTERS = {"OPS/text/two.xhtml": chapter("Two"), "OPS/text/one.xhtml": chapter("One")}
PACKAGE = package([("c2", "text/two.xhtml"), ("c1", "text/one.xhtml")], ["c1", "c2", "c1"])
DOCUMENTS = [
    Document("book.epub/text/one.xhtml", "## One\n\nChapter One’s text."),
    Document("book.epub/text/two.xhtml", "## Two\n\nChapter Two’s text."),
]


def test_a_chapter_is_a_document_in_the_order_of_the_spine(book, tmp_path):
    write(book, {**CHAPTERS, "OPS/book.opf": PACKAGE})
    assert list(read_documents(book)) == DOCUMENTS
    (tmp_path / "a.txt").write_text("Text.", "utf-8")
    assert [document.id for document in read_documents(tmp_path)] == ["a.txt", *(each.id for each in DOCUMENTS)]


def test_places_with_dots_and_escapes(book):
    container = CONTAINER.replace("OPS/book.opf", "OPS/pack/book.opf")
    opf = package([("c1", "../text/chapter%20one.xhtml#top")])
    write(
        book, {"META-INF/container.xml": container, "OPS/pack/book.opf": opf, "OPS/text/chapter one.xhtml": chapter(1)}
    )
    assert [document.id for document in read_documents(book)] == ["book.epub/../text/chapter one.xhtml"]


def test_what_is_not_the_author_s_is_left_out(book):
    items = [
        ("x0", "cover.xhtml"),
        ("titlepage", "p1.xhtml"),
        ("x2", "p2.xhtml", "nav scripted"),
        ("x3", "p3.xhtml"),
        ("x4", "p4.xhtml"),
        ("x5", "p5.xhtml"),
        ("x6", "copyright-page.xhtml"),
        ("x7", "picture.xhtml"),
        ("c1", "text/one.xhtml"),
        ("c2", "epigraph-and-chapter.xhtml"),
        ("x8", "law.xhtml"),
        ("aside", "popup.xhtml"),
    ]
    files = {f"OPS/{item[1]}": chapter("Extra") for item in items}
    files |= {
        "OPS/p4.xhtml": page("<p>All rights</p>", ' epub:type="frontmatter copyright-page"'),
        "OPS/p5.xhtml": page("\n<section role='doc-endnotes'><p>Note</p></section>"),
        "OPS/picture.xhtml": page("<img src='art.svg' alt='A boat'/>"),
        "OPS/text/one.xhtml": page("<p>Text.</p><aside epub:type='footnote'>Note</aside>", ' epub:type="bodymatter"'),
        "OPS/epigraph-and-chapter.xhtml": page(
            "<section epub:type='chapter'><div epub:type='epigraph'>Of old.</div></section>"
        ),
        "OPS/law.xhtml": page("<p>*** END OF THE PROJECT GUTENBERG EBOOK FOG ***</p><p>Terms</p>"),
    }
    opf = package(items, [item[0] for item in items[:-1]], '<reference type="toc" href="p3.xhtml#start"/>')
    write(book, {**files, "OPS/book.opf": opf})
    assert list(read_documents(book)) == [
        Document("book.epub/text/one.xhtml", "Text.", stripped=len("Note")),
        Document("book.epub/epigraph-and-chapter.xhtml", "Of old."),
    ]


def test_chapters_are_read_when_they_are_asked_for(book):
    write(
        book, {"OPS/text/one.xhtml": chapter("One"), "OPS/book.opf": package([("c1", "text/one.xhtml"), ("c2", "no")])}
    )
    documents = read_documents(book)
    assert next(documents) == DOCUMENTS[0]
    with pytest.raises(DocumentError, match=r"book\.epub/OPS/no: missing from the book: get the book again"):
        next(documents)


def encryption(uri):
    return (
        '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
        f'<enc:CipherData><enc:CipherReference URI="{uri}"/></enc:CipherData></enc:EncryptedData></encryption>'
    )


def test_encrypted_chapters_are_refused_and_fonts_do_not_matter(book):
    files = {**CHAPTERS, "OPS/book.opf": PACKAGE}
    write(book, {**files, "META-INF/encryption.xml": encryption("OPS/text/two.xhtml")})
    with pytest.raises(DocumentError, match=r"book\.epub: OPS/text/two\.xhtml is encrypted \(DRM\): give a book that"):
        list(read_documents(book))
    write(book, {**files, "META-INF/encryption.xml": encryption("OPS/a.otf")})
    assert list(read_documents(book)) == DOCUMENTS


def test_a_zip_with_a_password(book):
    write(book, {**CHAPTERS, "OPS/book.opf": PACKAGE})
    data = bytearray(book.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := data.find(mark, place + 1)) >= 0:
            data[place + offset] |= 1
    book.write_bytes(data)
    with pytest.raises(DocumentError, match=r"container\.xml: encrypted: give a book that needs no password"):
        list(read_documents(book))


def test_a_bomb_is_refused(book, monkeypatch):
    monkeypatch.setattr(epub_documents, "_FILE_LIMIT", 10_000)
    write(book, {"OPS/text/one.xhtml": " " * 10_001, "OPS/book.opf": package([("c1", "text/one.xhtml")])})
    with pytest.raises(DocumentError, match=r"one\.xhtml: unpacks to more than a book can hold \(10000 bytes\): is it"):
        list(read_documents(book))
    monkeypatch.setattr(epub_documents, "_FILE_LIMIT", 10**6)
    monkeypatch.setattr(epub_documents, "_BOOK_LIMIT", 50_000)
    items = [(f"c{number}", f"{number}.xhtml") for number in range(100)]
    write(book, {"OPS/book.opf": package(items), **{f"OPS/{href}": f"<p>{'a' * 999}" for _, href in items}})
    with pytest.raises(DocumentError, match="unpacks to more than a book can hold"):
        list(read_documents(book))


def test_entities_of_xml_stay_unknown(book):
    evil = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
    files = {"OPS/text/one.xhtml": evil + "<html><body><p>Text &a;&b; kept.</p></body></html>"}
    opf = evil + package([("c1", "text/one.xhtml")])
    write(book, {**files, "META-INF/container.xml": evil + CONTAINER, "OPS/book.opf": opf})
    (document,) = read_documents(book)
    assert document.text.endswith("Text &a;&b; kept.")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"META-INF/container.xml": "<container/>"}, r"container\.xml: names no package: get the book again"),
        ({}, r"OPS/book\.opf: missing from the book"),
        ({"OPS/book.opf": "<package"}, r"book\.epub: no chapter with text is in this book: remove it from the sources"),
        ({"OPS/book.opf": "\x00<package><spine><itemref idref='x'/>"}, "no chapter with text"),
        ({"OPS/book.opf": package([("c1", "cover.xhtml")]), "OPS/cover.xhtml": chapter(1)}, "no chapter with text"),
        ({"OPS/book.opf": package([("c1", "a.xhtml")]), "OPS/a.xhtml": b"<p>\n\xff"}, r"OPS/a\.xhtml:2: byte 0xff is"),
    ],
)
def test_broken_books(book, files, says):
    write(book, files)
    with pytest.raises(DocumentError, match=says):
        list(read_documents(book))


def test_no_book_at_all(book, tmp_path):
    book.write_bytes(b"<html>")
    with pytest.raises(DocumentError, match=r"book\.epub: no EPUB \(File is not a zip file\): convert it, or get"):
        list(read_documents(book))
    with pytest.raises(DocumentNotFoundError, match=r"none\.epub: no such file or folder: check the path"):
        list(read_documents(tmp_path / "none.epub"))
    write(book, {**CHAPTERS, "OPS/book.opf": PACKAGE}, ZIP_BZIP2)
    with pytest.raises(DocumentError, match="packed in a way that EPUB does not know"):
        list(read_documents(book))


def test_damage_anywhere_is_told_or_harmless(book):
    whole = write(book, {**CHAPTERS, "OPS/book.opf": PACKAGE}).read_bytes()
    told = 0
    for place in range(0, len(whole), 3):
        book.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            list(read_documents(book))
        except DocumentError as error:
            told += str(book) in str(error)
    assert told > len(whole) / 6
    for length in range(0, len(whole), 40):
        book.write_bytes(whole[:length])
        with pytest.raises(DocumentError, match=r"book\.epub"):
            list(read_documents(book))
