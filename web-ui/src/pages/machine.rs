//! What programs ask: health and metrics.

use crate::answer::{Answer, Fault};
use crate::site::{Site, Visit};
use serde_json::json;

/// `GET /health`: 200 with status `ok`, or 503 with a word on what is wrong.
pub(crate) fn health(site: &Site, _: &Visit) -> Result<Answer, Fault> {
    let version = env!("CARGO_PKG_VERSION");
    let (status, body) = match (site.context.health)() {
        Ok(()) => (200, json!({ "status": "ok", "version": version })),
        Err(reason) => (503, json!({ "status": "failing", "reason": reason, "version": version })),
    };
    Ok(Answer::data("application/json", body.to_string()).status(status))
}

/// `GET /metrics`: OpenMetrics 1.0.
pub(crate) fn metrics(site: &Site, _: &Visit) -> Result<Answer, Fault> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(Answer::data(kind, (site.context.metrics)()))
}
