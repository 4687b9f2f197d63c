//! The command line.

use crate::device::Format;
use std::path::PathBuf;

const USAGE: &str = "usage: wear [--messages N] [--peer-messages N] [--peers sdbox,mdbox,maildir|none] [--file-systems ext4,ext4-plain,xfs,f2fs]
            [--idle MINUTES] [--large GIGABYTES] [--directory DIR]";

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    /// Messages of the corpus for our server.
    pub messages: u64,
    /// And for the peer; a tenth unless asked for: it is slower, and what a mail costs it hardly depends on their number.
    pub peer_messages: u64,
    /// How the peer keeps mail.
    pub peers: Vec<String>,
    /// What our server's data lies on.
    pub formats: Vec<Format>,
    /// Minutes without work.
    pub idle: u64,
    /// Size of a large store that is filled and looked at, gigabytes.
    pub large: u64,
    /// Where the devices' contents lie.
    pub directory: Option<PathBuf>,
}

impl Options {
    /// Reads it.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            messages: 10_000,
            peer_messages: 0,
            peers: ["sdbox", "mdbox", "maildir"].map(str::to_owned).to_vec(),
            formats: Format::ALL.to_vec(),
            idle: 2,
            large: 0,
            directory: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            let number = || value.parse().map_err(|_| USAGE);
            match name.as_str() {
                "--messages" => options.messages = number()?,
                "--peer-messages" => options.peer_messages = number()?,
                "--idle" => options.idle = number()?,
                "--large" => options.large = number()?,
                "--directory" => options.directory = Some(PathBuf::from(&value)),
                "--peers" => options.peers = list(&value).map(str::to_owned).collect(),
                "--file-systems" => {
                    options.formats = list(&value).map(Format::parse).collect::<Option<_>>().ok_or(USAGE)?;
                }
                _ => return Err(USAGE.to_owned()),
            }
        }
        if options.messages < 100 || options.peers.iter().any(|p| !["sdbox", "mdbox", "maildir"].contains(&p.as_str()))
        {
            return Err(format!("{USAGE}\nat least 100 messages"));
        }
        if options.peer_messages == 0 {
            options.peer_messages = (options.messages / 10).max(100);
        }
        Ok(options)
    }
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').filter(|word| !word.is_empty() && *word != "none")
}
