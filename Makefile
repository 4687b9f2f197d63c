# Everything a newcomer or CI calls. Each target is one line that can also be typed by hand.
DATA ?= data
LISTEN ?= 127.0.0.1
OFFSET ?= 1000
BOARD_OFFSET ?= 2000
BOARD ?= qemu_aarch64_virt
CARGO ?= cargo
ROUNDS ?= 13
CUTS ?= 200
PROFILE ?= quick

.PHONY: run packages test test-board test-pi broken-updates test-updates updates-1 updates-2 cuts edges proof test-thunderbird bench wear crash lint cross board-image radio-image qemu image legal-info

# A mail server on this machine, with its data in ./data. LISTEN=0.0.0.0 lets the LAN in.
run:
	$(CARGO) build --locked --profile $(PROFILE)
	exec target/$(PROFILE)/roost serve --data $(DATA) --port-offset $(OFFSET) --listen $(LISTEN)

# What the tests need besides Rust: mail programs, mostly. Installed as root or by sudo; otherwise the line to run is named.
packages:
	tests/install-packages.sh

# Everything CI runs.
test: packages lint
	$(CARGO) build --locked
	$(CARGO) test --locked --workspace

# The emulated board: builds the image, then boots it, fills it, cuts its power.
test-board: packages board-image radio-image
	qemu/packages.sh openssh-client
	$(CARGO) test --locked -p qemu --features board
	$(CARGO) test --locked -p system-tests --features board --test board --test loader --test cuts --test wifi

# The image for Raspberry Pis (make image BOARD=rpi), in QEMU's Pi 3.
test-pi:
	qemu/packages.sh qemu-system-arm nbdkit device-tree-compiler
	$(CARGO) test --locked -p qemu --features pi --test pi

# Thunderbird, headless, with a profile of its own.
test-thunderbird: packages
	$(CARGO) test --locked -p system-tests --features thunderbird --test thunderbird -- --nocapture

broken-updates: packages board-image
	qemu/broken-updates.sh target/board/developer

# Updates good and broken, power cuts among them, in QEMU: the board always ends on a working slot with all mail. ROUNDS
# is how many; 13 have each kind of breakage once.
test-updates updates-1 updates-2: broken-updates
	ROUNDS=$(ROUNDS) $(CARGO) test --locked -p system-tests --features board --test updates -- --nocapture

# Power cuts while mail is delivered, marked, moved and expunged, on an emulated disk that forgets what it did not flush:
# whatever was acknowledged is there afterwards. A quarter of a minute for each; SEED repeats what is random.
cuts: packages board-image
	CUTS=$(CUTS) $(CARGO) test --locked -p system-tests --features board --test cuts -- --nocapture

# A data partition that is damaged or full, and clocks that are wrong by years.
edges: packages board-image
	$(CARGO) test --locked -p system-tests --features board --test damage --test full --test skew -- --nocapture --test-threads 1

# What the image is trusted for: 100 updates, 62 of them broken, half of them on each of two boards; 200 power cuts; and the
# edges. `make -j3 proof` has three boards at work side by side.
proof: ROUNDS = 50
proof: updates-1 updates-2 cuts edges

# A report, not a test: rates, writes, memory, sizes, beside Dovecot where it can be had. With the board, if it has been built.
bench:
	qemu/packages.sh xfsprogs
	$(CARGO) build --locked --profile $(PROFILE) -p roost -p system-tests --bins
	ROOST_BIN=target/$(PROFILE)/roost target/$(PROFILE)/bench

# What a card has to bear, counted by a device of our own, beside Dovecot; needs root. A short form: make wear MESSAGES=1000 PEERS=none
MESSAGES ?= 10000
PEERS ?= sdbox,mdbox,maildir
wear:
	qemu/packages.sh util-linux e2fsprogs xfsprogs f2fs-tools openssl strace
	$(CARGO) build --locked --profile $(PROFILE) -p roost -p system-tests --bins
	ROOST_BIN=target/$(PROFILE)/roost target/$(PROFILE)/wear --messages $(MESSAGES) --peers $(PEERS) $(WEAR)

# The store on a disk that loses power, space, flushes and bits, in its long form; `make test` has a short one.
POINTS ?= 5000
crash:
	ROOST_CRASH_POINTS=$(POINTS) $(CARGO) test --locked --profile $(PROFILE) -p store --lib -- --nocapture crash:: faults:: damage:: log_end::

# The stripped aarch64 binary; prints its path.
cross:
	qemu/cross.sh

# A board image from the distribution's arm64 kernel and BusyBox, our binary and our init scripts.
board-image:
	$(CARGO) run --locked -p qemu -- image

# The same with two simulated radios and an access point's program, for the test of the Wi-Fi.
radio-image:
	$(CARGO) run --locked -p qemu -- image --radio

# Boots that image in QEMU, with its ports plus BOARD_OFFSET on this machine and its console here.
qemu:
	$(CARGO) run --locked -p qemu -- run --port-offset $(BOARD_OFFSET)

# The image of a board, with Buildroot: BOARD=rpi for Pi 3, 4 and Zero 2 W, rpi5, qemu_aarch64_virt. Long, the first time.
image:
	buildroot/image.sh $(BOARD)

# After that: the licences and sources of all that the image consists of.
legal-info:
	buildroot/image.sh --legal-info $(BOARD)

# With BUILDROOT=dir, a tree of Buildroot, what the image is configured with too.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	test -z "$(BUILDROOT)" || buildroot/check.sh
