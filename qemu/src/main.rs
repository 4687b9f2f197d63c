//! `make qemu` and `make board-image`: builds the board image, boots it for a person, times its start.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use qemu::{Board, Disk, Error, Image, Options, Ports, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

const USAGE: &str = "usage: qemu image [--released | --radio]
                                      builds the image: cross-compiles roost, adds kernel and file tree
       qemu run [--port-offset N] [--fresh] [--no-build]
                                      builds and boots it, its ports plus N (2000) here; --fresh: with an empty disk
       qemu greeting [--no-build]         seconds from power-on to the IMAP greeting, first and second start";

/// Added to the board's ports unless told otherwise: `make run` uses 1000.
const PORT_OFFSET: u16 = 2000;
/// The disk of a board for people, sparse.
const DISK_SIZE: u64 = 4 << 30;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["image"] => build("developer").map(|image| println!("{}", image.display())),
        ["image", "--released"] => build("released").map(|image| println!("{}", image.display())),
        ["image", "--radio"] => build("radio").map(|image| println!("{}", image.display())),
        ["run", "--port-offset", offset, flags @ ..] if known(flags, &["--fresh", "--no-build"]) => {
            offset.parse().map_err(|_| Error::new(USAGE)).and_then(|offset| run(flags, offset))
        }
        ["run", flags @ ..] if known(flags, &["--fresh", "--no-build"]) => run(flags, PORT_OFFSET),
        ["greeting", flags @ ..] if known(flags, &["--no-build"]) => greeting(flags),
        _ => Err(Error::new(USAGE)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn known(flags: &[&str], allowed: &[&str]) -> bool {
    flags.iter().all(|flag| allowed.contains(flag))
}

/// Cross-compiles and assembles; returns the image's directory.
fn build(kind: &str) -> Result<PathBuf> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = script(&scripts.join("cross.sh"), &[])?;
    let directory = Image::developer_directory().with_file_name(kind);
    let (out, flag) = (directory.display().to_string(), format!("--{kind}"));
    let mut arguments = vec![binary.trim(), &out];
    if kind != "released" {
        arguments.insert(0, &flag);
    }
    script(&scripts.join("image.sh"), &arguments)?;
    Ok(directory)
}

/// Runs a script of ours; returns what it prints.
fn script(path: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(path).args(arguments).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Error::new(format!("{} failed", path.display())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn prepare(flags: &[&str]) -> Result<Image> {
    if !flags.contains(&"--no-build") {
        build("developer")?;
        script(&Path::new(env!("CARGO_MANIFEST_DIR")).join("packages.sh"), &["qemu-system-arm", "nbdkit"])?;
    }
    Image::developer()
}

/// The disk that `make qemu` keeps, with the system of this image on it.
fn kept_disk(image: &Image, fresh: bool) -> Result<Disk> {
    let path = Image::developer_directory().with_file_name("disk.img");
    if !fresh && path.exists() {
        let disk = Disk::open(&path)?;
        disk.update_system(image)?;
        return Ok(disk);
    }
    Disk::create(image, path, DISK_SIZE)
}

fn run(flags: &[&str], offset: u16) -> Result<()> {
    let image = prepare(flags)?;
    let disk = kept_disk(&image, flags.contains(&"--fresh"))?;
    let options = Options {
        ports: Ports::Offset(offset),
        kernel_arguments: "roost.log=console".into(),
        interactive: true,
        ..Options::default()
    };
    println!("Booting a board with 512 MB in QEMU; its disk is {}.", disk.path().display());
    let mut board = Board::boot(&image, &disk, &options)?;
    println!("From this machine it is reached at 127.0.0.1:");
    for (name, port) in [("setup pages", 443), ("imaps", 993), ("imap", 143), ("pop3s", 995), ("pop3", 110)]
        .into_iter()
        .chain([("submissions", 465), ("submission", 587), ("smtp", 25), ("lmtp", 24), ("http", 80)])
    {
        println!("  {name:<12} {}", board.port(port)?);
    }
    println!(
        "Setup: https://127.0.0.1:{}/ with the code that the console shows. Enter opens a root shell; Ctrl-C cuts the power.\n",
        board.port(443)?
    );
    board.wait_until_off(Duration::from_secs(u32::MAX.into()))
}

fn greeting(flags: &[&str]) -> Result<()> {
    let image = prepare(flags)?;
    let path = std::env::temp_dir().join(format!("roost-greeting-{}.img", std::process::id()));
    let disk = Disk::create(&image, &path, DISK_SIZE)?;
    for start in ["first", "second"] {
        let board = Board::boot(&image, &disk, &Options::default())?;
        let line = board.wait_for_greeting(143, "* OK", Duration::from_secs(120))?;
        println!("{start} start: {:.1} s to {line}", board.uptime().as_secs_f64());
        board.power_off()?;
    }
    std::fs::remove_file(disk.path())?;
    std::fs::remove_file(disk.console_path())?;
    Ok(())
}
