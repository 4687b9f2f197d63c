//! Runs mail programs and scripts.

use crate::here;
use crate::wire::Reach;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status; -1 if a signal ended it.
    pub status: i32,
    /// What it said, standard output before standard error.
    pub said: String,
    /// Its standard output as bytes.
    pub stdout: Vec<u8>,
}

/// Runs a program to its end, within a limit (`timeout` ends it after this many seconds).
pub fn run(seconds: u32, command: &mut Command) -> Ran {
    let mut guarded = Command::new("timeout");
    guarded.arg(seconds.to_string()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(name, value),
            None => guarded.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        guarded.current_dir(dir);
    }
    let output: Output = guarded.stdin(std::process::Stdio::null()).output().expect("`timeout` can be started");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ran { status: output.status.code().unwrap_or(-1), said, stdout: output.stdout }
}

impl Ran {
    /// Panics with what it said unless it ended with status 0.
    #[track_caller]
    pub fn well(self) -> Ran {
        self.with_status(0)
    }

    /// Panics with what it said unless it ended with this status.
    #[track_caller]
    pub fn with_status(self, status: i32) -> Ran {
        assert_eq!(self.status, status, "it said:\n{}", self.said);
        self
    }
}

/// Writes a file that only its owner can read, as programs demand of files with passwords.
pub fn private_file(path: &Path, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("a file of the test can be written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("and made private");
    path.to_owned()
}

/// One of the scripts in `clients/`, told where the server is and who logs in.
pub fn python(script: &str, reach: &Reach, user: &str, password: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg(here().join("clients").join(script)).env("ROOST_USER", user).env("ROOST_PASSWORD", password);
    command.env("ROOST_CA", &reach.ca).env("PYTHONDONTWRITEBYTECODE", "1");
    for (protocol, port) in &reach.ports {
        command.env(format!("ROOST_PORT_{}", protocol.name().to_uppercase()), port.to_string());
    }
    command
}
