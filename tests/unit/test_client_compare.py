"""The verdicts of a rerun: comparators, tolerances, and array files read without NumPy."""

import gzip
import io
import json
import math
import struct
import sys
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurocaas import AnalysisError, arrays
from neurocaas.compare import (
    DIFFERENT,
    IDENTICAL,
    WITHIN,
    CompareRule,
    OutputVerdict,
    checked,
    compare,
    rule_for,
)


def npy(
    values: list[float], kind: str = "<f8", shape: tuple[int, ...] | None = None, *, fortran: bool = False
) -> bytes:
    header = (
        repr({"descr": kind, "fortran_order": fortran, "shape": shape or (len(values),)}).encode().ljust(117)
        + b"\n"
    )
    code = {"f8": "d", "f4": "f", "i2": "h", "f2": "e", "c16": "d"}[kind[1:]]
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(header))
        + header
        + struct.pack(f"{kind[0]}{len(values)}{code}", *values)
    )


def nifti(values: list[float], slope: float = 0.0) -> bytes:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 1, len(values), 1, 1, 1, 1, 1, 1)
    struct.pack_into("<h", head, 70, 16)
    struct.pack_into("<3f", head, 108, 352.0, slope, 0.0)
    head[344:348] = b"n+1\0"
    return bytes(head) + struct.pack(f"<{len(values)}f", *values)


def verdict(path: str, old: bytes, new: bytes, **rules: Any) -> OutputVerdict:
    return compare(path, old, new, rule_for(path, rules))


@pytest.mark.parametrize(
    ("path", "old", "new", "outcome"),
    [
        ("x.bin", b"a", b"a", IDENTICAL),
        ("x.bin", b"ab", b"ac", DIFFERENT),
        ("x.txt", b"one\r\ntwo \n", b"one\ntwo", WITHIN),
        ("x.txt", b"one\ntwo", b"one\ntoo", DIFFERENT),
        ("x.json", b'{"a": 1.0, "b": [1, 2]}', b'{"b": [1, 2], "a": 1.0000000001}', WITHIN),
        ("x.json", b'{"a": 1.0}', b'{"a": 1.01}', DIFFERENT),
        ("x.json", b'{"a": true}', b'{"a": 1}', DIFFERENT),
        ("x.json", b'{"a": 1}', b'{"a": 1, "b": 2}', DIFFERENT),
        ("x.json", b'{"a": [1]}', b'{"a": [1, 2]}', DIFFERENT),
        ("x.json", b"{", b"{}", DIFFERENT),
        ("x.csv", b"a,b\n1,x\n", b"a,b\n1.0000000001,x\n", WITHIN),
        ("x.csv", b"a,b\n1,x\n", b"a,b\n1,y\n", DIFFERENT),
        ("x.csv", b"a\n1\n", b"a\n1\n2\n", DIFFERENT),
        ("x.tsv", b"a\tb\n1\t2,5\n", b"a\tb\n1.0\t2,5\n", WITHIN),
        ("x.npy", npy([1.0, 2.0]), npy([1.0, 2.0 + 1e-8]), WITHIN),
        ("x.npy", npy([1.0, 2.0]), npy([1.0, 2.1]), DIFFERENT),
        ("x.npy", npy([1.0, 2.0]), npy([1.0, 2.0], shape=(2, 1)), DIFFERENT),
        ("x.json", b'{"a": Infinity}', b'{"a": -Infinity}', DIFFERENT),
        ("x.json", b'{"a": Infinity}', b'{"a": 5}', DIFFERENT),
        ("x.json", b'{"a": [NaN, 1]}', b'{"a": [NaN, 1.0000000001]}', WITHIN),
        ("x.json", b'{"a": 1' + b"0" * 400 + b"}", b'{"a": 2.0}', DIFFERENT),
        ("x.csv", b"inf,nan\n", b"Infinity,NaN\n", WITHIN),
        ("x.csv", b"inf\n", b"1e300\n", DIFFERENT),
        ("x.csv", b"a\n" + b"x" * 200_000, b"a\n" + b"x" * 200_001, DIFFERENT),
        ("x.npy", npy([1.0, 2.0]), npy([1.0, 2.0])[:-8], DIFFERENT),
        ("x.npy", npy([1.0, 2.0]), npy([1.0, 2.0], shape=(99,)), DIFFERENT),
        ("x.npy", npy([math.inf]), npy([3.0]), DIFFERENT),
        ("x.npy", npy([math.nan]), npy([math.nan]) + b"", IDENTICAL),
        ("x.npy", b"nothing", b"else", DIFFERENT),
        ("x.nii.gz", gzip.compress(nifti([1.0]), mtime=1), gzip.compress(nifti([1.0]), mtime=2), WITHIN),
        ("x.nii", nifti([1.0]), nifti([2.0]), DIFFERENT),
    ],
)
def test_outputs_are_compared_by_what_they_are(path: str, old: bytes, new: bytes, outcome: str) -> None:
    assert verdict(path, old, new).outcome == outcome


def test_a_difference_is_named_with_its_place() -> None:
    told = verdict("x.json", b'{"a": {"b": [1, 2]}}', b'{"a": {"b": [1, 3]}}')
    assert "a.b[1]: 2 and 3" in told.detail
    assert "row 2, t: '1' and 'x'" in verdict("x.csv", b"t\n1\n", b"t\nx\n").detail
    assert (
        "shape (2,) of f8 and (1, 2) of f8"
        in verdict("x.npy", npy([1.0, 2.0]), npy([1.0, 3.0], shape=(1, 2))).detail
    )
    assert told.tolerance == "relative 1e-06 or absolute 1e-09"


def test_the_longest_pattern_of_the_blueprint_decides() -> None:
    rules: dict[str, dict[str, Any]] = {
        "*": {"as": "bytes"},
        "sub/*.json": {"as": "json", "relative": 0.5, "except": ["time.*", "n"]},
        "*.log": {"as": "ignore"},
    }
    assert rule_for("x.json", rules) == CompareRule("bytes")
    chosen = rule_for("sub/x.json", rules)
    assert (chosen.comparator, chosen.relative, chosen.except_keys) == ("json", 0.5, ("time.*", "n"))
    old, new = ({"v": value, "n": value, "time": {"s": value}} for value in (1.0, 1.4))
    assert compare("sub/x.json", json.dumps(old).encode(), json.dumps(new).encode(), chosen).outcome == WITHIN
    assert compare("a.log", b"1", b"2", rule_for("a.log", rules)).outcome == WITHIN
    with pytest.raises(AnalysisError, match="comparator magic"):
        checked({"*": {"as": "magic"}})


def test_images_without_pillow_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    told = verdict("x.png", b"1", b"2")
    assert told.outcome == DIFFERENT
    assert "Pillow is not installed" in told.detail


def test_images_are_compared_by_their_pixels() -> None:
    image = pytest.importorskip("PIL.Image")

    def png(value: int, level: int) -> bytes:
        out = io.BytesIO()
        image.new("L", (4, 4), value).save(out, "PNG", compress_level=level)
        return out.getvalue()

    assert verdict("x.png", png(7, 0), png(7, 9)).outcome == WITHIN
    assert verdict("x.png", png(7, 0), png(9, 9)).outcome == DIFFERENT
    assert (
        verdict("x.png", png(7, 0), png(9, 9), **{"*.png": {"as": "image", "absolute": 2}}).outcome == WITHIN
    )


def test_all_images_of_a_file_and_all_their_bits_are_compared() -> None:
    image = pytest.importorskip("PIL.Image")

    def tiff(*values: float, mode: str = "L") -> bytes:
        first, *more = [image.new(mode, (4, 4), value) for value in values]
        out = io.BytesIO()
        first.save(out, "TIFF", save_all=True, append_images=more)
        return out.getvalue()

    assert (
        verdict("x.tif", tiff(1, 2, 3), tiff(1, 2, 9)).detail
        == "the largest difference of a channel is 6 of 255"
    )
    assert verdict("x.tif", tiff(1, 2), tiff(1, 2, 3)).outcome == DIFFERENT
    assert verdict("x.tif", tiff(300, mode="I;16"), tiff(60000, mode="I;16")).outcome == DIFFERENT
    assert verdict("x.tif", tiff(0.1, mode="F"), tiff(0.2, mode="F")).outcome == DIFFERENT
    assert verdict("x.tif", tiff(7), tiff(7, mode="I;16")).outcome == DIFFERENT
    assert "not an image that can be read" in verdict("x.tif", tiff(7), tiff(7)[:-30]).detail


@pytest.mark.parametrize("kind", ["<f8", ">f8", "<f4", ">f4", "<i2", ">i2", "<f2", ">f2"])
def test_arrays_of_every_kind_and_order_are_read(kind: str) -> None:
    assert list(arrays.read("x.npy", npy([1, 2, 3], kind))[""].values) == [1, 2, 3]


def test_column_order_and_several_arrays() -> None:
    by_row = arrays.read("x.npy", npy([1, 2, 3, 4, 5, 6], shape=(2, 3)))[""]
    by_column = arrays.read("x.npy", npy([1, 4, 2, 5, 3, 6], shape=(2, 3), fortran=True))[""]
    assert list(by_row.values) == list(by_column.values)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", npy([1]))
        archive.writestr("b.npy", npy([2]))
    assert {name: list(one.values) for name, one in arrays.read("x.npz", out.getvalue()).items()} == {
        "a": [1],
        "b": [2],
    }
    assert list(arrays.read("x.nii", nifti([1.0, 2.0], slope=2.0))[""].values) == [2.0, 4.0]


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x1f\x8b"]),
    st.sampled_from(["x.npy", "x.npz", "x.nii"]),
)
def test_what_is_no_array_file_is_told_and_never_a_crash(raw: bytes, start: bytes, name: str) -> None:
    told = ""
    try:
        read = len(arrays.read(name, start + raw))
    except arrays.UnreadableError as error:
        read, told = -1, str(error)
    assert read >= 0 or name in told or "no plain numbers" in told or "NIfTI" in told


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_nearness_is_symmetric_and_holds_of_itself(one: float, other: float) -> None:
    rule = CompareRule("json")
    assert rule.near(one, other) == rule.near(other, one)
    assert rule.near(one, one)


def test_what_unpacks_without_end_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes of a machine's output must not take all memory of whoever compares it."""
    monkeypatch.setattr(arrays, "UNPACKED", 10_000)
    large = npy([0.0] * 10_000)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x.npy", large)
    for path, raw in (("x.nii.gz", gzip.compress(large)), ("x.npz", archive.getvalue())):
        with pytest.raises(arrays.UnreadableError, match="unpacks to more than"):
            arrays.read(path, raw)
