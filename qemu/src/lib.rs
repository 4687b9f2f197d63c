//! Builds a board image, boots it in QEMU, cuts its power, counts its writes.
