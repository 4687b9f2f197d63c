//! The network of a board changed from its pages: the image's own scripts, keeper and daemon in a small root of their own, a cable, and at
//! its other end a router with DHCP and the owner's browser. Needs root for namespaces, as the firewall's test does.

use std::path::Path;
use std::process::{Command, Stdio};
use system_tests::daemon::binary;
use system_tests::here;

/// `$1` is the daemon, `$2` the image's tree, `$3` an empty folder, `$4` the owner, `$5` the daemon’s user. It runs as the first process of a namespace: what it
/// began ends with it.
const STAGE: &str = r#"
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
root=$3/root
mkdir -p "$root"/bin "$root"/data/roost "$root"/dev "$root"/proc "$root"/run "$root"/sys "$root"/tmp "$root"/usr/share/udhcpc "$root"/usr/bin "$root"/usr/lib
cp -r "$2/etc" "$root/etc"
cp "$2/usr/share/udhcpc/default.script" "$root/usr/share/udhcpc/"
cp "$(command -v busybox)" "$root/bin/busybox"
for name in $(busybox --list); do ln -sf busybox "$root/bin/$name"; done
cp "$1" "$root/usr/bin/roost"
rm -f "$root/bin/setpriv"
cp "$(command -v setpriv)" "$root/usr/bin/setpriv"
ln -s usr/lib "$root/lib"
mount --bind /usr/lib "$root/usr/lib"
if [ -d /usr/lib64 ]; then ln -s usr/lib64 "$root/lib64"; mkdir "$root/usr/lib64"; mount --bind /usr/lib64 "$root/usr/lib64"; fi
chown "$5:$5" "$root/data/roost"
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"

unshare --net --uts --mount sh -c 'mount -t sysfs sys "$1/sys" && exec chroot "$1" /bin/sleep 600' sh "$root" & box=$!
tries=0
until [ "$(readlink /proc/$box/ns/net)" != "$(readlink /proc/$$/ns/net)" ] && [ -d /proc/$box/root/sys/class/net ]; do
  tries=$((tries + 1)); [ $tries -lt 500 ]; sleep 0.01
done
ip link set lo up
ip link add name lan type veth peer name eth0 netns $box
ip addr add 10.9.8.1/24 dev lan
ip link set lan up
cat >"$3/udhcpd.conf" <<END
start 10.9.8.50
end 10.9.8.50
interface lan
lease_file $3/leases
pidfile $3/udhcpd.pid
option subnet 255.255.255.0
option router 10.9.8.1
option dns 10.9.8.1
END
: >"$3/leases"
busybox udhcpd -f "$3/udhcpd.conf" >"$3/udhcpd.log" 2>&1 &
python3 "$4" nsenter --target $box --net --uts --mount --root --wd=/ env -i PATH=/usr/bin:/bin DAEMON="$5"
"#;

#[test]
fn a_change_of_the_network_is_kept_when_it_is_confirmed_and_taken_back_when_not() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../buildroot/overlay");
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Command::new("unshare");
    let root = rustix::process::geteuid().is_root();
    if !root {
        // Namespaces may be made by root, or in a namespace of users where one is root.
        stage.arg("--map-root-user");
    }
    stage
        .args(["--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["timeout", "600", "sh", "-c", STAGE, "sh"])
        .arg(binary())
        .arg(tree)
        .arg(folder.path())
        .arg(here().join("clients/network.py"))
        // There is no other user in a namespace that no root has made.
        .arg(if root { "1000" } else { "0" });
    let output = stage.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success(), "{}", said.concat());
}
