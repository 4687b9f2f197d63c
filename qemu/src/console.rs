//! The serial console: cut into lines with the host's time, kept, written to a file, waited for.

use crate::{Context, Error, Result};
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A line longer than this is broken up.
const MAX_LINE: usize = 4096;
/// How many lines stay in memory; the file has them all.
const MAX_LINES: usize = 20_000;

/// One line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Time since the power was switched on.
    pub at: Duration,
    /// Its text, without line end and control characters.
    pub text: String,
}

/// Cuts a stream of octets into lines.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    pending: Vec<u8>,
}

impl Splitter {
    /// Takes octets as they come; hands over every line that they complete.
    pub(crate) fn receive(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        for &byte in bytes {
            match byte {
                b'\n' => line(self.take()),
                // A terminal's line ends with CR LF; other control characters would play with the reader's terminal.
                b'\t' | 0x20.. if byte != 0x7f => self.pending.push(byte),
                _ => {}
            }
            if self.pending.len() >= MAX_LINE {
                line(self.take());
            }
        }
    }

    /// What came of the line that is not yet complete.
    pub(crate) fn unfinished(&self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }

    fn take(&mut self) -> String {
        let text = self.unfinished();
        self.pending.clear();
        text
    }
}

#[derive(Debug, Default)]
struct State {
    lines: std::collections::VecDeque<Line>,
    splitter: Splitter,
    /// How many lines were forgotten.
    dropped: usize,
    ended: bool,
}

/// What the console has said so far; a thread fills it, others wait for it.
#[derive(Debug, Default)]
pub(crate) struct Console {
    state: Mutex<State>,
    news: Condvar,
}

impl Console {
    /// Reads the console to its end in a thread, into `file` with times and into `copy` as it is.
    pub(crate) fn follow(
        mut stream: impl Read + Send + 'static,
        mut file: impl Write + Send + 'static,
        mut copy: impl Write + Send + 'static,
        began: Instant,
    ) -> Result<Arc<Self>> {
        let console = Arc::new(Self::default());
        let shared = Arc::clone(&console);
        let read_all = move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                shared.take(&buffer[..n], began.elapsed(), &mut file);
                // A terminal that went away stops nothing.
                let _ = copy.write_all(&buffer[..n]).and_then(|()| copy.flush());
            }
            shared.lock().ended = true;
            shared.news.notify_all();
        };
        std::thread::Builder::new().name("console".into()).spawn(read_all).context(|| "console".into())?;
        Ok(console)
    }

    fn take(&self, bytes: &[u8], at: Duration, file: &mut impl Write) {
        let mut guard = self.lock();
        let State { lines, splitter, dropped, .. } = &mut *guard;
        splitter.receive(bytes, |text| {
            // A full disk on the host loses the file, not the test.
            let _ = writeln!(file, "[{:8.3}] {text}", at.as_secs_f64());
            if lines.len() == MAX_LINES {
                lines.pop_front();
                *dropped += 1;
            }
            lines.push_back(Line { at, text });
        });
        let _ = file.flush();
        self.news.notify_all();
    }

    /// How many lines there were so far.
    pub(crate) fn count(&self) -> usize {
        let state = self.lock();
        state.dropped + state.lines.len()
    }

    /// The first line that contains `text`, at once or within `timeout`.
    pub(crate) fn wait_for(&self, text: &str, timeout: Duration) -> Result<Line> {
        self.wait_for_from(0, |line| line.contains(text), text, timeout)
    }

    /// The first line from number `next` on that is the wanted one.
    pub(crate) fn wait_for_from(
        &self,
        mut next: usize,
        wanted: impl Fn(&str) -> bool,
        text: &str,
        timeout: Duration,
    ) -> Result<Line> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            let skip = next.max(state.dropped) - state.dropped;
            if let Some(line) = state.lines.iter().skip(skip).find(|line| wanted(&line.text)) {
                return Ok(line.clone());
            }
            next = state.dropped + state.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                let why = if state.ended { "the board is off" } else { "time is over" };
                return Err(Error::new(format!("console: no {text:?}, {why}; last lines:\n{}", state.tail())));
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end of the console, which is the end of the board.
    pub(crate) fn wait_for_end(&self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(format!("the board is still on; console:\n{}", state.tail())));
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lock().lines.iter().cloned().collect()
    }

    /// The last lines, for a message.
    pub(crate) fn tail(&self) -> String {
        self.lock().tail()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tail(&self) -> String {
        let last = self.lines.iter().skip(self.lines.len().saturating_sub(12));
        let mut text: Vec<String> =
            last.map(|line| format!("  [{:.3}] {}", line.at.as_secs_f64(), line.text)).collect();
        text.push(format!("  {}", self.splitter.unfinished()));
        text.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
        for piece in pieces {
            splitter.receive(piece, |line| lines.push(line));
        }
        lines
    }

    #[test]
    fn lines_survive_any_division_of_the_stream() {
        assert_eq!(split(&[b"one\r\ntw", b"o\r", b"\n\r\nthree"]), ["one", "two", ""]);
    }

    #[test]
    fn control_characters_do_not_reach_the_reader() {
        assert_eq!(split(&[b"\x1b[31mred\x07\x7f\tgreen\n"]), ["[31mred\tgreen"]);
    }

    #[test]
    fn text_that_is_not_utf8_is_still_a_line() {
        assert_eq!(split(&[b"\xff\xc3\xbc\n"]), ["\u{fffd}ü"]);
    }

    #[test]
    fn an_endless_line_is_broken_up() {
        let lines = split(&[&[b'x'; 3 * MAX_LINE + 1]]);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE; 3]);
    }

    fn console_of(text: &'static str) -> Arc<Console> {
        Console::follow(Cursor::new(text), std::io::sink(), std::io::sink(), Instant::now()).unwrap()
    }

    #[test]
    fn a_line_is_found_whether_it_came_or_is_to_come() {
        let console = console_of("first\nthe setup code is 1234\nlast\n");
        let line = console.wait_for("setup code", Duration::from_secs(10)).unwrap();
        assert_eq!(line.text, "the setup code is 1234");
        assert_eq!(console.wait_for("first", Duration::ZERO).unwrap().text, "first");
    }

    #[test]
    fn the_end_of_the_console_ends_the_wait_with_the_last_lines() {
        let console = console_of("booting\nKernel pan");
        let error = console.wait_for("greeting", Duration::from_secs(60)).unwrap_err().to_string();
        assert!(
            error.contains("the board is off") && error.contains("booting") && error.contains("Kernel pan"),
            "{error}"
        );
    }

    #[test]
    fn the_file_has_the_host_time_before_each_line() {
        let console = Console::default();
        let mut file = Vec::new();
        console.take(b"hello\r\nwor", Duration::from_millis(1234), &mut file);
        console.take(b"ld\r\n", Duration::from_millis(20_000), &mut file);
        assert_eq!(String::from_utf8(file).unwrap(), "[   1.234] hello\n[  20.000] world\n");
    }

    #[test]
    fn old_lines_are_forgotten_and_new_ones_still_found() {
        let console = Console::default();
        for n in 0..MAX_LINES + 5 {
            console.take(format!("line {n}.\n").as_bytes(), Duration::ZERO, &mut std::io::sink());
        }
        assert_eq!(console.lines().len(), MAX_LINES);
        assert!(console.wait_for("line 4.", Duration::ZERO).is_err());
        assert!(console.wait_for(&format!("line {}.", MAX_LINES + 4), Duration::ZERO).is_ok());
    }
}
