//! Reads what the kernel tells of processes, and of this machine.

use std::path::Path;

/// Memory of some processes, in octets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// What they hold, shared pages divided among those who share them.
    pub pss: u64,
    /// What they hold, shared pages counted for each.
    pub rss: u64,
}

/// The memory of these processes together (`smaps_rollup`); those that end meanwhile do not count.
pub fn memory(processes: &[i32]) -> Memory {
    let mut sum = Memory::default();
    for pid in processes {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        sum.pss += field(&text, "Pss:").unwrap_or(0) * 1024;
        sum.rss += field(&text, "Rss:").unwrap_or(0) * 1024;
    }
    sum
}

/// What a process caused to be written to disks, as the kernel counts it.
pub fn written(pid: i32) -> Option<u64> {
    field(&std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?, "write_bytes:")
}

/// Ticks of a second in `/proc/PID/stat`: the same on every machine that Linux tells them to.
const TICKS: f64 = 100.0;

/// The processor time that these processes have taken so far, in seconds: what a busy machine does not distort.
pub fn processor(processes: &[i32]) -> f64 {
    let ticks = |pid: &i32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; behind it the state is the first field, utime and stime are twelfth and next.
        let fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(fields.take(2).filter_map(|n| n.parse::<f64>().ok()).sum::<f64>())
    };
    processes.iter().filter_map(ticks).sum::<f64>() / TICKS
}

/// How many threads a process has.
pub fn threads(pid: i32) -> Option<u64> {
    field(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "Threads:")
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|l| l.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Processor, cores, memory and system, in words.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ")).map_or("unknown", |(_, m)| m);
    let memory = field(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let release = read("/etc/os-release");
    let system = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"');
    let kernel = read("/proc/sys/kernel/osrelease");
    let class = if Path::new("/sys/hypervisor").exists() || cpu.contains(" hypervisor") {
        "virtual machine"
    } else {
        "machine"
    };
    format!(
        "{class}: {model}, {cores} cores, {} GB of memory, {} on Linux {}, {}",
        (memory + (1 << 19)) >> 20,
        system,
        kernel.trim(),
        std::env::consts::ARCH,
    )
}

/// A binary in words: the profile it was built with, by the folder it is in, and its size.
pub fn build(binary: &Path) -> String {
    let profile =
        binary.parent().and_then(Path::file_name).map_or_else(String::new, |p| p.to_string_lossy().into_owned());
    let size = binary.metadata().map_or(0, |m| m.len());
    format!("profile {profile}, {:.1} MB", size as f64 / 1e6)
}

/// How busy the machine is, as the kernel's load of the last minute.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
}
