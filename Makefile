# Names for all steps; setup.py, rpmbuild and the scripts in tools/ do the work.

SHELL := /bin/bash

NAME    := ovirt-node-plugin
SPEC    := $(NAME).spec
PYTHON  ?= /usr/bin/python3
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' ovirt_node_plugin/__init__.py)

# The folders of "make install"; the spec passes its own macros. The defaults of the two
# Python folders are those of this machine's dnf and its plugins.
DESTDIR     ?=
SYSCONFDIR  ?= /etc
DATADIR     ?= /usr/share
BINDIR      ?= /usr/bin
MANDIR      ?= $(DATADIR)/man
SITELIB     ?= $(shell $(PYTHON) -c 'import dnf; from pathlib import Path; print(Path(dnf.__file__).parent.parent)')
PLUGINDIR   ?= $(shell $(PYTHON) -c 'import dnf.const; print(dnf.const.PLUGINPATH)')
LIBEXECDIR  ?= /usr/libexec
HOOKDIR     ?= $(LIBEXECDIR)/vdsm/hooks
UNITDIR     ?= /usr/lib/systemd/system
PRESETDIR   ?= /usr/lib/systemd/system-preset
COCKPITDIR  ?= $(DATADIR)/cockpit
METAINFODIR ?= $(DATADIR)/metainfo
INSTALL     ?= install -p

BUILD    := $(CURDIR)/build
TARBALL  := $(BUILD)/$(NAME)-$(VERSION).tar.gz
# all folders of rpmbuild are in build/, so that it writes nothing to the home folder
RPMBUILD := rpmbuild --define '_topdir $(BUILD)/rpmbuild' --define '_sourcedir $(BUILD)' \
            --define '_rpmdir $(BUILD)/rpms' --define '_srcrpmdir $(BUILD)/rpms' \
            --define '_buildhost localhost'
# Debian's packages are not in an rpm database: there rpmbuild gets an empty database and
# does not check the BuildRequires. On other systems it checks them in the system's database.
RPMBUILD_FLAGS ?= $(if $(wildcard /etc/debian_version),--nodeps --define '_dbpath $(BUILD)/rpmdb')
MOCK_CONFIGS   ?= mock/$(NAME)-el9.cfg mock/$(NAME)-el10.cfg

# The tarball and the packages get the date of the last commit, so that the same tree gives
# the same bytes. Without git it is 1980-01-02: a wheel cannot contain an older date.
export SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),315619200)

.PHONY: help check quick demo matrix pictures dist rpm srpm mock build install library files clean

help:
	@echo "make check | quick | demo | matrix | pictures | dist | srpm | rpm | mock | install DESTDIR=... | clean"

check:
	./tools/check

quick:
	./tools/check --quick

demo:
	./tools/demo

matrix:
	./tools/matrix

# the pictures of the documents, taken by the tests of the page; as root, some minutes. tools/check
# installs what they need: Cockpit, Chromium and, for the booted node, a container of systemd-nspawn
pictures:
	./tools/check --tests tests/cockpit
	set -e; for picture in docs/pictures/*.png; do \
	    cp build/screenshots/$${picture##*/} $$picture; \
	done

dist:
	@mkdir -p $(BUILD)
	set -o pipefail; ./tools/sources | tar --create --null --no-recursion --files-from=- \
	    --transform='s,^,$(NAME)-$(VERSION)/,S' --owner=0 --group=0 --numeric-owner \
	    --mode=u+rw,go+r-w --mtime=@$(SOURCE_DATE_EPOCH) --format=gnu | gzip -n >$(TARBALL).new
	mv $(TARBALL).new $(TARBALL)

# building a source package needs no BuildRequires, but old versions of rpmbuild check them
srpm: dist
	$(RPMBUILD) $(RPMBUILD_FLAGS) --nodeps -bs $(SPEC)

rpm: dist
	$(RPMBUILD) $(RPMBUILD_FLAGS) -bb $(SPEC)
	@echo; ls -1 $(BUILD)/rpms/noarch/$(NAME)-$(VERSION)-*.rpm \
	    $(BUILD)/rpms/noarch/{cockpit,python3}-*-$(VERSION)-*.rpm

mock:
	@command -v mock >/dev/null || { \
	    echo "make mock: mock is not installed here: dnf install mock (on EL it is in EPEL)" >&2; \
	    exit 1; }
	$(MAKE) srpm
	set -e; for config in $(MOCK_CONFIGS); do \
	    mock -r ./$$config --resultdir=$(BUILD)/mock/$$(basename $$config .cfg) \
	        $(BUILD)/rpms/$(NAME)-$(VERSION)-*.src.rpm; \
	done

# a wheel of the library; pip gets no index, so that it cannot download anything
build:
	rm -rf build/lib build/bdist.* && mkdir -p $(BUILD)/wheel
	$(PYTHON) -m pip --quiet --disable-pip-version-check wheel --no-deps --no-index \
	    --no-build-isolation --no-cache-dir --wheel-dir=$(BUILD)/wheel .

install: build files library

# Install the library from its wheel, and compile all Python files. The spec runs this on
# Debian only: on other systems its macros do it.
library:
	PIP_ROOT_USER_ACTION=ignore $(PYTHON) -m pip --quiet --disable-pip-version-check install \
	    --no-deps --no-index --no-compile --no-cache-dir --upgrade \
	    --find-links=$(BUILD)/wheel --target=$(DESTDIR)$(SITELIB) $(NAME)==$(VERSION)
	find $(DESTDIR)$(SITELIB)/ovirt_node_plugin $(DESTDIR)$(SITELIB)/ovirt_node_plugin-*.dist-info \
	    -exec touch -d @$(SOURCE_DATE_EPOCH) {} +
	$(PYTHON) -m compileall -q -o 0 -o 1 --hardlink-dupes $(and $(DESTDIR),-s $(DESTDIR)) \
	    $(DESTDIR)$(SITELIB)/ovirt_node_plugin $(DESTDIR)$(PLUGINDIR)/node_plugin.py

# install everything except the library
files:
	$(INSTALL) -D -m 0644 dnf-plugins/node_plugin.py $(DESTDIR)$(PLUGINDIR)/node_plugin.py
	$(INSTALL) -D -m 0644 etc/dnf/plugins/node-plugin.conf \
	    $(DESTDIR)$(SYSCONFDIR)/dnf/plugins/node-plugin.conf
	$(INSTALL) -d -m 0755 $(DESTDIR)$(SYSCONFDIR)/$(NAME)/core.d \
	    $(DESTDIR)$(SYSCONFDIR)/$(NAME)/paths.d $(DESTDIR)$(SYSCONFDIR)/$(NAME)/plugins.d $(DESTDIR)$(DATADIR)/$(NAME)/plugins.d \
	    $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8
	$(INSTALL) -m 0644 etc/$(NAME)/core.d/*.conf $(DESTDIR)$(SYSCONFDIR)/$(NAME)/core.d/
	$(INSTALL) -D -m 0755 bin/$(NAME) $(DESTDIR)$(BINDIR)/$(NAME)
	$(INSTALL) -d -m 0755 $(DESTDIR)$(DATADIR)/xml/$(NAME)
	$(INSTALL) -m 0644 ovirt_node_plugin/schema/node-plugin.rn[cg] \
	    ovirt_node_plugin/schema/*.xml $(DESTDIR)$(DATADIR)/xml/$(NAME)/
	$(INSTALL) -m 0644 man/*.5 $(DESTDIR)$(MANDIR)/man5/
	$(INSTALL) -m 0644 man/*.8 $(DESTDIR)$(MANDIR)/man8/
	$(INSTALL) -D -m 0755 vdsm-hooks/after_get_caps/50_node_plugins \
	    $(DESTDIR)$(HOOKDIR)/after_get_caps/50_node_plugins
	$(INSTALL) -D -m 0755 libexec/dnf5-policy $(DESTDIR)$(LIBEXECDIR)/$(NAME)/dnf5-policy
	$(INSTALL) -D -m 0755 libexec/verify-at-boot $(DESTDIR)$(LIBEXECDIR)/$(NAME)/verify-at-boot
	$(INSTALL) -D -m 0644 systemd/$(NAME)-verify.service \
	    $(DESTDIR)$(UNITDIR)/$(NAME)-verify.service
	sed -i 's,=/usr/libexec/,=$(LIBEXECDIR)/,' $(DESTDIR)$(UNITDIR)/$(NAME)-verify.service
	$(INSTALL) -D -m 0644 systemd/80-$(NAME).preset $(DESTDIR)$(PRESETDIR)/80-$(NAME).preset
	$(INSTALL) -D -m 0644 etc/dnf/libdnf5-plugins/actions.d/node-plugin.actions \
	    $(DESTDIR)$(SYSCONFDIR)/dnf/libdnf5-plugins/actions.d/node-plugin.actions
	sed -i 's,:/usr/libexec/,:$(LIBEXECDIR)/,' \
	    $(DESTDIR)$(SYSCONFDIR)/dnf/libdnf5-plugins/actions.d/node-plugin.actions
	$(INSTALL) -D -m 0644 completion/$(NAME).bash \
	    $(DESTDIR)$(SYSCONFDIR)/bash_completion.d/$(NAME)
	$(INSTALL) -d -m 0755 $(DESTDIR)$(COCKPITDIR)/$(NAME) $(DESTDIR)$(METAINFODIR)
	$(INSTALL) -m 0644 cockpit/*.js cockpit/*.css cockpit/index.html cockpit/manifest.json \
	    $(DESTDIR)$(COCKPITDIR)/$(NAME)/
	$(INSTALL) -m 0644 cockpit/*.metainfo.xml $(DESTDIR)$(METAINFODIR)/

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
