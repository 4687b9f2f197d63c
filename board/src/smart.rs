//! What NVMe, SATA and USB disks tell of themselves only to administrators: the keeper has smartctl ask them and leaves its answer
//! (JSON, its format 1.0) where the daemon may read it. Here it is understood; nothing of it is believed beyond its bounds.

use crate::hardware::{Reserve, Wear};
use serde_json::Value;
use std::path::PathBuf;

/// Where the answer lies, below the root folder.
pub const ANSWER: &str = "run/hardware/smart.json";
/// Octets of an answer that are looked at.
pub const ANSWER_SIZE: u64 = 256 * 1024;
/// smartctl. `-n standby`: a disk that sleeps is left asleep; `-a` is what every kind of disk understands.
pub const SMARTCTL: [&str; 5] = ["smartctl", "--json=c", "-n", "standby", "-a"];

/// What a disk tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Smart {
    pub(crate) wear: Option<Wear>,
    /// Times that it could not read or keep what it had.
    pub(crate) faults: Option<u64>,
    /// Octets that were written to it.
    pub(crate) written: Option<u64>,
}

/// What smartctl answered about this disk (`nvme0n1`, `sda`); `None` if it was another disk, or nothing is told.
pub(crate) fn understand(answer: &[u8], disk: &str) -> Option<Smart> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let asked = answer.pointer("/device/name")?.as_str()?;
    if asked.strip_prefix("/dev/") != Some(disk) {
        return None;
    }
    let smart = match answer.get("nvme_smart_health_information_log") {
        Some(log) => nvme(log),
        None => ata(&answer),
    };
    (smart != Smart::default()).then_some(smart)
}

/// NVM Express Base Specification 2.0, figure 207.
fn nvme(log: &Value) -> Smart {
    let number = |name: &str| log.get(name).and_then(Value::as_u64);
    // Spare below its threshold, not reliable any more, read-only.
    let critical = number("critical_warning").is_some_and(|bits| bits & 0b1101 != 0);
    let spare = number("available_spare").zip(number("available_spare_threshold"));
    let reserve = match spare {
        _ if critical => Reserve::Urgent,
        Some((spare, threshold)) if spare < threshold => Reserve::Urgent,
        Some(_) => Reserve::Normal,
        None => Reserve::Unknown,
    };
    let used = number("percentage_used").and_then(|used| u8::try_from(used).ok());
    Smart {
        wear: used.map(|used| Wear { used, reserve }),
        faults: number("media_errors"),
        // thousands of 512 octets
        written: number("data_units_written").and_then(|units| units.checked_mul(512_000)),
    }
}

/// Attributes whose normalised value is what is left of 100 when the disk was new.
const LEFT: [&str; 6] = [
    "SSD_Life_Left",
    "Percent_Lifetime_Remain",
    "Percent_Life_Remaining",
    "Media_Wearout_Indicator",
    "Wear_Leveling_Count",
    "Remaining_Lifetime_Perc",
];

/// SATA, and USB adapters that pass its commands on.
fn ata(answer: &Value) -> Smart {
    let attribute = |names: &[&str], field: &str| {
        let table = answer.pointer("/ata_smart_attributes/table")?.as_array()?;
        let named = |row: &&Value| row.get("name").and_then(Value::as_str).is_some_and(|name| names.contains(&name));
        table.iter().find(named)?.pointer(field)?.as_u64()
    };
    let told = answer.pointer("/endurance_used/current_percent").and_then(Value::as_u64);
    let left = || attribute(&LEFT, "/value").map(|left| 100_u64.saturating_sub(left));
    let used = told.or_else(left).and_then(|used| u8::try_from(used).ok());
    let failing = answer.pointer("/smart_status/passed") == Some(&Value::Bool(false));
    let wear = match (used, failing) {
        (used, true) => Some(Wear { used: used.unwrap_or(0), reserve: Reserve::Urgent }),
        (Some(used), false) => Some(Wear { used, reserve: Reserve::Unknown }),
        (None, false) => None,
    };
    let written = attribute(&["Total_LBAs_Written"], "/raw/value").and_then(|sectors| sectors.checked_mul(512));
    Smart { wear, faults: attribute(&["Reported_Uncorrect"], "/raw/value"), written }
}

/// The disk that has to be asked for what the folder lies on, if it is one that answers.
pub fn disk_to_ask(folder: &std::path::Path) -> Option<PathBuf> {
    let name = crate::kernel_log::disk_of(folder)?;
    (name.starts_with("nvme") || name.starts_with("sd")).then(|| PathBuf::from("/dev").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Laid out as smartctl does.
    fn nvme(warning: u8, spare: u8, used: u16) -> String {
        format!(
            r#"{{"json_format_version":[1,0],"device":{{"name":"/dev/nvme0n1","type":"nvme"}},"smart_status":{{"passed":true}},
            "nvme_smart_health_information_log":{{"critical_warning":{warning},"temperature":50,"available_spare":{spare},
            "available_spare_threshold":10,"percentage_used":{used},"data_units_written":2000,"media_errors":3}}}}"#
        )
    }

    #[test]
    fn an_nvme_disk_tells_its_wear() {
        let wear = |warning, spare, used| understand(nvme(warning, spare, used).as_bytes(), "nvme0n1").unwrap().wear;
        let smart = understand(nvme(0, 100, 7).as_bytes(), "nvme0n1").unwrap();
        assert_eq!((smart.faults, smart.written), (Some(3), Some(1_024_000_000)));
        assert_eq!(smart.wear, Some(Wear { used: 7, reserve: Reserve::Normal }));
        assert_eq!(wear(2, 100, 130), Some(Wear { used: 130, reserve: Reserve::Normal }), "heat is no wear");
        for (warning, spare) in [(1, 100), (4, 100), (8, 100), (0, 9)] {
            assert_eq!(wear(warning, spare, 1), Some(Wear { used: 1, reserve: Reserve::Urgent }));
        }
        assert_eq!(wear(0, 100, 300), None);
        assert_eq!(understand(nvme(0, 100, 7).as_bytes(), "nvme1n1"), None, "another disk");
    }

    #[test]
    fn a_sata_disk_tells_what_its_maker_lets_it() {
        let answer = |more: &str| format!(r#"{{"device":{{"name":"/dev/sda"}}{more}}}"#);
        let told = |more: &str| understand(answer(more).as_bytes(), "sda");
        let row = |id: u8, name: &str, value: u8, raw: u64| {
            format!(r#"{{"id":{id},"name":"{name}","value":{value},"raw":{{"value":{raw}}}}}"#)
        };
        let table = |rows: &[String]| format!(r#","ata_smart_attributes":{{"table":[{}]}}"#, rows.join(","));
        let rows = [
            row(5, "Reallocated_Sector_Ct", 100, 0),
            row(177, "Wear_Leveling_Count", 93, 120),
            row(187, "Reported_Uncorrect", 100, 2),
            row(241, "Total_LBAs_Written", 99, 1000),
        ];
        let smart = told(&table(&rows)).unwrap();
        assert_eq!(smart.wear, Some(Wear { used: 7, reserve: Reserve::Unknown }));
        assert_eq!((smart.faults, smart.written), (Some(2), Some(512_000)));
        let both = format!(r#","endurance_used":{{"current_percent":12}}{}"#, table(&rows));
        assert_eq!(told(&both).unwrap().wear.unwrap().used, 12);
        let failing = told(r#","smart_status":{"passed":false}"#).unwrap();
        assert_eq!(failing.wear, Some(Wear { used: 0, reserve: Reserve::Urgent }));
        assert_eq!(told(r#","smart_status":{"passed":true}"#), None);
        assert_eq!(told(r#","messages":[{"string":"Device is in STANDBY mode, exit(2)"}]"#), None);
    }

    proptest! {
        #[test]
        fn whatever_a_disk_says_is_bounded(answer in proptest::collection::vec(any::<u8>(), 0..200), n in any::<u64>()) {
            let _ = understand(&answer, "sda");
            let large = format!(r#"{{"device":{{"name":"/dev/sda"}},"endurance_used":{{"current_percent":{n}}}}}"#);
            let used = understand(large.as_bytes(), "sda").and_then(|smart| smart.wear).map(|wear| u64::from(wear.used));
            prop_assert!(used.is_none_or(|used| used == n));
        }
    }
}
