//! The board on a network of its own, where the test is its neighbour and tells it address, names and time: from there only the
//! services are reached, the clock is set, and an update is fetched. Needs the developer image: `make test-board`.

#![allow(clippy::expect_used, reason = "helpers of tests")]

use qemu::{Board, Disk, Image, Network, Options, Start};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A slow machine under load; a board is up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);
const GIB: u64 = 1 << 30;
/// What the test gives itself, and the board.
const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);
const BOARD: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 2);
/// The time that the network tells, seconds since 1970: in 2033.
const TOLD: u64 = 2_000_000_000;
/// From 1900, where NTP begins to count, to 1970.
const FROM_1900: u64 = 2_208_988_800;
/// Set in the process that has the network.
const INSIDE: &str = "ROOST_TEST_NETWORK";
/// `$0` is this program, `$1` the test.
const STAGE: &str = r#"
set -eu
export PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
ip tuntap add lan mode tap
ip addr add 10.9.8.1/24 dev lan
ip link set lan up
ip route add default dev lan
exec "$0" --exact "$1" --nocapture
"#;

/// Whether this process is the one with the network. If not, the test has been run in such a one.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut stage = Command::new("unshare");
    if !is_root() {
        // Namespaces may be made by root, or in a namespace of users where one is root.
        stage.arg("--map-root-user");
    }
    stage.args(["--net", "--pid", "--fork", "--kill-child", "sh", "-c", STAGE]);
    stage.arg(std::env::current_exe().expect("this program")).arg(test).env(INSIDE, "1");
    assert!(stage.status().expect("unshare (util-linux)").success(), "see above");
    false
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id (coreutils)");
    id.stdout == b"0\n"
}

/// A board that got its address from us and serves. Its keeper is less patient than at home.
fn boot(folder: &tempfile::TempDir) -> Board {
    serve(67, |question| Some((lease(question)?, SocketAddrV4::new(Ipv4Addr::BROADCAST, 68))));
    let image = Image::developer().expect("make board-image");
    let disk = Disk::create(&image, folder.path().join("disk.img"), GIB).expect("a disk");
    let env = folder.path().join("roost.env");
    std::fs::write(&env, "roost_args=roost.prove=12\n").expect("it can be written");
    let boot = format!("{}@@1M", disk.path().display());
    let written = Command::new("mcopy").args(["-i", &boot]).arg(&env).arg("::roost.env").status();
    assert!(written.expect("mcopy (mtools)").success(), "see above");
    // No clock, as on a Pi.
    let clock = Some("2001-02-03T04:05:06".into());
    // The keeper sets the clock, and watches over a board with slots only.
    let (network, start) = (Network::Tap("lan".into()), Start::Loader);
    let options = Options { network, clock, start, ..Options::default() };
    let board = Board::boot(&image, &disk, &options).expect("the board starts");
    board.wait_for_console("network: eth0 is 10.9.8.2/", PATIENCE).expect("it takes the address");
    board.wait_for_console("Setup code:", PATIENCE).expect("the daemon serves");
    board
}

fn told(board: &Board, command: &str) -> String {
    let output = board.run(command).expect("the shell answers");
    output.success().expect(command).trim().to_owned()
}

/// Answers on a port of UDP until this process ends; without an address, to who asked.
fn serve(port: u16, answer: impl Fn(&[u8]) -> Option<(Vec<u8>, SocketAddrV4)> + Send + 'static) {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("the port is free");
    socket.set_broadcast(true).expect("it may answer all");
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, asker)) = socket.recv_from(&mut buffer) {
            if let Some((answer, to)) = answer(&buffer[..length]) {
                let to = if to.ip().is_unspecified() { asker } else { to.into() };
                socket.send_to(&answer, to).expect("it can be sent");
            }
        }
    });
}

/// DHCP's answer (RFC 2131): the one address that there is, and us for everything else.
fn lease(question: &[u8]) -> Option<Vec<u8>> {
    let kind = match question.get(236..)?.strip_prefix(&[99, 130, 83, 99, 53, 1])?.first()? {
        1 => 2, // DISCOVER: OFFER
        3 => 5, // REQUEST: ACK
        _ => return None,
    };
    let mut answer = question[..236].to_vec();
    answer[0] = 2;
    answer[16..20].copy_from_slice(&BOARD.octets());
    answer.extend([99, 130, 83, 99, 53, 1, kind, 51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0]);
    // Server, router, names, time (RFC 2132 §8.3)
    for option in [54, 3, 6, 42] {
        answer.extend([option, 4]);
        answer.extend(OURS.octets());
    }
    answer.push(255);
    Some(answer)
}

/// The answer of a time server (RFC 4330 §5) whose clock showed [`TOLD`] at `began`.
fn time(question: &[u8], began: Instant) -> Option<Vec<u8>> {
    let seconds = u32::try_from(FROM_1900 + TOLD + began.elapsed().as_secs()).ok()?.to_be_bytes();
    let now = [seconds, [0; 4]].concat();
    // A server's answer in version 4, of the first stratum
    let mut answer = vec![0x24, 1, 6, 0xec];
    answer.extend([0; 8]);
    answer.extend(b"TEST");
    answer.extend(&now);
    answer.extend(question.get(40..48)?);
    answer.extend(&now);
    answer.extend(&now);
    Some(answer)
}

/// The answer of a name server that knows us by every name (RFC 1035 §4.1).
fn name(question: &[u8]) -> Option<Vec<u8>> {
    let labels = question.get(12..)?.iter().position(|&octet| octet == 0)?;
    let asked = question.get(12..12 + labels + 5)?;
    let is_address = asked[labels + 1..] == [0, 1, 0, 1];
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    answer.extend(asked);
    if is_address {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(OURS.octets());
    }
    Some(answer)
}

/// Serves one file over HTTP until this process ends.
fn publish(port: u16, path: &'static str, file: Vec<u8>) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).expect("the port is free");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let found = lines.next().is_some_and(|line| line == format!("GET {path} HTTP/1.1"));
            lines.by_ref().find(String::is_empty);
            let (status, body) = if found { ("200 OK", file.as_slice()) } else { ("404 Not Found", &[][..]) };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let mut stream = &stream;
            // Whoever asked may have enough.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
}

/// The first line that a port of the board says.
fn greeting(port: u16) -> Result<String, ErrorKind> {
    let greet = || {
        let stream = TcpStream::connect_timeout(&SocketAddrV4::new(BOARD, port).into(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line)
    };
    greet().map_err(|error: std::io::Error| error.kind())
}

#[test]
fn only_the_services_are_reached_from_the_network() {
    if !inside("only_the_services_are_reached_from_the_network") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let board = boot(&folder);
    assert!(!board.console().iter().any(|line| line.text.contains("firewall: not in force")));
    for (port, service) in [(143, "* OK"), (110, "+OK"), (25, "220 "), (587, "220 ")] {
        let line = greeting(port).expect("the service is reached");
        assert!(line.starts_with(service), "{port}: {line}");
    }

    // A second daemon on ports that nobody opened.
    told(
        &board,
        "mkdir /tmp/second; roost serve --data /tmp/second --port-offset 8000 --listen 0.0.0.0 >/tmp/second.log 2>&1 &",
    );
    told(&board, "timeout 60 sh -c 'until grep -q \"Setup code\" /tmp/second.log; do sleep 0.1; done'");
    assert_eq!(greeting(8143), Err(ErrorKind::ConnectionRefused));
    told(&board, "nft flush ruleset");
    assert!(greeting(8143).expect("it was the firewall that refused").starts_with("* OK"));
    told(&board, "nft -f /etc/nftables.conf");
    assert_eq!(greeting(8143), Err(ErrorKind::ConnectionRefused));
}

#[test]
fn the_clock_is_set_by_the_network() {
    if !inside("the_clock_is_set_by_the_network") {
        return;
    }
    let (folder, began) = (tempfile::tempdir().expect("a folder"), Instant::now());
    serve(123, move |question| Some((time(question, began)?, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))));
    let board = boot(&folder);
    told(&board, &format!("timeout 60 sh -c 'while [ $(date +%s) -lt {TOLD} ]; do sleep 0.1; done'"));
    let ahead = |clock: &str| clock.parse::<u64>().expect("a number").checked_sub(TOLD).expect("it is not behind");
    assert!(ahead(&told(&board, "date +%s")) <= began.elapsed().as_secs() + 1);
    // A power cut does not bring the wrong time back.
    told(&board, &format!("timeout 60 sh -c 'until [ \"$(cat /data/clock)\" -ge {TOLD} ]; do sleep 0.1; done'"));
    assert!(ahead(&told(&board, "cat /data/clock")) <= began.elapsed().as_secs() + 1);
}

#[test]
fn an_update_is_fetched_from_where_the_owner_says() {
    if !inside("an_update_is_fetched_from_where_the_owner_says") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = Image::developer_directory().join("update.roost");
    publish(8000, "/roost/next.roost", std::fs::read(bundle).expect("make board-image"));
    serve(53, |question| Some((name(question)?, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))));
    let board = boot(&folder);
    let line = board.wait_for_any(0, &["Setup code:"], PATIENCE).expect("a code").text;
    let code = line.rsplit(' ').next().expect("a code");
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/update.py");
    let mut owner = Command::new("python3");
    owner.args(["-B".as_ref(), client.as_os_str()]).args([&BOARD.to_string(), code]);
    let owner = owner.arg("http://updates.example:8000/roost/next.roost").output().expect("python3");
    assert!(owner.status.success(), "{}", String::from_utf8_lossy(&owner.stderr));
    board.expect_restart();
    board.wait_for_console("roost: slot B", PATIENCE).expect("it starts the other slot");
    board.wait_for_console("keeper: slot B", PATIENCE).expect("which has to prove itself");
    board.wait_for_any(0, &["is good"], PATIENCE).expect("and does");
    let slots = told(&board, "roost slots");
    let slots: serde_json::Value = serde_json::from_str(&slots).expect("JSON");
    assert_eq!((&slots["running"]["slot"], &slots["running"]["state"]), (&"B".into(), &"Valid".into()));
    let line = greeting(143).expect("it serves");
    assert!(line.starts_with("* OK"), "{line}");
}
