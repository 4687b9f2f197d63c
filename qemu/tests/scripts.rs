//! Every shell script of the project passes shellcheck, those of the board are ones that BusyBox' shell can read, and the disk
//! is partitioned as the scripts and the boot loader believe. No Buildroot is needed; `make lint BUILDROOT=dir` has it look too.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use qemu::{Partition, read_partitions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The scripts under version control whose first line names an interpreter, with that line.
fn scripts() -> Vec<(PathBuf, String)> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let listed = git.output().expect("git lists the files");
    let names = String::from_utf8(listed.stdout).expect("file names are text");
    let first_line = |name: &str| {
        let path = root().join(name);
        let bytes =
            path.symlink_metadata().ok().filter(|found| found.is_file()).and_then(|_| std::fs::read(&path).ok())?;
        let line = String::from_utf8_lossy(bytes.split(|&byte| byte == b'\n').next()?).into_owned();
        (line.starts_with("#!") && line.ends_with("sh")).then_some((path, line))
    };
    names.split('\0').filter(|name| !name.is_empty()).filter_map(first_line).collect()
}

/// The Debian packages of the tools, with the tools.
const TOOLS: [(&str, &str); 4] =
    [("shellcheck", "shellcheck"), ("busybox", "busybox"), ("genimage", "genimage"), ("dosfstools", "mkfs.vfat")];
/// Where distributions put what only root used to need.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// Installs what is missing, once; where that may not be, the failure names the line to run.
fn install_tools() {
    static ONCE: Once = Once::new();
    let present = |tool: &str| PATH.split(':').any(|folder| Path::new(folder).join(tool).exists());
    ONCE.call_once(|| {
        let missing: Vec<_> = TOOLS.iter().filter(|(_, tool)| !present(tool)).map(|(package, _)| package).collect();
        if missing.is_empty() {
            return;
        }
        let output = Command::new(root().join("qemu/packages.sh")).args(&missing).output().expect("packages.sh starts");
        assert!(output.status.success(), "{missing:?}: {}", String::from_utf8_lossy(&output.stderr));
    });
}

fn assert_passes(command: &mut Command, path: &Path) {
    let output = command.env("PATH", PATH).arg(path).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}:\n{said}", path.display());
}

#[test]
fn shellcheck_finds_nothing() {
    let scripts = scripts();
    assert!(scripts.len() >= 10, "only {} scripts found", scripts.len());
    install_tools();
    for (path, interpreter) in &scripts {
        let mut command = Command::new("shellcheck");
        // BusyBox' shell is ash, whose nearest relative that shellcheck knows is dash.
        command.args(if interpreter == "#!/bin/sh" { ["-s", "dash"] } else { ["-s", "bash"] });
        assert_passes(&mut command, path);
    }
}

#[test]
fn busybox_can_read_the_scripts_of_the_board() {
    let board: Vec<_> = scripts().into_iter().filter(|(_, interpreter)| interpreter == "#!/bin/sh").collect();
    assert!(board.len() >= 8, "only {} scripts found", board.len());
    install_tools();
    for (path, _) in &board {
        let mut command = Command::new("busybox");
        command.args(["sh", "-n"]);
        assert_passes(&mut command, path);
    }
}

#[test]
fn scripts_are_executable() {
    use std::os::unix::fs::PermissionsExt;
    for (path, _) in scripts() {
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{}", path.display());
    }
}

#[test]
fn a_developers_shell_is_on_the_boards_own_console() {
    for (board, developer, terminals) in [
        ("qemu_aarch64_virt", true, &["ttyAMA0", "hvc0"][..]),
        ("rpi", true, &["ttyS1"]),
        ("rpi5", true, &["ttyAMA10"]),
        ("rpi", false, &[]),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["usr/sbin", "etc"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("a root");
        }
        let inittab = folder.path().join("etc/inittab");
        std::fs::write(&inittab, "").expect("ours");
        let mut script = Command::new(root().join("buildroot/board/common/post-build.sh"));
        script.env("BR2_CONFIG", configuration(folder.path(), developer));
        assert_passes_with(script.arg(folder.path()).arg(board));
        let inittab = std::fs::read_to_string(inittab).expect("it is there");
        let found: Vec<_> = inittab.lines().filter(|line| !line.starts_with('#')).collect();
        let found: Vec<_> = found.iter().filter_map(|line| line.split_once(':')).collect();
        let shells: Vec<_> = found.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
        assert_eq!(shells, terminals, "{board}");
        assert_eq!(found.contains(&("", ":once:/usr/sbin/developer-ssh")), developer, "{board}");
    }
}

/// A line of Buildroot's configuration, as a developer's image has it or a released one.
fn configuration(folder: &Path, developer: bool) -> PathBuf {
    let more = if developer { " /roost/buildroot/board/developer/overlay" } else { "" };
    let file = folder.join("config");
    std::fs::write(&file, format!("BR2_ROOTFS_OVERLAY=\"/roost/buildroot/overlay{more}\"\n")).expect("a configuration");
    file
}

#[test]
fn a_released_image_with_a_way_in_is_not_made() {
    let as_it_is: fn(&Path) = |_| ();
    let with_shell: fn(&Path) = |root| std::fs::write(root.join("usr/sbin/developer-shell"), "").expect("a shell");
    let with_ssh: fn(&Path) = |root| std::fs::write(root.join("usr/sbin/dropbear"), "").expect("a server");
    let with_console: fn(&Path) =
        |root| std::fs::write(root.join("etc/inittab"), "ttyS0::askfirst:/bin/sh\n").expect("a line of init's");
    let with_password: fn(&Path) =
        |root| std::fs::write(root.join("etc/shadow"), "root:$6$salt$hash:::::::\n").expect("a password");
    for (change, developer, refused) in [
        (as_it_is, false, None),
        (with_shell, false, Some("lets nobody in")),
        (with_ssh, false, Some("lets nobody in")),
        (with_console, false, Some("offers a shell")),
        (with_password, false, Some("accounts with a password")),
        (with_shell, true, None),
        (with_ssh, true, None),
        (with_console, true, None),
        (with_password, true, Some("accounts with a password")),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["usr/bin", "usr/sbin", "bin", "sbin", "etc"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("a root");
        }
        for (name, text) in [("shadow", "root:*:::::::\n"), ("passwd", "root:x:0:0::/:/bin/sh\n"), ("inittab", "")] {
            std::fs::write(folder.path().join("etc").join(name), text).expect("a file");
        }
        change(folder.path());
        let mut script = Command::new(root().join("buildroot/board/common/post-fakeroot.sh"));
        script.arg(folder.path()).env("BR2_CONFIG", configuration(folder.path(), developer)).env("PATH", PATH);
        let output = script.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), refused.is_none(), "{said}");
        assert!(refused.is_none_or(|why| said.contains(why)), "{said}");
    }
}

/// The disk as image.sh and Buildroot make it, with contents that say nothing.
fn built_disk(folder: &Path) -> PathBuf {
    let mut vfat = Command::new("mkfs.vfat");
    assert_passes_with(vfat.args(["-C", "-F", "32"]).arg(folder.join("boot.vfat")).arg("65536"));
    std::fs::write(folder.join("slot.img"), vec![0x5a; 1 << 20]).expect("a slot");
    std::fs::write(folder.join("data.zero"), vec![0; 16 << 20]).expect("what was never formatted");
    std::fs::create_dir_all(folder.join("empty")).expect("a folder");
    let mut genimage = Command::new("genimage");
    genimage.arg("--config").arg(root().join("buildroot/board/common/partitions.cfg"));
    genimage.arg("--rootpath").arg(folder.join("empty")).arg("--tmppath").arg(folder.join("tmp"));
    assert_passes_with(genimage.arg("--inputpath").arg(folder).arg("--outputpath").arg(folder));
    folder.join("disk.img")
}

fn assert_passes_with(command: &mut Command) {
    let output = command.env("PATH", PATH).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{said}");
}

#[test]
fn the_disk_is_partitioned_as_scripts_and_loader_believe() {
    install_tools();
    let folder = tempfile::tempdir().expect("a folder");
    let disk = std::fs::File::open(built_disk(folder.path())).expect("genimage makes the disk");
    let mut sector = [0; 512];
    std::os::unix::fs::FileExt::read_exact_at(&disk, &mut sector, 0).expect("a sector");
    let partitions = read_partitions(&sector).expect("an MBR");
    const MIB: u64 = 1 << 20;
    let [boot, slot_a, slot_b, data] = partitions[..] else { panic!("{partitions:?}") };
    // The boot state lies in the gap before the first partition, up to octet 786,944 (board/src/boot_state.rs).
    assert_eq!(boot, Partition { start: MIB, size: 64 * MIB, kind: 0x0c });
    for slot in [slot_a, slot_b] {
        assert_eq!((slot.size, slot.kind, slot.start % MIB), (64 * MIB, 0x83, 0), "{slot:?}");
    }
    // Data comes last: the first start lengthens it to the end of the disk.
    assert_eq!((data.kind, data.start % MIB), (0x83, 0), "{data:?}");
    assert!(boot.end() <= slot_a.start && slot_a.end() <= slot_b.start && slot_b.end() <= data.start);
    assert!(data.end() <= disk.metadata().expect("a length").len());

    // What S20data takes for a partition on which nothing ever was.
    let mut first = vec![1; 1 << 20];
    std::os::unix::fs::FileExt::read_exact_at(&disk, &mut first, data.start).expect("the first MiB");
    assert!(first.iter().all(|octet| *octet == 0));
}

#[test]
fn the_licences_are_those_whose_hashes_buildroot_knows() {
    let hashes = root().join("buildroot/package/roost/roost.hash");
    let text = std::fs::read_to_string(&hashes).expect("the package's hashes");
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("sha256  ")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let folder = tempfile::tempdir().expect("a folder");
    let sums = folder.path().join("sums");
    std::fs::write(&sums, lines.join("\n") + "\n").expect("it can be written");
    assert_passes(Command::new("sha256sum").arg("-c").current_dir(root()), &sums);
}

/// The boards of `make image`, by name.
fn boards() -> Vec<String> {
    let files = std::fs::read_dir(root().join("buildroot/configs")).expect("configurations");
    let names = files.filter_map(|file| file.ok()?.file_name().to_str()?.strip_suffix(".config").map(str::to_owned));
    names.filter(|name| name != "common").collect()
}

#[test]
fn every_file_that_a_board_is_configured_with_is_there() {
    let tree = root().join("buildroot");
    let boards = boards();
    assert!(boards.len() >= 3, "{boards:?}");
    let mut named = 0;
    for name in boards.iter().map(String::as_str).chain(["common"]) {
        let text = std::fs::read_to_string(tree.join(format!("configs/{name}.config"))).expect("a configuration");
        for rest in text.split("$(BR2_EXTERNAL_ROOST_PATH)/").skip(1) {
            let path = tree.join(rest.split(['"', ' ']).next().unwrap_or_default());
            assert!(path.exists(), "{name}: {}", path.display());
            named += 1;
        }
    }
    assert!(named >= 8, "only {named} files are named");
    for board in boards {
        assert!(tree.join(format!("board/{board}/board.conf")).is_file(), "{board}");
    }
}
