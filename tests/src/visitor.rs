//! A browser without scripts: curl with a jar for its cookies. It follows where it is led and fills in the forms of the pages.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Somebody who visits the pages of a box.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The address of the pages, without a slash at its end.
    url: String,
    arguments: Vec<OsString>,
}

impl Visitor {
    /// A visitor at this address who keeps cookies in this file and trusts this authority; without one, everybody.
    pub fn new(url: &str, jar: &Path, ca: Option<&Path>) -> Visitor {
        let mut arguments: Vec<OsString> = ["--silent", "--show-error", "--location"].map(Into::into).into();
        for option in ["--cookie", "--cookie-jar"] {
            arguments.extend([option.into(), jar.into()]);
        }
        match ca {
            Some(ca) => arguments.extend(["--cacert".into(), ca.into()]),
            None => arguments.push("--insecure".into()),
        }
        Visitor { url: url.to_owned(), arguments }
    }

    /// All that is asked for goes to this port of 127.0.0.1, whatever the address says.
    pub fn through(mut self, port: u16) -> Visitor {
        self.arguments.extend(["--connect-to".into(), format!("::127.0.0.1:{port}").into()]);
        self
    }

    /// What is answered within so many seconds, or why nothing is.
    pub fn ask(&self, path: &str, seconds: u32, more: &[&str]) -> Result<Vec<u8>, String> {
        let mut curl = Command::new("curl");
        curl.args(&self.arguments).args(["--max-time", &seconds.to_string()]).args(more);
        let output = curl.arg(format!("{}{path}", self.url)).output().expect("curl is there");
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(format!("{path}: {}", String::from_utf8_lossy(&output.stderr).trim_end())),
        }
    }

    /// A page.
    pub fn page(&self, path: &str) -> String {
        self.text(path, &[])
    }

    /// Sends a form that stands on a page; the page that it leads to.
    pub fn send(&self, form: &str, to: &str, fields: &[&str]) -> String {
        let page = self.page(form);
        let token = page.split_once("name=\"token\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
        let token = format!("token={}", token.unwrap_or_else(|| panic!("{form} has no form: {page}")).0);
        let fields = [token.as_str()].into_iter().chain(fields.iter().copied());
        self.text(to, &fields.flat_map(|field| ["--data-urlencode", field]).collect::<Vec<_>>())
    }

    fn text(&self, path: &str, more: &[&str]) -> String {
        let answer = self.ask(path, 600, more).unwrap_or_else(|why| panic!("{why}"));
        String::from_utf8(answer).expect("a page is text")
    }
}
