//! Part of the keeper: has NVMe, SATA and USB disks tell of their wear, which they do only to administrators, and leaves their answer
//! where the daemon can read it (`board::smart` understands it). smartctl asks; a machine without it tells nothing.

use crate::limits;
use board::smart;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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

/// Has the program ask the disk; its answer replaces the last one, whole.
fn ask(program: &[&str], disk: &Path, root: &Path) -> io::Result<()> {
    let answer = answer(program, disk)?;
    let file = root.join(smart::ANSWER);
    let new = file.with_extension("new");
    fs::create_dir_all(file.parent().unwrap_or(root))?;
    let _ = fs::remove_file(&new);
    let mut to = File::options().write(true).create_new(true).mode(0o644).open(&new)?;
    to.write_all(&answer)?;
    fs::rename(&new, &file)
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

    #[test]
    fn a_disk_that_does_not_answer_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let done = ask(&shell("exec sleep 1000"), Path::new("/dev/sda"), root.path());
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
