//! What was measured: one table for people, one JSON for programs. A column per server and file system.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// One line of the table.
#[derive(Debug)]
struct Row {
    name: String,
    unit: &'static str,
    target: &'static str,
    values: Vec<Option<f64>>,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Report {
    /// On what and with what, in words.
    pub setting: Vec<String>,
    /// What was left out, and why.
    pub remarks: Vec<String>,
    columns: Vec<String>,
    rows: Vec<Row>,
}

impl Report {
    /// Begins a column; what is put from now on belongs to it.
    pub fn column(&mut self, name: &str) {
        self.columns.push(name.to_owned());
    }

    /// Puts a value into the present column.
    pub fn put(&mut self, name: &str, unit: &'static str, target: &'static str, value: f64) {
        eprintln!("wear: {}: {name}: {} {unit}", self.columns.last().map_or("", |c| c), shown(Some(value)));
        let at = self.rows.iter().position(|row| row.name == name && row.unit == unit).unwrap_or_else(|| {
            self.rows.push(Row { name: name.to_owned(), unit, target, values: Vec::new() });
            self.rows.len() - 1
        });
        let values = &mut self.rows[at].values;
        values.resize(self.columns.len().max(1), None);
        if let Some(last) = values.last_mut() {
            *last = Some(value);
        }
    }

    /// Notes why something is missing.
    pub fn remark(&mut self, why: impl Into<String>) {
        let why = why.into();
        eprintln!("wear: {why}");
        self.remarks.push(why);
    }

    /// The report for people.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for line in &self.setting {
            put(&mut text, &format!("- {line}\n"));
        }
        put(
            &mut text,
            &format!("\n| | target | {} |\n|---|---|{}\n", self.columns.join(" | "), "--:|".repeat(self.columns.len())),
        );
        for row in &self.rows {
            let unit = if row.unit.is_empty() { String::new() } else { format!(", {}", row.unit) };
            write!(text, "| {}{unit} | {} |", row.name, row.target).expect("a string takes all");
            for column in 0..self.columns.len() {
                put(&mut text, &format!(" {} |", shown(row.values.get(column).copied().flatten())));
            }
            text.push('\n');
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        for line in &self.remarks {
            put(&mut text, &format!("- {line}\n"));
        }
        text
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let values = self.columns.iter().zip(row.values.iter());
            let values: serde_json::Map<String, Value> =
                values.filter_map(|(column, value)| Some((column.clone(), json!((*value)?)))).collect();
            json!({"name": row.name, "unit": row.unit, "target": row.target, "values": values})
        };
        json!({
            "setting": self.setting, "remarks": self.remarks, "columns": self.columns,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

fn put(text: &mut String, more: &str) {
    text.push_str(more);
}

/// Three figures that count, thousands apart.
fn shown(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(v) if v.abs() >= 10_000.0 => format!("{},{:03}", v as i64 / 1000, (v as i64 % 1000).abs()),
        Some(v) if v.abs() >= 100.0 || v == 0.0 => format!("{v:.0}"),
        Some(v) if v.abs() >= 10.0 => format!("{v:.1}"),
        Some(v) => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_stands_in_its_column() {
        let mut report = Report::default();
        report.column("Ours");
        report.put("write", "B", "≤ 9", 8.0);
        report.column("Theirs");
        report.put("write", "B", "≤ 9", 12_345.6);
        report.put("read", "B", "", 0.0);
        let text = report.markdown();
        assert!(text.contains("| write, B | ≤ 9 | 8.00 | 12,345 |"), "{text}");
        assert!(text.contains("| read, B |  | – | 0 |"), "{text}");
        let json = report.json();
        assert_eq!(json["rows"][0]["values"]["Theirs"], 12_345.6);
        assert_eq!(json["rows"][1]["values"].get("Ours"), None);
    }
}
