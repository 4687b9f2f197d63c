//! The peer: Dovecot from the distribution's packages, a private copy that is never installed.
//!
//! It runs with mounts and process numbers of its own: its files lie over `/usr` for it alone, and all its processes end
//! with the first one. Where it keeps mail is the caller's choice; the rest is as the package has it.

use crate::Protocol;
use crate::own_mounts::{entered, run};
use crate::wire::Reach;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The password of every account.
pub const PASSWORD: &str = "secret";
const PATIENCE: Duration = Duration::from_secs(20);
const TRIES: usize = 3;
/// Lays the unpacked packages over `/usr`, starts Dovecot as process 1 of its namespace; ends all when standard input closes.
const KEEPER: &str = r#"
unshare --mount --pid --fork --kill-child sh -c '
    mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr && mount -t proc proc /proc && exec /usr/sbin/dovecot -F -c "$2"
' sh "$1" "$2" </dev/null & pid=$!
echo "$pid"; exec >/dev/null; read -r _; kill -9 "$pid" 2>&1; wait"#;
/// What is needed, and the libraries that the package wants and this machine lacks.
const FETCH: &str = r#"
set -e
cd "$1"
needed="dovecot-core dovecot-imapd dovecot-lmtpd"
for library in $(apt-cache depends dovecot-core | sed -n 's/^ *Depends: \(lib.*\)/\1/p'); do
    dpkg-query -W -f '${db:Status-Status}' "$library" 2>/dev/null | grep -qx installed || needed="$needed $library"
done
apt-get -q -q -o APT::Sandbox::User=root download $needed
mkdir tree
for package in *.deb; do dpkg-deb -x "$package" tree; done
rm -- *.deb"#;

/// How it keeps mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// `sdbox`, `mdbox` or `maildir`.
    pub driver: &'static str,
    /// Whether it compresses.
    pub zstd: bool,
    /// As it is by default; else it never syncs.
    pub durable: bool,
}

/// The unpacked packages.
#[derive(Debug, Clone)]
pub struct Dovecot {
    tree: PathBuf,
    /// Name and version.
    pub name: String,
}

impl Dovecot {
    /// Fetches and unpacks it, once; the error says what is in the way.
    pub fn fetch() -> Result<Dovecot, String> {
        if !entered() {
            return Err("it needs root and unshare".to_owned());
        }
        let folder = crate::corpus::cache().join("dovecot");
        if !folder.join("tree/usr/sbin/dovecot").exists() {
            let cache = folder.parent().ok_or("no cache")?;
            std::fs::create_dir_all(cache).map_err(|e| e.to_string())?;
            let work = tempfile::tempdir_in(cache).map_err(|e| e.to_string())?;
            run("sh", &["-c", FETCH, "sh", &work.path().to_string_lossy()])?;
            drop(std::fs::remove_dir_all(&folder));
            std::fs::rename(work.keep(), &folder).map_err(|e| e.to_string())?;
        }
        let tree = folder.join("tree");
        let program = tree.join("usr/sbin/dovecot");
        let libraries = tree.join("usr/lib/dovecot");
        let version = Command::new(&program).arg("--version").env("LD_LIBRARY_PATH", libraries).output();
        let version = version.map_err(|e| format!("dovecot: {e}"))?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let version = version.split(' ').next().filter(|v| !v.is_empty()).ok_or("dovecot does not start")?;
        Ok(Dovecot { tree, name: format!("Dovecot {version}") })
    }

    /// Starts it with what it needs to run in `home`, and the mail of each account in a directory below `mail`.
    pub fn start(&self, home: &Path, mail: &Path, layout: &Layout) -> Result<Running, String> {
        // Somebody else on this machine may take a port that was free when it was looked for.
        let mut tried = self.try_to_start(home, mail, layout);
        for _ in 1..TRIES {
            if tried.is_ok() {
                break;
            }
            tried = self.try_to_start(home, mail, layout);
        }
        tried
    }

    fn try_to_start(&self, home: &Path, mail: &Path, layout: &Layout) -> Result<Running, String> {
        for directory in [home, mail] {
            std::fs::create_dir_all(directory).map_err(|e| e.to_string())?;
        }
        std::os::unix::fs::chown(mail, Some(MAIL), Some(MAIL)).map_err(|e| e.to_string())?;
        let at = |name: &str| home.join(name).to_string_lossy().into_owned();
        let (certificate, key) = (at("certificate.pem"), at("key.pem"));
        let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
        let mut openssl =
            vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        openssl.extend(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", &key, "-out", &certificate]);
        openssl.extend(subject);
        if !Path::new(&certificate).exists() {
            run("openssl", &openssl)?;
        }
        let (imaps, lmtp) = (free_port()?, free_port()?);
        std::fs::write(home.join("conf"), configuration(home, mail, layout, (imaps, lmtp)))
            .map_err(|e| e.to_string())?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args([&self.tree, &home.join("conf")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut pid = String::new();
        let output = keeper.stdout.take().ok_or("no output")?;
        BufReader::new(output).read_line(&mut pid).map_err(|e| e.to_string())?;
        let pid = pid.trim().parse().map_err(|_| "no process")?;
        let port = |protocol| if protocol == Protocol::Lmtp { lmtp } else { imaps };
        let reach = Reach::new(port, Path::new(&certificate), PATIENCE)?;
        let running = Running { keeper, pid, reach };
        let deadline = Instant::now() + PATIENCE;
        let answers = |protocol| running.reach.connect(protocol, std::net::Ipv4Addr::LOCALHOST).is_ok();
        while !answers(Protocol::Lmtp) || !answers(Protocol::Imaps) {
            if Instant::now() > deadline || !Path::new(&format!("/proc/{pid}")).exists() {
                return Err(format!(
                    "it does not start: {}",
                    std::fs::read_to_string(home.join("log")).unwrap_or_default()
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

/// Debian's `mail` user.
const MAIL: u32 = 8;

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    listener.local_addr().map(|a| a.port()).map_err(|e| e.to_string())
}

fn configuration(home: &Path, mail: &Path, layout: &Layout, (imaps, lmtp): (u16, u16)) -> String {
    let (home, mail, driver) = (home.display(), mail.display(), layout.driver);
    let sync = if layout.durable { "optimized" } else { "never" };
    let zstd = if layout.zstd { "mail_plugins = zlib\nplugin {\n  zlib_save = zstd\n}" } else { "" };
    format!(
        "protocols = imap lmtp
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
listen = 127.0.0.1
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = daemon
first_valid_uid = 1
mail_max_userip_connections = 1000
ssl = required
ssl_cert = <{home}/certificate.pem
ssl_key = <{home}/key.pem
mail_location = {driver}:~/mail
mail_fsync = {sync}
{zstd}
namespace inbox {{
  inbox = yes
}}
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={MAIL} gid={MAIL} home={mail}/%u
}}
service imap-login {{
  process_limit = 1000
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service auth {{
  client_limit = 1300
}}
service anvil {{
  client_limit = 1200
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"
    )
}

/// It runs; ended when dropped.
#[derive(Debug)]
pub struct Running {
    keeper: Child,
    /// `unshare`, which waits for the first process.
    pid: i32,
    reach: Reach,
}

impl Running {
    /// How to reach it.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// All its processes.
    pub fn processes(&self) -> Vec<i32> {
        family(self.pid).split_off(1)
    }
}

impl Drop for Running {
    /// Asks it to end and waits; the keeper's end ends what is left.
    fn drop(&mut self) {
        let first = self.processes().first().copied().and_then(Pid::from_raw);
        if let Some(first) = first {
            let _ = kill_process(first, Signal::TERM);
            let deadline = Instant::now() + PATIENCE;
            while Path::new(&format!("/proc/{}", first.as_raw_nonzero())).exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        drop(self.keeper.stdin.take());
        drop(self.keeper.wait());
    }
}

/// This process and all its descendants.
fn family(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(&parent) = all.get(at) {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|n| n.parse::<i32>().ok()));
        at += 1;
    }
    all
}
