//! The setup pages on http://127.0.0.1, without the daemon: for looking at them while they are changed.
//!
//! `cargo run -p web-ui --example preview -- [PORT [trouble]]` prints the address and the setup code as one JSON line;
//! with `trouble` it is a box that cannot open its data.

use board::FakeBoard;
use board::network::{Interface, Kind, Lock, Outlook, Radio, Seen, Trial};
use settings::Settings;
use settings::network::Ssid;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use web_ui::{Context, Download, Fetching, Networking, Ports, Trouble, Updates};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let tcp = TcpListener::bind(("127.0.0.1", port))?;
    let socket = std::env::temp_dir().join(format!("roost-preview-{}.socket", std::process::id()));
    let context = context(tcp.local_addr()?.port());
    let code = context.settings.get().setup_code.as_ref().map(|code| code.as_str().to_owned());
    let _pages = web_ui::serve(context, UnixListener::bind(&socket)?)?;
    let line = serde_json::json!({ "url": format!("http://{}", tcp.local_addr()?), "code": code });
    writeln!(io::stdout(), "{line}")?;
    for client in tcp.incoming() {
        let (client, socket) = (client?, socket.clone());
        thread::spawn(move || pipe(client, &socket));
    }
    Ok(())
}

fn context(port: u16) -> Context {
    // An empty sequence: DER, but no certificate.
    let der = vec![0x30, 0x00];
    Context {
        settings: Arc::new(Settings::in_memory()),
        board: Arc::new(board()),
        authority_pem: "-----BEGIN CERTIFICATE-----\n(a preview has no authority)\n-----END CERTIFICATE-----\n".into(),
        authority_der: der,
        ports: Ports { imaps: 993, pop3s: 995, submissions: 465, submission: 587, imap: 143, https: port },
        server_names: Box::new(|| ["roost.local", "localhost", "192.168.178.40", "127.0.0.1"].map(String::from).into()),
        metrics: Box::new(|| "# EOF\n".into()),
        health: Box::new(|| Ok(())),
        time: web_ui::Time { known: Box::new(|| None), ask: Box::new(|| ()) },
        updates: updates(),
        networking: networking(),
        power: web_ui::Power { possible: Box::new(|| true), end: Box::new(|_| Ok(())) },
        trouble: (std::env::args().nth(2).as_deref() == Some("trouble")).then(trouble),
    }
}

fn trouble() -> Trouble {
    let download = |name, what| Download { name, what, open: Box::new(|| Ok(Box::new(io::empty()))) };
    Trouble {
        why: "The settings cannot be read or saved: /data/roost/settings.redb: Invalid magic number.".into(),
        downloads: vec![
            download("mail.tar", "All mail that is whole, each message a file."),
            download("partition.img", "The whole partition as it is, for somebody who repairs such things."),
        ],
        mend: Some(Box::new(|_| Err("this is a preview".into()))),
    }
}

/// A board with a cable and a radio.
fn board() -> FakeBoard {
    let mut board = FakeBoard::new([192, 168, 178, 40].into());
    let text = |text: &str| text.chars().collect();
    for (name, kind, mac, address) in [
        ("eth0", Kind::Cable, "dc:a6:32:00:00:01", Some([192, 168, 178, 40])),
        ("wlan0", Kind::Radio, "dc:a6:32:00:00:02", None),
    ] {
        let addresses = address.map(|address: [u8; 4]| (address.into(), 24)).into_iter().collect();
        let interface =
            Interface { name: text(name), kind, mac: mac.chars().collect(), link: address.is_some(), addresses };
        board.interfaces.extend([interface]);
    }
    board
}

/// A network that looks as if: a change waits to be confirmed until it is, or is taken back.
fn networking() -> Networking {
    let outlook = Arc::new(Mutex::new(Outlook { radio: Some(Radio::default()), ..Outlook::default() }));
    let with = move |change: &dyn Fn(&mut Outlook)| {
        let mut outlook = outlook.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut outlook);
        outlook.clone()
    };
    let (look, attempt, confirm) = (with.clone(), with.clone(), with.clone());
    Networking {
        look: Box::new(move || {
            // Making the change takes as long as until somebody looks again.
            let now = look(&|_| ());
            look(&|outlook| outlook.trial.iter_mut().for_each(|trial| trial.seconds = Some(170)));
            Ok(now)
        }),
        attempt: Box::new(move |change| {
            attempt(&|outlook| {
                let network = outlook.kept.with(change.clone());
                outlook.trial = Some(Trial { network, seconds: None });
            });
            Ok(())
        }),
        confirm: Box::new(move || {
            confirm(&|outlook| {
                if let Some(trial) = outlook.trial.take() {
                    outlook.radio = Some(Radio {
                        joined: trial.network.wifi.as_ref().map(|wifi| wifi.ssid.clone()),
                        refused: false,
                    });
                    outlook.kept = trial.network;
                }
            });
            Ok(())
        }),
        go_back: Box::new(move || {
            with(&|outlook| outlook.trial = None);
            Ok(())
        }),
        scan: Box::new(|| {
            let seen = |octets: &[u8], signal, lock| Ssid::new(octets).ok().map(|ssid| Seen { ssid, signal, lock });
            let seen = [
                seen(b"Our home", -48, Lock::Password),
                seen("Café \u{202e}evil".as_bytes(), -63, Lock::Open),
                seen(b"<b>\xff\x00\"'&--><script>alert(1)", -70, Lock::Password),
                seen(b"An office with accounts", -80, Lock::Other),
            ];
            Ok(seen.into_iter().flatten().collect())
        }),
    }
}

/// Updates that look as if: one that is fetched comes half-way and stays there, and a server called `nowhere` is not found.
fn updates() -> Updates {
    let state = Arc::new(Mutex::new(Fetching::Nothing));
    let set = {
        let state = state.clone();
        move |next: Fetching| *state.lock().unwrap_or_else(PoisonError::into_inner) = next
    };
    let cancel = set.clone();
    Updates {
        possible: Box::new(|| true),
        fetch: Box::new(move |address| {
            if !address.starts_with("https://") {
                return Err("Please enter an address that begins with https:// or http://.".into());
            }
            set(match address.contains("nowhere") {
                true => Fetching::Failed { address: address.into(), why: "there is no server called nowhere".into() },
                false => Fetching::Running { got: 9_000_000, total: Some(18_000_000) },
            });
            Ok(())
        }),
        fetching: Box::new(move || state.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        cancel: Box::new(move || cancel(Fetching::Nothing)),
        ..Updates::default()
    }
}

/// One request: the browser's head with `Connection: close`, then octets in both directions until the answer ends.
fn pipe(mut client: TcpStream, socket: &Path) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let kept = head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut pages = UnixStream::connect(PathBuf::from(socket))?;
    pages.write_all(kept.collect::<Vec<_>>().join("\r\n").replace("HTTP/1.1", "HTTP/1.0").as_bytes())?;
    pages.write_all(b"\r\nX-Client: 127.0.0.1\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, pages.try_clone()?);
    let body = thread::spawn(move || io::copy(&mut from, &mut to));
    io::copy(&mut pages, &mut client)?;
    client.shutdown(Shutdown::Both)?;
    let _ = body.join();
    Ok(())
}
