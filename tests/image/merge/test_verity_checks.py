"""Which root hashes in a boot configuration would become wrong by a merge."""
from __future__ import annotations

from typing import Optional

import pytest

from ovirt_node_plugin.images.squashfs.verity import Verity
from ovirt_node_plugin.merge.iso.verity_checks import _wrong_arguments

pytestmark = pytest.mark.root

HASH, OTHER = "ab" * 32, "cd" * 32
VERITY = Verity(offset=4096, hash_type=1, uuid="", algorithm="sha256", data_block_bytes=4096,
                hash_block_bytes=4096, data_bytes=4096, salt="", root_hash=HASH, size_bytes=4096)


@pytest.mark.parametrize(("line", "with_data", "without_data"), [
    ("linux /k quiet", False, False),
    (f"linux /k roothash={HASH}", False, True),
    (f"linux /k roothash={HASH.upper()} quiet", False, True),
    (f"linux /k 'roothash={HASH}'", False, True),
    (f'linux /k roothash="{HASH}"', False, True),
    (f"linux /k verity.usrhash='{OTHER}'", True, True),
    (f'linux /k roothash="{OTHER}"', True, True),
    (f"set hash={HASH}\nlinux /k roothash=$hash", False, True),
    (f'set hash={OTHER}\nlinux /k "roothash=${{hash}}"', True, True),
    ("linux /k roothash=", False, False)])
def test_a_root_hash_that_is_not_that_of_the_data_is_found_whatever_its_quotes(
        line: str, with_data: bool, without_data: bool) -> None:
    def is_refused(verity: Optional[Verity]) -> bool:
        return bool(list(_wrong_arguments({"/grub.cfg": line}, verity, "/squashfs.img")))
    assert (is_refused(VERITY), is_refused(None)) == (with_data, without_data)
