//! The dialogue with wpa_supplicant, against a socket of our own that answers well, badly, too much or not at all.

use super::*;
use proptest::prelude::*;
use std::thread;

const SOON: Duration = Duration::from_millis(200);

/// Answers each command with what is said for it; several datagrams if there are several.
fn program(folder: &Path, answers: &'static [(&'static str, &'static [&'static [u8]])]) -> PathBuf {
    let path = folder.join("wlan0");
    let socket = UnixDatagram::bind(&path).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            let command = std::str::from_utf8(&buffer[..n]).unwrap();
            let (_, said) = answers.iter().find(|(name, _)| *name == command).unwrap_or(&("", &[b"UNKNOWN COMMAND\n"]));
            for datagram in *said {
                if socket.send_to(datagram, from.as_pathname().unwrap()).is_err() {
                    return;
                }
            }
        }
    });
    path
}

fn control(answers: &'static [(&'static str, &'static [&'static [u8]])]) -> (Control, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = program(folder.path(), answers);
    (Control::open(&path, folder.path(), SOON).unwrap(), folder)
}

fn ssid(octets: &[u8]) -> Ssid {
    Ssid::new(octets).unwrap()
}

#[test]
fn what_is_around_is_told_in_order_of_strength() {
    let (mut control, folder) = control(&[
        ("ATTACH", &[b"OK\n"]),
        ("SCAN", &[b"OK\n", b"<3>CTRL-EVENT-SCAN-STARTED ", b"<3>CTRL-EVENT-SCAN-RESULTS "]),
        (
            "SCAN_RESULTS",
            &[b"bssid / frequency / signal level / flags / ssid\n\
                02:00:00:00:01:00\t2412\t-70\t[WPA2-PSK-CCMP][ESS]\tOur home\n\
                02:00:00:00:02:00\t5180\t-40\t[WPA2-PSK+SAE-CCMP][ESS]\tOur home\n\
                02:00:00:00:03:00\t2412\t-30\t[ESS]\tcaf\\xc3\\xa9\n\
                02:00:00:00:04:00\t2412\t-50\t[WPA2-EAP-CCMP][ESS]\toffice\n\
                02:00:00:00:05:00\t2412\t-51\t[WEP][ESS]\told\n\
                02:00:00:00:06:00\t2412\t-52\t[WPA-PSK-TKIP][ESS]\tolder\n\
                02:00:00:00:07:00\t2412\t-53\t[RSN-SAE-CCMP][ESS]\t\\\"\\\\\\e\\n\\r\\t\\x00\n\
                02:00:00:00:08:00\t2412\t-20\t[WPA2-PSK-CCMP][ESS]\t\n\
                02:00:00:00:09:00\t2412\t-20\t[WPA2-PSK-CCMP][ESS]\t\\x00\\x00\n\
                nonsense\n\
                02:00:00:00:0a:00\t2412\tloud\t[ESS]\tx\n\
                02:00:00:00:0b:00\t2412\t-20\t[ESS]\tlonger than any name of a Wi-Fi can be\n"],
        ),
    ]);
    let seen = control.scan(SOON).unwrap();
    let told: Vec<_> = seen.iter().map(|one| (one.ssid.octets(), one.signal, one.lock)).collect();
    assert_eq!(
        told,
        [
            ("café".as_bytes(), -30, Lock::Open),
            (b"Our home", -40, Lock::Password),
            (b"office", -50, Lock::Other),
            (b"old", -51, Lock::Other),
            (b"older", -52, Lock::Other),
            (b"\"\\\x1b\n\r\t\0", -53, Lock::Password),
        ]
    );
    drop(control);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "our end is gone");
}

#[test]
fn a_scan_that_has_begun_is_not_over() {
    assert!(is_over(b"<3>CTRL-EVENT-SCAN-RESULTS ") && is_over(b"<3>CTRL-EVENT-SCAN-FAILED ret=-16"));
    assert!(!is_over(b"<3>CTRL-EVENT-SCAN-STARTED ") && !is_over(b"<3>CTRL-EVENT-BSS-ADDED 1 02:00"));
}

const LOOKING: (&str, &[&[u8]]) = ("STATUS", &[b"wpa_state=SCANNING\n"]);

#[test]
fn what_it_has_joined_is_told() {
    let (mut one, _folder) = control(&[(
        "STATUS",
        &[b"<3>CTRL-EVENT-BSS-ADDED 1 02:00\n", b"bssid=02:00\nssid=Our \\\\ home\nwpa_state=COMPLETED\n"],
    )]);
    assert_eq!(one.radio().unwrap(), Radio { joined: Some(ssid(b"Our \\ home")), refused: false });
    let (mut one, _folder) = control(&[
        ("STATUS", &[b"ssid=home\nwpa_state=SCANNING\n"]),
        ("LIST_NETWORKS", &[b"network id / ssid / bssid / flags\n0\thome\tany\t[TEMP-DISABLED]\n"]),
    ]);
    assert_eq!(one.radio().unwrap(), Radio { joined: None, refused: true });
    let (mut one, _folder) = control(&[LOOKING, ("BSSID_IGNORE", &[b"02:00:00:00:01:01\n"])]);
    assert_eq!(one.radio().unwrap(), Radio { joined: None, refused: true }, "WPA3");
    let (mut one, _folder) = control(&[LOOKING, ("BSSID_IGNORE", &[b""])]);
    assert_eq!(one.radio().unwrap(), Radio::default());
    let (mut one, _folder) = control(&[LOOKING]);
    assert_eq!(one.radio().unwrap(), Radio::default());
}

#[test]
fn a_program_that_is_busy_silent_or_babbles_costs_little_time() {
    let (mut busy, _folder) = control(&[
        ("ATTACH", &[b"OK\n"]),
        ("SCAN", &[b"FAIL-BUSY\n"]),
        ("SCAN_RESULTS", &[b"head\na\t1\t-9\t[ESS]\tknown\n"]),
    ]);
    assert_eq!(busy.scan(SOON).unwrap().len(), 1, "what it knows already");
    let (mut silent, _folder) = control(&[("STATUS", &[])]);
    assert!(silent.radio().is_err());
    let (mut babbling, _folder) = control(&[("ATTACH", &[b"<3>A", b"<3>B", b"<3>C"])]);
    assert!(babbling.scan(SOON).is_err());
    let (mut strange, _folder) = control(&[("ATTACH", &[b"OK\n"]), ("SCAN", &[b"FAIL\n"])]);
    assert!(strange.scan(SOON).is_err());
    let folder = tempfile::tempdir().unwrap();
    assert!(Control::open(&folder.path().join("wlan0"), folder.path(), SOON).is_err());
    assert_eq!(socket(&folder.path().join("nothing")), None);
    for name in ["wlan1", "p2p-dev-wlan0", "wlan0"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    assert_eq!(socket(folder.path()), Some(folder.path().join("wlan0")));
}

#[test]
fn more_than_can_be_shown_is_cut_off() {
    let line = |n: u32| format!("a\t1\t-{n}\t[ESS]\twifi {n}\n");
    let text: String = std::iter::once("head\n".into()).chain((1..=100).map(line)).collect();
    let seen = understand(text.as_bytes());
    assert_eq!((seen.len(), seen[0].signal), (limits::WIFIS, -1));
}

proptest! {
    #[test]
    fn any_octets_are_understood(text in proptest::collection::vec(prop_oneof![Just(b'\t'), Just(b'\n'), Just(b'\\'), any::<u8>()], 0..500)) {
        prop_assert!(understand(&text).iter().all(|seen| seen.ssid.octets().len() <= 32));
    }

    #[test]
    fn names_come_through_the_programs_escapes(octets in proptest::collection::vec(any::<u8>(), 1..=32)) {
        // As wpa_supplicant's printf_encode writes them.
        let escaped: String = octets.iter().map(|octet| match octet {
            b'"' => "\\\"".to_owned(),
            b'\\' => "\\\\".to_owned(),
            0x1b => "\\e".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\t' => "\\t".to_owned(),
            32..=126 => char::from(*octet).to_string(),
            other => format!("\\x{other:02x}"),
        }).collect();
        prop_assert_eq!(unescape(escaped.as_bytes()), octets);
    }
}
