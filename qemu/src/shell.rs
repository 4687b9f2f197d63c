//! The root shell of a developer image, on a virtio console of its own: commands in, output and exit status out.

use crate::{Context, Error, Result};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The shell says this when it is ready (`developer-shell --raw`).
const READY: &str = "roost-shell-ready\n";
/// A command that prints more than this is given up.
const MAX_OUTPUT: usize = 16 << 20;
/// The line with the mark and the status is shorter than this.
const MAX_MARK: usize = 64;

/// What a command on the board said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What it printed, on both channels.
    pub text: String,
    /// Its exit status.
    pub status: i32,
}

impl Output {
    /// The text of a command that succeeded; an error with its text for one that failed.
    pub fn success(self) -> Result<String> {
        if self.status == 0 {
            Ok(self.text)
        } else {
            Err(Error::new(format!("status {}: {}", self.status, self.text.trim_end())))
        }
    }
}

/// The connection to the shell.
#[derive(Debug)]
pub(crate) struct Shell {
    stream: UnixStream,
    buffer: Vec<u8>,
    ready: bool,
    commands: u32,
}

impl Shell {
    /// Takes over a connection on which the shell will show up.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: Vec::new(), ready: false, commands: 0 }
    }

    /// Runs a command with /bin/sh.
    pub(crate) fn run(&mut self, command: &str, timeout: Duration) -> Result<Output> {
        let deadline = Instant::now() + timeout;
        self.wait_ready(deadline)?;
        self.commands += 1;
        let mark = format!("roost-status-{}", self.commands);
        self.stream.write_all(wrap(command, &mark).as_bytes()).context(|| "board's shell".into())?;
        let mut searched = 0;
        loop {
            if let Some((mut output, rest)) = parse(&self.buffer, &mark, searched) {
                self.buffer.drain(..rest);
                // A board that restarted more than once said each time that it is ready.
                if let Some(at) = output.text.rfind(READY) {
                    output.text.drain(..at + READY.len());
                }
                return Ok(output);
            }
            searched = self.buffer.len().saturating_sub(MAX_MARK);
            if let Err(error) = self.fill(deadline) {
                // What is still to come belongs to this command: the shell cannot be used again.
                self.ready = false;
                return Err(Error::new(format!(
                    "{command:?}: {error}; so far:\n{}",
                    String::from_utf8_lossy(&self.buffer)
                )));
            }
        }
    }

    /// Sends a command whose end is not waited for.
    pub(crate) fn send(&mut self, command: &str) -> Result<()> {
        self.wait_ready(Instant::now() + Duration::from_secs(60))?;
        self.stream.write_all(format!("{command}\n").as_bytes()).context(|| "board's shell".into())
    }

    /// The shell goes away; another one will say that it is ready.
    pub(crate) fn forget(&mut self) {
        self.ready = false;
        self.buffer.clear();
    }

    fn wait_ready(&mut self, deadline: Instant) -> Result<()> {
        while !self.ready {
            if let Some(at) = find(&self.buffer, READY.as_bytes()) {
                self.buffer.drain(..at + READY.len());
                self.ready = true;
            } else {
                self.fill(deadline).context(|| "the board has no shell (is it the developer image?)".into())?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, deadline: Instant) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::new("time is over"));
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => Err(Error::new("the board is off")),
            Ok(_) if self.buffer.len() > MAX_OUTPUT => Err(Error::new("endless output")),
            Ok(n) => {
                self.buffer.extend_from_slice(&piece[..n]);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(Error::new("time is over")),
            Err(error) => Err(error.into()),
        }
    }
}

/// The line for the shell: the command in a shell of its own, then the mark with its status on a line of its own.
fn wrap(command: &str, mark: &str) -> String {
    format!("sh -c '{}' </dev/null 2>&1; printf '\\n{mark} %d\\n' $?\n", command.replace('\'', "'\\''"))
}

/// Finds the mark behind a command's output, from an offset on; tells where the next command's output begins.
fn parse(buffer: &[u8], mark: &str, from: usize) -> Option<(Output, usize)> {
    let sign = format!("\n{mark} ");
    let at = from + find(&buffer[from..], sign.as_bytes())?;
    let tail = &buffer[at + sign.len()..];
    let end = tail.iter().position(|&byte| byte == b'\n')?;
    let status = std::str::from_utf8(&tail[..end]).ok()?.parse().ok()?;
    let text = String::from_utf8_lossy(&buffer[..at]).into_owned();
    Some((Output { text, status }, at + sign.len() + end + 1))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_status_is_read_only_when_it_is_complete() {
        let whole = b"out\nput\nroost-status-7 12\nnext";
        for cut in 0..26 {
            assert!(parse(&whole[..cut], "roost-status-7", 0).is_none(), "{cut}");
        }
        let (output, rest) = parse(whole, "roost-status-7", 0).unwrap();
        assert_eq!(output, Output { text: "out\nput".into(), status: 12 });
        assert_eq!(&whole[rest..], b"next");
    }

    /// Ties a shell of this machine to the socket, as QEMU ties the board's.
    fn local_shell() -> (Shell, std::process::Child) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let input: std::os::fd::OwnedFd = theirs.try_clone().unwrap().into();
        let output: std::os::fd::OwnedFd = theirs.into();
        let mut command = Command::new("sh");
        command.args(["-c", "echo noise; echo roost-shell-ready; exec sh"]);
        let child = command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).spawn().unwrap();
        (Shell::new(ours), child)
    }

    #[test]
    fn commands_give_their_output_and_status() {
        let (mut shell, mut child) = local_shell();
        let mut run = |command: &str| shell.run(command, Duration::from_secs(20)).unwrap();
        assert_eq!(run("echo out; echo err >&2; exit 3"), Output { text: "out\nerr\n".into(), status: 3 });
        assert_eq!(run("printf 'it'\"'\"'s %s' 'no newline'"), Output { text: "it's no newline".into(), status: 0 });
        assert_eq!(run("cat"), Output { text: String::new(), status: 0 });
        assert_eq!(run("if").status, 2);
        assert!(run("seq 1 20000").text.ends_with("20000\n"));
        assert!(shell.run("exit 1", Duration::from_secs(20)).unwrap().success().is_err());
        drop(shell);
        child.wait().unwrap();
    }

    #[test]
    fn what_shells_said_before_a_restart_is_not_the_output() {
        let (mut shell, mut child) = local_shell();
        assert_eq!(shell.run("true", Duration::from_secs(20)).unwrap().text, "");
        shell.forget();
        shell.stream.write_all(b"echo roost-shell-ready; echo late; echo roost-shell-ready\n").unwrap();
        assert_eq!(shell.run("echo out", Duration::from_secs(20)).unwrap().text, "out\n");
        drop(shell);
        child.wait().unwrap();
    }

    #[test]
    fn a_command_that_does_not_end_runs_out_of_time() {
        let (mut shell, mut child) = local_shell();
        let error = shell.run("echo begun; exec cat /dev/zero", Duration::from_millis(300)).unwrap_err().to_string();
        assert!(error.contains("time is over") || error.contains("endless"), "{}", &error[..200.min(error.len())]);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn an_image_without_a_shell_is_named_as_the_likely_fault() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let error = Shell::new(ours).run("true", Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("developer image"), "{error}");
    }
}
