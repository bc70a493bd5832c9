"""Values of parameters from the command line and from the site's files; both are hostile."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Tuple

import pytest

from ovirt_node_plugin.errors import UsageError
from ovirt_node_plugin.policy.given_parameters import (
    GivenValue,
    absolute_options,
    read_options,
    read_site,
)
from ovirt_node_plugin.system.limits import TEXT_BYTES

pytestmark = pytest.mark.unit

STRANGE = "100% $HOME \\1 'a' \"b\" # ; = @x@ ä"


def site(folder: Path, name: str = "a.conf", text: str = "[a]\nb = c\n",
         mode: int = 0o600) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def texts(values: Dict[Tuple[str, str], GivenValue]) -> Dict[Tuple[str, str], str]:
    return {key: value.text for key, value in values.items()}


def test_an_option_has_a_plugin_a_name_and_a_value(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{STRANGE}\n")
    values = read_options(["a.b=", "a.b.c=d=e", f"x.y={STRANGE}", f"x.z=@{tmp_path}/secret"])
    assert texts(values) == {("a", "b"): "", ("a.b", "c"): "d=e", ("x", "y"): STRANGE,
                             ("x", "z"): STRANGE}
    assert [bool(value.exposed) for value in values.values()] == [True, True, True, False]


@pytest.mark.parametrize("word", ["", "a", "a.b", "a=b", ".b=c", "a.=c", "=", "a b"])
def test_another_form_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="is not PLUGIN.NAME=VALUE"):
        read_options([word])


def test_a_value_that_is_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="--set gives a.b twice"):
        read_options(["a.b=c", "a.b=c"])


def test_a_file_that_cannot_be_a_value_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"a" * (TEXT_BYTES + 1))
    for name, reason in (("fifo", "not a regular file"), ("folder", "not a regular file"),
                         ("binary", "it is not UTF-8"), ("large", "larger than"),
                         ("none", "No such file")):
        with pytest.raises(UsageError, match=f"{name} cannot be read: {reason}"):
            read_options([f"a.b=@{tmp_path / name}"])


def test_paths_are_made_absolute_for_another_program() -> None:
    assert absolute_options(["a.b=@c", "a.d=@/e", "a.f=g@h"], "/x") == (
        "--set=a.b=@/x/c", "--set=a.d=@/e", "--set=a.f=g@h")


def test_the_last_value_of_a_site_counts_and_is_read_as_it_is(tmp_path: Path) -> None:
    first = site(tmp_path / "one", text=f"# note\n[a]\nB = 1\nb = {STRANGE}\n\n[DEFAULT]\nb = x\n")
    last = site(tmp_path / "two", text="[a.b]\nc =\n[a]\nb = 2\n", mode=0o644)
    site(tmp_path / "two", "a.conf.rpmsave", "[a]\nb = 3\n")
    values = read_site([tmp_path / "one", tmp_path / "two", tmp_path / "none"])
    assert texts(values) == {("a", "B"): "1", ("a", "b"): "2", ("DEFAULT", "b"): "x",
                             ("a.b", "c"): ""}
    assert values["a", "b"].exposed == f"other users can read {last}: chmod 600 {last}"
    assert (values["a", "B"].exposed, values["a", "B"].source) == ("", str(first))
    assert texts(read_site([tmp_path / "one"]))["a", "b"] == STRANGE


@pytest.mark.parametrize("text", ["b = hunter2\n", "[a]\nhunter2\n", "[a]\nb = 1\nb = hunter2\n",
                                  "[hunter2]\n[hunter2]\n", "[a]\n= hunter2\n"])
def test_a_file_of_another_form_is_refused_without_a_word_of_it(
        tmp_path: Path, text: str) -> None:
    path = site(tmp_path / "site", text=text)
    with pytest.raises(UsageError, match=f"{path} is no list of sections") as caught:
        read_site([path.parent])
    assert "hunter2" not in str(caught.value) and caught.value.__suppress_context__


def test_a_file_that_others_may_change_is_refused(tmp_path: Path) -> None:
    path = site(tmp_path / "site", mode=0o620)
    with pytest.raises(UsageError, match="can be changed by others than root"):
        read_site([path.parent])
    path.chmod(0o600)
    os.mkfifo(path.parent / "b.conf")
    with pytest.raises(UsageError, match=r"b\.conf cannot be read: .*not a regular file"):
        read_site([path.parent])
