"""What counts as left after a removal."""
from __future__ import annotations

from pathlib import Path
from typing import Sequence

import pytest

from ovirt_node_plugin.authoring.trial.leftovers import Leftovers, leftovers
from ovirt_node_plugin.compare.packages import RootPackage

pytestmark = pytest.mark.unit

AGENT = RootPackage("agent", "1-1", "noarch", "a1")
KEY = RootPackage("gpg-pubkey", "abcdef01-5a5a5a5a", "", "a2")


def found(folder: Path, changes: Sequence[str], *, messages: Sequence[str] = (),
          after: Sequence[RootPackage] = ()) -> Leftovers:
    """Return what is left if ``changes`` are new files in a root."""
    roots = folder / "before", folder / "after"
    for root in roots:
        (root / "etc").mkdir(parents=True)
        (root / "etc/kept").write_text("same")
    for path in changes:
        (roots[1] / path).parent.mkdir(parents=True, exist_ok=True)
        (roots[1] / path).write_text("new")
    return leftovers(*roots, messages=messages, unchanged=(), packages=((), after))


def test_equal_roots_have_no_leftovers(tmp_path: Path) -> None:
    result = found(tmp_path, ())
    assert (result.text(), result.files, result.expected) == ("", (), ())


def test_every_new_and_changed_entry_is_left(tmp_path: Path) -> None:
    result = found(tmp_path, ("etc/kept", "opt/agent/data"))
    assert result.text() == """\
after the removal, the root has 4 differences from the image:
  /etc/kept was changed (size 4 -> 3)
  /opt was added
  /opt/agent was added
  /opt/agent/data was added"""


def test_logs_caches_and_databases_are_not_compared(tmp_path: Path) -> None:
    result = found(tmp_path, ("var/log/dnf.log", "var/cache/x", "var/lib/dnf/history.sqlite",
                              "var/lib/rpm/rpmdb.sqlite", "var/tmp/x"))
    assert [each.path for each in result.files] == ["var", "var/lib"]


def test_what_a_message_of_the_removal_names_is_expected(tmp_path: Path) -> None:
    result = found(tmp_path, ("etc/agent.d/a/b", "etc/agent.conf", "etc/agent.dx"),
                   messages=["/etc/agent.d is left as it is, with (/etc/agent.conf)."])
    assert result.expected == ("/etc/agent.conf was added", "/etc/agent.d was added")
    assert [each.path for each in result.files] == ["etc/agent.dx"]


def test_a_named_folder_of_the_image_does_not_hide_what_is_new_in_it(tmp_path: Path) -> None:
    result = found(tmp_path, ("etc/agent.conf",), messages=["See /etc, and / too."])
    assert [each.path for each in result.files] == ["etc/agent.conf"]


def test_a_package_that_stays_is_left_unless_the_removal_says_why(tmp_path: Path) -> None:
    assert found(tmp_path / "a", (), after=(AGENT,)).packages == (
        "the package agent-1-1.noarch was added",)
    result = found(tmp_path / "b", (), after=(AGENT,),
                   messages=["agent-1-1.noarch stays: user-1-1.noarch needs it."])
    assert (result.packages, result.expected) == (
        (), ("the package agent-1-1.noarch was added",))


def test_keys_of_packages_are_not_compared(tmp_path: Path) -> None:
    assert found(tmp_path, (), after=(KEY,)).text() == ""


def test_the_message_names_the_first_of_many_differences(tmp_path: Path) -> None:
    result = found(tmp_path, [f"etc/{number:03}" for number in range(30)])
    assert "has 30 differences" in result.text() and result.text().endswith("and 20 more")
