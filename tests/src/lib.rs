//! Transcripts, real programs, setup pages, the emulated board, benchmarks.
