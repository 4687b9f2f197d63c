//! The hardware in words: what it tells of itself, and what of it the owner should look after.

use super::size;
use board::hardware::{Disk, DiskKind, HOT, Hardware, Reserve, WORN, Wear};

/// Names and values for the status page; none where nothing is told.
pub(crate) fn told(hardware: &Hardware) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(disk) = &hardware.disk {
        rows.push(("Disk", disk_name(disk)));
        if let Some(life) = life(disk) {
            rows.push(("Its life", life));
        }
        let since_start = disk.since_start;
        for (name, octets) in [("Written in all", disk.written), ("Written since the start", since_start.written)] {
            rows.extend(octets.map(|octets| (name, size(octets))));
        }
        for (name, faults) in [("Faults in all", disk.faults), ("Faults since the start", since_start.faults)] {
            rows.extend(faults.map(|n| (name, if n == 0 { "none".into() } else { n.to_string() })));
        }
    }
    if let Some(temperature) = hardware.temperature {
        rows.push(("Temperature", degrees(temperature)));
    }
    if let Some(low) = hardware.undervoltage {
        rows.push(("Power supply", if low { "too weak" } else { "good" }.into()));
    }
    rows
}

/// What needs the owner's attention.
pub(crate) fn worries(hardware: &Hardware) -> Vec<String> {
    let mut worries = Vec::new();
    let disk = hardware.disk.clone().unwrap_or_default();
    match disk.wear {
        Some(Wear { used, .. }) if used > 100 => {
            worries.push("The disk has reached the end of the life it was made for. Please replace it soon.".into());
        }
        Some(Wear { reserve: Reserve::Urgent, .. }) => {
            worries.push("The disk has hardly any reserve left. Please replace it soon.".into());
        }
        Some(wear) if wear.used >= WORN || wear.reserve == Reserve::Low => {
            worries.push("The disk is nearly worn out. Please plan to replace it.".into());
        }
        _ => {}
    }
    if let Some(faults @ 1..) = disk.faults.max(disk.since_start.faults) {
        let times = if faults == 1 { "once".into() } else { format!("{faults} times") };
        worries.push(format!("The disk has failed {times} while it was read or written. Please replace it."));
    }
    if let Some(temperature @ HOT..) = hardware.temperature {
        worries.push(format!("The box is hot: {}. Please give it more air.", degrees(temperature)));
    }
    if hardware.undervoltage == Some(true) {
        worries.push("The power supply is too weak: the box may stop at any time. Please use a stronger one.".into());
    }
    worries
}

fn disk_name(disk: &Disk) -> String {
    let kind = match disk.kind {
        DiskKind::Sd => "SD card",
        DiskKind::Emmc => "eMMC",
        DiskKind::Nvme => "NVMe disk",
        DiskKind::Scsi => "USB or SATA disk",
        DiskKind::Other => "unknown kind",
    };
    if disk.model.is_empty() { kind.into() } else { format!("{kind} {}", disk.model) }
}

fn life(disk: &Disk) -> Option<String> {
    let used = match (disk.wear, disk.kind) {
        (Some(Wear { used, .. }), _) if used > 100 => "more used than its maker promised".to_owned(),
        (Some(Wear { used, .. }), DiskKind::Emmc) => format!("{} to {used} % used", used.saturating_sub(10)),
        (Some(Wear { used, .. }), _) => format!("{used} % used"),
        (None, DiskKind::Sd) => "SD cards do not tell".to_owned(),
        // They know, but tell only who may send them commands.
        (None, DiskKind::Nvme | DiskKind::Scsi) => "not told to this box".to_owned(),
        (None, DiskKind::Emmc | DiskKind::Other) => return None,
    };
    Some(used)
}

/// Rounded, as on a thermometer.
fn degrees(thousandths: i32) -> String {
    format!("{:.0} °C", f64::from(thousandths) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use board::hardware::SinceStart;

    fn with(disk: Disk) -> Hardware {
        Hardware { disk: Some(disk), ..Hardware::default() }
    }

    #[test]
    fn what_is_not_told_is_not_shown() {
        assert_eq!(told(&Hardware::default()), []);
        assert_eq!(told(&with(Disk::default())), [("Disk", "unknown kind".to_owned())]);
        let card = told(&with(Disk { kind: DiskKind::Sd, model: "SC32G".chars().collect(), ..Disk::default() }));
        assert_eq!(card, [("Disk", "SD card SC32G".to_owned()), ("Its life", "SD cards do not tell".to_owned())]);
    }

    #[test]
    fn a_worn_disk_is_a_worry() {
        let worries = |used, reserve| worries(&with(Disk { wear: Some(Wear { used, reserve }), ..Disk::default() }));
        assert!(worries(80, Reserve::Normal).is_empty() && worries(10, Reserve::Unknown).is_empty());
        for (used, reserve, word) in [
            (90, Reserve::Normal, "plan to replace"),
            (10, Reserve::Low, "plan to replace"),
            (10, Reserve::Urgent, "hardly any reserve"),
            (110, Reserve::Normal, "end of the life"),
        ] {
            assert!(matches!(worries(used, reserve).as_slice(), [one] if one.contains(word)), "{used} {reserve:?}");
        }
    }

    #[test]
    fn heat_faults_and_a_weak_supply_are_worries() {
        let since_start = SinceStart { faults: Some(2), written: Some(5000) };
        let disk = Some(Disk { faults: Some(0), since_start, ..Disk::default() });
        let ill = Hardware { disk, temperature: Some(84_600), undervoltage: Some(true) };
        let rows = [("Written since the start", "5.0 kB"), ("Faults in all", "none"), ("Faults since the start", "2")];
        assert_eq!(told(&ill)[1..4], rows.map(|(name, value)| (name, value.to_owned())));
        let all = worries(&ill).join("\n");
        for word in ["failed 2 times", "85 °C", "too weak"] {
            assert!(all.contains(word), "{all}");
        }
        let disk = Some(Disk { faults: Some(0), ..Disk::default() });
        let well = Hardware { disk, temperature: Some(79_999), undervoltage: Some(false) };
        assert!(worries(&well).is_empty());
    }
}
