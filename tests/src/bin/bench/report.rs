//! What was measured, as a table for people and as JSON for programs.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    section: &'static str,
    what: String,
    unit: &'static str,
    aim: &'static str,
    roost: Vec<f64>,
    peer: Vec<f64>,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Report {
    /// What was measured on and with, in words.
    pub setting: Vec<String>,
    /// What was left out, and why.
    pub remarks: Vec<String>,
    /// The name of the peer, if it took part.
    pub peer: Option<String>,
    rows: Vec<Row>,
}

impl Report {
    /// The row for this, made if it is new.
    pub fn row(&mut self, section: &'static str, what: impl Into<String>, unit: &'static str) -> &mut Row {
        let what = what.into();
        let known = self.rows.iter().position(|r| r.section == section && r.what == what && r.unit == unit);
        let at = known.unwrap_or_else(|| {
            self.rows.push(Row { section, what, unit, aim: "", roost: Vec::new(), peer: Vec::new() });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// Notes why something is missing.
    pub fn remark(&mut self, why: impl Into<String>) {
        let why = why.into();
        eprintln!("bench: {why}");
        self.remarks.push(why);
    }

    /// The report for people.
    pub fn markdown(&self) -> String {
        let mut text = String::from("# Measured\n\n");
        for line in &self.setting {
            writeln!(text, "- {line}").expect("a string takes all");
        }
        let mut section = "";
        let mut sections: Vec<&str> = self.rows.iter().map(|row| row.section).collect();
        sections.dedup();
        let place = |row: &Row| sections.iter().position(|section| *section == row.section);
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| place(row));
        for row in rows {
            if row.section != section {
                section = row.section;
                let peer = self.peer.as_deref().unwrap_or("no peer");
                write!(text, "\n## {section}\n\n| | unit | Roost | {peer} | Roost : peer | aim |\n").expect("as above");
                text.push_str("|---|---|--:|--:|--:|---|\n");
            }
            let (ours, theirs) = (median(&row.roost), median(&row.peer));
            let ratio = ours.zip(theirs).filter(|(_, peer)| *peer > 0.0).map(|(ours, peer)| ours / peer);
            let cells = [shown(ours), shown(theirs), shown(ratio)].join(" | ");
            writeln!(text, "| {} | {} | {cells} | {} |", row.what, row.unit, row.aim).expect("as above");
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        for line in &self.remarks {
            writeln!(text, "- {line}").expect("as above");
        }
        text
    }

    /// The same with every single value.
    pub fn json(&self) -> Value {
        let row = |r: &Row| {
            json!({
                "section": r.section, "what": r.what, "unit": r.unit, "aim": r.aim,
                "roost": {"median": median(&r.roost), "runs": r.roost},
                "peer": {"median": median(&r.peer), "runs": r.peer},
            })
        };
        json!({
            "setting": self.setting, "peer": self.peer, "remarks": self.remarks,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    /// What the design wants.
    pub fn aim(&mut self, aim: &'static str) -> &mut Row {
        self.aim = aim;
        self
    }

    /// One more run's value.
    pub fn add(&mut self, of_roost: bool, value: f64) -> &mut Row {
        if of_roost { &mut self.roost } else { &mut self.peer }.push(value);
        self
    }
}

/// The middle value, or the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Three figures that count.
fn shown(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(v) if v.abs() >= 100.0 || v == 0.0 => format!("{v:.0}"),
        Some(v) if v.abs() >= 10.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_row_is_found_again_and_shown_with_its_ratio() {
        let mut report = Report { peer: Some("Peer".to_owned()), ..Report::default() };
        report.row("Speed", "run", "ms").add(true, 50.0).aim("fast");
        report.row("Speed", "run", "ms").add(false, 200.0);
        assert!(report.markdown().contains("| run | ms | 50.0 | 200 | 0.25 | fast |"), "{}", report.markdown());
        assert_eq!(report.json()["rows"][0]["peer"]["runs"][0], 200.0);
    }
}
