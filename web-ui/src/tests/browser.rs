//! A browser as far as these pages need one: keeps cookies, sends forms with their token, follows nothing by itself.

use crate::site::Site;
use embedded_svc::http::server::{Connection, Handler};
use embedded_svc::http::{Headers, Method, Query};
use embedded_svc::io::{ErrorType, Read, Write};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

#[derive(Clone)]
pub(super) struct Browser {
    site: Arc<Site>,
    pub(super) cookies: BTreeMap<String, String>,
    /// Sent with every request, over the usual ones.
    pub(super) headers: BTreeMap<&'static str, String>,
    /// The token of the last page with a form.
    pub(super) token: String,
}

#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) text: String,
}

impl Browser {
    pub(super) fn new(site: &Arc<Site>) -> Browser {
        let headers = [("Host", "192.168.178.40:1443"), ("X-Client", "192.168.178.20")];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).into();
        Browser { site: site.clone(), cookies: BTreeMap::new(), headers, token: String::new() }
    }

    pub(super) fn get(&mut self, target: &str) -> Page {
        self.ask(Method::Get, target, b"")
    }

    /// Sends a form with the token of the last page.
    pub(super) fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.token.clone();
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("token", &token).extend_pairs(fields);
        self.ask(Method::Post, target, body.finish().as_bytes())
    }

    pub(super) fn ask(&mut self, method: Method, target: &str, body: &[u8]) -> Page {
        let mut headers = self.headers.clone();
        headers.entry("Content-Type").or_insert("application/x-www-form-urlencoded".into());
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        headers.insert("Cookie", cookies.join("; "));
        let head = Head { method, target: target.to_owned(), headers };
        let mut mock =
            Mock { head, body: Body { request: body.to_vec(), answer: Vec::new() }, status: None, headers: vec![] };
        let _ = self.site.handle(&mut mock);
        let page = Page {
            status: mock.status.expect("every request gets an answer"),
            headers: mock.headers,
            text: String::from_utf8(mock.body.answer).unwrap(),
        };
        self.take_cookies(&page);
        if let Some(token) = page.between("name=\"token\" value=\"", "\"") {
            self.token = token.to_owned();
        }
        page
    }

    fn take_cookies(&mut self, page: &Page) {
        for (_, cookie) in page.headers.iter().filter(|(name, _)| name == "Set-Cookie") {
            assert!(cookie.ends_with("Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

impl Page {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
    #[track_caller]
    pub(super) fn leads_to(&self, location: &str) {
        assert_eq!((self.status, self.header("Location")), (303, location), "{}", self.text);
    }
    #[track_caller]
    pub(super) fn shows(&self, status: u16, text: &str) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(self.text.contains(text), "{text:?} is not in {}", self.text);
    }
    pub(super) fn between(&self, before: &str, after: &str) -> Option<&str> {
        let rest = self.text.split_once(before)?.1;
        Some(rest.split_once(after)?.0)
    }
    /// The error beside an input, checked to be tied to it and named in the summary.
    #[track_caller]
    pub(super) fn error_of(&self, id: &str) -> &str {
        let input = self.text.split("<input").find(|tag| tag.contains(&format!("id=\"{id}\""))).unwrap();
        let tag = input.split('>').next().unwrap();
        assert!(tag.contains("aria-invalid=\"true\""), "{tag}");
        assert!(tag.contains(&format!("aria-describedby=\"{id}-error")), "{tag}");
        let beside = self.between(&format!("id=\"{id}-error\">"), "</p>").unwrap();
        let error = beside.split("</span>").nth(1).unwrap();
        assert!(self.text.contains(&format!("<a href=\"#{id}\">{error}</a>")), "in the summary");
        assert!(self.text.contains("<title>Error: "));
        error
    }
}

struct Mock {
    head: Head,
    body: Body,
    status: Option<u16>,
    headers: Vec<(String, String)>,
}
struct Head {
    method: Method,
    target: String,
    headers: BTreeMap<&'static str, String>,
}
struct Body {
    request: Vec<u8>,
    answer: Vec<u8>,
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
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
impl ErrorType for Body {
    type Error = Infallible;
}
impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let n = buf.len().min(self.request.len());
        buf[..n].copy_from_slice(&self.request[..n]);
        self.request.drain(..n);
        Ok(n)
    }
}
impl Write for Body {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.answer.extend_from_slice(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
impl Query for Mock {
    fn uri(&self) -> &str {
        self.head.uri()
    }
    fn method(&self) -> Method {
        self.head.method()
    }
}
impl Headers for Mock {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
}
impl ErrorType for Mock {
    type Error = Infallible;
}
impl Read for Mock {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        self.body.read(buf)
    }
}
impl Write for Mock {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.body.write(buf)
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
impl Connection for Mock {
    type Headers = Head;
    type Read = Body;
    type RawConnectionError = Infallible;
    type RawConnection = Body;
    fn split(&mut self) -> (&Head, &mut Body) {
        (&self.head, &mut self.body)
    }
    fn initiate_response<'a>(
        &'a mut self,
        status: u16,
        _message: Option<&'a str>,
        headers: &'a [(&'a str, &'a str)],
    ) -> Result<(), Infallible> {
        assert!(self.status.replace(status).is_none(), "one answer for each request");
        self.headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Ok(())
    }
    fn is_response_initiated(&self) -> bool {
        self.status.is_some()
    }
    fn raw_connection(&mut self) -> Result<&mut Body, Infallible> {
        Ok(&mut self.body)
    }
}
