//! embedded-svc's HTTP server `Connection` over one tiny_http request. Answers are small, so they are kept whole and sent
//! with their length when the handler is done; but one that is flushed goes out as it is written, and ends with its connection.

use embedded_svc::http::server::Connection;
use embedded_svc::http::{Headers, Method, Query};
use embedded_svc::io::{ErrorType, Read, Write};
use std::io;

/// One request and its answer.
pub(crate) struct TinyConnection {
    head: Head,
    body: Body,
}

/// The request without its body.
pub(crate) struct Head {
    method: Method,
    target: String,
    headers: Vec<tiny_http::Header>,
}

/// The request's body on its way in, the answer on its way out.
pub(crate) struct Body {
    way: Way,
    answer: Option<Answer>,
}

/// Where the answer goes.
enum Way {
    /// Back to the request, when it is whole.
    Whole(tiny_http::Request),
    /// Out, as it comes.
    Streamed(Box<dyn io::Write + Send>),
    /// Nowhere any more.
    Closed,
}

struct Answer {
    status: u16,
    headers: Vec<tiny_http::Header>,
    body: Vec<u8>,
}

impl TinyConnection {
    /// Wraps a request. Methods that no page has all look like TRACE, which no page has either.
    pub(crate) fn new(request: tiny_http::Request) -> TinyConnection {
        let method = match request.method() {
            tiny_http::Method::Get => Method::Get,
            tiny_http::Method::Head => Method::Head,
            tiny_http::Method::Post => Method::Post,
            _ => Method::Trace,
        };
        let head = Head { method, target: request.url().to_owned(), headers: request.headers().to_vec() };
        TinyConnection { head, body: Body { way: Way::Whole(request), answer: None } }
    }

    /// Sends the answer; 500 if the handler gave none.
    pub(crate) fn finish(self) -> io::Result<()> {
        let request = match self.body.way {
            Way::Whole(request) => request,
            Way::Streamed(mut out) => return out.flush(),
            Way::Closed => return Ok(()),
        };
        let Some(answer) = self.body.answer else {
            return request.respond(tiny_http::Response::empty(500));
        };
        let length = answer.body.len();
        let body = io::Cursor::new(answer.body);
        let response = tiny_http::Response::new(answer.status.into(), answer.headers, body, Some(length), None);
        request.respond(response.with_chunked_threshold(usize::MAX))
    }
}

impl Body {
    /// From now on the answer is sent as it is written.
    fn begin_to_stream(&mut self) -> io::Result<()> {
        let Some(answer) = &self.answer else { return Err(io::Error::other("no answer was begun")) };
        match std::mem::replace(&mut self.way, Way::Closed) {
            Way::Whole(request) => {
                let mut out = request.into_writer();
                // The front, the only client there is, reads the number and the fields.
                let mut head = format!("HTTP/1.0 {} Streamed\r\n", answer.status);
                answer.headers.iter().for_each(|field| head.push_str(&format!("{}: {}\r\n", field.field, field.value)));
                io::Write::write_all(&mut out, format!("{head}\r\n").as_bytes())?;
                self.way = Way::Streamed(out);
            }
            way => self.way = way,
        }
        Ok(())
    }
}

impl Query for Head {
    fn uri(&self) -> &str {
        &self.target
    }
    fn method(&self) -> Method {
        self.method
    }
}
impl Headers for Head {
    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|h| h.field.as_str().as_str().eq_ignore_ascii_case(name))?;
        Some(found.value.as_str())
    }
}

impl ErrorType for Body {
    type Error = io::Error;
}
impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.way {
            Way::Whole(request) => io::Read::read(request.as_reader(), buf),
            Way::Streamed(_) | Way::Closed => Ok(0),
        }
    }
}
impl Write for Body {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let answer = self.answer.as_mut().ok_or_else(|| io::Error::other("no answer was begun"))?;
        answer.body.extend_from_slice(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.begin_to_stream()?;
        let Some(answer) = &mut self.answer else { return Ok(()) };
        let piece = std::mem::take(&mut answer.body);
        match &mut self.way {
            Way::Streamed(out) => io::Write::write_all(out, &piece).and_then(|()| io::Write::flush(out)),
            Way::Whole(_) | Way::Closed => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Query for TinyConnection {
    fn uri(&self) -> &str {
        self.head.uri()
    }
    fn method(&self) -> Method {
        self.head.method()
    }
}
impl Headers for TinyConnection {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
}
impl ErrorType for TinyConnection {
    type Error = io::Error;
}
impl Read for TinyConnection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.body.read(buf)
    }
}
impl Write for TinyConnection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.body.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.body.flush()
    }
}
impl Connection for TinyConnection {
    type Headers = Head;
    type Read = Body;
    type RawConnectionError = io::Error;
    type RawConnection = Body;

    fn split(&mut self) -> (&Head, &mut Body) {
        (&self.head, &mut self.body)
    }

    fn initiate_response<'a>(
        &'a mut self,
        status: u16,
        _message: Option<&'a str>,
        headers: &'a [(&'a str, &'a str)],
    ) -> io::Result<()> {
        if self.is_response_initiated() {
            return Err(io::Error::other("an answer was begun already"));
        }
        let header = |(name, value): &(&str, &str)| {
            let header = tiny_http::Header::from_bytes(name.as_bytes(), value.as_bytes());
            header.map_err(|()| io::Error::other(format!("header {name} has a value that cannot be sent")))
        };
        let headers = headers.iter().map(header).collect::<io::Result<Vec<_>>>()?;
        self.body.answer = Some(Answer { status, headers, body: Vec::new() });
        Ok(())
    }

    fn is_response_initiated(&self) -> bool {
        self.body.answer.is_some()
    }

    fn raw_connection(&mut self) -> io::Result<&mut Body> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
