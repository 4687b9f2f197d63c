//! The boot loader's script under U-Boot in QEMU, with slots that say their name and switch the board off: it starts the slot
//! and leaves the boot state that `board::boot_state` would. Needs QEMU and Debian's U-Boot; skipped where they are missing.

use board::blocks::{Blocks, Device};
use board::boot_state::{BootState, PLACES, SIZE, SlotName};
use qemu::{Board, Disk, Image, Options, Start, read_partitions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const LOADER: &str = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";
const PATIENCE: Duration = Duration::from_secs(120);

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Contents {
    /// A kernel that says the slot's name and switches the board off.
    Works,
    /// The same with an octet of the kernel flipped.
    Flipped,
    /// Nothing, as shipped.
    Nothing,
}
use Contents::{Flipped, Nothing, Works};

/// Whether everything is there; where tests must not be skipped (CI) it has to be.
fn have_tools() -> bool {
    let programs = ["qemu-system-aarch64", "mkimage", "dtc", "genimage", "mcopy", "mksquashfs"];
    let missing: Vec<_> = programs.into_iter().filter(|tool| Command::new(tool).arg("-V").output().is_err()).collect();
    let found = missing.is_empty() && Path::new(LOADER).is_file();
    let required = ["CI", "ROOST_TEST_ALL"].iter().any(|name| std::env::var_os(name).is_some());
    let advice = "qemu/packages.sh qemu-system-arm u-boot-qemu u-boot-tools device-tree-compiler genimage mtools dosfstools squashfs-tools";
    assert!(found || !required, "{missing:?} or {LOADER} is missing: {advice}");
    if !found {
        // Past the test runner's capture, so that somebody sees it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {missing:?} or {LOADER} is missing: {advice}");
    }
    found
}

fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) {
    let path = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/bin";
    let output = Command::new(program).env("PATH", path).args(arguments).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
}

/// An arm64 Image that writes a slot's name to the serial port, and whether it was told that it is on trial, and switches the
/// board off by PSCI.
fn kernel(name: &str) -> Vec<u8> {
    // movz w2, #byte; strb w2, [x1]
    let say = |text: String| text.into_bytes().into_iter().flat_map(|b| [0x5280_0002 | u32::from(b) << 5, 0x3900_0022]);
    let on_trial: Vec<u32> = say(" on trial".into()).collect();
    // movz x1, #0x900, lsl #16: the serial port of QEMU's virt machine
    let mut code = vec![0xd2a1_2001_u32];
    code.extend(say(format!("started {name}")));
    // The device tree, at x0, has the command line. ldr w3, [x0, #4]; rev w3, w3: its length; movz x5, #0
    code.extend([0xb940_0403, 0x5ac0_0863, 0xd280_0005]);
    // movz and movk x4: the octets that are looked for
    let mut part = 0xd280_0004;
    for pair in b"trial=1 ".chunks(2) {
        code.push(part | u32::from(u16::from_le_bytes([pair[0], pair[1]])) << 5);
        part = (part | 0x2000_0000) + 0x20_0000;
    }
    // ldrb w2, [x0], #1; lsr x5, x5, #8; orr x5, x5, x2, lsl #56: the last eight; cmp x5, x4; b.eq over the next three;
    // subs w3, w3, #1; b.ne to the ldrb; b over what follows
    let over = 0x1400_0001 + on_trial.len() as u32;
    code.extend([0x3840_1402, 0xd348_fca5, 0xaa02_e0a5, 0xeb04_00bf, 0x5400_0080, 0x7100_0463, 0x54ff_ff41, over]);
    code.extend(on_trial);
    code.extend(say("\r\n".into()));
    // movz w0, #0x8400, lsl #16; movk w0, #8; hvc #0; b .
    code.extend([0x52b0_8000, 0x7280_0100, 0xd400_0002, 0x1400_0000]);
    let code: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    // Documentation/arm64/booting.rst: b over the header, text_offset, image_size, flags, magic.
    let mut image = vec![0; 64];
    image[..4].copy_from_slice(&0x1400_0010_u32.to_le_bytes());
    image[16..24].copy_from_slice(&(64 + code.len() as u64).to_le_bytes());
    image[24] = 0b1010;
    image[56..60].copy_from_slice(b"ARM\x64");
    image.extend(code);
    image
}

/// An image with dummy slots, and the disk made of it.
struct Bench {
    folder: TempDir,
    image: Image,
    slots: [Vec<u8>; 2],
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../buildroot/board/common");
        let tree = |name: &str| tree.join(name).display().to_string();
        let empty = folder.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        run("mksquashfs", &[&path("empty"), &path("root.squashfs"), "-quiet", "-no-progress"]);
        let slots = ["A", "B"].map(|name| {
            std::fs::write(path("image"), kernel(name)).unwrap();
            run(tree("slot-image.sh"), &["0x40400000", &path("root.squashfs"), &path("image"), &path("slot.img")]);
            std::fs::read(path("slot.img")).unwrap()
        });
        run("mkimage", &["-A", "arm64", "-T", "script", "-C", "none", "-d", &tree("boot.cmd"), &path("boot.scr")]);
        run("mkfs.vfat", &["-C", "-F", "32", &path("boot.vfat"), "65536"]);
        run("mcopy", &["-i", &path("boot.vfat"), &path("boot.scr"), "::boot.scr"]);
        std::fs::write(path("data.zero"), vec![0; 16 << 20]).unwrap();
        let (config, root, tmp, here) = (tree("partitions.cfg"), path("empty"), path("tmp"), path(""));
        let folders = ["--rootpath", &root, "--tmppath", &tmp, "--inputpath", &here, "--outputpath", &here];
        run("genimage", &[["--config", &config].as_slice(), &folders].concat());
        std::fs::copy(LOADER, path("u-boot.bin")).unwrap();
        // Only the loader's way is gone here.
        for name in ["kernel", "initrd"] {
            std::fs::write(path(name), "").unwrap();
        }
        Bench { image: Image::at(folder.path()).unwrap(), slots, folder }
    }

    fn disk(&self, contents: [Contents; 2]) -> (Disk, Device) {
        let path: PathBuf = self.folder.path().join("card.img");
        let disk = Disk::create(&self.image, &path, 512 << 20).unwrap();
        let device = Device::open(&path).unwrap();
        let mut table = [0; 512];
        device.read_at(0, &mut table).unwrap();
        let partitions = read_partitions(&table).unwrap();
        for ((slot, contents), partition) in self.slots.iter().zip(contents).zip(&partitions[1..]) {
            let mut bytes = slot.clone();
            match contents {
                Works => {}
                // Somewhere in the kernel's code, behind the FIT's header.
                Flipped => {
                    let at = bytes.windows(4).position(|w| w == b"ARM\x64").unwrap() + 40;
                    bytes[at] ^= 1;
                }
                Nothing => bytes.fill(0),
            }
            device.write_at(partition.start, &bytes).unwrap();
        }
        (disk, device)
    }

    /// Switches the board on; the slot that came up, and whether it knows that it is on trial.
    fn start(&self, disk: &Disk) -> (SlotName, bool) {
        let options = Options { start: Start::Loader, ..Options::default() };
        let mut board = Board::boot(&self.image, disk, &options).unwrap();
        board.wait_until_off(PATIENCE).unwrap();
        let console = board.console();
        let started = |name: &str| console.iter().any(|line| line.text.ends_with(&format!("started {name}")));
        match ["A", "B", "A on trial", "B on trial"].map(started) {
            [true, false, false, false] => (SlotName::A, false),
            [false, true, false, false] => (SlotName::B, false),
            [false, false, true, false] => (SlotName::A, true),
            [false, false, false, true] => (SlotName::B, true),
            other => panic!("{other:?}: {console:#?}"),
        }
    }
}

/// What the loader should do with these slots: starts over and over until one works.
fn expected(state: &mut BootState, contents: [Contents; 2]) -> SlotName {
    loop {
        let (slot, _) = state.start();
        if contents[(slot.partition() - 2) as usize] == Works {
            return slot;
        }
        state.cannot_start();
    }
}

fn state(active: SlotName, tries: u8, good: [bool; 2]) -> BootState {
    let version = ["1.0", "1.1"].map(|text| text.chars().collect());
    BootState { sequence: 0, active, tries, good, version }
}

#[test]
#[cfg_attr(not(feature = "board"), ignore = "ten starts take a minute: make test-board")]
fn the_loader_obeys_the_rules_of_the_boot_state() {
    use SlotName::{A, B};
    if !have_tools() {
        return;
    }
    let bench = Bench::new();
    for (given, contents) in [
        // As shipped.
        (None, [Works, Nothing]),
        // A slot that proved itself.
        (Some(state(B, 0, [true, true])), [Works, Works]),
        // A slot on trial, its last try, and none left.
        (Some(state(B, 3, [true, false])), [Works, Works]),
        (Some(state(B, 1, [true, false])), [Works, Works]),
        (Some(state(B, 0, [true, false])), [Works, Works]),
        // A new slot that the loader cannot read, and a good one that went bad.
        (Some(state(B, 2, [true, false])), [Works, Flipped]),
        (Some(state(A, 0, [true, true])), [Flipped, Works]),
        (Some(state(A, 0, [true, true])), [Nothing, Works]),
        // No slot is good: they are tried in turns.
        (Some(state(B, 0, [false, false])), [Works, Works]),
        (Some(state(B, 1, [false, false])), [Works, Flipped]),
    ] {
        let (disk, device) = bench.disk(contents);
        let mut model = given.clone().unwrap_or_default();
        if let Some(mut given) = given.clone() {
            given.write(&device).unwrap();
        }
        let slot = expected(&mut model, contents);
        assert_eq!(bench.start(&disk), (slot, !model.is_good(slot)), "{given:?} {contents:?}");
        let found = BootState::read(&device).unwrap();
        assert_eq!(BootState { sequence: 0, ..found }, BootState { sequence: 0, ..model }, "{given:?} {contents:?}");
    }
}

#[test]
fn the_loader_passes_over_a_copy_of_the_state_that_is_torn() {
    if !have_tools() {
        return;
    }
    let bench = Bench::new();
    for (torn, place) in PLACES.into_iter().enumerate() {
        let (disk, device) = bench.disk([Works, Works]);
        // Two changes: then the second copy counts. What counts is torn, so the first speaks, or the other way round.
        state(SlotName::A, 0, [true, true]).write(&device).unwrap();
        state(SlotName::B, 0, [true, true]).write(&device).unwrap();
        device.write_at(place + 100, b"torn").unwrap();
        let expected = if torn == 0 { SlotName::B } else { SlotName::A };
        assert_eq!(bench.start(&disk), (expected, false));
    }
}

#[test]
fn a_new_slot_that_never_proves_itself_is_left_after_three_starts() {
    if !have_tools() {
        return;
    }
    let bench = Bench::new();
    let (disk, device) = bench.disk([Works, Works]);
    let mut given = BootState::default();
    given.activate(SlotName::B, "2".chars().collect());
    given.write(&device).unwrap();
    let starts: Vec<_> = (0..5).map(|_| bench.start(&disk)).collect();
    use SlotName::{A, B};
    assert_eq!(starts, [(B, true), (B, true), (B, true), (A, false), (A, false)]);
    // The good slot's starts write nothing: four changes behind the one of this test.
    assert_eq!(BootState::read(&device).unwrap().sequence, 5);
    let mut sector = [0; SIZE];
    device.read_at(PLACES[0], &mut sector).unwrap();
    assert!(BootState::decode(&sector).is_some());
}
