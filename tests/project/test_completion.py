"""Bash completion of ``dnf node-plugin`` in a real bash."""
from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, List, Sequence

import pytest

from ovirt_node_plugin.plugin.archive import SUFFIXES

TOP = Path(__file__).resolve().parents[2]
SCRIPT = TOP / "completion" / "ovirt-node-plugin.bash"
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
SUBCOMMANDS = ["add", "check-upgrade", "drop", "info", "install", "list", "manifest", "remove",
               "repair", "repos", "status", "upgrade", "verify"]

# Splits a line as readline does: "=" and ":" are separate words unless COMP_WORDBREAKS lacks
# them. The line is completed at its end.
ASK = r"""
ask() {
    local line=$1 piece
    COMP_WORDS=()
    read -r -a pieces <<<"$line"
    for piece in "${pieces[@]}"; do
        if [[ $COMP_WORDBREAKS == *=* ]]; then
            while [[ $piece == *=* ]]; do
                [[ ! ${piece%%=*} ]] || COMP_WORDS+=("${piece%%=*}")
                COMP_WORDS+=("=")
                piece=${piece#*=}
            done
            [[ ! $piece ]] || COMP_WORDS+=("$piece")
        else
            COMP_WORDS+=("$piece")
        fi
    done
    [[ $line != *" " ]] || COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
    local current=${COMP_WORDS[COMP_CWORD]}
    local command=${COMP_WORDS[0]}
    [[ $(complete -p "$command") =~ \ -F\ ([^ ]+) ]] || { echo "$command: none" >&2; exit 1; }
    "${BASH_REMATCH[1]}" "$command" "$current" "${COMP_WORDS[COMP_CWORD-1]}" 2>/dev/null
    printf '%s\n' "${COMPREPLY[@]}"
}
"""


class Shell:
    """A bash that has loaded bash-completion and the tested script."""

    def __init__(self, library: Sequence[Path], cwd: Path, loaded: Sequence[Path]) -> None:
        self.library, self.cwd, self.loaded = library, cwd, loaded

    def run(self, script: str) -> List[str]:
        """Run ``script`` after loading the completions; return its sorted output lines."""
        folders = " ".join(shlex.quote(str(path)) for path in self.library)
        lines = [*(f"source {path}" for path in self.loaded), f"source {SCRIPT}",
                 f"_ovirt_node_plugin_folders=({folders})", ASK, script]
        done = subprocess.run(
            ["bash", "--norc", "--noprofile", "-c", "\n".join(lines)], cwd=self.cwd,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", timeout=60,
            env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return sorted(line for line in done.stdout.splitlines() if line)

    def complete(self, line: str, before: str = "") -> List[str]:
        """Return the completions at the end of ``line``; no program can be started."""
        return self.run(f"{before}\nPATH=/nonexistent\nask {shlex.quote(line)}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An installroot with two plugins, an incomplete record and an unrelated folder."""
    registry = tmp_path / "node" / "etc" / "ovirt.plugins.d"
    registry.mkdir(parents=True)
    for name in ("cim", "snmp", ".snmp.x1y2", "cim~"):
        (registry / name).touch()
    (registry / "folder").mkdir()
    return tmp_path / "node"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell whose library contains ``mine`` (added), ``theirs`` (a vendor's) and another file."""
    added, vendors, cwd = tmp_path / "added", tmp_path / "vendors", tmp_path / "cwd"
    for folder in (added / "mine", vendors / "theirs", cwd / "bundle", cwd / "with space"):
        folder.mkdir(parents=True)
    for file in (added / "stray", cwd / "foo.tar.gz", cwd / "foo.tar.bz2", cwd / "notes.txt",
                 *(cwd / f"short{suffix}" for suffix in SUFFIXES)):
        file.touch()
    return Shell([added, vendors], cwd, [BASH_COMPLETION])


def test_subcommands_are_offered(shell: Shell) -> None:
    assert shell.complete("dnf node-plugin ") == SUBCOMMANDS


def test_subcommands_are_those_of_the_command() -> None:
    usage: Any = pytest.importorskip("ovirt_node_plugin.cli.dnf_arguments")
    assert sorted(usage.SUBCOMMANDS) == SUBCOMMANDS


def test_a_subcommand_is_completed_after_options_of_dnf(shell: Shell) -> None:
    line = "dnf -y --installroot=/mnt/node -c x --enablerepo foo node-plugin inst"
    assert shell.complete(line) == ["install"]


def test_installed_plugins_are_those_of_the_installroot(shell: Shell, root: Path) -> None:
    for command in ("remove", "verify", "upgrade"):
        line = f"dnf --installroot={root} node-plugin {command} "
        assert shell.complete(line) == ["cim", "snmp"]


def test_the_installroot_may_be_a_separate_word_and_end_with_a_slash(
        shell: Shell, root: Path) -> None:
    assert shell.complete(f"dnf node-plugin --installroot {root}/ remove c") == ["cim"]


def test_the_own_records_of_an_image_are_offered_alone(shell: Shell, root: Path) -> None:
    image = root / "usr/lib/ovirt.plugins.d"
    image.mkdir(parents=True)
    (image / "agent").touch()
    assert shell.complete(f"dnf node-plugin remove --installroot={root} ") == ["agent"]


def test_a_root_without_a_registry_offers_nothing_to_remove(shell: Shell, tmp_path: Path) -> None:
    assert shell.complete(f"dnf --installroot={tmp_path} node-plugin remove ") == []


def test_install_offers_the_library(shell: Shell, root: Path) -> None:
    assert shell.complete(f"dnf --installroot={root} node-plugin install ") == ["mine", "theirs"]


def test_drop_offers_only_added_bundles(shell: Shell) -> None:
    assert shell.complete("dnf node-plugin drop ") == ["mine"]


def test_info_offers_installed_plugins_and_the_library(shell: Shell, root: Path) -> None:
    line = f"dnf --installroot={root} node-plugin info "
    assert shell.complete(line) == ["cim", "mine", "snmp", "theirs"]


def test_folders_and_tars_are_offered_as_bundles(shell: Shell) -> None:
    assert shell.complete("dnf node-plugin install ./") == [
        "./bundle", "./foo.tar.gz", *(f"./short{suffix}" for suffix in sorted(SUFFIXES)),
        "./with space"]
    assert shell.complete("dnf node-plugin add f") == ["foo.tar.gz"]


def test_only_folders_are_offered_as_installroot(shell: Shell) -> None:
    assert shell.complete("dnf node-plugin list --installroot=./b") == ["./bundle"]
    assert shell.complete("dnf node-plugin list --installroot ./b") == ["./bundle"]
    assert shell.complete("dnf node-plugin install --accounts-from ./b") == ["./bundle"]


def test_an_equals_sign_need_not_break_words(shell: Shell, root: Path) -> None:
    whole = "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}"
    assert shell.complete("dnf node-plugin list --installroot=./b", whole) == [
        "--installroot=./bundle"]
    assert shell.complete(f"dnf --installroot={root} node-plugin remove s", whole) == ["snmp"]


@pytest.mark.parametrize("subcommand, options", [
    ("install", ["--accept-origin", "--accounts-from", "--allow-replace", "--detach", "--dry-run",
                 "--plan-digest", "--skip-scriptlets", "--trust-keys"]),
    ("upgrade", ["--allow-replace", "--detach", "--dry-run", "--plan-digest",
                 "--skip-scriptlets", "--trust-keys"]),
    ("remove", ["--detach", "--dry-run", "--keep-modified", "--plan-digest", "--skip-scriptlets"]),
    ("list", ["--all", "--available", "--installed"]),
    ("check-upgrade", ["--checksum-file", "--checksum-key", "--image", "--sha256"]),
    ("status", ["--follow"]),
    ("repos", [])])
def test_options_are_those_of_the_subcommand(
        shell: Shell, subcommand: str, options: List[str]) -> None:
    special = {"--accept-origin", "--accounts-from", "--allow-replace", "--detach", "--follow",
               "--dry-run", "--trust-keys",
               "--keep-modified", "--all", "--available", "--installed", "--skip-scriptlets",
               "--checksum-file", "--checksum-key", "--image", "--plan-digest", "--sha256"}
    offered = shell.complete(f"dnf node-plugin {subcommand} --")
    assert "--json" in offered and "--installroot" in offered
    assert [word for word in offered if word in special] == options


def test_the_name_of_an_accepted_origin_is_that_of_an_installed_plugin(
        shell: Shell, root: Path) -> None:
    assert shell.complete(f"dnf --installroot={root} node-plugin install --accept-origin s") == [
        "snmp"]


def test_parameters_are_those_of_records_and_of_the_library(shell: Shell, root: Path) -> None:
    (root / "etc/ovirt.plugins.d/cim").write_text(
        '<parameters><parameter name="port" value="1"/><parameter name="$(x)"/></parameters>')
    library = next(path for path in shell.cwd.parent.rglob("mine") if path.is_dir())
    (library / "node-plugin.xml").write_text(
        '<parameters>\n<parameter type="port" name="b"/><parameter name="a"\n')
    line = f"dnf --installroot={root} node-plugin install --set"
    assert shell.complete(f"{line} ") == ["cim.port=", "mine.a=", "mine.b="]
    assert shell.complete(f"{line}=mine.a") == ["mine.a="]
    assert shell.complete("ovirt-node-plugin merge --set mine.") == ["mine.a=", "mine.b="]


def test_other_commands_are_completed_by_dnf(shell: Shell) -> None:
    assert shell.run("ask 'dnf clean '") == [
        "all", "dbcache", "expire-cache", "metadata", "packages"]


def test_values_of_dnfs_options_are_completed_by_dnf(shell: Shell) -> None:
    assert shell.run("ask 'dnf node-plugin list --color '") == [
        "0", "1", "false", "no", "true", "yes"]


def test_both_completions_remain_after_the_other_was_used(shell: Shell) -> None:
    answers = shell.run("ask 'dnf clean me'; ask 'dnf node-plugin ver'; ask 'dnf clean db'")
    assert answers == ["dbcache", "metadata", "verify"]


def test_the_command_is_offered_if_dnf_cannot_be_started(shell: Shell) -> None:
    assert shell.complete("dnf node-p") == ["node-plugin"]


def test_an_existing_completion_of_dnf_is_kept(shell: Shell) -> None:
    before = shell.cwd / "before"
    before.write_text("mine() { COMPREPLY=(my-own); }\ncomplete -F mine dnf\n", encoding="utf-8")
    shell.loaded = [BASH_COMPLETION, before]
    assert shell.run("ask 'dnf clean '") == ["my-own"]


def test_completion_works_without_bash_completion(shell: Shell) -> None:
    shell.loaded = []
    assert shell.complete("dnf node-plugin ver") == ["verify"]
    assert shell.complete("dnf clean ") == []


def test_commands_and_options_of_the_program_are_offered(shell: Shell) -> None:
    usage: Any = pytest.importorskip("ovirt_node_plugin.cli.arguments")
    parsers = usage._parsers()[1]
    assert shell.complete("ovirt-node-plugin ") == sorted([*parsers, "--help", "--version"])
    for name, parser in parsers.items():
        known = {word for action in parser._actions for word in action.option_strings
                 if word.startswith("--")}
        assert shell.complete(f"ovirt-node-plugin {name} --") == sorted(known)


def test_merge_offers_the_library(shell: Shell) -> None:
    assert shell.complete("ovirt-node-plugin merge node.iso th") == ["theirs"]


def test_an_interactive_bash_completes_the_line(shell: Shell, root: Path) -> None:
    """Readline splits the line and calls the completion; ``read -e`` prints the completed line."""
    rc = shell.cwd / "rc"
    rc.write_text(f"source {BASH_COMPLETION}\nsource {SCRIPT}\nPS1='> '\n"
                  "bind 'set enable-bracketed-paste off'\n", encoding="utf-8")
    typed = f"dnf --installroot={root} node-plugin rem\tsn\t\x01echo \x05\nexit\n"
    command = f"bash --noprofile --rcfile {shlex.quote(str(rc))} -i"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], input=typed, stdout=subprocess.PIPE,
        encoding="utf-8", errors="replace", timeout=60, cwd=shell.cwd,
        env={**os.environ, "TERM": "dumb", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
             "HISTFILE": "/dev/null", "COLUMNS": "500"})
    wanted = f"dnf --installroot={root} node-plugin remove snmp"
    assert re.search(rf"^{re.escape(wanted)} *\r?$", done.stdout, re.MULTILINE), done.stdout
