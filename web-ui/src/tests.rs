//! The pages as visitors meet them, through embedded-svc's `Connection` in memory.

mod abuse;
mod browser;
mod network;
mod owner;
mod power;
mod setup;
mod socket;
mod time;
mod trouble;
mod update;

use crate::clock::Clock;
use crate::site::Site;
use crate::{Context, Networking, Ports, Power, Time, Updates};
use board::FakeBoard;
use settings::Settings;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A clock that stands still until it is told.
#[derive(Clone)]
struct TestClock(Arc<Mutex<Instant>>);

impl TestClock {
    fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}
impl Clock for TestClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }
    fn unix(&self) -> i64 {
        1_795_219_200
    }
}

/// A box that nobody has claimed.
pub(crate) fn context() -> Context {
    Context {
        settings: Arc::new(Settings::in_memory()),
        board: Arc::new(FakeBoard::new([192, 168, 178, 40].into())),
        authority_pem: "-----BEGIN CERTIFICATE-----\n".into(),
        authority_der: vec![0x30, 0x03, 0x02, 0x01, 0x00],
        ports: Ports { imaps: 1993, pop3s: 1995, submissions: 1465, submission: 1587, imap: 1143, https: 1443 },
        server_names: Box::new(|| {
            ["roost.local", "mail.example.org", "localhost", "192.168.178.40", "127.0.0.1"].map(String::from).into()
        }),
        metrics: Box::new(|| "# EOF\n".into()),
        health: Box::new(|| Ok(())),
        time: Time { known: Box::new(|| None), ask: Box::new(|| ()) },
        updates: Updates::default(),
        networking: Networking::default(),
        power: Power::default(),
        trouble: None,
    }
}

fn site(context: Context) -> (Arc<Site>, TestClock) {
    let clock = TestClock(Arc::new(Mutex::new(Instant::now())));
    (Arc::new(Site::new(context, Box::new(clock.clone())).unwrap()), clock)
}
