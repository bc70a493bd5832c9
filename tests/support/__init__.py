"""Fixtures of tests: a Node image, a host, plugins, and RPMs and bundles that tests define.

``fixtures()`` returns them. rpmbuild and createrepo_c build everything from the spec
files in this folder.
"""
from __future__ import annotations

from .adhoc import RpmRepo, descriptor_xml, quick_rpm, write_bundle
from .fixtures import Fixtures, copy_tree, fixtures
from .isos import COMPRESSORS, FORMS, BootFiles, make_iso
from .keys import SigningKey, make_key
from .rpms import FixtureError, Job, build_spec, make_repo, repo_file

__all__ = ["COMPRESSORS", "FORMS", "BootFiles", "FixtureError", "Fixtures", "Job", "RpmRepo",
           "SigningKey", "build_spec", "copy_tree", "descriptor_xml", "fixtures", "make_iso",
           "make_key", "make_repo", "quick_rpm", "repo_file", "write_bundle"]
