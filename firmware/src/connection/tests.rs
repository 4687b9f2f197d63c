//! Connections over real sockets: what a client reads when it is not served.

use super::*;
use crate::certificates::{self, Certificates};
use crate::clock::{Clock, RELEASED};
use crate::doors::Guests;
use rustls::pki_types::{CertificateDer, ServerName};
use std::time::{Duration, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// What every connection is given, over a store in memory; it stops when the sender goes.
fn reception(dir: &std::path::Path) -> (Arc<Reception>, watch::Sender<bool>) {
    let now = UNIX_EPOCH + Duration::from_secs(RELEASED);
    let certificates = Arc::new(Certificates::open(dir, certificates::names("box", &[]), now).unwrap());
    let (store, directory) = (store::Store::in_memory(), Arc::new(auth::Directory::new()));
    let host: smol_str::SmolStr = "box.local".into();
    let (stop, stopping) = watch::channel(false);
    let reception = Reception {
        imap: Arc::new(imap::Context { store: store.clone(), directory: directory.clone(), host: host.clone() }),
        pop3: Arc::new(pop3::Context { store: store.clone(), directory: directory.clone(), host: host.clone() }),
        smtp: Arc::new(smtp::Context { store, directory, host }),
        tls: certificates.tls(&[]).unwrap(),
        certificates,
        clock: Arc::new(Clock::open(&dir.join("clock"))),
        guests: Arc::new(Guests::default()),
        farewells: Arc::new(Semaphore::new(limits::TURNED_AWAY)),
        stopping,
    };
    (Arc::new(reception), stop)
}

/// Both ends of a connection: the client's, the server's.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

fn trusting(reception: &Reception) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(reception.certificates.authority_der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn all(mut stream: impl AsyncReadExt + Unpin) -> String {
    let mut read = Vec::new();
    stream.read_to_end(&mut read).await.unwrap();
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn who_is_turned_away_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let (reception, _stop) = reception(dir.path());
    for door in Door::ALL {
        let (client, server) = pair().await;
        let reception = reception.clone();
        let connector = trusting(&reception);
        let turned_away = tokio::spawn(async move { turn_away(door, server, &reception).await });
        let told = match door.tls_first() {
            true => all(connector.connect(ServerName::try_from("box.local").unwrap(), client).await.unwrap()).await,
            false => all(client).await,
        };
        turned_away.await.unwrap();
        assert_eq!(told.as_bytes(), door.too_many(), "{door:?}");
    }
}

#[tokio::test]
async fn last_words_arrive_though_the_client_talks_on() {
    let dir = tempfile::tempdir().unwrap();
    let (reception, _stop) = reception(dir.path());
    let (client, server) = pair().await;
    let place = reception.guests.enter([127, 0, 0, 1].into()).unwrap();
    let served = tokio::spawn(run(Door::Imap, server, reception.clone(), place));
    let (read, mut write) = client.into_split();
    let talking = tokio::spawn(async move {
        write.write_all("a NONSENSE\r\n".repeat(50_000).as_bytes()).await.unwrap();
        write
    });
    let told = all(read).await;
    assert!(told.ends_with("* BYE Too many commands that are not understood\r\n"), "{told}");
    let write = talking.await.unwrap();
    // Where unread bytes reset the connection, systems other than this one drop what the client has not read yet.
    assert!(write.as_ref().take_error().unwrap().is_none());
    drop(write);
    served.await.unwrap();
    assert_eq!(reception.guests.count(), 0);
}

#[tokio::test]
async fn a_stop_waits_for_no_delayed_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (reception, stop) = reception(dir.path());
    let (client, server) = pair().await;
    let place = reception.guests.enter([127, 0, 0, 1].into()).unwrap();
    let session = reception.session(Door::Imap, place.ip(), Security::Plain, Arc::new(|| ()));
    let connection = Connection {
        door: Door::Imap,
        transport: Transport::Plain(server),
        stopping: reception.stopping.clone(),
        reception,
        place,
        wake: Arc::default(),
        session: Some(session),
        out: Vec::new(),
        buffer: Vec::new(),
        heard: false,
    };
    let delayed = tokio::spawn(connection.go_on(Next::Delay(Duration::from_secs(3_600))));
    stop.send_replace(true);
    assert_eq!(all(client).await, "* BYE The server is shutting down\r\n");
    delayed.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_begins_with_tls_at_a_plain_door_is_not_kept_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let (reception, _stop) = reception(dir.path());
    for door in Door::ALL.into_iter().filter(|door| !door.tls_first()) {
        let (mut client, server) = pair().await;
        let place = reception.guests.enter([127, 0, 0, 1].into()).unwrap();
        let served = tokio::spawn(run(door, server, reception.clone(), place));
        client.write_all(b"\x16\x03\x01\x00\xf0\x01").await.unwrap();
        let told = all(client).await;
        assert_eq!(told.lines().count(), 1, "nothing but the greeting: {told}");
        served.await.unwrap();
    }
}
