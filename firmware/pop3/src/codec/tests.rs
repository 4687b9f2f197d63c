//! Tests of lines, arguments and dot-stuffing.

use super::*;
use proptest::prelude::*;

/// Lines cut from input that arrives in pieces of `size`.
fn lines(input: &[u8], size: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut cutter = Input::default();
    for piece in input.chunks(size) {
        assert!(cutter.push(piece));
        while let Some(line) = cutter.next_line() {
            lines.push(match line {
                Line::Whole(line) => String::from_utf8_lossy(&line).into_owned(),
                Line::TooLong => "too long".into(),
                Line::Endless => return lines.into_iter().chain(["endless".into()]).collect(),
            });
        }
    }
    lines
}

fn encoded(message: &[u8], part: Part, size: usize) -> String {
    let (mut body, mut out) = (Body::new(part), Vec::new());
    for piece in message.chunks(size) {
        body.encode(piece, &mut out);
    }
    body.finish(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn lines_end_with_crlf_or_lf() {
    let input = b"USER anna\r\nSTAT\nQUIT\r\n\r\n a\rb \r\nrest";
    for size in [1, 2, 3, 7, 100] {
        assert_eq!(lines(input, size), ["USER anna", "STAT", "QUIT", "", " a\rb "], "{size}");
    }
}

#[test]
fn long_lines_are_thrown_away_and_the_next_one_is_understood() {
    let longest = "x".repeat(limits::LINE);
    for extra in [1, 2, 3000] {
        let input = format!("{longest}\r\n{longest}{}\r\nSTAT\r\n", "y".repeat(extra));
        for size in [1, 1000, 100_000] {
            assert_eq!(lines(input.as_bytes(), size), [&longest, "too long", "STAT"], "{extra} {size}");
        }
    }
    let endless = vec![b'x'; limits::ENDLESS_LINE + limits::LINE + 2];
    assert_eq!(lines(&endless, 1000), ["endless"]);
}

#[test]
fn input_that_nobody_reads_is_bounded_and_memory_is_given_back() {
    let mut input = Input::default();
    assert!(input.push(&vec![b'\n'; limits::PENDING]));
    assert!(!input.push(b"\n"));
    while input.next_line().is_some() {}
    assert!(input.pending.capacity() <= limits::IDLE_BUFFER);
}

#[test]
fn arguments() {
    let words = |line: &'static str| {
        split(line.as_bytes()).1.words::<1>().map(|[word]| std::str::from_utf8(word).unwrap()).ok()
    };
    assert_eq!(
        (words("RETR 1"), words("RETR  1 "), words("RETR"), words("RETR 1 2")),
        (Some("1"), Some("1"), None, None)
    );
    assert_eq!(split(b"PASS  a b ").1.whole().unwrap(), b" a b ");
    assert!(split(b"PASS").1.whole().is_err() && split(b"PASS ").1.whole().is_err());
    let numbers =
        [("1", Some(1)), ("007", Some(7)), ("99999999999", Some(u32::MAX)), ("", None), ("-1", None), ("1x", None)];
    for (word, expected) in numbers {
        assert_eq!(number(word.as_bytes()).ok(), expected, "{word}");
    }
}

#[test]
fn messages_are_dot_stuffed_across_pieces() {
    let cases = [
        ("", ".\r\n"),
        ("a\r\n", "a\r\n.\r\n"),
        (".\r\n", "..\r\n.\r\n"),
        ("a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n"),
        ("a.\r\n. .\r\n", "a.\r\n.. .\r\n.\r\n"),
        ("a", "a\r\n.\r\n"),
        ("a\r", "a\r\r\n.\r\n"),
        ("a\n", "a\n\r\n.\r\n"),
        ("a\n.\nb\r\n", "a\n..\nb\r\n.\r\n"),
        ("a\r.b\r\n", "a\r.b\r\n.\r\n"),
    ];
    for (message, expected) in cases {
        for size in 1..8 {
            assert_eq!(encoded(message.as_bytes(), Part::Whole, size), expected, "{message:?} in {size}");
        }
    }
}

#[test]
fn nul_is_never_sent() {
    let (mut body, mut out) = (Body::new(Part::Whole), Vec::new());
    body.encode(b"a\0b\r\n", &mut out);
    assert_eq!(out, b"a\x80b\r\n");
}

#[test]
fn top_sends_header_blank_line_and_so_many_lines() {
    let message = "A: 1\r\n B\r\n\r\n.one\r\n\r\nthree\r\n";
    let cases = [
        (0, "A: 1\r\n B\r\n\r\n.\r\n"),
        (1, "A: 1\r\n B\r\n\r\n..one\r\n.\r\n"),
        (2, "A: 1\r\n B\r\n\r\n..one\r\n\r\n.\r\n"),
        (3, "A: 1\r\n B\r\n\r\n..one\r\n\r\nthree\r\n.\r\n"),
        (u32::MAX, "A: 1\r\n B\r\n\r\n..one\r\n\r\nthree\r\n.\r\n"),
    ];
    for (then, expected) in cases {
        for size in 1..9 {
            assert_eq!(encoded(message.as_bytes(), Part::Header { then }, size), expected, "{then} in {size}");
        }
    }
    assert_eq!(encoded(b"A: 1\r\n", Part::Header { then: 5 }, 9), "A: 1\r\n.\r\n", "no body");
    assert_eq!(encoded(b"\r\nbody\r\n", Part::Header { then: 0 }, 9), "\r\n.\r\n", "no header");
    assert_eq!(encoded(b"A: 1\n\nb\nc\n", Part::Header { then: 1 }, 9), "A: 1\n\nb\n\r\n.\r\n");
}

/// What a client makes of an encoded body.
fn decoded(body: &str) -> String {
    let body = body.strip_suffix(".\r\n").expect("an end");
    body.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect()
}

proptest! {
    #[test]
    fn a_client_gets_the_message_back(message in "([.a]{0,3}\r\n){0,8}", size in 1usize..10) {
        let sent = encoded(message.as_bytes(), Part::Whole, size);
        prop_assert!(!sent[..sent.len() - 3].contains("\r\n.\r\n") && (sent.len() == 3 || !sent.starts_with(".\r\n")));
        prop_assert_eq!(decoded(&sent), message);
    }
    #[test]
    fn no_body_ends_early_for_any_reader(message in "[.\r\na]{0,20}", size in 1usize..10) {
        let sent = encoded(message.as_bytes(), Part::Whole, size);
        prop_assert!(sent == ".\r\n" || sent.ends_with("\r\n.\r\n"));
        let lines: Vec<_> = sent.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        prop_assert_eq!(lines.iter().filter(|line| **line == ".").count(), 1);
    }
    #[test]
    fn pieces_do_not_matter(input in "[a \r\n]{0,60}", a in 1usize..20, b in 1usize..20) {
        prop_assert_eq!(lines(input.as_bytes(), a), lines(input.as_bytes(), b));
        let top = Part::Header { then: 1 };
        prop_assert_eq!(encoded(input.as_bytes(), top, a), encoded(input.as_bytes(), top, b));
    }
}
