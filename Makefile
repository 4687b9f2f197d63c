# Everything a newcomer or CI calls. Each target is one line that can also be typed by hand.
DATA ?= data
LISTEN ?= 127.0.0.1
OFFSET ?= 1000
CARGO ?= cargo

.PHONY: run test test-board lint packages bench qemu cross board-image clean-data

# A mail server on this machine, with its data in ./data. LISTEN=0.0.0.0 lets the LAN in.
run:
	$(CARGO) build --locked --profile quick
	exec target/quick/roost serve --data $(DATA) --port-offset $(OFFSET) --listen $(LISTEN)

# Everything CI runs.
test: packages lint
	$(CARGO) build --locked
	$(CARGO) test --locked --workspace --exclude system-tests
	$(CARGO) test --locked -p system-tests
	$(MAKE) test-board

# The emulated board: cross-builds, assembles the image, boots it, delivers, cuts the power, boots again.
test-board: board-image
	$(CARGO) test --locked -p system-tests --features board --test board -- --nocapture

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# The programs that tests use: from the distribution, nothing by hand.
packages:
	tests/install-packages.sh

# A report, not a test: rates, flash writes, memory, sizes.
bench:
	$(CARGO) build --locked --release
	$(CARGO) run --locked --release -p system-tests --bin bench
