//! What each kind of device asks for when an account is added, in its words and its order.

use super::devices::Device;

/// A screen or section of the device's form.
pub(crate) struct Group {
    /// Its heading there; empty for the first.
    pub(crate) heading: &'static str,
    pub(crate) rows: Vec<(&'static str, Entry)>,
}

/// What goes beside one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// To be typed.
    Type(String),
    /// To be picked.
    Choose(&'static str),
    /// A password that is not known here, or no longer.
    NoPassword,
}

/// The values of one account.
pub(crate) struct Values<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: &'a str,
    pub(crate) password: Option<&'a str>,
    pub(crate) server: &'a str,
    pub(crate) imap: u16,
    pub(crate) smtp: u16,
}

/// What to enter.
pub(crate) fn groups(device: Device, values: &Values) -> Vec<Group> {
    match device {
        Device::Thunderbird => values.thunderbird(),
        Device::Iphone => values.iphone(),
        Device::Mac => values.mac(),
        Device::Android => values.android(),
        Device::Outlook => values.outlook(),
        Device::Other => values.other(),
    }
}

fn group(heading: &'static str, rows: impl IntoIterator<Item = (&'static str, Entry)>) -> Group {
    Group { heading, rows: rows.into_iter().collect() }
}
fn typed(text: impl ToString) -> Entry {
    Entry::Type(text.to_string())
}
const TLS: Entry = Entry::Choose("SSL/TLS");
const NORMAL: Entry = Entry::Choose("Normal password");

impl Values<'_> {
    fn password(&self) -> Entry {
        self.password.map_or(Entry::NoPassword, typed)
    }

    fn thunderbird(&self) -> Vec<Group> {
        let server = |heading, protocol: Option<_>, port: u16| {
            let rows = [
                ("Hostname", typed(self.server)),
                ("Port", typed(port)),
                ("Connection security", TLS),
                ("Authentication method", NORMAL),
                ("Username", typed(self.address)),
            ];
            group(heading, protocol.into_iter().chain(rows))
        };
        vec![
            group(
                "",
                [
                    ("Full name", typed(self.name)),
                    ("Email address", typed(self.address)),
                    ("Password", self.password()),
                ],
            ),
            server("Incoming server", Some(("Protocol", Entry::Choose("IMAP"))), self.imap),
            server("Outgoing server", None, self.smtp),
        ]
    }

    fn iphone(&self) -> Vec<Group> {
        let server = |heading| {
            let rows =
                [("Host Name", typed(self.server)), ("User Name", typed(self.address)), ("Password", self.password())];
            group(heading, rows)
        };
        let first = [
            ("Name", typed(self.name)),
            ("Email", typed(self.address)),
            ("Password", self.password()),
            ("Description", typed("Roost")),
        ];
        vec![
            group("", first),
            group("After Next", [("Account type", Entry::Choose("IMAP"))]),
            server("Incoming mail server"),
            server("Outgoing mail server (fill in all three, although it calls them optional)"),
        ]
    }

    fn mac(&self) -> Vec<Group> {
        let first = [("Name", typed(self.name)), ("Email Address", typed(self.address)), ("Password", self.password())];
        let second = [
            ("User Name", typed(self.address)),
            ("Account Type", Entry::Choose("IMAP")),
            ("Incoming Mail Server", typed(self.server)),
            ("Outgoing Mail Server", typed(self.server)),
        ];
        vec![group("", first), group("After Sign In", second)]
    }

    fn android(&self) -> Vec<Group> {
        let server = |heading, label, port: u16| {
            let rows = [
                (label, typed(self.server)),
                ("Security", TLS),
                ("Port", typed(port)),
                ("Authentication", NORMAL),
                ("Username", typed(self.address)),
                ("Password", self.password()),
            ];
            group(heading, rows)
        };
        vec![
            group("", [("Email address", typed(self.address))]),
            server("Incoming server (IMAP)", "IMAP server", self.imap),
            server("Outgoing server", "SMTP server", self.smtp),
        ]
    }

    fn outlook(&self) -> Vec<Group> {
        let server = |heading, port: u16| {
            let rows = [("Server", typed(self.server)), ("Port", typed(port)), ("Encryption method", TLS)];
            group(heading, rows)
        };
        vec![
            group("", [("Email address", typed(self.address))]),
            server("Incoming mail", self.imap),
            server("Outgoing mail", self.smtp),
            group("When it asks", [("Password", self.password())]),
        ]
    }

    fn other(&self) -> Vec<Group> {
        let server = |heading, port: u16| {
            group(heading, [("Server", typed(self.server)), ("Port", typed(port)), ("Encryption", TLS)])
        };
        vec![
            group("", [("User name", typed(self.address)), ("Password", self.password())]),
            server("Incoming mail (IMAP)", self.imap),
            server("Outgoing mail (SMTP)", self.smtp),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::devices::DEVICES;

    #[test]
    fn every_device_is_told_the_server_the_user_and_the_password() {
        let mut values = Values {
            name: "Anna",
            address: "anna@home.internal",
            password: Some("secret"),
            server: "roost",
            imap: 993,
            smtp: 465,
        };
        for device in DEVICES {
            let entries: Vec<_> = groups(device, &values).into_iter().flat_map(|g| g.rows).map(|(_, e)| e).collect();
            for text in ["anna@home.internal", "secret", "roost"] {
                assert!(entries.contains(&typed(text)), "{device:?}: {text}");
            }
            assert_eq!(
                entries.contains(&typed(993)) && entries.contains(&typed(465)),
                !device.hides_ports(),
                "{device:?}"
            );
        }
        values.password = None;
        for device in DEVICES {
            assert!(groups(device, &values).iter().any(|g| g.rows.iter().any(|(_, e)| *e == Entry::NoPassword)));
        }
    }
}
