//! A file that a form sends: `multipart/form-data` (RFC 7578) read as it comes, in bounded memory, however large the file is.
//!
//! Forms of ours send their token first and one file behind it, so parts are met in the order they are in and never kept.

use crate::limits;
use embedded_svc::io::Read;
use std::io;

/// The parts of a body.
pub(crate) struct Upload<R> {
    body: R,
    /// What ends a part: CR LF, two hyphens and the boundary.
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: Read> Upload<R> {
    /// The body of a request with this `Content-Type`; `None` if it is of another kind.
    pub(crate) fn new(content_type: &str, body: R) -> Option<Upload<R>> {
        let (kind, parameters) = content_type.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|p| p.trim().strip_prefix("boundary="))?.trim_matches('"');
        // RFC 2046 section 5.1.1: at most 70 characters.
        let good = (1..=70).contains(&boundary.len()) && boundary.bytes().all(|b| b.is_ascii_graphic());
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter has no line end before it.
        good.then(|| Upload { body, delimiter, buffer: b"\r\n".to_vec(), ended: false })
    }

    /// Goes on to the next part; its name. Whatever was left of the part before is passed over.
    pub(crate) fn next_part(&mut self) -> io::Result<Option<String>> {
        let mut rest = [0; 4096];
        while io::Read::read(self, &mut rest)? > 0 {}
        self.buffer.drain(..self.delimiter.len());
        while self.buffer.len() < 2 {
            self.fill()?;
        }
        if self.buffer.starts_with(b"--") {
            return Ok(None);
        }
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end,
                None if self.buffer.len() > limits::PART_HEAD => return Err(io::ErrorKind::InvalidData.into()),
                None => self.fill()?,
            }
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        // The line end stays: an empty part is ended by it.
        self.buffer.drain(..end + 4);
        Ok(Some(name(&head)))
    }

    /// The text of this part, if it is short.
    pub(crate) fn text(&mut self) -> io::Result<String> {
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(&mut *self, limits::PART_HEAD as u64), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        let n = match self.ended {
            true => 0,
            false => self.body.read(&mut chunk).map_err(|e| io::Error::other(format!("{e:?}")))?,
        };
        self.ended = n == 0;
        self.buffer.extend_from_slice(&chunk[..n]);
        if n == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// Reads the part that is being met, to its end.
impl<R: Read> io::Read for Upload<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ready = loop {
            let ready = match find(&self.buffer, &self.delimiter) {
                Some(end) => break end,
                // Its last octets may be the beginning of the delimiter.
                None => self.buffer.len().saturating_sub(self.delimiter.len() - 1),
            };
            if ready > 0 {
                break ready;
            }
            self.fill()?;
        };
        let n = ready.min(out.len());
        out[..n].copy_from_slice(&self.buffer[..n]);
        self.buffer.drain(..n);
        Ok(n)
    }
}

/// The `name` in the part's `Content-Disposition`.
fn name(head: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"));
    let parameters = line.unwrap_or_default().split(';');
    let name = parameters.filter_map(|p| p.trim().strip_prefix("name=")).next().unwrap_or_default();
    name.trim_matches('"').to_owned()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.iter().position(|byte| byte == first)?;
        if text[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIND: &str = "multipart/form-data; boundary=----geckoformboundary42";

    fn body(file: &[u8]) -> Vec<u8> {
        let mut body =
            b"------geckoformboundary42\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nsecret\r\n".to_vec();
        body.extend(
            b"------geckoformboundary42\r\nContent-Disposition: form-data; name=\"bundle\"; filename=\"name=x\"\r\n",
        );
        body.extend(b"Content-Type: application/octet-stream\r\n\r\n");
        body.extend(file);
        body.extend(b"\r\n------geckoformboundary42--\r\n");
        body
    }

    /// Gives out at most so many octets at a time.
    struct Slow<'a>(&'a [u8], usize);
    impl embedded_svc::io::ErrorType for Slow<'_> {
        type Error = std::convert::Infallible;
    }
    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error> {
            let n = self.0.len().min(self.1).min(out.len());
            out[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    fn read(bytes: &[u8], step: usize) -> io::Result<(String, Vec<u8>)> {
        let mut upload = Upload::new(KIND, Slow(bytes, step)).unwrap();
        assert_eq!(upload.next_part()?.as_deref(), Some("token"));
        let token = upload.text()?;
        assert_eq!(upload.next_part()?.as_deref(), Some("bundle"));
        let mut file = Vec::new();
        io::Read::read_to_end(&mut upload, &mut file)?;
        assert_eq!(upload.next_part()?, None);
        Ok((token, file))
    }

    #[test]
    fn other_kinds_are_none() {
        for kind in
            ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=x"]
        {
            assert!(Upload::new(kind, Slow(b"", 1)).is_none(), "{kind}");
        }
        assert!(Upload::new(&format!("multipart/form-data; boundary={}", "x".repeat(71)), Slow(b"", 1)).is_none());
        assert!(Upload::new("Multipart/Form-Data; charset=utf-8; boundary=\"x\"", Slow(b"", 1)).is_some());
    }

    #[test]
    fn an_endless_part_head_is_refused() {
        let mut bytes = b"------geckoformboundary42\r\n".to_vec();
        bytes.extend(vec![b'x'; 1 << 20]);
        let mut upload = Upload::new(KIND, Slow(&bytes, 1000)).unwrap();
        assert!(upload.next_part().is_err());
        assert!(upload.buffer.len() < 64 * 1024);
    }

    proptest! {
        #[test]
        fn files_come_through_whole(
            file in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), any::<u8>()], 0..3000),
            step in 1..600usize,
        ) {
            prop_assert_eq!(read(&body(&file), step).unwrap(), ("secret".to_owned(), file));
        }

        #[test]
        fn a_body_that_breaks_off_is_an_error(cut in 0..240usize, step in 1..64usize) {
            let whole = body(b"contents of the file");
            prop_assume!(cut < whole.len() - 4);
            prop_assert!(read(&whole[..cut], step).is_err());
        }
    }
}
