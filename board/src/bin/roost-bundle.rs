//! `roost-bundle`: makes the keys that updates are signed with, and signed update bundles. For builders, not on the board.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use board::bundle::{self, Manifest, to_hex};
use lexopt::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

const HELP: &str = "\
roost-bundle key FILE
    Makes a signing key, if FILE is not there yet, and prints the public key for the image's /etc/roost-update.keys.
    Keep FILE away from any repository: whoever has it can update every box that trusts it.
roost-bundle make --key FILE --board BOARD --version VERSION --store-format N [--store-reads N] SLOT-IMAGE OUT
    Makes an update of a slot's contents (slot-image.sh). N: the store format its daemon writes, and the oldest it opens.
roost-bundle sign --key FILE WHAT
    Signs any file: WHAT.sig is the plain Ed25519 signature (RFC 8032), WHAT.der the public key (RFC 8410). To verify:
    openssl pkeyutl -verify -rawin -in WHAT -sigfile WHAT.sig -pubin -keyform DER -inkey WHAT.der";

/// What goes before an Ed25519 public key in a SubjectPublicKeyInfo (RFC 8410 §4).
const PUBLIC_KEY_INFO: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Octets of a file that is signed as it is: sums, not images.
const SIGNED: u64 = 1 << 20;

#[derive(Default)]
struct Flags {
    key: Option<PathBuf>,
    board: Option<String>,
    version: Option<String>,
    store_format: Option<u32>,
    store_reads: Option<u32>,
    words: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match flags().map_err(|e| e.to_string()).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("roost-bundle: {why}");
            ExitCode::FAILURE
        }
    }
}

fn flags() -> Result<Flags, lexopt::Error> {
    let mut flags = Flags::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("key") => flags.key = Some(parser.value()?.into()),
            Long("board") => flags.board = Some(parser.value()?.string()?),
            Long("version") => flags.version = Some(parser.value()?.string()?),
            Long("store-format") => flags.store_format = Some(parser.value()?.parse()?),
            Long("store-reads") => flags.store_reads = Some(parser.value()?.parse()?),
            Value(word) => flags.words.push(word.into()),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(flags)
}

fn run(flags: Flags) -> Result<(), String> {
    match flags.words.as_slice() {
        [command, file] if command == Path::new("key") => {
            println!("{}", public(&load_or_make(file)?));
            Ok(())
        }
        [command, image, out] if command == Path::new("make") => make(&flags, image, out),
        [command, what] if command == Path::new("sign") => sign(&flags, what),
        _ => Err(format!("usage:\n{HELP}")),
    }
}

fn fault(path: &Path) -> impl Fn(io::Error) -> String {
    move |e| format!("{}: {e}", path.display())
}

fn load(path: &Path) -> Result<Ed25519KeyPair, String> {
    let bytes = fs::read(path).map_err(fault(path))?;
    Ed25519KeyPair::from_pkcs8(&bytes).map_err(|e| format!("{}: {e}", path.display()))
}

/// The key in a file that only its owner can read.
fn load_or_make(path: &Path) -> Result<Ed25519KeyPair, String> {
    if path.exists() {
        return load(path);
    }
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| "no random numbers".to_owned())?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(made.as_ref()).and_then(|()| file.sync_all())).map_err(fault(path))?;
    load(path)
}

fn public(key: &Ed25519KeyPair) -> String {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(key.public_key().as_ref());
    to_hex(&bytes)
}

fn missing(name: &str) -> String {
    format!("--{name} is missing")
}

fn given_key(flags: &Flags) -> Result<Ed25519KeyPair, String> {
    load(flags.key.as_deref().ok_or_else(|| missing("key"))?)
}

fn sign(flags: &Flags, what: &Path) -> Result<(), String> {
    let key = given_key(flags)?;
    if fs::metadata(what).map_err(fault(what))?.len() > SIGNED {
        return Err(format!("{}: too large; sign its sum", what.display()));
    }
    let signature = key.sign(&fs::read(what).map_err(fault(what))?);
    for (end, bytes) in
        [(".sig", signature.as_ref()), (".der", &[&PUBLIC_KEY_INFO, key.public_key().as_ref()].concat())]
    {
        let mut name = what.as_os_str().to_owned();
        name.push(end);
        fs::write(&name, bytes).map_err(fault(Path::new(&name)))?;
    }
    Ok(())
}

fn make(flags: &Flags, image: &Path, out: &Path) -> Result<(), String> {
    let key = given_key(flags)?;
    let (size, chunks) = File::open(image).and_then(bundle::hash).map_err(fault(image))?;
    let store_format = flags.store_format.ok_or_else(|| missing("store-format"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let manifest = Manifest {
        board: flags.board.clone().ok_or_else(|| missing("board"))?,
        version: flags.version.clone().ok_or_else(|| missing("version"))?,
        built: i64::try_from(now).unwrap_or(i64::MAX),
        store_format,
        store_reads: flags.store_reads.unwrap_or(store_format),
        size,
        chunks,
    };
    manifest.valid().map_err(|e| e.to_string())?;
    let contents = File::open(image).map_err(fault(image))?;
    let to = File::create(out).map_err(fault(out))?;
    bundle::write(&manifest, &key, contents, BufWriter::new(to)).map_err(fault(out))
}
