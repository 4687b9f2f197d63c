//! The box's certificate authority: its two files, and how each kind of device learns to trust it.

use super::Frame;
use super::devices::{DEVICES, Device};
use crate::answer::{Answer, Fault};
use crate::site::{Site, Visit};
use askama::Template;

#[derive(Template)]
#[template(path = "trust.html")]
struct Page<'a> {
    frame: Frame,
    device: Device,
    devices: [Device; 6],
    fingerprint: &'a str,
}

pub(crate) fn show(site: &Site, visit: &Visit) -> Result<Answer, Fault> {
    let device = Device::of(visit);
    let frame = site.frame(visit, "Trust this box", "");
    Answer::page(&Page { frame, device, devices: DEVICES, fingerprint: &site.fingerprint })
}

/// The authority as PEM, for Thunderbird and for whoever reads it.
pub(crate) fn pem(site: &Site, _: &Visit) -> Result<Answer, Fault> {
    let answer = Answer::data("application/x-pem-file", site.context.authority_pem.as_str());
    Ok(answer.header("Content-Disposition", "attachment; filename=\"roost-authority.pem\""))
}

/// The authority as DER, of the type that makes phones offer to install it.
pub(crate) fn der(site: &Site, _: &Visit) -> Result<Answer, Fault> {
    let answer = Answer::data("application/x-x509-ca-cert", site.context.authority_der.as_slice());
    Ok(answer.header("Content-Disposition", "attachment; filename=\"roost-authority.crt\""))
}
