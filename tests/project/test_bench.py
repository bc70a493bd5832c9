"""The programs of bench/ run and print ratios; no test depends on the figures."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bulk import build_bulk, bulk, write_metadata

TOP = Path(__file__).resolve().parents[2]
OVERHEAD = str(TOP / "bench" / "overhead")
MANIFEST = str(TOP / "bench" / "manifest")
MERGE = str(TOP / "bench" / "merge")


def call(*words: str, program: str = OVERHEAD) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding="utf-8", check=False)


@pytest.mark.slow
@pytest.mark.root
def test_overhead_prints_the_ratios_with_their_goals() -> None:
    done = call("--packages", "60", "--offered", "50", "--runs", "1", "--json")
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    ratios = json.loads(last)["ratios"]
    goals = {"install": 1.10, "repolist": 1.05, "repolist_installed": 1.05,
             "install_memory": 1.10, "repolist_memory": 1.10, "install_cpu": None}
    assert {key: ratios[key]["goal"] for key in goals} == goals
    assert all(ratio["ratio"] == ratio["plugin"] / ratio["plain"] > 0
               for ratio in ratios.values())
    assert any(line.startswith("install ") and "<= 1.10" in line for line in table)
    assert any(line.startswith("repolist ") and "<= 1.05" in line for line in table)


def test_the_compiled_plugin_is_measured_whatever_the_environment_says(tmp_path: Path) -> None:
    (tmp_path / "dnf").mkdir()
    code = "from pathlib import Path; from bench.measure import Dnf; Dnf(Path('dnf'))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={
        **os.environ, "PYTHONPATH": str(TOP), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")})
    folder = tmp_path / "compiled" / TOP.relative_to("/")
    modules = [path for name in ("ovirt_node_plugin", "dnf-plugins")
               for path in (TOP / name).rglob("*.py")]
    assert len(modules) > 200
    tag = sys.implementation.cache_tag
    assert [path for path in modules if not (
        folder / path.parent.relative_to(TOP) / f"{path.stem}.{tag}.pyc").is_file()] == []


def test_overhead_refuses_invalid_options() -> None:
    done = call("--only", "upgrade")
    assert done.returncode == 2 and "upgrade" in done.stderr and done.stdout == ""


@pytest.mark.slow
@pytest.mark.root
def test_manifest_prints_its_share_of_the_transaction() -> None:
    done = call("--packages", "60", "--runs", "1", "--json", program=MANIFEST)
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    found = json.loads(last)
    (one,) = found["runs"]
    assert found["goal"] == 0.10 and found["brought"] > 400
    assert found["ratio"] == one["manifest_s"] / one["transaction_s"] > 0
    assert any("<= 0.10" in line for line in table)


@pytest.mark.slow
@pytest.mark.root
def test_merge_prints_the_ratios_with_their_goals() -> None:
    done = call("--size-mb", "2", "--only", "tree-zstd", "--only", "nested-zstd", "--json",
                program=MERGE)
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    found = json.loads(last)
    assert (found["goal"], found["peak_goal_bytes"]) == (1.15, 1 << 30)
    assert sorted(found["images"]) == ["nested-zstd", "tree-zstd"]
    for image in found["images"].values():
        assert image["ratio"] == image["merge_s"] / image["plain_s"] > 0
        assert image["ratio_to_copy"] == image["merge_s"] / image["copy_s"] > 0
        assert image["ratio_without_check"] > 0 and image["cpu_ratio"] > 0
        # the programs and their memory were measured
        assert image["peak_bytes"] > 10 << 20 and image["largest_bytes"] > 10 << 20
    assert sum("<= 1.15" in line for line in table) == 2


def test_merge_refuses_an_unknown_kind_of_image() -> None:
    done = call("--only", "tree-gzip", program=MERGE)
    assert done.returncode == 2 and "tree-gzip" in done.stderr and done.stdout == ""


def test_bulk_packages_are_built_and_depend_on_one_another(tmp_path: Path) -> None:
    rpms = build_bulk([bulk(index) for index in range(3)], tmp_path)
    query = ["rpm", "--query", "--nosignature", "--requires", "--package", str(rpms[1])]
    needs = subprocess.run(query, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
    assert len(rpms) == 3 and ".so.1()(64bit)" in needs


def test_dnf_reads_metadata_without_packages(tmp_path: Path) -> None:
    repo = write_metadata(tmp_path / "repo", [bulk(index) for index in range(20)])
    done = subprocess.run(
        ["dnf-3", "--noplugins", f"--installroot={tmp_path / 'root'}", "--releasever=9",
         f"--repofrompath=bulk,{repo}", "--repo=bulk", "--quiet", "repoquery", "--list",
         bulk(4).name], stdout=subprocess.PIPE, encoding="utf-8", check=True)
    assert done.stdout.split() == sorted(path.rstrip("/") for path in bulk(4).files)


@pytest.mark.slow
@pytest.mark.root
def test_caps_prints_the_ratio_with_its_goals() -> None:
    done = subprocess.run(
        [str(TOP / "bench" / "caps"), "--plugins", "3", "--packages", "2", "--installed", "60",
         "--offered", "50", "--runs", "1", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    answer = json.loads(last)
    assert (answer["goal"], answer["goal_s"]) == (10, 0.1)
    assert answer["ratio"] == pytest.approx(answer["hook_s"] / answer["plain_s"])
    assert table[-1].endswith("met" if answer["met"] else "MISSED")
