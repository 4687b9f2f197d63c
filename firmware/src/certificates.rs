//! The box's own certificate authority (RFC 5280) and the server certificate it signs, and the TLS configuration made of them.
//!
//! The authority's certificate is limited by name constraints to names and addresses that only exist inside a home: whoever
//! installs it on a phone does not let this box speak for the rest of the world. Certificates begin before this version was
//! released, so that a board whose clock has not been set can serve.

use crate::clock::RELEASED;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use ring::digest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The authority lives this long.
const AUTHORITY_DAYS: u64 = 20 * 365;
/// A server certificate lives this long: Apple's limit for authorities that people install is 825 days.
const SERVER_DAYS: u64 = 800;
/// It is signed anew when this much is left.
const RENEW_DAYS: u64 = 200;
const DAY: u64 = 86_400;

/// Domains inside which the authority may vouch for names: reserved for homes (RFC 6762, 8375, ICANN's `internal`) or in wide use there.
const HOME_DOMAINS: [&str; 5] = ["localhost", "local", "home.arpa", "internal", "lan"];

/// The certificates of the box.
#[derive(Debug)]
pub struct Certificates {
    authority_pem: String,
    authority_der: CertificateDer<'static>,
    authority: Issuer<'static, KeyPair>,
    server_key: KeyPair,
    /// What connections are given now.
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    names: Vec<String>,
    expires: SystemTime,
    certified: Arc<CertifiedKey>,
    end_point: [u8; 32],
}

impl Certificates {
    /// Reads the authority from `dir`, or makes it, and signs a certificate for these names and addresses.
    pub fn open(dir: &Path, names: Vec<String>, now: SystemTime) -> Result<Certificates, String> {
        crate::data_dir::make_private_dir(dir)?;
        let authority_key = key(&dir.join("authority.key"))?;
        let server_key = key(&dir.join("server.key"))?;
        let file = dir.join("authority.pem");
        let authority_pem = match std::fs::read_to_string(&file) {
            Ok(pem) => pem,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let certificate = authority_params(now)
                    .self_signed(&authority_key)
                    .map_err(|e| format!("{}: {e}", file.display()))?;
                write_durably(&file, &certificate.pem(), 0o644)?;
                certificate.pem()
            }
            Err(e) => return Err(format!("{}: {e}", file.display())),
        };
        let bad = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
        let authority = Issuer::from_ca_cert_pem(&authority_pem, authority_key).map_err(|e| bad(&e))?;
        let authority_der = CertificateDer::from_pem_slice(authority_pem.as_bytes()).map_err(|e| bad(&e))?;
        let current = sign(&authority, &authority_der, &server_key, names, now)?;
        Ok(Certificates { authority_pem, authority_der, authority, server_key, current: RwLock::new(current) })
    }

    /// The authority's certificate, for devices to install.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }
    /// The same in DER.
    pub fn authority_der(&self) -> &[u8] {
        &self.authority_der
    }
    /// SHA-256 of the server's certificate: the `tls-server-end-point` channel binding (RFC 5929 §4).
    pub fn end_point(&self) -> [u8; 32] {
        self.current.read().map_or([0; 32], |c| c.end_point)
    }

    /// Signs anew if the names changed or the certificate grows old. Connections that exist keep theirs.
    pub fn refresh(&self, names: Vec<String>, now: SystemTime) -> Result<(), String> {
        let fresh = self.current.read().is_ok_and(|c| c.names == names && now + days(RENEW_DAYS) < c.expires);
        if fresh {
            return Ok(());
        }
        let signed = sign(&self.authority, &self.authority_der, &self.server_key, names, now)?;
        tracing::info!("server certificate signed for {}", signed.names.join(", "));
        if let Ok(mut current) = self.current.write() {
            *current = signed;
        }
        Ok(())
    }

    /// The TLS configuration of all listeners; `alpn` names the protocols of this one.
    pub fn tls(self: &Arc<Self>, alpn: &[&[u8]]) -> Result<Arc<rustls::ServerConfig>, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS: {e}"))?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|e| format!("TLS: {e}"))?;
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.read().ok().map(|c| c.certified.clone())
    }
}

/// The names a certificate should carry for this host: what people type and what programs resolve, best first.
pub fn names(host: &str, addresses: &[IpAddr]) -> Vec<String> {
    let host = host.split('.').next().filter(|h| !h.is_empty() && *h != "localhost").map(str::to_ascii_lowercase);
    let usable = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut names = Vec::new();
    for host in host.into_iter().filter(|h| h.chars().all(usable)) {
        names.extend(["local", "home.arpa", "internal", "lan"].map(|domain| format!("{host}.{domain}")));
    }
    if !names.iter().any(|n| n == "roost.local") {
        names.push("roost.local".into());
    }
    names.push("localhost".into());
    names.extend(
        addresses
            .iter()
            .filter(|a| !a.is_loopback() && home_networks().iter().any(|n| n.holds(**a)))
            .map(IpAddr::to_string),
    );
    names.extend(["127.0.0.1".into(), "::1".into()]);
    names
}

struct HomeNetwork(IpAddr, u8);

impl HomeNetwork {
    fn holds(&self, address: IpAddr) -> bool {
        let bits = |a: IpAddr| match a {
            IpAddr::V4(a) => (4, u128::from(a.to_bits()) << 96),
            IpAddr::V6(a) => (6, a.to_bits()),
        };
        let ((kind, network), (other, address)) = (bits(self.0), bits(address));
        kind == other && (network ^ address) >> (128 - u32::from(self.1)) == 0
    }
}

/// Loopback, private, shared and link-local networks (RFC 1122, 1918, 6598, 3927, 4193, 4291).
fn home_networks() -> [HomeNetwork; 9] {
    let v4 = |a, b, bits| HomeNetwork(IpAddr::from([a, b, 0, 0]), bits);
    let v6 = |first, bits| HomeNetwork(IpAddr::from([first, 0, 0, 0, 0, 0, 0, 0]), bits);
    let loopback6 = HomeNetwork(IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1]), 128);
    [
        v4(127, 0, 8),
        v4(10, 0, 8),
        v4(172, 16, 12),
        v4(192, 168, 16),
        v4(100, 64, 10),
        v4(169, 254, 16),
        v6(0xfc00, 7),
        v6(0xfe80, 10),
        loopback6,
    ]
}

fn days(n: u64) -> Duration {
    Duration::from_secs(n * DAY)
}

/// `CertificateParams` take the calendar of another crate; this is the way there without naming it.
fn at(params: &mut CertificateParams, from: SystemTime, until: SystemTime) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + from.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_after = epoch + until.duration_since(UNIX_EPOCH).unwrap_or_default();
}

/// The day before this version was released, or yesterday if that is earlier.
fn valid_from(now: SystemTime) -> SystemTime {
    (UNIX_EPOCH + Duration::from_secs(RELEASED)).min(now) - days(1)
}

fn authority_params(now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    at(&mut params, valid_from(now), now + days(AUTHORITY_DAYS));
    params.distinguished_name.push(DnType::CommonName, "Roost at home");
    params.distinguished_name.push(DnType::OrganizationName, "This household's mail box");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let domains = HOME_DOMAINS.iter().map(|d| GeneralSubtree::DnsName((*d).into()));
    let networks = home_networks()
        .into_iter()
        .map(|HomeNetwork(a, bits)| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(a, bits)));
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: domains.chain(networks).collect(), excluded_subtrees: Vec::new() });
    params
}

fn sign(
    authority: &Issuer<'static, KeyPair>,
    authority_der: &CertificateDer<'static>,
    key: &KeyPair,
    names: Vec<String>,
    now: SystemTime,
) -> Result<Current, String> {
    let fault = |e: &dyn std::fmt::Display| format!("server certificate: {e}");
    // As long before now as after it: devices also believe a box whose clock is wrong by a year, in either direction.
    let from = valid_from(now).max(now - days(SERVER_DAYS / 2));
    let expires = from + days(SERVER_DAYS);
    let mut params = CertificateParams::default();
    at(&mut params, from, expires);
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("roost.local", String::as_str));
    for name in &names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(|e| fault(&e))?),
        });
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(key, authority).map_err(|e| fault(&e))?;
    let signing = PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| fault(&e))?;
    let signing = rustls::crypto::ring::sign::any_ecdsa_type(&signing).map_err(|e| fault(&e))?;
    let mut end_point = [0; 32];
    end_point.copy_from_slice(digest::digest(&digest::SHA256, certificate.der()).as_ref());
    let certified = Arc::new(CertifiedKey::new(vec![certificate.der().clone(), authority_der.clone()], signing));
    Ok(Current { names, expires, certified, end_point })
}

fn key(file: &Path) -> Result<KeyPair, String> {
    let fault = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    match std::fs::read_to_string(file) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(|e| fault(&e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key = KeyPair::generate().map_err(|e| fault(&e))?;
            write_durably(file, &key.serialize_pem(), 0o600)?;
            Ok(key)
        }
        Err(e) => Err(fault(&e)),
    }
}

/// Writes a small file so that after a power cut it is whole or absent.
fn write_durably(file: &Path, text: &str, mode: u32) -> Result<(), String> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = file.with_extension("new");
    let write = || {
        let mut handle = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
        handle.write_all(text.as_bytes())?;
        handle.sync_all()?;
        std::fs::rename(&new, file)?;
        file.parent().map_or(Ok(()), |dir| std::fs::File::open(dir)?.sync_all())
    };
    write().map_err(|e: std::io::Error| format!("{}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};

    fn moment(unix: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(unix)
    }

    /// What a client that trusts only this box's authority thinks of its certificate.
    fn verdict(box_: &Certificates, name: &str, at: u64) -> Result<(), rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(box_.authority_der.clone()).unwrap();
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let chain = box_.current.read().unwrap().certified.cert.clone();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier
            .verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::since_unix_epoch(Duration::from_secs(at)))
            .map(|_| ())
    }

    #[test]
    fn a_client_that_trusts_the_authority_accepts_the_box_under_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let lan = ["192.168.1.20".parse().unwrap(), "8.8.8.8".parse().unwrap()];
        let names = names("kitchen", &lan);
        assert!(!names.contains(&"8.8.8.8".to_owned()), "the authority may not vouch for public addresses");
        let now = RELEASED + 5 * DAY;
        let certificates = Certificates::open(dir.path(), names, moment(now)).unwrap();
        for name in ["kitchen.local", "roost.local", "localhost", "127.0.0.1", "192.168.1.20", "::1"] {
            verdict(&certificates, name, now).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        verdict(&certificates, "kitchen.local", RELEASED - DAY / 2)
            .expect("valid before the release, for boards without a clock");
        assert!(verdict(&certificates, "example.org", now).is_err());
        assert!(verdict(&certificates, "kitchen.local", now + 900 * DAY).is_err());
    }

    #[test]
    fn a_clock_that_is_wrong_by_a_year_keeps_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let names = names("kitchen", &[]);
        Certificates::open(dir.path(), names.clone(), moment(RELEASED)).unwrap();
        for now in [RELEASED + 30 * DAY, RELEASED + 1_500 * DAY] {
            for box_ in [now + 365 * DAY, now, now.saturating_sub(365 * DAY).max(RELEASED)] {
                let certificates = Certificates::open(dir.path(), names.clone(), moment(box_)).unwrap();
                verdict(&certificates, "kitchen.local", now).unwrap_or_else(|e| panic!("{box_} at {now}: {e}"));
                // Until it is signed anew.
                let last = box_ + (SERVER_DAYS / 2 - RENEW_DAYS) * DAY;
                verdict(&certificates, "kitchen.local", last).unwrap_or_else(|e| panic!("{box_} at {last}: {e}"));
            }
        }
        // A box that was first started a year ahead: its authority is believed today.
        let dir = tempfile::tempdir().unwrap();
        let ahead = Certificates::open(dir.path(), names, moment(RELEASED + 380 * DAY)).unwrap();
        verdict(&ahead, "kitchen.local", RELEASED + 15 * DAY).unwrap();
    }

    #[test]
    fn the_constraints_hold_even_if_the_server_key_is_abused() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::open(dir.path(), vec!["bank.example".into()], moment(RELEASED)).unwrap();
        assert!(verdict(&certificates, "bank.example", RELEASED).is_err());
    }

    #[test]
    fn the_authority_survives_a_restart_and_names_follow_the_network() {
        let dir = tempfile::tempdir().unwrap();
        let now = moment(RELEASED);
        let first = Certificates::open(dir.path(), names("a", &[]), now).unwrap().authority_pem().to_owned();
        let again = Certificates::open(dir.path(), names("a", &[]), now).unwrap();
        assert_eq!(first, again.authority_pem());
        let before = again.end_point();
        again.refresh(names("a", &[]), now).unwrap();
        assert_eq!(before, again.end_point(), "nothing changed, nothing signed");
        again.refresh(names("b", &[]), now).unwrap();
        verdict(&again, "b.local", RELEASED).unwrap();
    }
}
