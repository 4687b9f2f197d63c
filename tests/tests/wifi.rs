//! A Wi-Fi joined from the page of the network, on a board with two simulated radios: one is the box's, the other an access point's
//! in a namespace of its own. Who comes from there reaches the box over the air alone. Needs its own image: `make radio-image`.

use qemu::{Board, Cache, Disk, Image, Options, SECOND_ADDRESS};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use system_tests::visitor::Visitor;

/// A slow machine under load starts in a minute.
const PATIENCE: Duration = Duration::from_secs(300);
const DISK: u64 = 1 << 30;
const DATA: &str = "/data/roost";
const OWNER: &str = "four quiet geese walking";
/// Seconds that a change waits for its owner here, instead of three minutes.
const CONFIRM: u32 = 60;

/// A Wi-Fi: its octets as the pages and hostapd take them, how it is shown, its password.
struct Wifi {
    hex: &'static str,
    shown: &'static str,
    password: &'static str,
}
/// With WPA2 only.
const TWO: Wifi = Wifi { hex: "4e65737420322e34", shown: "Nest 2.4", password: "nine soft blankets" };
/// With WPA3 only, and a name that is not ASCII.
const THREE: Wifi = Wifi { hex: "4bc3a4666967", shown: "Käfig", password: "ten \"warm\" $blankets" };

/// Makes the second radio and the second cable an access point, as a router is one.
const ACCESS_POINT: &str = r#"
set -e
unshare -n sleep 1000000 >/dev/null 2>&1 & home=$!
tenths=0
until [ "$(readlink /proc/$home/ns/net)" != "$(readlink /proc/1/ns/net)" ]; do
  tenths=$((tenths + 1)); [ $tenths -lt 300 ]; sleep 0.1
done
iw phy "$(cat /sys/class/net/wlan1/phy80211/name)" set netns $home
ip link set eth1 netns $home
cat >/tmp/hostapd.conf <<"END"
interface=wlan1
bridge=lan
hw_mode=g
channel=1
ssid2=HEX2
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=PASSWORD2
bss=wlan1b
bssid=02:00:00:00:01:01
bridge=lan
ssid2=HEX3
wpa=2
wpa_key_mgmt=SAE
rsn_pairwise=CCMP
ieee80211w=2
sae_password=PASSWORD3
END
nsenter -t $home -n sh -c 'ip link add lan type bridge && ip link set eth1 master lan && ip link set eth1 up && ip link set lan up &&
  exec hostapd /tmp/hostapd.conf' >/tmp/hostapd.log 2>&1 &
timeout 60 sh -c 'until grep -q AP-ENABLED /tmp/hostapd.log; do sleep 0.1; done'
"#;

/// Has init start the keeper again, with less patience.
const HURRY: &str = r#"
set -e
keeper() { ps -o pid,args | awk '$2 == "/usr/bin/roost" && $3 == "keep" && $0 ~ "'"$1"'" { print $1 }'; }
sed 's/^.*roost keep.*/& --confirm-within CONFIRM/' /etc/inittab >/tmp/inittab
mount -o bind /tmp/inittab /etc/inittab
kill -HUP 1
kill "$(keeper .)"
tenths=0
until [ -n "$(keeper confirm-within)" ] && [ -S /run/roost-network.sock ]; do
  tenths=$((tenths + 1)); [ $tenths -lt 300 ]; sleep 0.1
done
"#;

/// For who reads of a failure.
const STATE: &str = "ip addr; ip route; ps -o args; iw dev wlan0 link; tail -n 40 /tmp/hostapd.log";

struct Home {
    image: Image,
    disk: Disk,
    dir: tempfile::TempDir,
    board: Option<Board>,
}

impl Home {
    fn new() -> Home {
        let (image, dir) = (Image::radio().expect("make radio-image"), tempfile::tempdir().unwrap());
        let disk = Disk::create(&image, dir.path().join("disk.img"), DISK).expect("a disk").with_cache(Cache::Volatile);
        let mut home = Home { image, disk, dir, board: None };
        home.power_on();
        std::fs::write(home.ca(), home.told(&format!("cat {DATA}/certificates/authority.pem"))).unwrap();
        home
    }
    fn ca(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }
    fn board(&self) -> &Board {
        self.board.as_ref().expect("it is on")
    }
    fn told(&self, command: &str) -> String {
        self.board().run(command).expect("the shell answers").success().expect(command)
    }

    /// The box and, on it, the access point; and a keeper that is less patient.
    fn power_on(&mut self) {
        self.board = None;
        let options = Options { second_cable: true, ..Options::default() };
        self.board = Some(Board::boot(&self.image, &self.disk, &options).expect("the board starts"));
        self.board().wait_for_greeting(143, "* OK", PATIENCE).expect("IMAP greets");
        let names = ACCESS_POINT.replace("HEX2", TWO.hex).replace("HEX3", THREE.hex);
        self.told(&names.replace("PASSWORD2", TWO.password).replace("PASSWORD3", THREE.password));
        self.told(&HURRY.replace("CONFIRM", &CONFIRM.to_string()));
    }

    /// The owner, who comes over the cable.
    fn by_cable(&self) -> Visitor {
        let port = self.board().port(443).unwrap();
        Visitor::new(&format!("https://127.0.0.1:{port}"), &self.dir.path().join("cable.jar"), Some(&self.ca()))
    }

    /// The owner, who comes over the air, with another browser; logged in.
    fn over_the_air(&self) -> Visitor {
        let (url, jar) = (format!("https://{SECOND_ADDRESS}"), self.dir.path().join("air.jar"));
        let owner = Visitor::new(&url, &jar, Some(&self.ca())).through(self.board().second_port(443).unwrap());
        // The box notices its new address, and gets a certificate for it, some seconds later.
        self.until("the pages answer over the air", || owner.ask("/health", 10, &["--fail"]).map(|_| ()));
        owner.send("/login", "/login", &[&format!("password={OWNER}")]);
        owner
    }

    fn until<T>(&self, what: &str, mut done: impl FnMut() -> Result<T, String>) -> T {
        let began = Instant::now();
        loop {
            match done() {
                Ok(found) => return found,
                Err(why) if began.elapsed() > PATIENCE => {
                    panic!("not within {PATIENCE:?}: {what}: {why}\n{}", self.told(STATE));
                }
                Err(_) => {}
            }
        }
    }

    fn page_with(&self, owner: &Visitor, path: &str, text: &str) -> String {
        self.until(&format!("{path} says {text:?}"), || {
            let page = String::from_utf8_lossy(&owner.ask(path, 20, &[])?).into_owned();
            if page.contains(text) { Ok(page) } else { Err(page) }
        })
    }

    fn wait_for(&self, from: usize, text: &str) {
        let waited = self.board().wait_for_any(from, &[text], PATIENCE);
        waited.unwrap_or_else(|e| panic!("{e}\n{}", self.told(STATE)));
    }

    /// Asks the box on its pages to join; how long the console was then.
    fn join(&self, owner: &Visitor, wifi: &Wifi, password: &str) -> usize {
        let link = format!("/network/wifi/join?ssid={}", wifi.hex);
        let list = self.page_with(owner, "/network/wifi", &link);
        assert!(list.contains(wifi.shown) && list.contains("with a password"), "{list}");
        let from = self.board().console_length();
        let fields = [format!("ssid={}", wifi.hex), format!("key={password}"), "country=DE".into()];
        let page = owner.send(&link, "/network/wifi/join", &fields.each_ref().map(String::as_str));
        assert!(page.contains("The box is changing its network"), "{page}");
        from
    }

    fn claim(&self) -> Visitor {
        let owner = self.by_cable();
        let line = self.board().wait_for_console("Setup code:", PATIENCE).expect("the console shows it").text;
        let code = format!("code={}", line.rsplit(' ').next().unwrap());
        owner.send("/setup", "/setup", &[&code]);
        let passwords = [format!("password={OWNER}"), format!("again={OWNER}")];
        owner.send("/setup/password", "/setup/password", &passwords.each_ref().map(String::as_str));
        owner.send("/setup/domain", "/setup/domain", &["domain=home.internal"]);
        owner.send("/setup/people", "/setup/people", &["name-1=Anna", "local-1=anna", "device-1=Phone"]);
        owner
    }
}

#[test]
fn a_wifi_is_joined_from_the_pages_and_kept_by_who_comes_through_it() {
    let mut home = Home::new();
    let owner = home.claim();
    let network = owner.page("/network");
    assert!(network.contains("The box has joined no Wi-Fi."), "{network}");

    // A wrong password: the page says so and does not take it for confirmed; afterwards, that the box went back by itself, and why.
    for wifi in [&TWO, &THREE] {
        let from = home.join(&owner, wifi, "nine hard blankets");
        let page = home.page_with(&owner, "/network", &format!("“{}” does not let the box in", wifi.shown));
        assert!(page.contains("wlan0, not joined"), "{page}");
        let page = owner.send("/network", "/network/confirm", &[]);
        assert!(page.contains(&format!("Not kept: the box has not joined “{}”.", wifi.shown)), "{page}");
        home.wait_for(from, "network: going back to what worked");
        home.page_with(&owner, "/network", &format!("“{}” did not let the box in", wifi.shown));
    }
    home.told("test ! -e /data/network");

    // The right one. It is kept by who comes over the air.
    let from = home.join(&owner, &TWO, TWO.password);
    home.wait_for(from, &format!("network: wlan0 is {SECOND_ADDRESS}/24"));
    home.page_with(&owner, "/network", &format!("The box has joined “{}”.", TWO.shown));
    let guest = home.over_the_air();
    assert!(guest.page("/").contains("Shall this be kept?"), "the first page is the question");
    assert!(guest.send("/network", "/network/confirm", &[]).contains("The network stays as it is now."));
    assert!(home.told("iw reg get").contains("country DE"), "the radio keeps to the rules of the country");

    // The power fails; the cable is pulled out.
    home.power_on();
    home.wait_for(0, &format!("network: wlan0 is {SECOND_ADDRESS}/24"));
    home.board().plug_cable(false).unwrap();
    let guest = home.over_the_air();
    let network = guest.page("/network");
    assert!(network.contains("not plugged in") && network.contains("joined “Nest 2.4”"), "{network}");

    // From one Wi-Fi to another, which nobody confirms: it is back in the first.
    let from = home.join(&guest, &THREE, THREE.password);
    home.wait_for(from, &format!("network: wlan0 is {SECOND_ADDRESS}/24"));
    home.page_with(&guest, "/network", &format!("The box has joined “{}”.", THREE.shown));
    let from = home.board().console_length();
    home.wait_for(from, "network: going back to what worked");
    home.page_with(&guest, "/network", &format!("The box has joined “{}”.", TWO.shown));
    assert!(guest.page("/network").contains("taken back"));

    // The same again, and kept.
    let from = home.join(&guest, &THREE, THREE.password);
    home.wait_for(from, &format!("network: wlan0 is {SECOND_ADDRESS}/24"));
    home.page_with(&guest, "/network", &format!("The box has joined “{}”.", THREE.shown));
    assert!(guest.send("/network", "/network/confirm", &[]).contains("The network stays as it is now."));

    // No Wi-Fi any more, which only the cable can tell.
    home.board().plug_cable(true).unwrap();
    let from = home.board().console_length();
    guest.send("/network", "/network/forget", &[]);
    home.wait_for(from, "network: trying what the owner chose");
    let owner = home.by_cable();
    home.until("the pages answer over the cable", || owner.ask("/health", 10, &["--fail"]).map(|_| ()));
    owner.send("/login", "/login", &[&format!("password={OWNER}")]);
    home.page_with(&owner, "/network", "Shall this be kept?");
    assert!(owner.send("/network", "/network/confirm", &[]).contains("The network stays as it is now."));
    assert!(!home.told("ip -4 addr show dev wlan0").contains("inet"));
    assert!(guest.ask("/health", 3, &[]).is_err());
}
