//! What a page answers: a value, written to the connection in one place, with the headers every answer carries.

use crate::limits;
use crate::session::NoRandomness;
use askama::Template;
use embedded_svc::http::server::Connection;
use settings::SettingsError;
use std::fmt;
use std::io;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Follows the body; sent as it is read.
    pub(crate) stream: Option<Box<dyn io::Read + Send>>,
}

/// Why there is no answer: the box's fault, never the visitor's.
#[derive(Debug)]
pub(crate) enum Fault {
    Template(askama::Error),
    Settings(SettingsError),
    Randomness,
}

/// No script, no frame, nothing from elsewhere: also a page with a hole can load nothing and send nothing away.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
/// The same for a page that shows another of ours inside.
pub(crate) const FRAMES: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                                 base-uri 'none'; frame-src 'self'; frame-ancestors 'none'";
/// And for the one inside, which has no form.
pub(crate) const FRAMED: &str = "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; \
                                 frame-ancestors 'self'";
const POLICY_HEADER: &str = "Content-Security-Policy";
const ALWAYS: [(&str, &str); 3] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
];

impl Answer {
    /// A page.
    pub(crate) fn page(template: &impl Template) -> Result<Answer, Fault> {
        Ok(Answer::data("text/html; charset=utf-8", template.render()?))
    }

    /// Anything else.
    pub(crate) fn data(kind: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status: 200, headers: vec![("Content-Type", kind.to_owned())], body: body.into(), stream: None }
    }

    /// After a form: the browser asks for this page, and reloading it sends nothing twice.
    pub(crate) fn see_other(location: impl Into<String>) -> Answer {
        Answer { status: 303, headers: vec![("Location", location.into())], body: Vec::new(), stream: None }
    }

    /// A file of any size, to be saved under this name.
    pub(crate) fn file(name: &str, stream: Box<dyn io::Read + Send>) -> Answer {
        let answer = Answer::data("application/octet-stream", "");
        let answer = answer.header("Content-Disposition", format!("attachment; filename=\"{name}\""));
        Answer { stream: Some(stream), ..answer }
    }

    /// The same with another status.
    pub(crate) fn status(mut self, status: u16) -> Answer {
        self.status = status;
        self
    }

    /// The same with another header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// The same under another content security policy.
    pub(crate) fn policy(self, policy: &str) -> Answer {
        self.header(POLICY_HEADER, policy)
    }

    /// Whether it is a page with forms.
    pub(crate) fn is_page(&self) -> bool {
        self.headers.iter().any(|(name, value)| *name == "Content-Type" && value.starts_with("text/html"))
    }

    /// Writes it. Nothing is kept by browsers or caches unless the answer itself says so.
    pub(crate) fn write<C: Connection>(mut self, connection: &mut C) -> Result<(), C::Error> {
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let mut headers: Vec<(&str, &str)> = own.chain(ALWAYS).collect();
        for (unless, value) in [("Cache-Control", "no-store"), (POLICY_HEADER, POLICY)] {
            if !self.headers.iter().any(|(name, _)| *name == unless) {
                headers.push((unless, value));
            }
        }
        connection.initiate_response(self.status, None, &headers)?;
        write_all(connection, &self.body)?;
        let mut piece = vec![0; if self.stream.is_some() { limits::PIECE } else { 0 }];
        while let Some(stream) = &mut self.stream {
            // What cannot be read ends the file early; files that are streamed say at their end that it is theirs.
            let n = stream.read(&mut piece).unwrap_or_else(|e| {
                tracing::warn!("a download broke off: {e}");
                0
            });
            if n == 0 {
                break;
            }
            write_all(connection, &piece[..n])?;
            // It goes out now: an answer without a length is not held until it is whole.
            connection.flush()?;
        }
        Ok(())
    }
}

fn write_all<C: Connection>(connection: &mut C, mut rest: &[u8]) -> Result<(), C::Error> {
    while !rest.is_empty() {
        let written = connection.write(rest)?;
        rest = rest.get(written.max(1)..).unwrap_or_default();
    }
    Ok(())
}

impl From<askama::Error> for Fault {
    fn from(e: askama::Error) -> Fault {
        Fault::Template(e)
    }
}
impl From<NoRandomness> for Fault {
    fn from(_: NoRandomness) -> Fault {
        Fault::Randomness
    }
}
impl From<SettingsError> for Fault {
    fn from(e: SettingsError) -> Fault {
        Fault::Settings(e)
    }
}
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Template(e) => write!(f, "a template failed: {e}"),
            Fault::Settings(e) => e.fmt(f),
            Fault::Randomness => f.write_str("the system gives no random numbers"),
        }
    }
}
