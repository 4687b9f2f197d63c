//! QMP, QEMU's control protocol: one JSON object a line over a Unix socket.

use crate::{Context, Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// What a disk of the board was asked for since the power was switched on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockStats {
    /// Octets read.
    pub read_bytes: u64,
    /// Octets written.
    pub written_bytes: u64,
    /// Write requests.
    pub writes: u64,
    /// Cache flushes.
    pub flushes: u64,
}

/// A connection to QEMU's monitor.
#[derive(Debug)]
pub(crate) struct Qmp {
    reader: BufReader<UnixStream>,
}

impl Qmp {
    /// Takes over a connection: reads the greeting, leaves the negotiation.
    pub(crate) fn open(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut qmp = Self { reader: BufReader::new(stream) };
        qmp.read()?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command; events that come meanwhile are passed over.
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.reader.get_mut().write_all(line.as_bytes()).context(|| format!("QMP {command}"))?;
        loop {
            let mut answer = self.read()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = answer.get("error") {
                return Err(Error::new(format!("QMP {command}: {error}")));
            }
        }
    }

    /// Runs a command of the human monitor.
    pub(crate) fn human(&mut self, command: &str) -> Result<String> {
        let text = self.execute("human-monitor-command", json!({ "command-line": command }))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Counters of each disk, by the name that it was given.
    pub(crate) fn block_stats(&mut self) -> Result<BTreeMap<String, BlockStats>> {
        parse_block_stats(&self.execute("query-blockstats", json!({}))?)
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).context(|| "QMP".into())? == 0 {
            return Err(Error::new("QMP: QEMU closed the connection"));
        }
        serde_json::from_str(&line).context(|| "QMP".into())
    }
}

/// QEMU answers in an order of its own, and has names for drives that are not there.
fn parse_block_stats(answer: &Value) -> Result<BTreeMap<String, BlockStats>> {
    let devices = answer.as_array().ok_or_else(|| Error::new("QMP query-blockstats: no list of disks"))?;
    let disk = |device: &Value| {
        let name = device.get("device")?.as_str().filter(|name| !name.is_empty())?;
        let stats = device.get("stats")?;
        let number = |name: &str| stats.get(name).and_then(Value::as_u64).unwrap_or(0);
        let counters = BlockStats {
            read_bytes: number("rd_bytes"),
            written_bytes: number("wr_bytes"),
            writes: number("wr_operations"),
            flushes: number("flush_operations"),
        };
        Some((name.to_owned(), counters))
    };
    Ok(devices.iter().filter_map(disk).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_disk_has_its_counters() {
        let one =
            |n: u64| json!({ "rd_bytes": n, "wr_bytes": n + 1, "wr_operations": n + 2, "flush_operations": n + 3 });
        let answer = json!([
            { "device": "more0", "qdev": "/machine/peripheral-anon/device[3]", "stats": one(10) },
            { "device": "disk", "node-name": "#block123", "stats": one(1) },
            { "device": "", "node-name": "nameless", "stats": one(100) },
        ]);
        let found = parse_block_stats(&answer).unwrap();
        assert_eq!(found["disk"], BlockStats { read_bytes: 1, written_bytes: 2, writes: 3, flushes: 4 });
        assert_eq!(found["more0"].written_bytes, 11);
        assert_eq!(found.len(), 2);
        assert!(parse_block_stats(&json!([])).unwrap().is_empty());
        assert!(parse_block_stats(&json!({})).is_err());
    }

    #[test]
    fn events_between_command_and_answer_are_passed_over() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let script = "{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"NIC_RX_FILTER_CHANGED\"}\n{\"return\": \"text\"}\n{\"error\": {\"class\": \"GenericError\"}}\n";
        theirs.write_all(script.as_bytes()).unwrap();
        let mut qmp = Qmp::open(ours).unwrap();
        assert_eq!(qmp.human("info usernet").unwrap(), "text");
        assert!(qmp.human("nonsense").unwrap_err().to_string().contains("GenericError"));
        drop(theirs);
        assert!(qmp.human("info usernet").is_err());
    }
}
