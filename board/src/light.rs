//! The light on the board, for a box without a screen (Linux: Documentation/leds/leds-class).
//!
//! | light | says |
//! |---|---|
//! | goes on and off every second | starting |
//! | on | all is well |
//! | flickers, five times a second | the mail daemon does not answer, or cannot open its data |
//! | off for a while | the button was understood |
//!
//! The kernel does the blinking, by its trigger `timer`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The lights that are ours to use: the Raspberry Pi's green one, by its names in newer and older kernels.
const LIGHTS: [&str; 2] = ["ACT", "led0"];

/// What the light says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Starting.
    Starting,
    /// All is well.
    Well,
    /// The mail daemon does not answer, or cannot open its data.
    Ill,
    /// Nothing.
    Off,
}

/// A board's light.
#[derive(Debug)]
pub struct Light {
    folder: PathBuf,
    shown: Option<Pattern>,
}

impl Light {
    /// The light of the machine whose `/sys` is below `root`; `None` if it has none that is ours.
    pub fn find(root: &Path) -> Option<Light> {
        let folders = LIGHTS.iter().map(|name| root.join("sys/class/leds").join(name));
        folders.into_iter().find(|folder| folder.join("trigger").exists()).map(|folder| Light { folder, shown: None })
    }

    /// What it shows, once it was told.
    pub fn shown(&self) -> Option<Pattern> {
        self.shown
    }

    /// Shows a pattern; writes nothing if it is shown already.
    pub fn show(&mut self, pattern: Pattern) -> io::Result<()> {
        if self.shown == Some(pattern) {
            return Ok(());
        }
        match pattern {
            Pattern::Well => self.steady(true)?,
            Pattern::Off => self.steady(false)?,
            Pattern::Starting => self.blink(500)?,
            Pattern::Ill => self.blink(100)?,
        }
        self.shown = Some(pattern);
        Ok(())
    }

    fn steady(&self, on: bool) -> io::Result<()> {
        // Any brightness above a light's own limit is that limit.
        self.write("trigger", "none")?;
        self.write("brightness", if on { "255" } else { "0" })
    }

    fn blink(&self, milliseconds: u32) -> io::Result<()> {
        // The two delays appear with the trigger.
        self.write("trigger", "timer")?;
        self.write("delay_on", &milliseconds.to_string())?;
        self.write("delay_off", &milliseconds.to_string())
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        OpenOptions::new().write(true).truncate(true).open(self.folder.join(file))?.write_all(value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A machine with a light of this name.
    fn machine(name: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sys/class/leds").join(name);
        fs::create_dir_all(&folder).unwrap();
        for file in ["trigger", "brightness", "delay_on", "delay_off"] {
            fs::write(folder.join(file), "mmc0").unwrap();
        }
        root
    }

    #[test]
    fn every_pattern_is_the_kernels_to_show() {
        let root = machine("ACT");
        let file = |name: &str| fs::read_to_string(root.path().join("sys/class/leds/ACT").join(name)).unwrap();
        let mut light = Light::find(root.path()).unwrap();
        assert_eq!(light.shown(), None);
        light.show(Pattern::Starting).unwrap();
        assert_eq!(["trigger", "delay_on", "delay_off"].map(file), ["timer", "500", "500"]);
        light.show(Pattern::Ill).unwrap();
        assert_eq!(["trigger", "delay_on", "delay_off"].map(file), ["timer", "100", "100"]);
        light.show(Pattern::Well).unwrap();
        assert_eq!(["trigger", "brightness"].map(file), ["none", "255"]);
        light.show(Pattern::Off).unwrap();
        assert_eq!(["trigger", "brightness"].map(file), ["none", "0"]);
        assert_eq!(light.shown(), Some(Pattern::Off));
    }

    #[test]
    fn the_same_again_is_not_written_and_a_fault_is_told() {
        let root = machine("led0");
        let mut light = Light::find(root.path()).unwrap();
        light.show(Pattern::Well).unwrap();
        let brightness = root.path().join("sys/class/leds/led0/brightness");
        fs::remove_file(&brightness).unwrap();
        light.show(Pattern::Well).unwrap();
        assert!(light.show(Pattern::Off).is_err());
        assert_eq!(light.shown(), Some(Pattern::Well));
        assert!(!brightness.exists(), "a file that the kernel does not have is not made");
    }

    #[test]
    fn a_machine_without_our_light_has_none() {
        assert!(Light::find(machine("scrolllock").path()).is_none());
        assert!(Light::find(Path::new("/no/such/folder")).is_none());
    }
}
