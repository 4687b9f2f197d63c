//! The button that lets in an owner who has forgotten the password: held for ten seconds.
//!
//! On a Raspberry Pi it is the last two pins of the header, 39 (ground) and 40 (GPIO 21), joined by a button or a piece of wire.
//! Who can reach them has the box in hands. The pin is an input with the chip's own pull-up, so a board without a button
//! reads as one whose button nobody presses. A pin that is low from the start is no press: an add-on board may use it.

use gpiocdev::chip::Chip;
use gpiocdev::line::{Bias, Value};
use gpiocdev::{Request, chip};
use std::time::Duration;

/// So long it has to be held, without a break.
pub const HOLD: Duration = Duration::from_secs(10);
/// It is looked at this often.
pub const GLANCE: Duration = Duration::from_millis(250);

/// The controllers of our boards' headers, by their drivers' labels: Pi 3 and Zero 2 W, Pi 4, Pi 5.
const CHIPS: [&str; 3] = ["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];
/// The line of pin 40, the same on all of them.
const LINE: u32 = 21;

/// A button that can be looked at.
#[derive(Debug)]
pub struct Button(Request);

impl Button {
    /// This machine's button; `None` if it is none of our boards. The error tells why a board's pin cannot be had.
    pub fn find() -> Result<Option<Button>, String> {
        Button::on(&CHIPS, LINE)
    }

    fn on(labels: &[&str], line: u32) -> Result<Option<Button>, String> {
        let chips = chip::chips().unwrap_or_default();
        let ours = |path: &std::path::PathBuf| {
            let info = Chip::from_path(path).and_then(|chip| chip.info());
            info.is_ok_and(|info| labels.contains(&info.label.as_str()))
        };
        let Some(path) = chips.into_iter().find(ours) else { return Ok(None) };
        let mut request = Request::builder();
        request.on_chip(&path).with_consumer("roost-reset").with_line(line);
        let request = request.as_input().as_active_low().with_bias(Bias::PullUp).request();
        request.map(|request| Some(Button(request))).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Whether it is pressed now.
    pub fn pressed(&self) -> Result<bool, String> {
        self.0.lone_value().map(|value| value == Value::Active).map_err(|e| e.to_string())
    }
}

/// Tells a long press from short ones. Time is an argument.
#[derive(Debug, Clone, Default)]
pub struct Hold {
    /// It was seen not pressed: what was so from the start counts for nothing.
    idle: bool,
    /// Since when it is pressed.
    since: Option<Duration>,
    /// This press was told already.
    told: bool,
}

impl Hold {
    /// Takes a glance at a time since the beginning; true once for each press that lasts [`HOLD`].
    pub fn glance(&mut self, now: Duration, pressed: bool) -> bool {
        if !pressed {
            *self = Hold { idle: true, ..Hold::default() };
        }
        if !pressed || !self.idle {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let now_told = !self.told && now.saturating_sub(since) >= HOLD;
        self.told |= now_told;
        now_told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The glances at which a press was told; each is a second after the one before.
    fn told(glances: &str) -> Vec<u64> {
        let mut hold = Hold::default();
        let glances = (0..).zip(glances.bytes());
        glances.filter(|(n, glance)| hold.glance(Duration::from_secs(*n), *glance == b'x')).map(|(n, _)| n).collect()
    }

    #[test]
    fn only_a_long_press_counts_and_it_counts_once() {
        assert!(told("..xxxxxxxxxx....xx.x....").is_empty());
        assert_eq!(told("..xxxxxxxxxxx..."), [12]);
        assert_eq!(told(".xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), [11]);
        assert_eq!(told(".xxxxxxxxxxxx.xxxxxxxxxxxx"), [11, 24]);
        assert!(told(".xxxxxxxxx.xxxxxxxxx.").is_empty(), "a break begins anew");
        assert_eq!(told("xxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxx"), [30], "a pin that is held low by something else");
    }

    #[test]
    fn a_machine_without_such_a_controller_has_no_button() {
        assert!(matches!(Button::on(&["no such controller"], 0), Ok(None)));
    }

    proptest! {
        #[test]
        fn no_press_is_told_twice(glances in proptest::collection::vec((0..15u64, any::<bool>()), 0..100)) {
            let (mut hold, mut now, mut pressed_for, mut told) = (Hold::default(), Duration::ZERO, None, false);
            for (pause, pressed) in glances {
                now += Duration::from_secs(pause);
                told &= pressed;
                pressed_for = pressed.then(|| pressed_for.unwrap_or(now));
                if hold.glance(now, pressed) {
                    prop_assert!(!told && pressed_for.is_some_and(|since: Duration| now - since >= HOLD));
                    told = true;
                }
            }
        }
    }
}
