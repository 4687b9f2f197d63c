//! The stylesheet and the logo.

use crate::answer::{Answer, Fault};
use crate::site::{Site, Visit};

/// Where the stylesheet is; a new version of the box has a new address, so browsers may keep the old one.
pub(crate) const STYLE: &str = concat!("/style.css?v=", env!("CARGO_PKG_VERSION"));
const KEEP: &str = "private, max-age=3600";

pub(crate) fn style(_: &Site, _: &Visit) -> Result<Answer, Fault> {
    let style = include_str!("../../assets/style.css");
    Ok(Answer::data("text/css; charset=utf-8", style).header("Cache-Control", KEEP))
}

pub(crate) fn logo(_: &Site, _: &Visit) -> Result<Answer, Fault> {
    let logo = include_str!("../../assets/logo.svg");
    Ok(Answer::data("image/svg+xml", logo).header("Cache-Control", KEEP))
}
