"""What a line may look like, and what is said of one that is bad."""

from __future__ import annotations

import itertools
import json
import threading

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.columnar.json import fuzz
from thalweg.columnar.json import JsonDecoder, split_complete
from thalweg.errors import TypeMismatch

ID = JsonDecoder({"id": pl.Int64})


def rows(decoder: JsonDecoder, *lines: str) -> list[tuple[object, ...]]:
    decoded = decoder.decode("\n".join(lines).encode())
    assert decoded.bad == ()
    return decoded.frame.rows()


def message(decoder: JsonDecoder, line: str | bytes) -> str:
    (bad,) = decoder.decode(line if isinstance(line, bytes) else line.encode()).bad
    return bad.message


def test_blank_lines_count_in_the_numbering():
    decoded = ID.decode(b'\n{"id":1}\n \t\r\n{"id":x}\n{"id":2}', first_line=10)
    assert decoded.frame["id"].to_list() == [1, 2]
    assert decoded.lines.tolist() == [11, 14]
    (bad,) = decoded.bad
    assert (bad.line, bad.offset, bad.sample) == (13, 14, '{"id":x}')


@pytest.mark.parametrize("data", [b"", b"\n", b"  \r\n\n"])
def test_text_without_rows_gives_an_empty_frame(data):
    decoded = ID.decode(data)
    assert decoded.frame.schema == {"id": pl.Int64}
    assert decoded.frame.height == 0
    assert len(decoded.lines) == 0
    assert decoded.bad == ()


@pytest.mark.parametrize(
    "kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, dtype=np.uint8)]
)
def test_any_buffer_is_read(kind):
    assert ID.decode(kind(b'{"id":1}\n')).frame["id"].to_list() == [1]


def test_members_come_in_any_order_and_unknown_ones_are_skipped():
    decoder = JsonDecoder({"a": pl.Int64, "b": pl.Struct({"c": pl.String, "d": pl.Int64})})
    lines = [
        '{"x":[{"a":9},"]"],"b":{"d":2,"e":{},"c":"t"},"a":1}',
        ' { "a" : 3 , "b" : { } } ',
        '{"b":null,"aa":4}',
    ]
    expected = [(1, {"c": "t", "d": 2}), (3, {"c": None, "d": None}), (None, None)]
    assert rows(decoder, *lines) == expected


def test_the_last_of_several_members_wins_whatever_the_first_was():
    decoder = JsonDecoder({"a": pl.Int64, "b": pl.Struct({"c": pl.Int64, "d": pl.Struct({"e": pl.Int64})})})
    assert rows(decoder, '{"a":"x","a":1}', '{"a":1,"a":null}') == [(1, None), (None, None)]
    again = '{"b":{"c":1,"d":{"e":2}},"b":{"c":3}}'
    assert rows(decoder, again) == [(None, {"c": 3, "d": None})]
    assert rows(decoder, '{"b":{"c":1},"b":null}', '{"b":7,"b":{}}')[0] == (None, None)


def test_names_are_compared_after_escapes_and_to_the_last_byte():
    long = "a name that is longer than two words"
    decoder = JsonDecoder({"": pl.Int64, "ab": pl.Int64, long: pl.Int64, "é": pl.Int64})
    assert rows(decoder, f'{{"":1,"\\u0061b":2,"{long[:-1]}x":9,"{long}":3,"\\u00e9":4}}') == [(1, 2, 3, 4)]
    assert rows(decoder, '{"abc":1,"a":2,"ab\\u0000":3}') == [(None, None, None, None)]
    assert rows(decoder, '{"' + "\\u0061" * 500 + '":1}') == [(None, None, None, None)]


def test_many_members_are_told_apart():
    names = [f"member_{k}" for k in range(300)]
    decoder = JsonDecoder(dict.fromkeys(names, pl.Int64))
    line = json.dumps({name: k for k, name in reversed(list(enumerate(names)))})
    assert rows(decoder, line) == [tuple(range(300))]


def test_a_schema_without_columns_still_counts_rows():
    decoded = JsonDecoder({}).decode(b'{"a":1}\n{"a":}\n{}\n')
    assert decoded.frame.height == 2
    assert decoded.lines.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "the line is not a JSON object, at byte 1"),
        ("\ufeff{}", "the line is not a JSON object, at byte 1"),
        ("{} {}", "there is more text after the object, at byte 4"),
        ("{id:1}", "expected a member name in quotes, at byte 2"),
        ('{"id":1,}', "expected a member name in quotes, at byte 9"),
        ('{"id" 1}', 'expected ":" after the member name, at byte 7'),
        ('{"id":1', 'expected "," or a closing bracket, at the end of the line'),
        ('{"x":[1}', 'expected "," or a closing bracket, at byte 8'),
        ('{"x":[1,]}', "expected a value, at byte 9"),
        ('{"id":NaN}', "expected a value, at byte 7"),
        ('{"id":01}', "expected a digit, without a leading zero, at byte 8"),
        ('{"x":1.}', "expected a digit, without a leading zero, at byte 8"),
        (r'{"x":"\q"}', "unknown escape in a string, at byte 7"),
        (r'{"x":"\ud800"}', "half of a surrogate pair in a string, at byte 7"),
        (b'{"x":"\xc0\xaf"}', "a string is not UTF-8, at byte 7"),
        ('{"x":"a\tb"}', "unescaped control character in a string, at byte 8"),
        ('{"x":"abc', "a string is not closed, at the end of the line"),
        ('{"x":' + "[" * 64, "objects and arrays are nested deeper than 64 levels, at byte 69"),
        ('{"id":"1"}', 'field "id": expected BIGINT, found "1"'),
        ('{"id":1.5}', 'field "id": expected BIGINT, found 1.5'),
        ('{"id":{"a":2}}', 'field "id": expected BIGINT, found an object'),
    ],
)
def test_bad_lines_say_what_and_where(line, said):
    assert message(ID, line) == said


def test_nesting_up_to_the_limit_is_read():
    assert rows(ID, '{"id":1,"x":' + "[" * 63 + "]" * 63 + "}") == [(1,)]


def test_samples_are_short_and_always_text():
    (bad,) = ID.decode(b'{"id":\xff' + b"\xc3\xa9" * 999).bad
    assert len(bad.sample) == 200
    assert bad.sample.startswith('{"id":\ufffdé')


def test_a_struct_is_an_object_and_its_faults_name_the_path():
    decoder = JsonDecoder({"b": pl.Struct({"c": pl.Struct({"d": pl.Boolean})})})
    assert message(decoder, '{"b":{"c":{"d":0}}}') == 'field "b.c.d": expected BOOLEAN, found 0'
    assert message(decoder, '{"b":{"c":[]}}').startswith('field "b.c": expected ROW')


def test_good_rows_beside_faulty_ones_are_kept_in_order():
    lines = [f'{{"id":{k if k % 3 else "true"}}}' for k in range(1000)]
    decoded = ID.decode("\n".join(lines).encode())
    assert decoded.frame["id"].to_list() == [k for k in range(1000) if k % 3]
    assert [bad.line for bad in decoded.bad] == list(range(1, 1001, 3))
    assert decoded.lines.tolist() == [k + 1 for k in range(1000) if k % 3]


def test_types_without_a_json_form_are_refused():
    with pytest.raises(TypeMismatch) as caught:
        JsonDecoder({"a": pl.Struct({"b": pl.List(pl.Object)})})
    assert caught.value.code == "json-type"
    assert '"a.b"' in caught.value.message


@pytest.mark.parametrize(("data", "index"), [(b"", 0), (b"abc", 0), (b"a\nb", 2), (b"\n" + b"x" * 9000, 1)])
def test_split_complete_cuts_behind_the_last_newline(data, index):
    assert split_complete(data) == split_complete(memoryview(data)) == index


@pytest.mark.slow
@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 40), max_size=4), seed=st.integers(0, 99))
def test_cutting_a_text_between_lines_changes_nothing(cuts, seed):
    random_ = fuzz.random.Random(seed)
    lines = [fuzz.mutate(random_, random_.choice(fuzz.SEEDS).encode()) + b"\n" for _ in range(40)]
    decoder = JsonDecoder(fuzz.SCHEMA)
    whole = decoder.decode(b"".join(lines))
    edges = [0, *sorted(cuts), 40]
    parts = [decoder.decode(b"".join(lines[a:b]), first_line=a + 1) for a, b in itertools.pairwise(edges)]
    assert pl.concat([part.frame for part in parts]).equals(whole.frame)
    assert [n for part in parts for n in part.lines] == whole.lines.tolist()
    assert [b.line for part in parts for b in part.bad] == [b.line for b in whole.bad]


def test_one_decoder_serves_several_threads():
    data = "\n".join(f'{{"id":{k}}}' for k in range(5000)).encode()
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(ID.decode(data).frame["id"].sum())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [sum(range(5000))] * 4


def test_columns_own_their_memory():
    data = bytearray(b'{"name":"longer than twelve bytes"}\n')
    frame = JsonDecoder({"name": pl.String}).decode(data).frame
    data[:] = b"x" * len(data)
    assert frame["name"].to_list() == ["longer than twelve bytes"]


def test_long_texts_are_decoded_piece_by_piece(monkeypatch):
    from thalweg.columnar.json import decoder as module

    data = b'{"id":1}\n\n{"id":2}\n{"id":"three, on a longer line"}\n{"id":4}'
    whole = ID.decode(data)
    monkeypatch.setattr(module, "_PIECE_MAX", 12)
    pieces = ID.decode(data)
    assert pieces.frame.equals(whole.frame)
    assert pieces.lines.tolist() == whole.lines.tolist()
    assert pieces.bad == whole.bad


@pytest.mark.slow
def test_changed_lines_are_judged_like_the_standard_library_does():
    good, bad = fuzz.check(seed=1, count=3000)
    assert good > 500
    assert bad > 500
