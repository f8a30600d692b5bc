"""The parser against lexbor, a complete implementation of the HTML standard, on real pages, sound and spoilt."""

import gzip
import html
import random
import re

import pytest
from selectolax.lexbor import LexborHTMLParser

from filters.html_tags import BLOCK, FLAGS, SKIPPED, TAGS
from filters.html_tree import parse

BLOCKS = {name for tag, name in enumerate(TAGS) if FLAGS[tag] & BLOCK} - {"html", "tbody", "tr"}  # those are implied
HIDDEN = {name for tag, name in enumerate(TAGS) if FLAGS[tag] & SKIPPED}


def our_texts(page):
    """The page's texts, each with the names of the block-level elements around it."""
    tree = parse(page)
    around, hidden, texts = [], [], []
    for node, name in enumerate(TAGS[tag] for tag in tree.tag):
        parent = tree.parent[node]
        path, is_hidden = (around[parent], hidden[parent]) if node else ((), False)
        if name == "#text" and not is_hidden:
            text = tree.source[tree.start[node] : tree.stop[node]].tobytes().decode("utf-8", "replace")
            is_raw = TAGS[tree.tag[parent]] in ("xmp", "plaintext")
            texts.append((path, text if is_raw else html.unescape(text)))
        around.append((*path, (name, node)) if name in BLOCKS else path)
        hidden.append(is_hidden or name in HIDDEN)
    return joined(texts)


def lexbor_texts(page):
    texts, pending = [], [(LexborHTMLParser(page).root, ())]
    while pending:
        node, path = pending.pop()
        if node is None:
            continue
        pending.append((node.next, path))
        if node.tag == "-text":
            texts.append((path, node.text_content))
        elif node.tag not in HIDDEN and not node.tag.startswith(("-", "!")):
            pending.append((node.child, (*path, (node.tag, node.mem_id)) if node.tag in BLOCKS else path))
    return joined(texts)


def joined(texts):
    """Neighbours of the same element as one, white space evened out, the elements' identity left out."""
    runs = []
    for path, text in texts:
        if runs and runs[-1][0] == path:
            runs[-1][1] += text
        else:
            runs.append([path, text])
    named = (([name for name, _ in path], re.sub(r"[\s\0\ufeff]+", " ", text).strip()) for path, text in runs)
    return [(path, text) for path, text in named if text]


@pytest.fixture(scope="module")
def pages(shared):
    from warcio.archiveiterator import ArchiveIterator

    found = [gzip.decompress(path.read_bytes()) for path in sorted(shared.glob("extraction/*/html/*.html.gz"))]
    for path in sorted(shared.glob("warc/*.warc.gz")):
        with path.open("rb") as stream:
            records = (record for record in ArchiveIterator(stream) if record.rec_type == "response")
            found += [record.content_stream().read().decode("utf-8", "replace").encode() for record in records]
    return found


def test_real_pages_have_lexbors_blocks(pages):
    """Of all 2,834 pages 2,831 are equal; those left have text in a table outside of its cells, or forms in forms."""
    sample = pages[::20]
    equal = sum(our_texts(page) == lexbor_texts(page) for page in sample)
    assert equal >= 0.99 * len(sample)


def test_spoilt_pages_differ_little(pages):
    """With one tag in a hundred lost, doubled or exchanged: 9 in 10 pages are equal, and 99% of a page's texts.

    What differs, looked at by eye: what stands in a table outside of its cells, which lexbor moves; what stands in a
    select that was not closed; forms. Left out: pages that lexbor has nothing of, behind a title that is not closed.
    """
    chance = random.Random(0)
    shares = []
    for page in pages[::40]:
        spoilt = spoil(page, chance)
        ours, theirs = our_texts(spoilt), lexbor_texts(spoilt)
        if theirs:
            shares.append(1.0 if ours == theirs else sum(text in ours for text in theirs) / (len(theirs) + 1e-6))
    assert sum(share == 1 for share in shares) > 0.8 * len(shares)
    assert sum(shares) > 0.97 * len(shares)


def spoil(page, chance):
    tags = re.findall(rb"<[^<>]{1,200}>", page) or [b""]

    def change(match):
        dice = chance.random()
        if dice < 0.005:
            return b""
        return match[0] * 2 if dice < 0.0075 else chance.choice(tags) if dice < 0.01 else match[0]

    return re.sub(rb"<[^<>]{1,200}>", change, page)
