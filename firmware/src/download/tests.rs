//! Downloads from servers of our own: those that serve, and those that stall, drip, lie, or are somebody else.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use ureq::tls::Certificate;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// Long enough for a machine that has much else to do.
const SHORT: Bounds = Bounds {
    silence: Duration::from_secs(2),
    pace: (1000, Duration::from_secs(2)),
    time: Duration::from_secs(60),
    size: 1_000_000,
};

/// A client that reaches 127.0.0.1, and no other address of this machine.
pub fn client() -> Client {
    trusting(&[])
}

fn trusting(authorities: &[&CertifiedIssuer<'_, KeyPair>]) -> Client {
    let roots = authorities.iter().map(|authority| Certificate::from_der(authority.der()).to_owned());
    Client::with(SHORT, RootCerts::Specific(Arc::new(roots.collect())), Some(HERE))
}

/// What a server says with.
pub trait Wire: Read + Write {
    /// Waits until the client has gone, or for so long.
    fn wait(&mut self, time: Option<Duration>) -> bool;
}
impl Wire for TcpStream {
    fn wait(&mut self, time: Option<Duration>) -> bool {
        self.set_read_timeout(time).unwrap();
        matches!(self.read(&mut [0]), Ok(0))
    }
}
impl Wire for StreamOwned<ServerConnection, TcpStream> {
    fn wait(&mut self, time: Option<Duration>) -> bool {
        self.sock.wait(time)
    }
}

/// Reads a request's head; the path that was asked for.
fn request(wire: &mut dyn Wire) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        wire.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    head.split_ascii_whitespace().nth(1).map(str::to_owned)
}

/// Serves every connection; its port. A client that hangs up is no fault of the server.
pub fn server(serve: impl Fn(&mut dyn Wire, &str) -> io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((HERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            if let Some(path) = request(&mut stream) {
                let _ = serve(&mut stream, &path);
            }
        }
    });
    port
}

/// The same behind TLS.
fn secure_server(chain: &rcgen::Certificate, key: &KeyPair) -> u16 {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain.der().clone()], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind((HERE, 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut wire = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
            if request(&mut wire).is_some() {
                let _ = whole(&mut wire, b"safely");
            }
        }
    });
    port
}

/// A file as it should be sent.
pub fn whole(wire: &mut dyn Wire, file: &[u8]) -> io::Result<()> {
    write!(wire, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.len())?;
    wire.write_all(file)?;
    wire.flush()
}

fn source(address: &str) -> Source {
    Source::parse(address).unwrap_or_else(|e| panic!("{address}: {e}"))
}

/// Fetches to the end.
fn get(client: &Client, address: &str) -> Result<Vec<u8>, Trouble> {
    let mut download = client.fetch(&source(address))?;
    let mut file = Vec::new();
    match download.read_to_end(&mut file) {
        Ok(_) => Ok(file),
        Err(e) => {
            let trouble = download.trouble().cloned().unwrap_or_else(|| panic!("{e}"));
            assert!(download.read(&mut [0]).is_err(), "what broke off stays broken off");
            Err(trouble)
        }
    }
}

fn from(serve: impl Fn(&mut dyn Wire, &str) -> io::Result<()> + Send + Sync + 'static) -> Result<Vec<u8>, Trouble> {
    get(&client(), &format!("http://127.0.0.1:{}/update.roost", server(serve)))
}

fn here() -> String {
    HERE.to_string()
}

#[test]
fn addresses_are_understood_or_refused() {
    for good in
        ["https://example.org/a.roost", " HTTP://[fd00::1]:8080/x?y=z ", "http://nas/update", "https://ä.example"]
    {
        assert!(Source::parse(good).is_ok() != good.contains('ä'), "{good}");
    }
    for (bad, word) in [
        ("", "begins with"),
        ("example.org/a.roost", "begins with"),
        ("file:///etc/passwd", "begins with"),
        ("ftp://example.org/", "begins with"),
        ("http://", "not an address"),
        ("http:///x", "not an address"),
        ("http://a b/", "not an address"),
        ("https://me:secret@example.org/", "name and password"),
    ] {
        let error = Source::parse(bad).unwrap_err();
        assert!(error.contains(word), "{bad}: {error}");
    }
    assert!(Source::parse(&format!("http://a/{}", "x".repeat(limits::ADDRESS))).is_err());
}

#[test]
fn a_file_comes_whole_with_its_length_or_without() {
    let file = b"ROOST".repeat(20_000);
    let sent = file.clone();
    let port = server(move |wire, path| match path {
        "/length" => whole(wire, &sent),
        "/end" => {
            write!(wire, "HTTP/1.1 200 OK\r\n\r\n")?;
            wire.write_all(&sent)
        }
        _ => {
            write!(wire, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for piece in sent.chunks(777) {
                write!(wire, "{:x}\r\n", piece.len())?;
                wire.write_all(piece)?;
                write!(wire, "\r\n")?;
            }
            write!(wire, "0\r\n\r\n")
        }
    });
    for (path, told) in [("length", Some(100_000)), ("end", None), ("chunks", None)] {
        let client = client();
        assert_eq!(get(&client, &format!("http://127.0.0.1:{port}/{path}")).unwrap(), file);
        assert_eq!(client.progress().now(), (100_000, told), "{path}");
    }
}

#[test]
fn what_a_server_refuses_is_told_in_words() {
    for (status, words) in [
        (404, "no such file (404)"),
        (410, "no such file"),
        (403, "everybody (403)"),
        (500, "status 500"),
        (204, "204"),
        (206, "206"),
    ] {
        let trouble = from(move |wire, _| {
            write!(wire, "HTTP/1.1 {status} So\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret")
        });
        let trouble = trouble.unwrap_err();
        assert_eq!(trouble, Trouble::Status(here(), status));
        assert!(trouble.to_string().contains(words) && !trouble.to_string().contains("secret"), "{trouble}");
    }
}

#[test]
fn who_is_not_there_is_told_from_who_does_not_want() {
    // Longer than a label can be: no name server is asked for it.
    let unknown = format!("{}.example", "a".repeat(64));
    assert_eq!(get(&client(), &format!("http://{unknown}/")), Err(Trouble::NoSuchHost(unknown)));
    let free = TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port();
    assert_eq!(get(&client(), &format!("http://127.0.0.1:{free}/")), Err(Trouble::Refused(here())));
    for greeting in [
        "220 mail ESMTP\r\n",
        "\u{16}\u{3}\u{1}junk\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ] {
        assert_eq!(
            from(move |wire, _| wire.write_all(greeting.as_bytes())),
            Err(Trouble::Gibberish(here())),
            "{greeting}"
        );
    }
    let endless = from(|wire, _| {
        wire.write_all(b"HTTP/1.1 200 OK\r\n")?;
        while wire.write_all(b"X-Filler: more and more and more\r\n").is_ok() {}
        Ok(())
    });
    assert_eq!(endless, Err(Trouble::Gibberish(here())));
    let plain = server(|wire, _| whole(wire, b"file"));
    // It waits for the end of a request that never comes; we wait for a handshake.
    let asked = get(&client(), &format!("https://127.0.0.1:{plain}/"));
    assert!(matches!(asked, Err(Trouble::Unreachable(_) | Trouble::TooSlow(_))), "{asked:?}");
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn a_certificate_has_to_be_right_in_every_way() {
    let (known, stranger) = (authority("known"), authority("stranger"));
    let verdict = |by: &CertifiedIssuer<'_, KeyPair>, name: &str, years: (i32, i32)| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let chain = params.signed_by(&key, by).unwrap();
        let port = secure_server(&chain, &key);
        get(&trusting(&[&known]), &format!("https://127.0.0.1:{port}/"))
    };
    let now = (2020, 2090);
    assert_eq!(verdict(&known, "127.0.0.1", now).unwrap(), b"safely");
    for (outcome, word) in [
        (verdict(&stranger, "127.0.0.1", now), "no authority"),
        (verdict(&known, "other.example", now), "another server"),
        (verdict(&known, "127.0.0.1", (2020, 2021)), "no longer valid"),
        (verdict(&known, "127.0.0.1", (2089, 2090)), "is the time of this box right"),
    ] {
        let trouble = outcome.unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Certificate(host, why) if *host == here() && why.contains(word)),
            "{trouble}"
        );
    }
}

#[test]
fn redirects_are_followed_but_not_for_ever_and_not_here() {
    let port = server(|wire, path| match path {
        "/file" => whole(wire, b"found"),
        "/relative" => write!(wire, "HTTP/1.1 302 Found\r\nLocation: file\r\nContent-Length: 0\r\n\r\n"),
        "/ring" => write!(wire, "HTTP/1.1 301 Moved\r\nLocation: /ring\r\nContent-Length: 0\r\n\r\n"),
        "/home" => write!(wire, "HTTP/1.1 307 So\r\nLocation: http://127.0.0.2:25/\r\nContent-Length: 0\r\n\r\n"),
        "/disk" => write!(wire, "HTTP/1.1 307 So\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"),
        _ => write!(wire, "HTTP/1.1 302 So\r\nContent-Length: 0\r\n\r\n"),
    });
    let get = |path: &str| get(&client(), &format!("http://127.0.0.1:{port}/{path}"));
    assert_eq!(get("relative").unwrap(), b"found");
    assert_eq!(get("ring"), Err(Trouble::Redirects));
    assert_eq!(get("home"), Err(Trouble::LeadsHere("127.0.0.2".into())));
    assert!(get("disk").is_err() && get("nowhere").is_err());
}

#[test]
fn this_machine_is_not_asked_by_any_name() {
    let listener = TcpListener::bind((HERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let asked = get(&Client::new(), &format!("http://{host}:{port}/"));
        assert!(matches!(asked, Err(Trouble::LeadsHere(_))), "{host}: {asked:?}");
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came");
}

#[test]
fn size_is_limited_whatever_is_announced() {
    let announced = from(|wire, _| write!(wire, "HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n"));
    assert_eq!(announced, Err(Trouble::TooLarge));
    let unannounced = from(|wire, _| {
        write!(wire, "HTTP/1.1 200 OK\r\n\r\n")?;
        while wire.write_all(&[0; 64 * 1024]).is_ok() {}
        Ok(())
    });
    assert_eq!(unannounced, Err(Trouble::TooLarge));
}

#[test]
fn a_server_that_stalls_or_drips_is_given_up() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nsome";
    for said in [0, 10, head.len()] {
        let stalled = from(move |wire, _| {
            wire.write_all(&head[..said])?;
            assert!(wire.wait(None), "the client goes first");
            Ok(())
        });
        assert_eq!(stalled, Err(Trouble::TooSlow(here())), "after {said} octets");
    }
    let dripping = from(|wire, _| {
        wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n")?;
        while !wire.wait(Some(Duration::from_millis(20))) {
            wire.write_all(b"x")?;
        }
        Ok(())
    });
    assert_eq!(dripping, Err(Trouble::TooSlow(here())));
}

#[test]
fn a_file_that_ends_early_is_none() {
    for said in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nnine more",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nchunk\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nch",
    ] {
        assert_eq!(from(move |wire, _| wire.write_all(said.as_bytes())), Err(Trouble::EndsEarly(here())), "{said}");
    }
    // One that says less than it sends gives what it said; the bundle itself tells that it is not whole.
    let less = from(|wire, _| {
        wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfour and more")
    });
    assert_eq!(less.unwrap(), b"four");
}

#[test]
fn who_cancels_does_not_wait() {
    for said in ["", "HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\nsome", "HTTP/1.1 200 OK\r\n\r\nsome"] {
        let (tell, told) = mpsc::channel();
        let port = server(move |wire, _| {
            wire.write_all(said.as_bytes())?;
            tell.send(()).unwrap();
            wire.wait(None);
            Ok(())
        });
        let patient = Bounds { silence: Duration::from_secs(600), ..SHORT };
        let client = Arc::new(Client::with(patient, RootCerts::WebPki, Some(HERE)));
        let canceller = client.clone();
        let cancelling = thread::spawn(move || {
            told.recv().unwrap();
            canceller.cancel();
        });
        assert_eq!(get(&client, &format!("http://127.0.0.1:{port}/")), Err(Trouble::Cancelled), "{said}");
        cancelling.join().unwrap();
        assert_eq!(get(&client, &format!("http://127.0.0.1:{port}/")), Err(Trouble::Cancelled), "it stays cancelled");
    }
}
