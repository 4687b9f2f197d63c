# Everything a newcomer or CI calls. Each target is one line that can also be typed by hand.
DATA ?= data
LISTEN ?= 127.0.0.1
OFFSET ?= 1000
CARGO ?= cargo

.PHONY: run test lint

# A mail server on this machine, with its data in ./data. LISTEN=0.0.0.0 lets the LAN in.
run:
	$(CARGO) build --locked --profile quick
	exec target/quick/roost serve --data $(DATA) --port-offset $(OFFSET) --listen $(LISTEN)

# Everything CI runs.
test: lint
	$(CARGO) build --locked
	$(CARGO) test --locked --workspace


lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets


