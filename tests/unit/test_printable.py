"""Nothing that others have written is obeyed by a terminal, and nothing that can be read is lost."""

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol.printable import one_line, printable, printable_json

EMBEDDINGS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
texts = st.text() | st.text(st.sampled_from("a \x1b[31m]0;\x07\x9b\n\t\r\x00\u202e\u2066\ud800\u2028é"))


def obeyed(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in EMBEDDINGS
    )


@given(texts)
def test_nothing_is_obeyed(text: str) -> None:
    assert not any(obeyed(one) for one in printable(text) if one not in "\n\t")
    assert not any(map(obeyed, printable(text, keep="")))
    assert not any(map(obeyed, one_line(text)))
    assert len(one_line(text, 5)) <= 5


@given(
    st.text().filter(lambda text: not any(map(obeyed, text)) and not set(text) & set("\u061c\u200e\u200f"))
)
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(
    st.recursive(
        texts | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner)
    )
)
def test_json_stays_what_it_was(value: object) -> None:
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert not any(obeyed(one) for one in text if one != "\n")


def test_what_is_written_in_its_place() -> None:
    assert (
        printable("\x1b[1;31mred\x1b[0m \x1b]0;title\x07 a\rb\tc\n\u202e")
        == "red \\x1b]0;title\\x07 a\\x0db\tc\n\\u202e"
    )
    assert one_line("\x1b[31ma\x1b[0m\n\n b\x07\u202e c") == "a b c"
    assert printable_json('{"a": "\x9b\u202e"}') == '{"a": "\\u009b\\u202e"}'
