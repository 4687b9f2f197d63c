//! The mail of the measurements: made here, the same on every machine and in every run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// A word that one mail in [`RARE`] holds.
pub const NEEDLE: &str = "Zwiebelkuchen";
/// See [`NEEDLE`].
pub const RARE: usize = 500;

/// The most frequent words come first: a word's weight falls with its place.
const WORDS: &str = "the and to of a in is that for you it on with we be this are as have will not your from at or our can if \
    by an was all please me my but which they there one time about what would new when more so please has been do up out \
    week mail order some than other just meeting only also home thank house into see like who could make first date them \
    good next year people work back garden after children Monday morning Thursday invoice account password update service \
    holiday bicycle kitchen photograph neighbour doctor appointment delivery number address school teacher grandmother \
    train station ticket evening weather receipt attached regards sincerely weekend Saturday insurance contract cancel \
    subscription unsubscribe confirm electricity heating repair engine window carpenter birthday concert library museum \
    recipe vegetables mushroom potato breakfast coffee Wednesday February September autumn mountain river journey harbour \
    question answer problem solution minutes project budget report figure chapter proposal committee election signature";

/// Numbers without a pattern (splitmix64), the same from the same seed.
#[derive(Debug)]
struct Dice {
    state: u64,
    words: Vec<&'static str>,
}

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice { state: seed, words: WORDS.split_ascii_whitespace().collect() }
    }
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
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
    fn word(&mut self) -> &'static str {
        let place = (self.words.len() as f64).powf(self.unit()) - 1.0;
        self.words[place as usize]
    }
    fn code(&mut self, octets: usize) -> String {
        STANDARD.encode(self.bytes(octets)).replace(['+', '/', '='], "x")
    }
}

/// Mails of 10 KB on average, without attachments.
pub fn small(count: usize) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(1);
    (0..count).map(|n| mail(&mut dice, n, &[])).collect()
}

/// A household's mail: three in four as in [`small`], one in four with attachments of 240 KB on average.
pub fn mixed(count: usize) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(2);
    let one = |n| {
        let attachments: Vec<usize> = match dice.below(4) {
            0 => (0..=dice.below(3) / 2).map(|_| dice.size(180_000.0, 1.0).clamp(2_000, 4_000_000)).collect(),
            _ => Vec::new(),
        };
        mail(&mut dice, n, &attachments)
    };
    (0..count).map(one).collect()
}

/// Octets of mail.
pub fn total(mails: &[Vec<u8>]) -> u64 {
    mails.iter().map(|m| m.len() as u64).sum()
}

fn mail(dice: &mut Dice, n: usize, attachments: &[usize]) -> Vec<u8> {
    let size = dice.size(8_300.0, 0.8).clamp(200, 60_000);
    let mut out = header(dice, n);
    let boundary = format!("part-{}", dice.code(15));
    if !attachments.is_empty() {
        write!(out, "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n")
            .expect("a string takes all");
    }
    let needle = n.is_multiple_of(RARE);
    // What comes from shops and newspapers has two forms, what people write mostly one.
    if dice.below(2) == 0 {
        plain(dice, &mut out, size, needle)
    } else {
        alternative(dice, &mut out, size, needle)
    }
    for (number, octets) in attachments.iter().enumerate() {
        write!(out, "\r\n--{boundary}\r\n").expect("as above");
        attachment(dice, &mut out, number, *octets);
    }
    if !attachments.is_empty() {
        write!(out, "\r\n--{boundary}--\r\n").expect("as above");
    }
    out.into_bytes()
}

fn header(dice: &mut Dice, n: usize) -> String {
    let mut out = String::new();
    let (day, hour, minute) = (n / 200 % 28 + 1, n / 8 % 24, n * 7 % 60);
    let date = format!("{day} Oct 2026 {hour:02}:{minute:02}:{:02} +0000", n % 60);
    for hop in ["mx1.provider.example", "relay.provider.example", "out.shop.example"] {
        write!(out, "Received: from {hop} ({hop} [192.0.2.{}])\r\n\tby {hop} with ESMTPS id {}\r\n\tfor <desk@home.example>; {date}\r\n", dice.below(250), dice.code(12)).expect("as above");
    }
    write!(out, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=shop.example; s=s1;\r\n\th=from:to:subject:date:message-id; bh={};\r\n", dice.code(32)).expect("as above");
    for (name, len) in [("b", 54), (" ", 54), (" ", 54), (" ", 54)] {
        let sign = if name == "b" { "b=" } else { "" };
        write!(out, "\t{sign}{}\r\n", dice.code(len)).expect("as above");
    }
    let (first, last) = (dice.word(), dice.word());
    write!(out, "From: {first} {last} <{first}.{last}@shop.example>\r\nTo: The Desk <desk@home.example>\r\n")
        .expect("as above");
    let subject: Vec<&str> = (0..4 + dice.below(5)).map(|_| dice.word()).collect();
    let rare = if n.is_multiple_of(RARE) { format!(" {NEEDLE}") } else { String::new() };
    write!(
        out,
        "Subject: {}{rare}\r\nDate: {date}\r\nMessage-ID: <{n}.{}@shop.example>\r\n",
        subject.join(" "),
        dice.code(12)
    )
    .expect("as above");
    if n % 3 == 1 {
        write!(out, "In-Reply-To: <{}.earlier@shop.example>\r\nReferences: <{}.first@shop.example>\r\n <{}.earlier@shop.example>\r\n", n - 1, n - 1, n - 1).expect("as above");
    }
    out.push_str("MIME-Version: 1.0\r\n");
    out
}

fn plain(dice: &mut Dice, out: &mut String, size: usize, needle: bool) {
    out.push_str("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n");
    if needle {
        write!(out, "There will be {NEEDLE}.\r\n").expect("as above");
    }
    let end = out.len() + size;
    while out.len() < end {
        let line = out.len();
        while out.len() - line < 66 {
            out.push_str(dice.word());
            out.push(if dice.below(12) == 0 { '.' } else { ' ' });
        }
        out.push_str(if dice.below(8) == 0 { "\r\n\r\n" } else { "\r\n" });
    }
}

fn alternative(dice: &mut Dice, out: &mut String, size: usize, needle: bool) {
    let boundary = format!("alternative-{}", dice.code(15));
    write!(out, "Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n")
        .expect("as above");
    plain(dice, out, size / 4, needle);
    write!(out, "\r\n--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<html><body>\r\n").expect("as above");
    let end = out.len() + size * 3 / 4;
    while out.len() < end {
        let (width, link) = (100 + dice.below(500), dice.code(18));
        write!(out, "<td width=\"{width}\" style=\"font-family: sans-serif; color: #333;\"><a href=\"https://shop.example/{link}\">\r\n").expect("as above");
        for _ in 0..8 {
            write!(out, "{} ", dice.word()).expect("as above");
        }
        out.push_str("</a></td>\r\n");
    }
    write!(out, "</body></html>\r\n--{boundary}--\r\n").expect("as above");
}

fn attachment(dice: &mut Dice, out: &mut String, number: usize, octets: usize) {
    let kind = ["image/jpeg", "application/pdf"][number % 2];
    write!(out, "Content-Type: {kind}; name=\"file{number}\"\r\nContent-Disposition: attachment; filename=\"file{number}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n").expect("as above");
    let code = STANDARD.encode(dice.bytes(octets));
    for line in code.as_bytes().chunks(76) {
        out.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        out.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpora_are_as_large_as_they_say_and_always_the_same() {
        let mails = small(2000);
        let mean = total(&mails) / 2000;
        assert!((9_500..10_500).contains(&mean), "{mean}");
        assert_eq!(mails, small(2000));
        let mean = total(&mixed(1000)) / 1000;
        assert!((60_000..90_000).contains(&mean), "{mean}");
    }

    #[test]
    fn lines_are_short_and_end_in_crlf() {
        for mail in small(50).iter().chain(&mixed(20)) {
            assert!(mail.ends_with(b"\r\n"));
            for line in mail.split_inclusive(|b| *b == b'\n') {
                assert!(line.ends_with(b"\r\n") && line.len() < 998, "{}", String::from_utf8_lossy(line));
            }
        }
    }
}
