"""Run one reader with random input, guided by coverage, until it fails; tools/fuzz starts it.

    python3 -m tests.fuzz.harness READER CORPUS [OPTION...]

CORPUS is a folder, to which inputs that reach new code are added; the options are those of
libFuzzer. The samples of the reader are its seeds.
"""
from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import List

import atheris

with atheris.instrument_imports(include=[
        "ovirt_node_plugin", "configparser", "json", "shlex", "tarfile"]):
    from tests.fuzz.readers import READERS


def main(name: str, corpus: Path, options: List[str]) -> None:
    reader = READERS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for sample in (*reader.samples, reader.grown(3)):
        (corpus / hashlib.sha256(sample).hexdigest()[:16]).write_bytes(sample)
    with tempfile.TemporaryDirectory(prefix="node-fuzz-") as folder:

        def read(data: bytes) -> None:
            try:
                reader.read(data, Path(folder))
            except reader.errors:
                pass

        atheris.Setup([sys.argv[0], *options, str(corpus)], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
