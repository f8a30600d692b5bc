"""Headers and footers as Project Gutenberg wrote them over the years."""

from __future__ import annotations

import pytest

from pipeline.gutenberg import unframe

BODY = "First paragraph.\n\nIt began with a gutenberg printing press.\n\nLast paragraph."


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (
            "*** START OF THE PROJECT GUTENBERG EBOOK A TITLE ***",
            "*** END OF THE PROJECT GUTENBERG EBOOK A TITLE ***\n\nSTART: FULL LICENSE",
        ),
        ("***START OF THE PROJECT GUTENBERG EBOOK A\nTITLE***", "***END OF THE PROJECT GUTENBERG EBOOK A TITLE***"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK A ***", "*** END OF THIS PROJECT GUTENBERG EBOOK A ***"),
        ("*** START: PROJECT GUTENBERG EBOOK A ***", "*** START: FULL LICENSE ***"),
        (
            "*** START OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK A ***",
            "*** END OF THE COPYRIGHTED PROJECT GUTENBERG EBOOK A ***",
        ),
        (
            "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*",
            "End of The Project Gutenberg Etext of A",
        ),
        ("*END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.03.08.92*END*", "End of Project Gutenberg's A, by B"),
        (
            "**END THE SMALL PRINT! FOR COPYRIGHT PROTECTED ETEXTS*\n*Ver.04.29.93*END*",
            "END OF PROJECT GUTENBERG ETEXT",
        ),
        (
            "*** START OF THE PROJECT GUTENBERG EBOOK A ***",
            "End of the Project Gutenberg EBook of A\n\n*** END OF THE PROJECT GUTENBERG EBOOK A ***",
        ),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK A ***", "Ende dieses Projekt Gutenberg Etextes A"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK A ***", "Fin de Project Gutenberg Etext A"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK A ***", "End of this is COPYRIGHTED Project Gutenberg Etext of A"),
    ],
)
def test_markers(start: str, end: str) -> None:
    book = unframe(f"Header\n\n{start}\n\n\n{BODY}\n\n\n{end}\n\nlicence and so on\n")
    assert book.text == BODY
    assert book.meta == {}


@pytest.mark.parametrize(
    ("text", "body", "markers"),
    [
        (BODY, BODY, "none"),
        (f"Head\n*** START OF THE PROJECT GUTENBERG EBOOK A ***\n{BODY}\n", BODY, "no end"),
        (f"{BODY}\n\nEnd of the Project Gutenberg EBook of A\n", BODY, "no start"),
    ],
)
def test_what_is_missing_is_said(text: str, body: str, markers: str) -> None:
    book = unframe(text)
    assert (book.text, book.meta) == (body, {"gutenberg_markers": markers})


def test_the_small_prints_own_start_is_no_end_of_it() -> None:
    head = "***START**THE SMALL PRINT!**FOR PUBLIC DOMAIN ETEXTS**START***\nWhy is this here?\n"
    head += "*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*\n"
    book = unframe(f"{head}\n{BODY}\n\nEnd of Project Gutenberg\n")
    assert book.text == BODY


def test_parts_of_a_collection_stay_together() -> None:
    """Each part ends with a line of its own; the book goes on behind it."""
    text = "\n\nEnd of Project Gutenberg's Volume 1\n\n".join(["Part one.", "Part two.", "Part three."])
    start, end = "*** START OF THE PROJECT GUTENBERG EBOOK A ***", "*** END OF THE PROJECT GUTENBERG EBOOK A ***"
    assert unframe(f"{start}\n{text}\n{end}").text == text
    assert unframe(f"{start}\n{text}\nEnd of Project Gutenberg's Volume 3\n").text == text


@pytest.mark.parametrize(
    ("header", "title", "author"),
    [
        ("Title: A,\n      and more\n\nAuthor: B\n", "A, and more", "B"),
        ("**The Project Gutenberg Etext of Moby Dick, by Herman Melville**\n", "Moby Dick", "Herman Melville"),
        ("Project Gutenberg's Alice in Wonderland, by Lewis Carroll\n", "Alice in Wonderland", "Lewis Carroll"),
        ("The Project Gutenberg EBook of Emma, by Jane Austen\n\nTitle: Emma\n", "Emma", None),
        ("Something else\n", None, None),
    ],
)
def test_title_and_author(header: str, title: str | None, author: str | None) -> None:
    book = unframe(f"{header}\n*** START OF THIS PROJECT GUTENBERG EBOOK ***\n{BODY}\nEnd of Project Gutenberg\n")
    assert (book.title, book.meta.get("author")) == (title, author)


def test_credits_go_and_a_book_that_begins_alike_stays() -> None:
    frame = "*** START OF THE PROJECT GUTENBERG EBOOK A ***\n\n{}\n\n*** END OF THE PROJECT GUTENBERG EBOOK A ***"
    credits = "Produced by X, Y and the Online\nDistributed Proofreading Team\n\n\nE-text prepared by Z\n\n"
    assert unframe(frame.format(credits + BODY)).text == BODY
    long = "Produced by " + "hard work and patience alone, " * 20
    assert unframe(frame.format(f"{long}\n\n{BODY}")).text.startswith("Produced by hard work")
    assert unframe(frame.format("Produced by nobody.")).text == "Produced by nobody."  # all there is
