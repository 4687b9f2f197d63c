//! glibc's malloc, told to give memory back. A board has musl's, which does so by itself.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Large buffers come from the kernel and go back to it: else the first that is freed raises the size from which they do. All
/// threads share one heap: else there are up to eight for each core, and each keeps what it once needed. After 20,000 mails from
/// eight senders at a time a daemon held 65 MB without these words and 28 to 29 MB with them (adr/0010).
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=65536:glibc.malloc.arena_max=1");
/// Set beside them: glibc takes its own variable away from a program whose file has capabilities.
const TOLD: &str = "ROOST_MALLOC_TOLD";

/// Starts this program anew, as the same process, with an environment in which glibc finds what it reads before `main` and at
/// no other time. Returns where there is nothing to do: with another libc, the second time, when somebody else has set
/// tunables, and when it cannot be done, because the daemon runs without, too. Must come before there is anything that another
/// start would lose.
pub fn give_back() {
    let (name, words) = TUNABLES;
    if !cfg!(target_env = "gnu") || [name, TOLD].iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let mut arguments = std::env::args_os();
    if let (Ok(program), Some(called)) = (std::env::current_exe(), arguments.next()) {
        let _ = Command::new(program).arg0(called).args(arguments).env(name, words).env(TOLD, "1").exec();
    }
}
