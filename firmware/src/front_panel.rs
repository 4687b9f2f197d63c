//! What the keeper shows and takes by hand: the board's light, and the button that lets in an owner without a password.

use crate::control::{Answer, Request, Wire};
use crate::keeper::Say;
use crate::limits;
use board::button::{Button, GLANCE, Hold};
use board::light::{Light, Pattern};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The board's light, if it has one that works.
pub type Lamp = Arc<Mutex<Option<Light>>>;

/// Tells by the board's light, if it has one, how things are.
pub fn shine(lamp: &Lamp, pattern: Pattern, say: Say) {
    let mut lamp = lock(lamp);
    if let Some(Err(e)) = lamp.as_mut().map(|light| light.show(pattern)) {
        say(&format!("keeper: the light cannot be used: {e}"));
        *lamp = None;
    }
}

/// Waits for the button to be held, on a thread of its own.
pub fn watch_button(data: PathBuf, lamp: Lamp, say: Say) {
    let button = match Button::find() {
        Ok(Some(button)) => button,
        Ok(None) => return,
        Err(why) => return say(&format!("keeper: no button: {why}")),
    };
    std::thread::spawn(move || {
        let (began, mut hold) = (Instant::now(), Hold::default());
        loop {
            match button.pressed() {
                Ok(pressed) if hold.glance(began.elapsed(), pressed) => forget_owner(&data, &lamp, say),
                Ok(_) => {}
                Err(why) => return say(&format!("keeper: the button cannot be read: {why}")),
            }
            std::thread::sleep(GLANCE);
        }
    });
}

/// The button was held: the owner's password is forgotten, the console shows the new setup code.
fn forget_owner(data: &Path, lamp: &Lamp, say: Say) {
    say("keeper: the button was held: the password of the pages is forgotten");
    let before = lock(lamp).as_ref().and_then(Light::shown);
    shine(lamp, Pattern::Off, say);
    if let Err(why) = ask_for_reset(data, say) {
        say(&format!("keeper: {why}"));
    }
    std::thread::sleep(limits::LIGHT_OFF);
    if let Some(before) = before {
        shine(lamp, before, say);
    }
}

fn ask_for_reset(data: &Path, say: &dyn Fn(&str)) -> Result<(), String> {
    let mut wire = Wire::to_daemon(data, limits::KEEPER)?;
    wire.send(&Request::OwnerReset)?;
    loop {
        match wire.answer()? {
            Answer::Line(line) => say(&format!("  {line}")),
            Answer::Done => return Ok(()),
            Answer::Error(why) => return Err(why),
        }
    }
}

/// What the light shows after a probe; a box that has not been healthy yet goes on starting, unless it has given that up.
pub fn pattern(healthy: bool, was_healthy: bool, in_trouble: bool) -> Option<Pattern> {
    match (healthy, was_healthy || in_trouble) {
        (true, _) => Some(Pattern::Well),
        (false, true) => Some(Pattern::Ill),
        (false, false) => None,
    }
}

fn lock(lamp: &Lamp) -> MutexGuard<'_, Option<Light>> {
    lamp.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control;
    use crate::data_dir::DataDir;
    use std::os::unix::net::UnixListener;

    #[test]
    fn the_light_follows_the_daemons_health() {
        assert_eq!(pattern(false, false, false), None, "it goes on starting");
        assert_eq!(pattern(true, true, false), Some(Pattern::Well));
        assert_eq!(pattern(false, true, false), Some(Pattern::Ill));
        assert_eq!(pattern(false, false, true), Some(Pattern::Ill), "it cannot open its data");
    }

    #[test]
    fn a_reset_leaves_the_mail_and_shows_a_new_code() {
        let data = tempfile::tempdir().unwrap();
        let dir = DataDir::new(data.path());
        let house = dir.open().unwrap();
        let owned = house.settings.update(|config| {
            config.owner = Some(auth::password::PasswordHash::new("a forgotten password").unwrap());
            config.setup_code = None;
            let anna = auth::Address::parse("anna@home.internal").unwrap();
            config.add_account(anna, "Anna").map(drop)
        });
        owned.unwrap();
        let listener = UnixListener::bind(dir.control_socket()).unwrap();
        let said = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            scope.spawn(|| control::serve(listener.accept().unwrap().0, &house));
            ask_for_reset(data.path(), &|line| said.lock().unwrap().push(line.to_owned())).unwrap();
        });
        let config = house.settings.get();
        let code = config.setup_code.as_ref().unwrap();
        assert!(matches!(said.into_inner().unwrap().as_slice(), [line] if line.contains(code.as_str())));
        assert!(config.owner.is_none() && config.accounts.len() == 1);
        house.close();
    }

    #[test]
    fn without_a_daemon_there_is_no_reset() {
        let data = tempfile::tempdir().unwrap();
        assert!(ask_for_reset(data.path(), &|_| {}).unwrap_err().contains("no daemon"));
    }

    #[test]
    fn a_light_that_does_not_work_is_told_of_once() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("sys/class/leds/ACT");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("trigger"), "").unwrap();
        let lamp: Lamp = Arc::new(Mutex::new(Light::find(root.path())));
        static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let say: Say = &|line| SAID.lock().unwrap().push(line.to_owned());
        shine(&lamp, Pattern::Well, say);
        shine(&lamp, Pattern::Ill, say);
        assert_eq!(SAID.lock().unwrap().len(), 1);
    }
}
