"""DNF's options of a repository in the ``.repo`` files of bundles."""
from __future__ import annotations

from pathlib import Path

import pytest
from dnf.conf.config import MainConf, RepoConf

from ovirt_node_plugin.errors import BadBundle
from ovirt_node_plugin.plugin.repo_file import OPTIONS, repo_ids

# DNF's options of a repository, which are attributes of libdnf's object, in lower case.
DNF_OPTIONS = sorted(name for name in dir(RepoConf(MainConf())._config)
                     if name.islower() and not name.startswith(("_", "this")))


@pytest.mark.parametrize("option", sorted(set(DNF_OPTIONS) - set(OPTIONS)))
def test_every_other_option_of_dnf_is_refused(tmp_path: Path, option: str) -> None:
    path = tmp_path / "tool.repo"
    path.write_text(f"[tool]\nname=Tool\nbaseurl=https://example.com/repo\n{option}=1\n",
                    encoding="utf-8")
    with pytest.raises(BadBundle, match=rf"tool\.repo:4: a bundle may not set {option}\b"):
        repo_ids([path])


def test_the_options_of_dnf_are_known() -> None:
    assert {"gpgcheck", "proxy", "sslverify", "excludepkgs"} <= set(DNF_OPTIONS)
