################################################################################
#
# roost
#
################################################################################

ROOST_VERSION = local
ROOST_SITE = $(BR2_EXTERNAL_ROOST_PATH)/..
ROOST_SITE_METHOD = local
ROOST_LICENSE = Apache-2.0 or MIT
ROOST_LICENSE_FILES = LICENSE-APACHE LICENSE-MIT
ROOST_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude /target --exclude /data

# Buildroot sets every property of the release profile through the environment;
# these are the workspace's own (Cargo.toml), which the tests are run with.
ROOST_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=s \
	CARGO_PROFILE_RELEASE_LTO=fat \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_STRIP=true
ROOST_CARGO_BUILD_OPTS = --package roost --bin roost

# A local site is not vendored by the download step: it is done here, in the
# versions of Cargo.lock, so that the build itself needs no network.
define ROOST_VENDOR
	cd $(@D) && mkdir -p .cargo && \
	$(TARGET_MAKE_ENV) CARGO_HOME=$(BR_CARGO_HOME) \
		cargo vendor --locked --versioned-dirs VENDOR >.cargo/config.toml
endef
ROOST_PRE_BUILD_HOOKS += ROOST_VENDOR

# cargo install refuses a virtual workspace.
define ROOST_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_TARGET_NAME)/release/roost \
		$(TARGET_DIR)/usr/bin/roost
endef

$(eval $(cargo-package))
