//! `GET /metrics`: the daemon's counters as OpenMetrics text.

use crate::doors::Guests;
use crate::endurance;
use board::Board;
use std::fmt::Display;
use store::Stats;

/// The text for these counters. `endurance`: octets that the card's maker promises.
pub fn render(stats: &Stats, endurance: Option<u64>, guests: &Guests, board: &dyn Board) -> String {
    let mut text = String::new();
    let mut counter = |name: &str, unit: &str, help: &str, value: u64| {
        let unit_line = if unit.is_empty() { String::new() } else { format!("# UNIT roost_{name} {unit}\n") };
        text.push_str(&format!(
            "# TYPE roost_{name} counter\n{unit_line}# HELP roost_{name} {help}\nroost_{name}_total {value}\n"
        ));
    };
    counter("deliveries", "", "Messages delivered or appended since the start.", stats.deliveries);
    counter("received_bytes", "bytes", "Octets of the messages delivered, as they came.", stats.received_bytes);
    counter("mail_bytes", "bytes", "Octets of message bodies written to the log.", stats.mail_bytes);
    counter("flag_bytes", "bytes", "Octets of changed flags written to the log.", stats.flag_bytes);
    counter("reclaim_bytes", "bytes", "Octets written to the log to give space back.", stats.reclaim_bytes);
    counter("log_bytes", "bytes", "Octets written to the log, bodies, records and padding.", stats.log_bytes);
    counter("catalogue_bytes", "bytes", "Octets written to the catalogue.", stats.catalogue_bytes);
    counter("log_syncs", "", "Flushes of the log.", stats.log_syncs);
    counter("checkpoints", "", "Durable commits of the catalogue.", stats.checkpoints);
    let life = stats.lifetime;
    counter("lifetime_written_bytes", "bytes", "Octets written since the store was made.", life.written_bytes);
    counter("lifetime_received_bytes", "bytes", "Octets of mail that came since then.", life.received_bytes);
    counter("lifetime_open_seconds", "seconds", "Seconds that the store was open since then.", life.open_seconds);
    gauge(&mut text, "messages", "", "Messages held, copies counted.", stats.messages);
    gauge(&mut text, "message_bytes", "bytes", "Sizes of the messages held.", stats.message_bytes);
    gauge(&mut text, "connections", "", "Connections now.", guests.count());
    card(&mut text, stats, endurance);
    hardware(&mut text, board);
    text.push_str("# EOF\n");
    text
}

/// What the store costs its card, and how long that bears it.
fn card(text: &mut String, stats: &Stats, promised: Option<u64>) {
    if let Some(written) = endurance::amplification(&stats.lifetime) {
        let help = "Octets written to log and catalogue for each octet of mail, since the store was made. Not counted: the metadata of the file system.";
        gauge(text, "amplification", "", help, written);
    }
    if let Some(octets) = endurance::rating(stats, promised) {
        let help = "Octets that the card can be given in its life: as its maker promises if the daemon was told (--endurance-tb), else by the size of the file system.";
        gauge(text, "rated_endurance_bytes", "bytes", help, octets);
    }
    if let Some(years) = endurance::estimate(stats, promised) {
        let help = "Years until the card was given what it is rated for, at the rate until now. Not counted: the metadata of the file system.";
        gauge(text, "card_life_years", "years", help, years);
    }
}

/// What is known of the hardware.
fn hardware(text: &mut String, board: &dyn Board) {
    let (storage, hardware) = (board.storage(), board.hardware());
    gauge(text, "storage_bytes", "bytes", "Size of the data's file system.", storage.total);
    gauge(text, "storage_free_bytes", "bytes", "Of it, free for mail.", storage.free);
    let disk = hardware.disk.unwrap_or_default();
    if let Some(wear) = disk.wear {
        let help = "Part of the disk's promised life that is used, at most.";
        gauge(text, "disk_life_used_ratio", "ratio", help, f64::from(wear.used) / 100.0);
    }
    if let Some(faults) = disk.faults {
        gauge(text, "storage_faults", "", "Faults that the disk has counted in its life.", faults);
    }
    if let Some(written) = disk.written {
        gauge(text, "storage_written_bytes", "bytes", "Octets written to the disk in its life.", written);
    }
    if let Some(faults) = disk.since_start.faults {
        let help = "Times since the start that the disk failed, or gave back something else than was written.";
        gauge(text, "storage_faults_since_start", "", help, faults);
    }
    if let Some(written) = disk.since_start.written {
        let help = "Octets written to the disk since the start.";
        gauge(text, "storage_written_since_start_bytes", "bytes", help, written);
    }
    if let Some(temperature) = hardware.temperature {
        let help = "Of the hottest place that is measured.";
        gauge(text, "temperature_celsius", "celsius", help, f64::from(temperature) / 1000.0);
    }
    if let Some(low) = hardware.undervoltage {
        gauge(text, "undervoltage", "", "1 if the power supply is too weak.", u8::from(low));
    }
}

fn gauge(text: &mut String, name: &str, unit: &str, help: &str, value: impl Display) {
    let unit_line = if unit.is_empty() { String::new() } else { format!("# UNIT roost_{name} {unit}\n") };
    let lines = format!("# TYPE roost_{name} gauge\n{unit_line}# HELP roost_{name} {help}\nroost_{name} {value}\n");
    text.push_str(&lines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use board::hardware::{Disk, Hardware, Reserve, SinceStart, Wear};

    #[test]
    fn every_sample_has_its_type_and_the_text_ends() {
        let mut board = board::FakeBoard::new([192, 168, 1, 5].into());
        let wear = Some(Wear { used: 30, reserve: Reserve::Normal });
        let since_start = SinceStart { faults: Some(1), written: Some(4096) };
        let disk = Disk { wear, faults: Some(0), written: Some(1 << 40), since_start, ..Disk::default() };
        board.hardware = Hardware { disk: Some(disk), temperature: Some(54_321), undervoltage: Some(true) };
        let text = render(&Stats { deliveries: 7, ..Stats::default() }, None, &Guests::default(), &board);
        assert!(
            text.contains("# TYPE roost_deliveries counter\n") && text.contains("\nroost_deliveries_total 7\n"),
            "{text}"
        );
        assert!(text.contains("# UNIT roost_mail_bytes bytes\n"));
        for sample in [
            "disk_life_used_ratio 0.3",
            "temperature_celsius 54.321",
            "undervoltage 1",
            "storage_faults 0",
            "storage_faults_since_start 1",
            "storage_written_since_start_bytes 4096",
        ] {
            assert!(text.contains(&format!("\nroost_{sample}\n")), "{sample} is not in\n{text}");
        }
        board.hardware = Hardware::default();
        let text = render(&Stats::default(), None, &Guests::default(), &board);
        assert!(!text.contains("temperature") && text.contains("storage_bytes"), "what is not known is not there");
        assert!(text.ends_with("\n# EOF\n"));
        for sample in text.lines().filter(|l| !l.starts_with('#')) {
            let name = sample.split(' ').next().unwrap().trim_end_matches("_total");
            assert!(text.contains(&format!("# HELP {name} ")), "{sample}");
        }
    }

    #[test]
    fn the_life_of_a_card_goes_by_its_rating() {
        let board = board::FakeBoard::new([192, 168, 1, 5].into());
        let render = |stats: &Stats, endurance| render(stats, endurance, &Guests::default(), &board);
        // 0.25 GB a day
        let lifetime =
            store::Lifetime { written_bytes: 1_000_000_000, received_bytes: 2_000_000_000, open_seconds: 4 * 86_400 };
        let stats = Stats { lifetime, disk_bytes: 8_000_000_000, ..Stats::default() };
        let sample = |text: &str, name: &str| -> Option<f64> {
            text.lines().find_map(|line| line.strip_prefix(&format!("roost_{name} "))).map(|n| n.parse().unwrap())
        };
        let text = render(&stats, Some(20_000_000_000_000));
        assert_eq!(sample(&text, "amplification"), Some(0.5));
        assert_eq!(sample(&text, "rated_endurance_bytes"), Some(2e13));
        let years = sample(&text, "card_life_years").unwrap();
        assert!((219.0..219.1).contains(&years), "{years}");
        assert!(text.contains("# UNIT roost_rated_endurance_bytes bytes\n"));
        assert_eq!(text.matches("Not counted: the metadata of the file system.").count(), 2);
        // without a maker's promise it goes by the size
        let text = render(&stats, None);
        assert_eq!(sample(&text, "rated_endurance_bytes"), Some(1e12));
        let years = sample(&text, "card_life_years").unwrap();
        assert!((10.9..11.0).contains(&years), "{years}");
        // and without a size there is no estimate, nor without a day
        let text = render(&Stats { disk_bytes: 0, ..stats.clone() }, None);
        assert!(!text.contains("rated_endurance") && !text.contains("card_life") && text.contains("amplification"));
        let lifetime = store::Lifetime { open_seconds: 3_600, ..lifetime };
        assert!(!render(&Stats { lifetime, ..stats }, None).contains("card_life"));
    }
}
