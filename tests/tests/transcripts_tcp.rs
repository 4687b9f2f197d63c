//! Every transcript against the daemon, over TCP with TLS. One daemon serves them all, several at a time.

use system_tests::daemon::Daemon;
use system_tests::play::play_named;

fn play(name: &str) {
    play_named(name, Daemon::shared());
    Daemon::shared().assert_sound();
}

include!(concat!(env!("OUT_DIR"), "/transcripts.rs"));
