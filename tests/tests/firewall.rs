//! The board's firewall in front of the real daemon: two network namespaces with a cable between them, the box in one with the image's
//! rules, a neighbour in the other. What the daemon serves is reached, nothing else is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use system_tests::daemon::binary;

/// `$1` is the daemon, `$2` the rules, `$3` the data. It runs as the first process of a namespace: what it began ends with it.
const STAGE: &str = r#"
set -eu
export PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
unshare --net sleep 300 & box=$!
tries=0
until [ "$(readlink /proc/$box/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do
  tries=$((tries + 1)); [ $tries -lt 500 ]; sleep 0.01
done
inside() { nsenter --target $box --net "$@"; }
ip link add name lan type veth peer name eth0 netns $box
ip addr add 10.9.8.1/24 dev lan
ip link set lan up
inside ip link set lo up
inside ip addr add 10.9.8.2/24 dev eth0
inside ip link set eth0 up
inside nft -f "$2"
# What nobody opened a port for, but listens all the same; and a port of the neighbour that the box asks.
inside python3 -c "$LISTEN" 0.0.0.0 8080 5432 &
python3 -c "$LISTEN" 10.9.8.1 2525 &
mkfifo "$3/said"
inside "$1" serve --data "$3/data" >"$3/said" 2>"$3/log" &
exec 3<"$3/said"
while read -r line <&3; do case $line in *'Setup code:'*) break ;; esac; done
python3 -c "$PROBE" 10.9.8.2 24 25 80 110 143 443 465 587 993 995 22 53 111 5432 8080
inside python3 -c "$PROBE" 10.9.8.1 2525
inside python3 -c "$PROBE" 127.0.0.1 8080
ping -c 1 -W 5 10.9.8.2 >/dev/null && echo "ping open"
"#;
/// Listens on ports of an address and answers nobody.
const LISTEN: &str = "
import signal, socket, sys
sockets = [socket.create_server((sys.argv[1], int(port))) for port in sys.argv[2:]]
signal.pause()
";
/// Says of each port whether it is open.
const PROBE: &str = "
import socket, sys, time
for port in sys.argv[2:]:
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection((sys.argv[1], int(port)), timeout=5).close()
            said = 'open'
        except ConnectionRefusedError:
            # Ours may be about to listen.
            said = 'refused'
            if sys.argv[1] != '10.9.8.2' and time.monotonic() < deadline:
                continue
        except TimeoutError:
            said = 'silent'
        print(sys.argv[1], port, said)
        break
";

#[test]
fn only_the_services_are_reached_from_outside() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../buildroot/overlay/etc/nftables.conf");
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        // Namespaces may be made by root, or in a namespace of users where one is root.
        stage.arg("--map-root-user");
    }
    stage
        .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "timeout", "60", "sh", "-c", STAGE, "sh"])
        .arg(binary())
        .arg(rules)
        .arg(folder.path());
    stage.env("LISTEN", LISTEN).env("PROBE", PROBE).stdin(Stdio::null());
    let output = stage.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    assert!(output.status.success(), "{said}\n{}\n{log}", String::from_utf8_lossy(&output.stderr));
    let answers: BTreeMap<&str, &str> = said.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    for port in [24, 25, 80, 110, 143, 443, 465, 587, 993, 995] {
        assert_eq!(answers.get(format!("10.9.8.2 {port}").as_str()), Some(&"open"), "{said}");
    }
    for port in [22, 53, 111, 5432, 8080] {
        assert_eq!(answers.get(format!("10.9.8.2 {port}").as_str()), Some(&"refused"), "{said}");
    }
    for (who, why) in [("10.9.8.1 2525", "the box asks others"), ("127.0.0.1 8080", "the box talks to itself")] {
        assert_eq!(answers.get(who), Some(&"open"), "{why}: {said}");
    }
    assert_eq!(answers.get("ping"), Some(&"open"), "{said}");
}
