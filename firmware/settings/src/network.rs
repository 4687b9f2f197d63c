//! How the box is on the network: name, cable, Wi-Fi. Understood once, from a form or from the line-by-line text that is kept
//! (`key=value`, read by the start script too, so no value needs quoting: addresses, words, hexadecimal digits).

use crate::limits;
use ring::pbkdf2;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

/// All of it. The default is what a box does that nobody told anything: the first cable, asked for an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The box's name; the image's own if there is none.
    pub host: Option<Label>,
    /// The cable.
    pub cable: Cable,
    /// Where the box is, for the rules of the radio.
    pub country: Option<Country>,
    /// The Wi-Fi to join.
    pub wifi: Option<Wifi>,
}

/// What is changed at a time: what one form says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Name and cable.
    Cable {
        /// See [`Network::host`].
        host: Option<Label>,
        /// See [`Network::cable`].
        cable: Cable,
    },
    /// Another Wi-Fi.
    Join {
        /// Where.
        country: Country,
        /// Which.
        wifi: Wifi,
    },
    /// No Wi-Fi.
    Forget,
}

/// How the cable gets its address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cable {
    /// From the router (DHCP).
    #[default]
    Automatic,
    /// One that the owner chose.
    Fixed(Fixed),
}

/// A fixed address that makes sense.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "FixedParts", into = "FixedParts")]
pub struct Fixed(FixedParts);

/// Its parts, as they were typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedParts {
    /// The box's.
    pub address: Ipv4Addr,
    /// Bits of it that the network has in common.
    pub prefix: u8,
    /// The router.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    pub name_servers: Vec<IpAddr>,
}

/// What is wrong with a fixed address, and with which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixedError {
    /// The address or its prefix.
    Address(&'static str),
    /// The router.
    Gateway(&'static str),
    /// A name server.
    NameServers(&'static str),
}

impl TryFrom<FixedParts> for Fixed {
    type Error = FixedError;
    fn try_from(parts: FixedParts) -> Result<Fixed, FixedError> {
        let FixedParts { address, prefix, gateway, name_servers } = &parts;
        if !(8..=30).contains(prefix) {
            return Err(FixedError::Address("The number after the slash is between 8 and 30, mostly 24."));
        }
        let mask = u32::MAX << (32 - u32::from(*prefix));
        let host = |address: Ipv4Addr| {
            let rest = u32::from(address) & !mask;
            let ordinary = !address.is_loopback() && !address.is_multicast() && (1..240).contains(&address.octets()[0]);
            ordinary && rest != 0 && rest != !mask
        };
        if !host(*address) {
            return Err(FixedError::Address("No machine can have this address."));
        }
        if let Some(gateway) = gateway {
            if !host(*gateway) || u32::from(*gateway) & mask != u32::from(*address) & mask {
                return Err(FixedError::Gateway("The router’s address is not in the same network as the box’s."));
            }
            if gateway == address {
                return Err(FixedError::Gateway("This is the box’s own address."));
            }
        }
        if name_servers.len() > limits::NAME_SERVERS {
            return Err(FixedError::NameServers("Please enter at most three name servers."));
        }
        if name_servers.iter().any(|server| server.is_unspecified() || server.is_loopback() || server.is_multicast()) {
            return Err(FixedError::NameServers("No name server can have this address."));
        }
        Ok(Fixed(parts))
    }
}
impl From<Fixed> for FixedParts {
    fn from(fixed: Fixed) -> FixedParts {
        fixed.0
    }
}
impl fmt::Display for FixedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (FixedError::Address(why) | FixedError::Gateway(why) | FixedError::NameServers(why)) = self;
        f.write_str(why)
    }
}
impl std::error::Error for FixedError {}

/// A host name without its domain (RFC 1123 §2.1): letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// A country, ISO 3166-1: two letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// The name of a Wi-Fi: up to 32 octets of any kind (IEEE 802.11-2020 §9.4.2.2). `Display` shows what can be shown and escapes the rest.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ssid(Vec<u8>);

/// The password of a Wi-Fi, WPA2 or WPA3: 8 to 63 printable ASCII characters. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Passphrase(String);

/// A Wi-Fi to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wifi {
    /// Its name.
    pub ssid: Ssid,
    /// Its password; nothing, if it is open to everybody.
    pub key: Option<Passphrase>,
}

impl Label {
    /// Parses what was typed.
    pub fn parse(text: &str) -> Result<Label, &'static str> {
        let text = text.trim();
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !plain || text.starts_with('-') || text.ends_with('-') || !(1..=63).contains(&text.len()) {
            return Err("The name has up to 63 letters, digits and hyphens, and no dots or spaces.");
        }
        Ok(Label(text.to_ascii_lowercase()))
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Country {
    /// Parses what was typed.
    pub fn parse(text: &str) -> Result<Country, &'static str> {
        match text.trim().as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Country([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => Err("A country is two letters, such as DE or US."),
        }
    }
}

impl Ssid {
    /// A name of 1 to 32 octets.
    pub fn new(octets: &[u8]) -> Result<Ssid, &'static str> {
        if octets.is_empty() {
            return Err("Please enter the name of the Wi-Fi.");
        }
        if octets.len() > 32 {
            Err("The name of a Wi-Fi is no longer than 32 octets.")
        } else {
            Ok(Ssid(octets.into()))
        }
    }
    /// Its octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
    /// From hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Ssid, &'static str> {
        Ssid::new(&unhex(text).ok_or("These are not hexadecimal digits.")?)
    }
    /// As hexadecimal digits, for links and files.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

impl Passphrase {
    /// Checks what was typed.
    pub fn parse(text: &str) -> Result<Passphrase, &'static str> {
        if !(8..=63).contains(&text.len()) {
            return Err("The password of a Wi-Fi has 8 to 63 characters.");
        }
        match text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            true => Ok(Passphrase(text.to_owned())),
            false => Err("The password of a Wi-Fi has only letters without accents, digits and common signs."),
        }
    }
    /// The key that WPA2 makes of it (IEEE 802.11-2020 §J.4).
    fn shared_key(&self, ssid: &Ssid) -> [u8; 32] {
        let mut key = [0; 32];
        let rounds = NonZeroU32::new(4096).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, rounds, ssid.octets(), self.0.as_bytes(), &mut key);
        key
    }
}

impl Network {
    /// The same after a change.
    pub fn with(&self, change: Change) -> Network {
        let mut next = self.clone();
        match change {
            Change::Cable { host, cable } => (next.host, next.cable) = (host, cable),
            Change::Join { country, wifi } => (next.country, next.wifi) = (Some(country), Some(wifi)),
            Change::Forget => next.wifi = None,
        }
        next
    }

    /// The same without the password, for showing.
    pub fn without_secrets(&self) -> Network {
        let mut shown = self.clone();
        if let Some(wifi) = &mut shown.wifi {
            wifi.key = None;
        }
        shown
    }

    /// As it is kept.
    pub fn to_text(&self) -> String {
        let mut lines = vec![FIRST.to_owned()];
        let mut line = |key: &str, value: &dyn fmt::Display| lines.push(format!("{key}={value}"));
        if let Some(host) = &self.host {
            line("host", &host.0);
        }
        if let Cable::Fixed(Fixed(fixed)) = &self.cable {
            line("address", &format_args!("{}/{}", fixed.address, fixed.prefix));
            if let Some(gateway) = fixed.gateway {
                line("gateway", &gateway);
            }
            let servers: Vec<_> = fixed.name_servers.iter().map(IpAddr::to_string).collect();
            line("names", &servers.join(" "));
        }
        if let Some(country) = self.country {
            line("country", &String::from(country));
        }
        if let Some(wifi) = &self.wifi {
            line("ssid", &wifi.ssid.to_hex());
            if let Some(key) = &wifi.key {
                line("psk", &hex(&key.shared_key(&wifi.ssid)));
                line("sae", &hex(key.0.as_bytes()));
            }
        }
        // Tells a file that is whole.
        lines.push("end=\n".to_owned());
        lines.join("\n")
    }

    /// From what is kept. A text that is not whole, or not ours, is an error.
    pub fn from_text(text: &str) -> Result<Network, String> {
        let mut lines = text.lines();
        if lines.next() != Some(FIRST) || !text.ends_with("\nend=\n") || text.len() > limits::NETWORK {
            return Err("it is not whole".into());
        }
        let mut network = Network::default();
        let mut fixed: Option<FixedParts> = None;
        for line in lines {
            let (key, value) = line.split_once('=').ok_or_else(|| format!("{line:?}"))?;
            let wrong = |why: &dyn fmt::Display| format!("{key}: {why}");
            match key {
                "host" => network.host = Some(Label::parse(value).map_err(|e| wrong(&e))?),
                "address" => {
                    let (address, prefix) = address_with_prefix(value).map_err(|e| wrong(&e))?;
                    fixed = Some(FixedParts { address, prefix, gateway: None, name_servers: Vec::new() });
                }
                "gateway" => match &mut fixed {
                    Some(fixed) => fixed.gateway = Some(value.parse().map_err(|e| wrong(&e))?),
                    None => return Err(wrong(&"before the address")),
                },
                "names" => match &mut fixed {
                    Some(fixed) => fixed.name_servers = addresses(value).map_err(|e| wrong(&e))?,
                    None => return Err(wrong(&"before the address")),
                },
                "country" => network.country = Some(Country::parse(value).map_err(|e| wrong(&e))?),
                "ssid" => network.wifi = Some(Wifi { ssid: Ssid::from_hex(value).map_err(|e| wrong(&e))?, key: None }),
                "sae" => {
                    let key = unhex(value).and_then(|octets| String::from_utf8(octets).ok()).unwrap_or_default();
                    let wifi = network.wifi.as_mut().ok_or_else(|| wrong(&"before the name"))?;
                    // What is wrong with it is said, not what it is.
                    wifi.key = Some(Passphrase::parse(&key).map_err(|e| wrong(&e))?);
                }
                // Made of the others.
                "psk" | "end" => {}
                _ => return Err(format!("{key:?} is unknown")),
            }
        }
        if let Some(parts) = fixed {
            network.cable = Cable::Fixed(parts.try_into().map_err(|e: FixedError| e.to_string())?);
        }
        Ok(network)
    }
}

/// The first line of what is kept.
const FIRST: &str = "format=1";

/// Parses `192.168.1.5/24`.
pub fn address_with_prefix(text: &str) -> Result<(Ipv4Addr, u8), &'static str> {
    let wrong = "Please enter an address with its prefix, such as 192.168.1.5/24.";
    let (address, prefix) = text.trim().split_once('/').ok_or(wrong)?;
    Ok((address.trim().parse().map_err(|_| wrong)?, prefix.trim().parse().map_err(|_| wrong)?))
}

/// Parses addresses with spaces or commas between them.
pub fn addresses(text: &str) -> Result<Vec<IpAddr>, &'static str> {
    let parts = text.split([' ', ',', '\t']).filter(|part| !part.is_empty());
    parts.map(str::parse).collect::<Result<_, _>>().map_err(|_| "Please enter addresses such as 192.168.1.1.")
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit()) && text.len().is_multiple_of(2);
    let pair = |n: usize| u8::from_str_radix(text.get(n..n + 2)?, 16).ok();
    if digits { (0..text.len()).step_by(2).map(pair).collect() } else { None }
}

/// Strings in JSON become these by their parsers.
macro_rules! from_string {
    ($($kind:ident: $parse:expr, $text:expr;)*) => {$(
        impl TryFrom<String> for $kind {
            type Error = &'static str;
            fn try_from(text: String) -> Result<$kind, &'static str> {
                $parse(&text)
            }
        }
        impl From<$kind> for String {
            fn from(value: $kind) -> String {
                $text(value)
            }
        }
    )*};
}
from_string! {
    Label: Label::parse, |label: Label| label.0;
    Country: Country::parse, |country: Country| country.0.iter().map(|b| char::from(*b)).collect();
    Ssid: Ssid::from_hex, |ssid: Ssid| ssid.to_hex();
    Passphrase: Passphrase::parse, |key: Passphrase| key.0;
}

impl fmt::Display for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                // No character that is invisible, moves its neighbours, or is the escape itself.
                if c == '\\' || crate::name::is_unprintable(c) {
                    write!(f, "{}", c.escape_unicode())?
                } else {
                    write!(f, "{c}")?
                }
            }
            for octet in chunk.invalid() {
                write!(f, "\\x{octet:02x}")?;
            }
        }
        Ok(())
    }
}
impl fmt::Debug for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssid({self})")
    }
}
impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(address: &str, gateway: Option<&str>, servers: &str) -> FixedParts {
        let (address, prefix) = address_with_prefix(address).unwrap();
        let gateway = gateway.map(|text| text.parse().unwrap());
        FixedParts { address, prefix, gateway, name_servers: addresses(servers).unwrap() }
    }

    #[test]
    fn fixed_addresses_make_sense_or_say_what_does_not() {
        for good in ["192.168.1.5/24", " 10.0.0.1 / 8 ", "192.168.1.129/25", "192.168.1.1/30"] {
            assert!(Fixed::try_from(parts(good, None, "")).is_ok(), "{good}");
        }
        assert!(Fixed::try_from(parts("192.168.1.5/24", Some("192.168.1.1"), "192.168.1.1, fd00::1 9.9.9.9")).is_ok());
        for wrong in [
            "192.168.1.0/24",
            "192.168.1.255/24",
            "192.168.1.5/31",
            "192.168.1.5/7",
            "127.0.0.1/8",
            "0.1.2.3/8",
            "240.0.0.1/8",
            "224.0.0.5/24",
        ] {
            assert!(matches!(Fixed::try_from(parts(wrong, None, "")), Err(FixedError::Address(_))), "{wrong}");
        }
        for gateway in ["192.168.2.1", "192.168.1.0", "192.168.1.255", "192.168.1.5"] {
            let error = Fixed::try_from(parts("192.168.1.5/24", Some(gateway), "")).unwrap_err();
            assert!(matches!(error, FixedError::Gateway(_)), "{gateway}");
        }
        for servers in ["0.0.0.0", "127.0.0.1", "::1", "1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4"] {
            let error = Fixed::try_from(parts("192.168.1.5/24", None, servers)).unwrap_err();
            assert!(matches!(error, FixedError::NameServers(_)), "{servers}");
        }
        for text in ["192.168.1.5", "192.168.1.5/x", "192.168.1.5/255.255.255.0", "a/24", ""] {
            assert!(address_with_prefix(text).is_err(), "{text}");
        }
        let stored = r#"{"address":"127.0.0.1","prefix":8,"gateway":null,"name_servers":[]}"#;
        assert!(serde_json::from_str::<Fixed>(stored).is_err(), "what comes over a socket is checked again");
    }

    #[test]
    fn names_countries_and_passwords_are_checked() {
        assert_eq!(Label::parse(" Roost-2 ").unwrap().as_str(), "roost-2");
        for wrong in ["", "-a", "a-", "a.b", "a b", "ä", "a_b", &"a".repeat(64)] {
            assert!(Label::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(String::from(Country::parse("de").unwrap()), "DE");
        for wrong in ["", "D", "DEU", "D1", "é"] {
            assert!(Country::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Passphrase::parse("eight ch").is_ok() && Passphrase::parse(&"~".repeat(63)).is_ok());
        for wrong in ["seven c", &"a".repeat(64), "with\nnewline", "pässword"] {
            assert!(Passphrase::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(format!("{:?}", Passphrase::parse("secret secret")), "Ok(Passphrase)");
    }

    #[test]
    fn the_key_is_the_one_that_the_standard_says() {
        // IEEE 802.11-2020 §J.4.2
        let key = |password: &str, ssid: &str| {
            hex(&Passphrase::parse(password).unwrap().shared_key(&Ssid::new(ssid.as_bytes()).unwrap()))
        };
        assert_eq!(key("password", "IEEE"), "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e");
        assert_eq!(
            key("ThisIsAPassword", "ThisIsASSID"),
            "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"
        );
    }

    #[test]
    fn hostile_names_are_shown_harmlessly() {
        for (octets, shown) in [
            (b"Our home".as_slice(), "Our home"),
            ("Käfig".as_bytes(), "Käfig"),
            (b"\xff\x00<b>", "\\xff\\u{0}<b>"),
            ("\u{202e}evil\u{200b}".as_bytes(), "\\u{202e}evil\\u{200b}"),
            (b"a\nb\\x", "a\\u{a}b\\u{5c}x"),
        ] {
            assert_eq!(Ssid::new(octets).unwrap().to_string(), shown);
        }
        assert!(Ssid::new(b"").is_err() && Ssid::new(&[b'a'; 33]).is_err() && Ssid::from_hex("xyz").is_err());
    }

    fn network() -> impl Strategy<Value = Network> {
        let fixed = (1..=254u8, proptest::option::of(1..=254u8), proptest::collection::vec(any::<[u8; 16]>(), 0..=3));
        let cable = proptest::option::of(fixed).prop_map(|fixed| {
            let fixed = fixed.and_then(|(own, gateway, servers)| {
                let at = |last| Ipv4Addr::new(192, 168, 7, last);
                let name_servers = servers.into_iter().map(IpAddr::from).collect();
                FixedParts { address: at(own), prefix: 24, gateway: gateway.map(at), name_servers }.try_into().ok()
            });
            fixed.map_or(Cable::Automatic, Cable::Fixed)
        });
        let wifi = (proptest::collection::vec(any::<u8>(), 1..=32), proptest::option::of("[ -~]{8,63}"))
            .prop_map(|(ssid, key)| Wifi { ssid: Ssid(ssid), key: key.map(|key| Passphrase::parse(&key).unwrap()) });
        let host = proptest::option::of("[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?");
        (host, cable, proptest::option::of("[A-Z]{2}"), proptest::option::of(wifi)).prop_map(
            |(host, cable, country, wifi)| Network {
                host: host.map(|text| Label::parse(&text).unwrap()),
                cable,
                country: country.map(|text| Country::parse(&text).unwrap()),
                wifi,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_is_kept_comes_back(network in network(), cut in any::<prop::sample::Index>()) {
            let text = network.to_text();
            prop_assert_eq!(Network::from_text(&text).unwrap(), network.clone());
            // The start script reads it line by line: nothing in it can be taken for anything else.
            prop_assert!(text.lines().all(|line| line.bytes().all(|b| b.is_ascii_alphanumeric() || b"=./: -".contains(&b))));
            let cut = cut.index(text.len());
            prop_assert!(Network::from_text(&text[..cut]).is_err());
            prop_assert_eq!(serde_json::from_str::<Network>(&serde_json::to_string(&network).unwrap()).unwrap(), network);
        }

        #[test]
        fn garbage_is_refused(text in "(format=1\n)?([a-z]{0,7}=?[ -~]{0,20}\n){0,6}(end=\n)?") {
            if let Ok(network) = Network::from_text(&text) {
                prop_assert_eq!(Network::from_text(&network.to_text()).unwrap(), network);
            }
        }
    }

    #[test]
    fn one_form_leaves_alone_what_the_others_say() {
        let wifi = Wifi { ssid: Ssid::new(b"home").unwrap(), key: Some(Passphrase::parse("long enough").unwrap()) };
        let joined =
            Network::default().with(Change::Join { country: Country::parse("DE").unwrap(), wifi: wifi.clone() });
        let fixed = Cable::Fixed(parts("192.168.1.5/24", None, "").try_into().unwrap());
        let both = joined.with(Change::Cable { host: None, cable: fixed.clone() });
        assert_eq!((both.wifi.as_ref(), &both.cable), (Some(&wifi), &fixed));
        assert_eq!(both.without_secrets().wifi.unwrap().key, None);
        let cable_alone = both.with(Change::Forget);
        assert_eq!((cable_alone.wifi, cable_alone.cable), (None, fixed));
    }
}
