//! `GET /metrics`: the daemon's counters as OpenMetrics text.

use crate::doors::Guests;
use store::Stats;

/// The text for these counters.
pub fn render(stats: &Stats, guests: &Guests) -> String {
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
    let mut gauge = |name: &str, unit: &str, help: &str, value: u64| {
        let unit_line = if unit.is_empty() { String::new() } else { format!("# UNIT roost_{name} {unit}\n") };
        text.push_str(&format!(
            "# TYPE roost_{name} gauge\n{unit_line}# HELP roost_{name} {help}\nroost_{name} {value}\n"
        ));
    };
    gauge("messages", "", "Messages held, copies counted.", stats.messages);
    gauge("message_bytes", "bytes", "Sizes of the messages held.", stats.message_bytes);
    gauge("connections", "", "Connections now.", guests.count() as u64);
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_has_its_type_and_the_text_ends() {
        let text = render(&Stats { deliveries: 7, ..Stats::default() }, &Guests::default());
        assert!(
            text.contains("# TYPE roost_deliveries counter\n") && text.contains("\nroost_deliveries_total 7\n"),
            "{text}"
        );
        assert!(text.contains("# UNIT roost_mail_bytes bytes\n"));
        assert!(text.ends_with("\n# EOF\n"));
        for sample in text.lines().filter(|l| !l.starts_with('#')) {
            let name = sample.split(' ').next().unwrap().trim_end_matches("_total");
            assert!(text.contains(&format!("# HELP {name} ")), "{sample}");
        }
    }
}
