//! Part of the keeper: has NVMe, SATA and USB disks tell of their wear, which they do only to administrators, and leaves their answer
//! where the daemon can read it (`board::smart` understands it). smartctl asks; a machine without it tells nothing. Of any disk the
//! faults are counted that the kernel's log tells of (`board::kernel_log`).

use crate::limits;
use board::{kernel_log, smart};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const KERNEL_LOG: &str = "/dev/kmsg";

/// Asks now and then, on a thread of its own, for the disk that holds the data.
pub fn watch_disk(data: PathBuf) {
    thread::spawn(move || {
        loop {
            // A disk may be put in, or fail to answer: the next time is another one.
            let asked = smart::disk_to_ask(&data).map(|disk| ask(&smart::SMARTCTL, &disk, Path::new("/")));
            if let Some(Err(e)) = asked {
                tracing::debug!("the disk is not asked: {e}");
            }
            thread::sleep(limits::DISK_ASKED);
        }
    });
}

/// Follows the kernel's log on a thread of its own, and counts what it says of the disk that holds the data.
pub fn watch_log(data: PathBuf) {
    thread::spawn(move || {
        // Without data, the system is on the same disk.
        let Some(disk) = kernel_log::disk_of(&data).or_else(|| kernel_log::disk_of(Path::new("/"))) else { return };
        let counted = File::open(KERNEL_LOG).and_then(|log| count_faults(log, &disk, Path::new("/")));
        if let Err(e) = counted {
            tracing::debug!("{KERNEL_LOG}: {e}");
        }
    });
}

/// Counts for as long as there is a log, of which each read gives a record.
fn count_faults(mut log: impl Read, disk: &str, root: &Path) -> io::Result<()> {
    let (mut record, mut faults) = (vec![0; kernel_log::RECORD], 0_u64);
    let tell = |faults: u64| leave(&root.join(kernel_log::FAULTS), faults.to_string().as_bytes());
    tell(faults)?;
    loop {
        match log.read(&mut record) {
            Ok(0) => return Ok(()),
            Ok(n) if kernel_log::is_fault(&record[..n], disk) => {
                faults += 1;
                tell(faults)?;
            }
            Ok(_) => {}
            // The kernel was faster and has overwritten some.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
            Err(e) => return Err(e),
        }
    }
}

/// Has the program ask the disk; its answer replaces the last one, whole.
fn ask(program: &[&str], disk: &Path, root: &Path) -> io::Result<()> {
    leave(&root.join(smart::ANSWER), &answer(program, disk)?)
}

/// Replaces a file that the daemon may read, whole.
fn leave(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::create_dir_all(file.parent().unwrap_or(file))?;
    let _ = fs::remove_file(&new);
    let mut to = File::options().write(true).create_new(true).mode(0o644).open(&new)?;
    to.write_all(bytes)?;
    fs::rename(&new, file)
}

fn answer(program: &[&str], disk: &Path) -> io::Result<Vec<u8>> {
    let (name, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(name)
        .args(arguments)
        .arg(disk)
        .env_clear()
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // What is too much is not taken: the program ends for want of a reader.
        output.map(|output| output.take(smart::ANSWER_SIZE).read_to_end(&mut bytes)).transpose().map(|_| bytes)
    });
    let until = Instant::now() + limits::DISK_ANSWERS;
    while child.try_wait()?.is_none() {
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    // Its status has a bit for every worry; what it wrote tells more.
    let answer = reader.join().map_err(|_| io::Error::other("nobody read"))??;
    if answer.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn shell(script: &str) -> [&str; 3] {
        ["/bin/sh", "-c", script]
    }

    #[test]
    fn the_answer_replaces_the_last_one_and_can_be_read_by_the_daemon() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(smart::ANSWER);
        for (script, said) in [("echo first of $0; exit 4", "first of /dev/nvme0n1\n"), ("echo second", "second\n")] {
            ask(&shell(script), Path::new("/dev/nvme0n1"), root.path()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), said);
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        }
        for script in ["exit 2", "exec /no/such/program"] {
            assert!(ask(&shell(script), Path::new("/dev/sda"), root.path()).is_err(), "{script}");
        }
        assert!(ask(&["/no/such/program"], Path::new("/dev/sda"), root.path()).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "second\n");
        // more than any disk has to say
        ask(&shell("exec cat /dev/zero"), Path::new("/dev/sda"), root.path()).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().len(), smart::ANSWER_SIZE);
    }

    /// A log that gives a record at a time, or an error.
    struct Log(Vec<Result<&'static str, io::ErrorKind>>);

    impl Read for Log {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let record = self.0.remove(0)?;
            buffer[..record.len()].copy_from_slice(record.as_bytes());
            Ok(record.len())
        }
    }

    #[test]
    fn faults_are_counted_also_after_some_were_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let told = || fs::read_to_string(root.path().join(kernel_log::FAULTS)).unwrap();
        count_faults(Log(vec![]), "mmcblk0", root.path()).unwrap();
        assert_eq!(told(), "0");
        let fault = "3,1,2,-;I/O error, dev mmcblk0, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2\n";
        let lost = Err(io::ErrorKind::BrokenPipe);
        let log = Log(vec![
            Ok("6,0,1,-;hello\n"),
            Ok(fault),
            lost,
            Ok(fault),
            Err(io::ErrorKind::PermissionDenied),
            Ok(fault),
        ]);
        let ended = count_faults(log, "mmcblk0", root.path());
        assert_eq!((ended.unwrap_err().kind(), told().as_str()), (io::ErrorKind::PermissionDenied, "2"));
    }

    #[test]
    fn a_disk_that_does_not_answer_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let done = ask(&shell("exec sleep 1000"), Path::new("/dev/sda"), root.path());
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
