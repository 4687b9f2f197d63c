//! Time servers of our own on 127.0.0.1: honest ones, wrong ones, silent ones.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;
use tokio::net::UdpSocket;

const YEAR: u64 = 365 * 86_400;

/// What a server answers.
#[derive(Clone, Copy)]
enum Kind {
    /// The true time, off by these seconds.
    Off(i64),
    /// Another lie each time.
    Moody,
    /// To another request than ours.
    Stranger,
    /// "Go away" (RFC 4330 §8).
    Kiss,
    /// Too few octets.
    Short,
}

/// Starts a server; its port, and how often it was asked.
async fn server(kind: Kind) -> (u16, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut request = [0; 128];
        while let Ok((48, client)) = socket.recv_from(&mut request).await {
            let times = count.fetch_add(1, Ordering::Relaxed);
            let reply = reply(kind, &request, times);
            socket.send_to(&reply, client).await.unwrap();
        }
    });
    (port, asked)
}

fn reply(kind: Kind, request: &[u8], times: usize) -> Vec<u8> {
    let off = match kind {
        Kind::Off(seconds) => seconds,
        Kind::Moody => 40_000 * (times as i64 + 1),
        Kind::Stranger | Kind::Kiss | Kind::Short => 0,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seconds = (now.as_secs() as i64 + off + 2_208_988_800) as u64;
    let stamp = ((seconds << 32) | (u64::from(now.subsec_nanos()) * (1 << 32) / 1_000_000_000)).to_be_bytes();
    let mut reply = vec![0; 48];
    // No warning, version 4, a server; of stratum 2, or 0 for a kiss.
    reply[0] = 0b00_100_100;
    reply[1] = if matches!(kind, Kind::Kiss) { 0 } else { 2 };
    reply[12..16].copy_from_slice(b"RATE");
    reply[24..32].copy_from_slice(&request[40..48]);
    reply[32..40].copy_from_slice(&stamp);
    reply[40..48].copy_from_slice(&stamp);
    match kind {
        Kind::Stranger => reply[31] ^= 1,
        Kind::Short => reply.truncate(47),
        _ => {}
    }
    reply
}

/// A box whose system's clock shows this, with its folder and what the system's clock was set to.
struct Board {
    folder: tempfile::TempDir,
    time: Arc<NetworkTime>,
    set: Arc<Mutex<Vec<SystemTime>>>,
}

fn a_box(system: fn() -> SystemTime, port: u16) -> Board {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Clock::with_system(&folder.path().join("clock"), system));
    let settings = Arc::new(Settings::in_memory());
    let announced = folder.path().join("time-servers");
    std::fs::write(&announced, "127.0.0.1\n").unwrap();
    let set: Arc<Mutex<Vec<SystemTime>>> = Arc::default();
    let written = set.clone();
    let set_system = Box::new(move |time| {
        written.lock().unwrap().push(time);
        Ok(())
    });
    let time = Arc::new(NetworkTime::new((clock, settings), &announced, port, set_system));
    Board { folder, time, set }
}

fn the_epoch() -> SystemTime {
    UNIX_EPOCH
}
fn year_ahead() -> SystemTime {
    SystemTime::now() + Duration::from_secs(YEAR)
}
fn is_now(time: SystemTime, off: i64) -> bool {
    (unix(time) as i64 - unix(SystemTime::now()) as i64 - off).abs() < 60
}

#[tokio::test]
async fn a_board_in_1970_learns_the_time_from_two_answers() {
    let (port, asked) = server(Kind::Off(0)).await;
    let board = a_box(the_epoch, port);
    assert_eq!(board.time.known(), Known::default());
    assert_eq!(board.time.round().await, Ok(Round::Right));
    assert!(is_now(board.time.clock.now(), 0));
    assert_eq!(asked.load(Ordering::Relaxed), 2, "a large step needs a second answer");
    let known = board.time.known();
    assert!(known.trouble.is_none() && known.last.is_some_and(|(by, _)| by == "127.0.0.1"));
    // Written down at once.
    let after_a_power_cut = Clock::with_system(&board.folder.path().join("clock"), the_epoch);
    assert!(is_now(after_a_power_cut.now(), 0));
    assert_eq!(board.time.round().await, Ok(Round::Right));
    assert_eq!(asked.load(Ordering::Relaxed), 3, "a small one does not");
}

#[tokio::test]
async fn a_board_a_year_ahead_starts_anew_in_the_right_time() {
    let (port, _) = server(Kind::Off(0)).await;
    let board = a_box(year_ahead, port);
    board.time.clock.save().unwrap();
    let wrong = board.time.clock.now();
    assert_eq!(board.time.round().await, Ok(Round::StartAnew));
    assert!(board.time.clock.now() >= wrong, "to the last it sees no earlier time");
    board.time.clock.save().unwrap();
    let file = board.folder.path().join("clock");
    assert!(is_now(Clock::open(&file).now(), 0));
}

#[tokio::test]
async fn the_systems_clock_is_set_to_what_the_network_says() {
    let (port, _) = server(Kind::Off(300)).await;
    let board = a_box(SystemTime::now, port);
    assert_eq!(board.time.round().await, Ok(Round::Right));
    assert!(matches!(board.set.lock().unwrap().as_slice(), [time] if is_now(*time, 300)));
    assert!(is_now(board.time.clock.now(), 300), "ours follows");
    let (port, _) = server(Kind::Off(0)).await;
    let right = a_box(SystemTime::now, port);
    assert_eq!(right.time.round().await, Ok(Round::Right));
    assert!(right.set.lock().unwrap().is_empty(), "a right clock is left alone");
}

#[tokio::test]
async fn a_little_ahead_waits_and_never_goes_back() {
    let (port, _) = server(Kind::Off(-600)).await;
    let board = a_box(SystemTime::now, port);
    let before = board.time.clock.now();
    assert_eq!(board.time.round().await, Ok(Round::Right));
    let after = board.time.clock.now();
    assert!(after >= before && is_now(after, 0));
}

#[tokio::test]
async fn what_cannot_be_believed_changes_nothing() {
    let past = i64::try_from(RELEASED).unwrap() - i64::try_from(unix(SystemTime::now())).unwrap() - 10 * YEAR as i64;
    for (kind, why) in [
        (Kind::Off(past), "cannot be"),
        (Kind::Off(90 * YEAR as i64), "cannot be"),
        (Kind::Moody, "do not agree"),
        (Kind::Stranger, "127.0.0.1"),
        (Kind::Kiss, "127.0.0.1"),
        (Kind::Short, "127.0.0.1"),
    ] {
        let (port, _) = server(kind).await;
        let board = a_box(SystemTime::now, port);
        assert_eq!(board.time.round().await, Err(()));
        let known = board.time.known();
        assert!(known.trouble.as_ref().is_some_and(|said| said.contains(why)), "{known:?}");
        assert!(known.last.is_none() && board.set.lock().unwrap().is_empty());
        assert!(is_now(board.time.clock.now(), 0));
    }
}

#[tokio::test]
async fn without_the_keeper_the_daemon_does_not_start_anew() {
    let (port, _) = server(Kind::Off(0)).await;
    let mut board = a_box(year_ahead, port);
    let time = Arc::get_mut(&mut board.time).unwrap();
    time.set_system = Box::new(|_| Err("no keeper".into()));
    // This machine's clock is right, so that nothing has to be set; one that is off needs the keeper.
    let (port, _) = server(Kind::Off(300)).await;
    time.port = port;
    assert_eq!(board.time.round().await, Err(()));
    assert!(board.time.known().trouble.unwrap().contains("no keeper"));
    assert!(is_now(board.time.clock.now(), YEAR as i64));
}

#[tokio::test]
async fn the_owners_choice_comes_before_the_networks() {
    let (port, asked) = server(Kind::Off(0)).await;
    let board = a_box(SystemTime::now, port);
    std::fs::write(&board.time.announced, "127.0.0.2 not/a/host\n127.0.0.3").unwrap();
    assert_eq!(announced(&board.time.announced).len(), 2);
    let choose = |host: &str| {
        let host = Host::parse(host).unwrap();
        let chosen = board.time.settings.update(|config| {
            config.time_server = Some(host);
            Ok::<_, ()>(())
        });
        chosen.unwrap();
    };
    choose("127.0.0.1");
    assert_eq!(board.time.round().await, Ok(Round::Right));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let addresses = board.time.addresses().await.unwrap();
    assert!(matches!(addresses.as_slice(), [one] if one.ip() == Ipv4Addr::LOCALHOST));
}

#[tokio::test]
async fn it_asks_again_when_it_is_told_to_and_ends_when_it_has_to() {
    let (port, asked) = server(Kind::Kiss).await;
    let board = a_box(SystemTime::now, port);
    let running = tokio::spawn({
        let time = board.time.clone();
        async move { time.run(|| true).await }
    });
    while asked.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    // Both tries of the first round were refused; the next would come in ten seconds.
    while board.time.known().trouble.is_none() {
        tokio::task::yield_now().await;
    }
    board.time.ask_now();
    while asked.load(Ordering::Relaxed) < 4 {
        tokio::task::yield_now().await;
    }
    running.abort();
    let (port, _) = server(Kind::Off(0)).await;
    a_box(year_ahead, port).time.run(|| true).await;
}
