//! Every transcript against sessions in memory.

use system_tests::memory::Memory;
use system_tests::play::play_named;

fn play(name: &str) {
    play_named(name, &Memory::new());
}

include!(concat!(env!("OUT_DIR"), "/transcripts.rs"));
