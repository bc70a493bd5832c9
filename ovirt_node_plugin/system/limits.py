"""The limits for what is read from others: plugins, images, roots and repositories.

Each reader raises an error that names the limit when its input exceeds it. With these, the
reading of one file takes less than 256 MiB of memory, and time that grows with its size only.
This module imports nothing, as VDSM and every DNF run wait for programs that use it.
"""
from __future__ import annotations

MIB = 1 << 20

TEXT_BYTES = MIB
"""A configuration file, a descriptor, or another file that is read as a whole."""
EDITED_BYTES = 64 * MIB
"""A file of a root whose content is compared, edited or kept to be restored."""
CONFIG_FILE_BYTES = 64 << 10
"""A file of configuration that a plugin puts into a drop-in folder; a plan shows all of it."""
CONFIG_FILES_BYTES = 4 * MIB
"""Those files of a plugin's packages, read before the installation."""
CONFIG_LISTS = 100
"""The lists of drop-in folders of a site."""
OS_RELEASE_BYTES = 64 << 10
HOSTS_BYTES = 4 * MIB
"""The file hosts(5)."""
ACCOUNTS_BYTES = 4 * MIB
"""One of passwd(5), group(5), shadow(5) and gshadow(5)."""

RECORD_BYTES = 4 * MIB
RECORDS = 1_000
"""The records of a root; VDSM is told of as many plugins."""
RECORDS_BYTES = 16 * MIB
"""All records of a root together."""
UNDO_DATA_BYTES = 32 * MIB
"""The undo data of a plugin, with contents of files that are compressed."""
UNDO_CONTENT_BYTES = 64 * MIB
"""All contents in the undo data of a plugin, decompressed."""
INVENTORY_BYTES = 32 * MIB
"""An inventory, decompressed: some 75,000 files."""
JOURNAL_BYTES = 64 * MIB
"""The journal of a change: some 900,000 names of files."""
WATCHED_ENTRIES = 20_000
"""The entries of a root whose states are compared before and after each scriptlet."""
JSON_ITEMS = 1_000_000
"""The commas and opening brackets in a JSON text, a bound of the number of its values."""
JSON_DIGITS = 20
"""The digits of a whole number in a JSON text."""
REPOMD_BYTES = MIB
"""The index of a repository's metadata, ``repomd.xml``; it has one element for each file."""
METADATA_BYTES = 64 * MIB
"""The metadata of the repository inside a bundle, decompressed; libsolv reads all of it."""
REPO_FILE_BYTES = 4 * MIB
"""A ``.repo`` file of a root; one in a bundle has TEXT_BYTES at most."""
BUNDLE_BYTES = 8 << 30
"""The files of an unpacked bundle; the largest ones have firmware and drivers."""
BUNDLE_ENTRIES = 100_000
BUNDLE_FILES = 100
"""The ``.repo`` files of a bundle, and its keys."""
SOURCE_FILES = 200
"""The files in ``files/`` of a bundle, which are kept in the undo data."""
SOURCE_FILE_BYTES = MIB
SOURCE_FILES_BYTES = 8 * MIB
"""The files in ``files/`` of a bundle together."""
SOURCE_TAR_BYTES = 10 * MIB
"""A tar of ``files/`` in the metadata of a repository, decompressed."""
KEY_BYTES = 4 * MIB
"""A file of public keys."""
CHECKSUM_LIST_BYTES = 4 * MIB
"""A list of checksums of files, beside an image or in it; some 50,000 files."""
CHECKSUM_LISTS_BYTES = 8 * MIB
"""All lists of checksums on an ISO together."""
HEADER_BYTES = 32 * MIB
"""The header of an RPM."""
SCRIPTLET_CHARACTERS = 256 << 10
"""What is looked at of a scriptlet of an RPM."""
EXAMINED_PACKAGES = 100
"""The RPMs from which a descriptor is made."""
EXAMINED_FILES = 200
"""The files of an RPM whose content is read to suggest settings."""
EXAMINED_FILE_BYTES = MIB
SUGGESTIONS = 200
"""The settings that are suggested for a descriptor."""
PACKAGE_FILES = 100_000
PACKAGE_PATHS_CHARACTERS = 32 * MIB
"""All paths of an RPM together; its header has each folder only once."""
CORE_PATTERNS = 10_000
"""The names in all lists of core packages of a machine or a root."""
FOLDER_DEPTH = 100
"""The levels of folders in a bundle, and in a part of a root that is listed as a whole."""
READ_DROP_INS = 200
"""The files of a package that a plan reads, to tell what takes effect."""
MODULE_INDEX_BYTES = 16 * MIB
"""One of depmod's lists of modules."""
MODULE_BYTES = 64 * MIB
"""A kernel module, decompressed."""
MODULES_BYTES = 256 * MIB
"""The kernel modules of arriving packages that are read before the installation."""
MODULE_SYMBOLS = 500_000
"""The symbols of the kernel modules of a plugin, and the texts in a section of a module."""
REMOVALS_BYTES = 16 * MIB
"""The list of files that dnf removes after a transaction."""
RPM_MACRO_FILES = 1_000
"""The files of rpm's macros in a root; each has at most TEXT_BYTES."""
RPMDB_BYTES = 1 << 30
"""One file of an rpm database that is copied out of an image; that of a Node has some 100 MiB."""
BASE_BYTES = 2 << 30
"""A saved list of packages, against which a plugin is linted, decompressed."""
RPMDB_PAGES = 16_384
"""The pages of an rpm database that are looked at to find whether it has a package."""
PROGRAM_S = 900.0
"""The time that a program which reads files of a root may take, in seconds; dracut needs most."""
FILE_CONTEXTS_BYTES = 8 * MIB
"""One of the files of file contexts of a SELinux policy; the largest has 400 KiB in EL 9."""
LABELS_S = 60
"""The processor time to look up the labels of some 10,000 paths; 6,000 take less than a second."""
CHANGE_OUTPUT_BYTES = 16 * MIB
"""What is read at once of the lines that a change with --detach printed."""
LISTED_CHANGE_BYTES = MIB
"""What a change may have printed so that its log and answer are in a list of all changes."""
MESSAGES_CHARACTERS = MIB
"""The messages in the lines that a change prints for programs; they can be kept in memory."""
OUTPUT_BYTES = 64 * MIB
"""What a program prints, such as the list of files of an ISO."""
ISO_FILES = 100_000
ISO_SHARES = 16
"""How often the files of an ISO may have its size together: they can share blocks."""
BOOT_BYTES = 16 * MIB
"""All boot configurations of an ISO together."""
BOOT_ENTRIES = 1_000
"""The entries in one boot configuration."""
BOOT_ARGUMENTS_CHARACTERS = 16 << 10
"""The kernel arguments of one entry; Linux takes 4096 at most."""
COMMAND_LINE_CHARACTERS = 2047
"""The longest kernel command line: COMMAND_LINE_SIZE of x86 and arm64, less 1."""
LOADER_ENTRY_BYTES = 64 << 10
LOADER_ENTRIES_BYTES = MIB
"""All boot loader entries of a root together."""
DIGEST_BYTES = 16 << 30
"""A file of a root of which a digest is made."""
COMPARED_BYTES = 128 << 30
"""The files of two images whose content is compared, together; sparse ones count as a whole."""
FAT_CONFIGURATIONS = 100
"""The boot configurations in one FAT image; each is copied by a program."""
FAT_BYTES = 512 * MIB
"""The FAT images that an ISO boots from, together; they are copied."""
XML_DEPTH = 32
XML_ITEMS = 250_000
"""The elements, attributes and namespaces of an XML document."""
DESCRIPTOR_ITEMS = 20_000
"""As XML_ITEMS, of a descriptor: some 5000 settings."""
DESCRIPTOR_ARGUMENTS = 100
"""The kernel arguments of a descriptor; each is looked for in each boot entry."""
DESCRIPTOR_EXCLUDES = 100
"""The ``<exclude>`` elements of a descriptor; each is compared with each ``<install>``."""
DESCRIPTOR_PARAMETERS = 100
"""The ``<parameter>`` elements of a descriptor."""
SITE_PARAMETER_FILES = 100
PARAMETER_CHARACTERS = 1024
"""The value of a parameter."""
CATALOG_BYTES = 32 * MIB
"""The file of a catalog; one of 10,000 plugins with three versions each has some 8 MiB."""
CATALOG_PLUGINS = 50_000
CATALOG_VERSIONS = 1_000
"""The versions of one plugin in a catalog."""
CATALOG_FINGERPRINTS = 100
"""The keys of one plugin in a catalog."""
CATALOG_TEXT_CHARACTERS = 1_000
"""A title, a vendor or a note in a catalog."""
CATALOGS = 10
"""The catalogs of a site."""
SIGNATURE_BYTES = 64 << 10
"""A detached OpenPGP signature."""
PROBLEMS = 100
"""The problems in one document after which no more are looked for; ten are shown."""
