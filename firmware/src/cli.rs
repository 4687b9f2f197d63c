//! The command line: what was asked, as a type.

use crate::control::Request;
use crate::download::Source;
use crate::limits;
use crate::serve::Options;
use auth::Address;
use lexopt::prelude::*;
use std::ffi::OsString;
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Duration;

/// What `roost --help` prints.
pub const HELP: &str = "\
Roost holds a household's mail and serves it to every mail program on the LAN.

  roost serve --data DIR [--port-offset N] [--listen ADDRESS] [--trouble DIR] [--endurance-tb TERABYTES]
  roost account add ADDRESS --password-stdin --data DIR
  roost account list --data DIR
  roost account remove ADDRESS --data DIR
  roost account password ADDRESS --password-stdin --data DIR
  roost app-password add ADDRESS NAME --data DIR
  roost owner reset --data DIR      (a forgotten password of the pages: shows a new setup code; no mail is lost)
  roost import --account ADDRESS FILE|DIR... --data DIR
  roost check [--rebuild] --data DIR    (--rebuild: the catalogue is made anew from the log at the next start)
  roost stats --json [--endurance-tb TERABYTES] --data DIR
  roost rescue LOG-DIR OUT-DIR
  roost update FILE|URL|-     (on a board: installs a signed update, restarts into it)
  roost slots                 (on a board: what runs, and what is in the other slot)
  roost keep --data DIR [--confirm-within SECONDS]
                              (on a board, as root: watches over the daemon, takes updates, changes the network)

Every port is its standard number plus N (--port-offset): imap 143, imaps 993, pop3 110, pop3s 995, smtp 25,
submission 587, submissions 465, lmtp 24, http 80, https 443. ADDRESS of --listen is an IP address; by default
every address of the machine. With --trouble, data that cannot be opened does not end `serve`: it serves a page that
tells what is wrong and lets the mail be saved, and keeps what it needs for that in DIR. --endurance-tb is what the card's
maker promises that can be written to it; without, the estimate of its life goes by the size of the file system. All commands but `serve` talk to the running daemon, or open the data themselves;
`rescue` needs nothing but the segments of a log (the folder `log` of the data, or a copy).";

/// One thing to do.
#[derive(Debug)]
pub enum Command {
    /// Print the help.
    Help,
    /// Print the version.
    Version,
    /// Run the daemon.
    Serve(Options),
    /// Watch over the daemon.
    Keep(crate::keeper::Options),
    /// Install an update.
    Update(Bundle),
    /// Tell about the root slots.
    Slots,
    /// Ask the daemon, or the data itself.
    Ask { data: PathBuf, request: Request },
    /// Mail out of a bare log.
    Rescue { from: PathBuf, to: PathBuf },
    /// Bring mail in from files.
    Import { data: PathBuf, account: Address, paths: Vec<PathBuf> },
}

/// Where an update comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Bundle {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// The network.
    Address(Source),
}

#[derive(Default)]
struct Flags {
    data: Option<PathBuf>,
    endurance: Option<u64>,
    confirm: Option<Duration>,
    port_offset: u16,
    listen: Option<std::net::IpAddr>,
    trouble: Option<PathBuf>,
    password_stdin: bool,
    rebuild: bool,
    account: Option<Address>,
    words: Vec<OsString>,
    help: bool,
    version: bool,
}

/// Reads the command line; the error is a sentence for the person who typed it.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let flags = flags(args).map_err(|e| format!("{e} (roost --help shows what there is)"))?;
    if flags.help {
        return Ok(Command::Help);
    }
    if flags.version {
        return Ok(Command::Version);
    }
    let words: Vec<&str> =
        flags.words.iter().map(|w| w.to_str().ok_or("arguments must be UTF-8")).collect::<Result<_, _>>()?;
    let data = || flags.data.clone().ok_or_else(|| "--data DIR is missing".to_owned());
    let ask = |request| data().map(|data| Command::Ask { data, request });
    match words.as_slice() {
        [] => Ok(Command::Help),
        ["serve"] => {
            let (port_offset, listen, trouble) = (flags.port_offset, flags.listen, flags.trouble.clone());
            Ok(Command::Serve(Options { data: data()?, port_offset, listen, trouble, endurance: flags.endurance }))
        }
        ["keep"] => {
            let confirm = flags.confirm.unwrap_or(limits::CONFIRM);
            Ok(Command::Keep(crate::keeper::Options { data: data()?, port_offset: flags.port_offset, confirm }))
        }
        ["update", "-"] => Ok(Command::Update(Bundle::Stdin)),
        ["update", url] if Source::is_meant(url) => Ok(Command::Update(Bundle::Address(Source::parse(url)?))),
        ["update", path] => Ok(Command::Update(Bundle::File(PathBuf::from(path)))),
        ["slots"] => Ok(Command::Slots),
        ["account", "add", who] => ask(Request::AccountAdd { address: address(who)?, password: password(&flags)? }),
        ["account", "list"] => ask(Request::AccountList),
        ["account", "remove", who] => ask(Request::AccountRemove { address: address(who)? }),
        ["account", "password", who] => {
            ask(Request::AccountPassword { address: address(who)?, password: password(&flags)? })
        }
        ["app-password", "add", who, name] => {
            ask(Request::AppPasswordAdd { address: address(who)?, name: (*name).to_owned() })
        }
        ["owner", "reset"] => ask(Request::OwnerReset),
        ["import", paths @ ..] if !paths.is_empty() => {
            let account = flags.account.clone().ok_or("--account ADDRESS is missing")?;
            Ok(Command::Import { data: data()?, account, paths: flags.words[1..].iter().map(PathBuf::from).collect() })
        }
        ["check"] => ask(Request::Check { rebuild: flags.rebuild }),
        ["stats"] => ask(Request::Stats { endurance: flags.endurance }),
        ["rescue", from, to] => Ok(Command::Rescue { from: from.into(), to: to.into() }),
        other => Err(format!("{:?} is not a command (roost --help shows what there is)", other.join(" "))),
    }
}

fn flags(args: impl IntoIterator<Item = OsString>) -> Result<Flags, lexopt::Error> {
    let mut flags = Flags::default();
    let mut parser = lexopt::Parser::from_iter(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("data") => flags.data = Some(parser.value()?.into()),
            Long("port-offset") => flags.port_offset = parser.value()?.parse()?,
            Long("trouble") => flags.trouble = Some(parser.value()?.into()),
            Long("listen") => flags.listen = Some(parser.value()?.parse()?),
            Long("password-stdin") => flags.password_stdin = true,
            Long("rebuild") => flags.rebuild = true,
            Long("account") => flags.account = Some(parser.value()?.parse_with(address)?),
            Long("endurance-tb") => {
                let terabytes: f64 = parser.value()?.parse()?;
                let octets = terabytes * 1e12;
                if !(1e9..1e18).contains(&octets) {
                    return Err(format!("--endurance-tb {terabytes}: terabytes that the card's maker promises").into());
                }
                flags.endurance = Some(octets as u64);
            }
            Long("confirm-within") => flags.confirm = Some(Duration::from_secs(parser.value()?.parse()?)),
            Long("json") => {} // the only form there is; named so that a readable one can come
            Long("help") | Short('h') => flags.help = true,
            Long("version") | Short('V') => flags.version = true,
            Value(word) => flags.words.push(word),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(flags)
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|e| format!("{text}: {e}"))
}

fn password(flags: &Flags) -> Result<String, String> {
    if !flags.password_stdin {
        return Err("--password-stdin is missing: the password is read from standard input, so that no list of processes shows it".into());
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| format!("standard input: {e}"))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() { Err("standard input: no password there".into()) } else { Ok(password.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn check(line: &str) -> Result<Command, String> {
        parse(std::iter::once("roost").chain(line.split_whitespace()).map(OsString::from))
    }

    #[test]
    fn serve_takes_its_flags_in_any_order() {
        let Ok(Command::Serve(options)) = check("serve --port-offset 1000 --listen 127.0.0.1 --data d") else {
            panic!()
        };
        assert_eq!((options.port_offset, options.data), (1000, PathBuf::from("d")));
        assert!(options.listen.is_some_and(|a| a.is_loopback()) && options.trouble.is_none());
        let Ok(Command::Serve(options)) = check("serve --data d --trouble t") else { panic!() };
        assert_eq!((options.trouble, options.endurance), (Some(PathBuf::from("t")), None));
        let Ok(Command::Serve(options)) = check("serve --data d --endurance-tb 1.5") else { panic!() };
        assert_eq!(options.endurance, Some(1_500_000_000_000));
    }

    #[test]
    fn a_board_is_told_what_to_do() {
        assert!(matches!(check("keep --data d"), Ok(Command::Keep(options)) if options.data == Path::new("d")));
        assert!(matches!(check("update -"), Ok(Command::Update(Bundle::Stdin))));
        let file = Bundle::File("x.roost".into());
        assert!(matches!(check("update x.roost"), Ok(Command::Update(from)) if from == file));
        let url = "HTTPS://example.org/x.roost";
        let address = Bundle::Address(Source::parse(url).unwrap());
        assert!(matches!(check(&format!("update {url}")), Ok(Command::Update(from)) if from == address));
        assert!(check("update http://").is_err() && check("update https://me:secret@example.org/").is_err());
        assert!(matches!(check("slots"), Ok(Command::Slots)));
        assert!(check("keep").unwrap_err().contains("--data") && check("update").is_err());
    }

    #[test]
    fn a_forgotten_password_has_its_command() {
        assert!(matches!(check("owner reset --data d"), Ok(Command::Ask { request: Request::OwnerReset, .. })));
        assert!(check("owner reset").unwrap_err().contains("--data") && check("owner --data d").is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, named) in [
            ("serve", "--data"),
            ("serve --data d --port-offset many", "many"),
            ("serve --data d --listen here", "here"),
            ("serve --data d --endurance-tb 0", "--endurance-tb 0"),
            ("account add nobody --password-stdin --data d", "nobody"),
            ("account add a@b.example --data d", "--password-stdin"),
            ("dance --data d", "dance"),
            ("check --loudly", "--loudly"),
            ("import --data d x", "--account"),
        ] {
            let error = check(line).expect_err(line);
            assert!(error.contains(named), "{line}: {error}");
        }
    }
}
