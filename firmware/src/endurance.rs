//! How long the card will bear what the store writes.

use serde_json::{Value, json};
use store::{Lifetime, Stats};

/// Times that each cell of a card of ordinary make can be written: what makers of three-bit flash promise at least.
const CYCLES: u64 = 500;
/// Octets that a card writes inside for each that it is given small pieces of: it moves what shares their blocks.
const INSIDE: u64 = 4;
/// Running time before which a rate says nothing, seconds.
const EARLY: u64 = 24 * 3600;

/// Octets that a device of ordinary make with so many can be given in its life; `None` if its size is not known.
fn by_size(disk_bytes: u64) -> Option<u64> {
    (disk_bytes > 0).then(|| disk_bytes.saturating_mul(CYCLES) / INSIDE)
}

/// Octets that the store's device can be given in its life: what its maker promises, if somebody said so, or by its size.
pub fn rating(stats: &Stats, promised: Option<u64>) -> Option<u64> {
    promised.or_else(|| by_size(stats.disk_bytes))
}

/// Octets written for each octet of mail that came, since the store was made.
pub fn amplification(lifetime: &Lifetime) -> Option<f64> {
    (lifetime.received_bytes > 0).then(|| lifetime.written_bytes as f64 / lifetime.received_bytes as f64)
}

/// Years that a device rated for so many octets lasts if all goes on as until now; `None` before a day has passed.
fn years(lifetime: &Lifetime, rated: u64) -> Option<f64> {
    let rate = lifetime.written_bytes as f64 / lifetime.open_seconds as f64;
    let left = rated.saturating_sub(lifetime.written_bytes) as f64;
    (lifetime.open_seconds >= EARLY && rate > 0.0).then(|| left / rate / (365.25 * 86_400.0))
}

/// Years that the store's device lasts if all goes on as until now. `promised`: octets that its maker promises.
pub fn estimate(stats: &Stats, promised: Option<u64>) -> Option<f64> {
    years(&stats.lifetime, rating(stats, promised)?)
}

/// The counters with what follows from them.
pub fn with_estimates(stats: &Stats, promised: Option<u64>) -> serde_json::Result<Value> {
    let round = |n: Option<f64>| n.map(|n| (n * 100.0).round() / 100.0);
    let mut all = serde_json::to_value(stats)?;
    if let Some(fields) = all.as_object_mut() {
        fields.insert("amplification".into(), json!(round(amplification(&stats.lifetime))));
        fields.insert("rated_endurance_bytes".into(), json!(rating(stats, promised)));
        fields.insert("card_life_years".into(), json!(round(estimate(stats, promised))));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    #[test]
    fn a_card_lasts_as_long_as_its_rating_at_the_present_rate() {
        let lifetime = Lifetime { written_bytes: 30 << 20, received_bytes: 40 << 20, open_seconds: 10 * DAY };
        assert_eq!(amplification(&lifetime), Some(0.75));
        // 3 MiB a day, 30 GiB rated
        let years = years(&lifetime, 30 << 30).unwrap();
        assert!((28.0..28.1).contains(&years), "{years}");
    }

    #[test]
    fn nothing_is_promised_early_or_without_mail() {
        let lifetime = Lifetime { written_bytes: 1, received_bytes: 0, open_seconds: DAY - 1 };
        assert_eq!((amplification(&lifetime), years(&lifetime, 1 << 30)), (None, None));
        let worn = Lifetime { written_bytes: 2 << 30, received_bytes: 1, open_seconds: DAY };
        assert_eq!(years(&worn, 1 << 30), Some(0.0));
    }

    #[test]
    fn estimates_stand_beside_the_counters() {
        let lifetime = Lifetime { written_bytes: 50, received_bytes: 100, open_seconds: 5 };
        let stats = Stats { lifetime, disk_bytes: 8, ..Stats::default() };
        let all = with_estimates(&stats, Some(1_000)).unwrap();
        assert_eq!((&all["amplification"], &all["rated_endurance_bytes"]), (&json!(0.5), &json!(1_000)));
        assert_eq!((&all["card_life_years"], &all["lifetime"]["written_bytes"]), (&Value::Null, &json!(50)));
        assert_eq!(with_estimates(&stats, None).unwrap()["rated_endurance_bytes"], json!(1_000));
        assert_eq!(with_estimates(&Stats::default(), None).unwrap()["rated_endurance_bytes"], Value::Null);
    }
}
