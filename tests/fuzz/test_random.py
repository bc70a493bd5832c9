"""No reader fails in another way than by its own errors, whatever it reads.

The cases are the same in every run. CONTRIBUTING.md says how to run others, without end.
"""
from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import List

import pytest
from hypothesis import HealthCheck, configuration, given, settings
from hypothesis import strategies as st

from tests.fuzz.readers import READERS
from tests.support.dnf_runner import TOP

configuration.set_hypothesis_home_dir(TOP / "build/hypothesis")

CASES = 150
"""The cases of each reader."""
_MOST_TEXT = 20_000
"""The longest error, in characters."""

# Parts that mean something to one of the formats
TOKENS = [b"\0", b"\n", b"\n\n", b" ", b"\t", b'"', b"'", b"=", b":", b",", b"[", b"]", b"{", b"}",
          b"<", b">", b"/>", b"</", b"<!--", b"-->", b"&#0;", b"&lt;", b"<!DOCTYPE a>", b"<?a?>",
          b"<![CDATA[", b"\\", b"..", b"../", b"/", b"//", b"%", b"%00", b"*", b"(", b")", b"+",
          b"-1", b"0", b"1e999", b"9" * 30, b"null", b"true", b"\xff", b"\xc3\xa4", b"\xe2\x80\xae",
          b"\x1b[2J", b"\xef\xbb\xbf", b"a" * 5000, b" " * 5000]


@st.composite
def changed(draw: st.DrawFn, samples: List[bytes]) -> bytes:
    """A sample with parts removed, repeated, replaced or inserted."""
    data = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 40)))
        part = draw(st.one_of(
            st.just(b""), st.just(data[start:end] * 2), st.sampled_from(TOKENS),
            st.binary(max_size=8), st.just(data[end:end + 40])))
        data = data[:start] + part + data[end:]
    return data


@pytest.mark.parametrize("name", READERS)
def test_a_changed_sample_is_read_or_refused(name: str) -> None:
    reader = READERS[name]
    folder = Path(tempfile.mkdtemp(prefix="node-fuzz-"))

    @settings(max_examples=CASES, derandomize=True, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))
    @given(changed([*reader.samples, reader.grown(3)]))
    def check(data: bytes) -> None:
        try:
            reader.read(data, folder)
        except reader.errors as exc:
            assert 0 < len(str(exc)) < _MOST_TEXT

    try:
        check()
    finally:
        shutil.rmtree(folder)
