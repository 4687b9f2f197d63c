//! A household's mail, made here: the same on every machine and in every run, any message without those before it.
//!
//! What it is like, because the measurements depend on it (a test holds the sizes; `household/README.md` tells how the rest
//! was compared with real mail):
//! - words are the 3,000 most frequent of an English text (`household/words.txt`), drawn by Zipf's law;
//! - 4 in 10 mails come from shops and newspapers (a text and an HTML form, one template per sender, links with random
//!   codes), 2 from services (short), 4 from people (with quoted replies); mean 10 KB;
//! - 1 in 4 has attachments of 140 KB each on average before base64: pictures and archives (random octets), PDFs (one octet in
//!   eight is text), tables (text);
//! - 1 in 6 of those carries the attachments of an earlier mail: somebody sends the same file to two people, or it comes
//!   back with an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use std::sync::OnceLock;

/// Word by word, the most frequent first.
const WORDS: &str = include_str!("household/words.txt");
/// Different senders of templates.
const SHOPS: usize = 60;
/// An attachment comes back within so many mails.
const SOON: u64 = 400;
/// Octets of attachments before base64: mean and spread of the logarithm; no file is smaller or larger.
const FILE_MEAN: f64 = 140_000.0;
const FILE_SPREAD: f64 = 1.1;
const FILE_LEAST: usize = 1_500;
const FILE_MOST: usize = 5_000_000;

/// Numbers without a pattern (splitmix64), the same from the same seed.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// For one purpose and one number.
    fn new(purpose: u64, n: u64) -> Dice {
        let mut dice = Dice(purpose.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ n.wrapping_mul(0xa076_1d64_78bd_642f));
        dice.next();
        dice
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Log-normal: many small, few large, as sizes of mail are.
    fn size(&mut self, mean: f64, spread: f64) -> usize {
        let normal = (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        (mean * (spread * normal - spread * spread / 2.0).exp()) as usize
    }
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 8);
        while out.len() < len {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(len);
        out
    }
    /// A word by Zipf's law.
    fn word(&mut self) -> &'static str {
        static TABLE: OnceLock<(Vec<&'static str>, Vec<f64>)> = OnceLock::new();
        let (words, sums) = TABLE.get_or_init(|| {
            let words: Vec<&str> = WORDS.split_ascii_whitespace().collect();
            let weights = (0..words.len()).map(|rank| 1.0 / (rank as f64 + 2.7));
            let sums = weights.scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            });
            let sums = sums.collect();
            (words, sums)
        });
        let at = self.unit() * sums[sums.len() - 1];
        words[sums.partition_point(|sum| *sum < at).min(words.len() - 1)]
    }
    /// A rare word, as a name.
    fn name(&mut self) -> &'static str {
        static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
        let names = NAMES.get_or_init(|| WORDS.split_ascii_whitespace().skip(1000).filter(|w| w.len() > 3).collect());
        names[self.below(names.len())]
    }
    fn code(&mut self, octets: usize) -> String {
        STANDARD.encode(self.bytes(octets)).replace(['+', '/', '='], "x")
    }
}

/// The `n`th mail: three in four as [`small`], one in four with attachments.
pub fn mail(n: u64) -> Vec<u8> {
    compose(n, &files(n))
}

/// The `n`th mail without attachments.
pub fn small(n: u64) -> Vec<u8> {
    compose(n, &[])
}

/// Which files are attached to the `n`th mail, as numbers that stand for their contents.
pub fn files(n: u64) -> Vec<u64> {
    let mut dice = Dice::new(1, n);
    if dice.below(4) != 0 {
        return Vec::new();
    }
    if dice.below(6) == 0 {
        let first = n.saturating_sub(1 + dice.next() % SOON);
        // Mails with attachments are never far apart.
        if let Some(earlier) = (first.saturating_sub(40)..first).rev().find(|m| !files(*m).is_empty()) {
            return files(earlier);
        }
    }
    let count = [1, 1, 1, 1, 2, 3][dice.below(6)];
    (0..count).map(|number| n * 4 + number).collect()
}

fn compose(n: u64, files: &[u64]) -> Vec<u8> {
    let mut dice = Dice::new(2, n);
    let kind = dice.below(10);
    let shop = (dice.unit() * dice.unit() * SHOPS as f64) as u64;
    let mut out = String::with_capacity(16 * 1024);
    header(&mut dice, &mut out, n, if kind < 4 { Some(shop) } else { None });
    let boundary = format!("----=_Part_{}_{}", dice.below(1_000_000), dice.code(9));
    if !files.is_empty() {
        put(&mut out, &format!("Content-Type: multipart/mixed;\r\n\tboundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n"));
    }
    match kind {
        0..4 => newsletter(&mut dice, &mut out, shop),
        4..6 => notice(&mut dice, &mut out),
        _ => letter(&mut dice, &mut out),
    }
    for file in files {
        put(&mut out, &format!("\r\n--{boundary}\r\n"));
        attachment(*file, &mut out);
    }
    if !files.is_empty() {
        put(&mut out, &format!("\r\n--{boundary}--\r\n"));
    }
    out.into_bytes()
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
}

fn header(dice: &mut Dice, out: &mut String, n: u64, shop: Option<u64>) {
    let mut sender = shop.map_or_else(|| Dice::new(3, dice.next() % 300), |shop| Dice::new(4, shop));
    let (first, last) = (sender.name(), sender.name());
    let domain = format!("{}.example", sender.name());
    let date = format!("{} Oct 2026 {:02}:{:02}:{:02} +0000", n / 200 % 28 + 1, n / 8 % 24, n * 7 % 60, n % 60);
    put(out, &format!("Return-Path: <bounce-{}@{domain}>\r\n", dice.below(10_000_000)));
    let ours = "mx1.provider.example";
    for (by, from) in [("relay.provider.example", ours), (ours, &*format!("out{}.{domain}", sender.below(9)))] {
        let address = format!("192.0.2.{}", sender.below(250));
        put(
            out,
            &format!(
                "Received: from {from} ({from} [{address}])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(no client certificate requested)\r\n\tby {by} (Postfix) with ESMTPS id {}\r\n\tfor <desk0@home.example>; {date}\r\n",
                dice.code(12)
            ),
        );
    }
    put(
        out,
        &format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\r\n\th=from:to:subject:date:message-id:mime-version:content-type;\r\n\tbh={}=;\r\n\tb=",
            dice.code(32)
        ),
    );
    for _ in 0..4 {
        put(out, &format!("{}\r\n\t ", dice.code(48)));
    }
    put(
        out,
        &format!(
            "{}==\r\nFrom: {first} {last} <{first}.{last}@{domain}>\r\nTo: The Desk <desk0@home.example>\r\nSubject:",
            dice.code(22)
        ),
    );
    for _ in 0..3 + dice.below(6) {
        out.push(' ');
        put(out, dice.word());
    }
    put(out, &format!("\r\nDate: {date}\r\nMessage-ID: <{n}.{}@{domain}>\r\n", dice.code(15)));
    if shop.is_some() {
        put(
            out,
            &format!(
                "List-Unsubscribe: <https://{domain}/u/{}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nX-Campaign: {}\r\n",
                dice.code(24),
                dice.code(9)
            ),
        );
    } else if dice.below(2) == 0 {
        put(out, &format!("In-Reply-To: <{}@{domain}>\r\nReferences: <{}@{domain}>\r\n", dice.code(15), dice.code(15)));
    }
    put(out, "MIME-Version: 1.0\r\n");
}

/// Sentences in lines that begin so, until so many octets have come.
fn prose(dice: &mut Dice, out: &mut String, size: usize, start: &str) {
    let end = out.len() + size;
    let mut begins = true;
    while out.len() < end {
        let line = out.len();
        put(out, start);
        while out.len() - line < 68 {
            let word = dice.word();
            let (head, tail) = word.split_at(1);
            put(out, &if begins { head.to_ascii_uppercase() } else { head.to_owned() });
            put(out, tail);
            begins = dice.below(11) == 0;
            put(
                out,
                if begins {
                    ". "
                } else if dice.below(14) == 0 {
                    ", "
                } else {
                    " "
                },
            );
        }
        put(out, if dice.below(9) == 0 { "\r\n\r\n" } else { "\r\n" });
    }
}

/// From a person, with what it answers.
fn letter(dice: &mut Dice, out: &mut String) {
    put(out, "Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    let size = dice.size(6_000.0, 1.0).clamp(120, 60_000);
    prose(dice, out, size / 2, "");
    put(out, &format!("\r\nOn Sunday {} {} wrote:\r\n", dice.name(), dice.name()));
    prose(dice, out, size / 2, "> ");
}

/// From a service: an order, a login, a parcel.
fn notice(dice: &mut Dice, out: &mut String) {
    put(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n");
    let size = dice.size(1_800.0, 0.7).clamp(200, 20_000);
    put(
        out,
        &format!(
            "Hello,\r\n\r\nyour number is {}. See https://service.example/view?id={}\r\n\r\n",
            dice.below(10_000_000),
            dice.code(24)
        ),
    );
    prose(dice, out, size, "");
    put(out, "\r\n-- \r\nThis message was sent automatically. Please do not answer it.\r\n");
}

/// From a shop or a newspaper: text, and HTML by the sender's template.
fn newsletter(dice: &mut Dice, out: &mut String, shop: u64) {
    let boundary = format!("----=_alternative_{}", dice.code(15));
    put(
        out,
        &format!(
            "Content-Type: multipart/alternative;\r\n\tboundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        ),
    );
    let size = dice.size(14_000.0, 0.6).clamp(3_000, 90_000);
    prose(dice, out, size / 7, "");
    put(
        out,
        &format!(
            "\r\n--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        ),
    );
    let mut look = Dice::new(5, shop);
    let (host, color, font) = (look.name(), look.below(0xff_ffff), ["Arial", "Helvetica", "Georgia"][look.below(3)]);
    put(out, &format!("<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>{host}</title><style>\r\n"));
    for _ in 0..6 + look.below(20) {
        put(
            out,
            &format!(
                ".{}-{} {{ margin: {}px {}px; padding: {}px; color: #{:06x}; }}\r\n",
                look.name(),
                look.name(),
                look.below(40),
                look.below(40),
                look.below(30),
                look.below(0xff_ffff)
            ),
        );
    }
    put(out, "</style></head><body>\r\n");
    let end = out.len() + size * 5 / 7;
    while out.len() < end {
        let (link, picture) = (dice.code(42), dice.code(15));
        put(
            out,
            &format!(
                "<tr><td align=\"left\" style=\"padding: 12px; font-family: {font}, sans-serif; color: #{color:06x};\">\r\n<a href=\"https://click.{host}.example/ls/click?upn={link}\" target=\"_blank\"><img src=\"https://static.{host}.example/{picture}.jpg\" width=\"{}\" border=\"0\" alt=\"\"></a>\r\n<p style=\"margin: 0 0 10px 0; font-size: 14px; line-height: 20px;\">\r\n",
                100 + dice.below(500)
            ),
        );
        let words = 100 + dice.below(500);
        prose(dice, out, words, "");
        put(out, "</p></td></tr>\r\n");
    }
    put(out, &format!("</body></html>\r\n\r\n--{boundary}--\r\n"));
}

fn attachment(file: u64, out: &mut String) {
    let mut dice = Dice::new(6, file);
    let size = dice.size(FILE_MEAN, FILE_SPREAD).clamp(FILE_LEAST, FILE_MOST);
    let (kind, ending, content) = match dice.below(20) {
        0..11 => ("image/jpeg", "jpg", dice.bytes(size)),
        11..17 => ("application/pdf", "pdf", pdf(&mut dice, size)),
        17..19 => ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx", dice.bytes(size)),
        _ => ("text/csv", "csv", table(&mut dice, size / 4)),
    };
    let name = format!("{}-{}.{ending}", dice.name(), dice.below(10_000));
    // Nearly all programs break base64 after 76 characters; some do not.
    let width = [76, 76, 76, 76, 76, 76, 76, 76, 76, 72][dice.below(10)];
    put(
        out,
        &format!(
            "Content-Type: {kind};\r\n\tname=\"{name}\"\r\nContent-Disposition: attachment;\r\n\tfilename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        ),
    );
    let code = STANDARD.encode(content);
    let mut rest = &*code;
    while !rest.is_empty() {
        let (line, more) = rest.split_at(width.min(rest.len()));
        put(out, line);
        put(out, "\r\n");
        rest = more;
    }
}

/// Streams that are compressed already between objects that are text.
fn pdf(dice: &mut Dice, size: usize) -> Vec<u8> {
    let mut out = b"%PDF-1.7\n".to_vec();
    let mut number = 1;
    while out.len() < size {
        let stream = dice.bytes(1_500);
        let mut text = format!("{number} 0 obj\n<< /Type /XObject /Length {} /Filter /FlateDecode", stream.len());
        for _ in 0..8 {
            write!(text, " /{} {} 0 R", dice.name(), dice.below(500)).expect("a string takes all");
        }
        text.push_str(" >>\nstream\n");
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(&stream);
        out.extend_from_slice(b"\nendstream\nendobj\n");
        number += 1;
    }
    out.truncate(size);
    out
}

fn table(dice: &mut Dice, size: usize) -> Vec<u8> {
    let mut out = String::new();
    while out.len() < size {
        let (a, b, c, d) = (dice.below(28) + 1, dice.name(), dice.below(100_000), dice.word());
        write!(out, "2026-10-{a:02};{b};{}.{:02};{d}\r\n", c / 100, c % 100).expect("a string takes all");
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(mails: impl Iterator<Item = Vec<u8>>) -> usize {
        let (octets, count) = mails.fold((0, 0), |(octets, count), mail| (octets + mail.len(), count + 1));
        octets / count
    }

    #[test]
    fn mails_are_as_large_as_they_should_be_and_always_the_same() {
        let small = mean((0..500).map(small));
        assert!((9_500..11_000).contains(&small), "{small}");
        let whole = mean((0..200).map(mail));
        assert!((50_000..110_000).contains(&whole), "{whole}");
        assert_eq!(mail(77), mail(77));
        assert_ne!(mail(77), mail(78));
    }

    #[test]
    fn some_files_come_twice() {
        let mut seen = std::collections::BTreeSet::new();
        let all: Vec<u64> = (0..10_000).flat_map(files).collect();
        let again = all.iter().filter(|file| !seen.insert(**file)).count();
        assert!((all.len() / 8..all.len() / 5).contains(&again), "{again} of {}", all.len());
    }

    #[test]
    fn lines_are_short_and_end_in_crlf() {
        for mail in (0..60).map(mail) {
            assert!(mail.ends_with(b"\r\n"));
            for line in mail.split_inclusive(|b| *b == b'\n') {
                assert!(line.ends_with(b"\r\n") && line.len() < 998, "{}", String::from_utf8_lossy(line));
            }
        }
    }
}
