//! A box that cannot open its data: instead of ending again and again it tells so on the console and on one page, where whoever
//! has the setup code from the console saves the mail that can be read and has the data mended. No mail port is open, and the
//! keeper's probe fails: a new version that cannot open the data is left as before.
//!
//! Nothing here touches the data. What has to be written, sockets and perhaps a certificate, goes to a folder in RAM.

use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::data_dir::{DataDir, Unopened, make_private_dir};
use crate::doors::{Guests, HTTPS};
use crate::serve::{self, Listeners, Options, Signals};
use crate::web_front::{self, Behind};
use crate::{keeper, limits, rescue};
use board::{Board, LinuxBoard};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Written by the start script if there is no file system to look at: why.
const WHY: &str = "why";
/// How often the data was begun to be opened and not opened.
const TRIES: &str = "tries";

/// The page's socket in its folder; while it is there, the daemon has given up opening its data.
pub const SOCKET: &str = "web.sock";

/// What is wrong.
#[derive(Debug)]
pub struct Trouble {
    /// A sentence for the owner.
    why: String,
    /// For what has to be written.
    folder: PathBuf,
}

impl Trouble {
    /// What is wrong before the data is looked at. Makes the folders that the daemon writes to.
    pub fn found(options: &Options) -> Result<Option<Trouble>, String> {
        let made = make_private_dir(&options.data);
        let Some(folder) = &options.trouble else { return made.map(|()| None) };
        make_private_dir(folder)?;
        let why = match (fs::read_to_string(folder.join(WHY)), made) {
            (Ok(why), _) => why.trim().to_owned(),
            (Err(_), Err(why)) => why,
            (Err(_), Ok(())) if tries(folder) >= limits::OPENING_TRIES => {
                "The program fails each time it opens its data: something in it is damaged in a way that was not foreseen."
                    .to_owned()
            }
            (Err(_), Ok(())) => return Ok(None),
        };
        Ok(Some(Trouble { why, folder: folder.clone() }))
    }

    /// Serves the page until the daemon stops.
    pub async fn serve(self, options: &Options, listeners: Listeners, mut signals: Signals) -> Result<(), String> {
        // On a version that still has to prove itself the keeper goes back, and nobody is to be alarmed.
        if on_trial().await {
            return Err(self.why);
        }
        let (http, https) = listeners.web_alone();
        let board: Arc<dyn Board> = Arc::new(LinuxBoard::new(&options.data));
        let certificates = Arc::new(self.certificates(options, &*board)?);
        let (guests, (stop, stopping)) = (Arc::new(Guests::default()), watch::channel(false));
        let socket: Arc<Path> = self.folder.join(SOCKET).into();
        let tls = certificates.tls(&[b"http/1.1"])?;
        let settings = Arc::new(settings::Settings::in_memory());
        self.announce(options, &*board, &settings);
        let context = self.context(options, settings, board, &certificates);
        let _pages =
            web_ui::serve(context, serve::private_socket(&socket)?).map_err(|e| format!("setup pages: {e}"))?;
        let mut tasks = JoinSet::new();
        let post = Behind::SignPost { https: options.port_offset + HTTPS };
        tasks.spawn(web_front::serve(https, Behind::Pages { tls, socket }, guests.clone(), stopping.clone()));
        tasks.spawn(web_front::serve(http, post, guests, stopping));
        signals.wait().await;
        tracing::info!("stopping");
        stop.send_replace(true);
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// The box's own certificates, if they can be read; else others for as long as this lasts.
    fn certificates(&self, options: &Options, board: &dyn Board) -> Result<Certificates, String> {
        let dir = DataDir::new(&options.data);
        let (names, now) = (serve::certificate_names(board), Clock::open(&dir.clock()).now());
        let whole =
            ["authority.key", "authority.pem", "server.key"].iter().all(|n| dir.certificates().join(n).is_file());
        match whole.then(|| Certificates::open(&dir.certificates(), names.clone(), now)) {
            Some(Ok(certificates)) => Ok(certificates),
            Some(Err(_)) | None => Certificates::open(&self.folder.join("certificates"), names, now),
        }
    }

    /// Tells whoever stands before the console.
    #[allow(clippy::print_stdout, reason = "this is the console's text, not the log")]
    fn announce(&self, options: &Options, board: &dyn Board, settings: &settings::Settings) {
        let address = serve::address(options, board);
        let settings = settings.get();
        let code = settings.setup_code.as_ref().map(|code| code.as_str()).unwrap_or_default();
        println!(
            "\n  Roost {} cannot open its mail.\n\n  {}\n\n  What to do:  {address}\n  Setup code:  {code}\n",
            env!("CARGO_PKG_VERSION"),
            self.why
        );
        tracing::error!("the data cannot be opened: {}", self.why);
    }

    fn context(
        &self,
        options: &Options,
        settings: Arc<settings::Settings>,
        board: Arc<dyn Board>,
        certificates: &Certificates,
    ) -> web_ui::Context {
        let (why, named, listen) = (self.why.clone(), board.clone(), options.listen);
        web_ui::Context {
            settings,
            board,
            authority_pem: certificates.authority_pem().to_owned(),
            authority_der: certificates.authority_der().to_vec(),
            ports: serve::page_ports(options.port_offset),
            server_names: Box::new(move || serve::reachable_names(serve::certificate_names(&*named), listen)),
            metrics: Box::new(String::new),
            health: Box::new(move || Err(why.clone())),
            time: web_ui::Time { known: Box::new(|| None), ask: Box::new(|| ()) },
            updates: web_ui::Updates::default(),
            networking: web_ui::Networking::default(),
            power: web_ui::Power::default(),
            trouble: Some(web_ui::Trouble {
                why: self.why.clone(),
                downloads: downloads(&options.data),
                mend: keeper::is_proved().map(|_| Box::new(mend) as _),
            }),
        }
    }
}

/// What can be saved: mail if there is a log, the partition if somebody can read it.
fn downloads(data: &Path) -> Vec<web_ui::Download> {
    let mut downloads = Vec::new();
    if store::has_log(data) {
        let what = "All mail that is whole, each message a file. A folder for each account, numbered as they were added, and in \
                    it one for each mailbox. The last file, REPORT.txt, says how much could not be read. `roost import` takes \
                    such folders.";
        let data = data.to_path_buf();
        let open = Box::new(move || rescue::as_tar(&data));
        downloads.push(web_ui::Download { name: "mail.tar", what, open });
    }
    if keeper::is_proved().is_some() {
        let what = "The whole data partition as it is, as large as the card, for somebody who repairs such things.";
        downloads.push(web_ui::Download { name: "partition.img", what, open: Box::new(keeper::partition) });
    }
    downloads
}

fn mend(mend: web_ui::Mend) -> Result<(), String> {
    let order = match mend {
        web_ui::Mend::Repair => keeper::Order::Repair,
        web_ui::Mend::Afresh => keeper::Order::Afresh,
    };
    keeper::order(&order, std::io::empty(), &mut |_| {})
}

/// Whether the keeper says that this version still has to prove itself. On a board it may begin to listen after us.
async fn on_trial() -> bool {
    for _ in 0..limits::KEEPER_TRIES {
        if let Ok(Some(proved)) = tokio::task::spawn_blocking(keeper::is_proved).await {
            return !proved;
        }
        tokio::time::sleep(limits::KEEPER_PAUSE).await;
    }
    false
}

/// Opens the data. Damage becomes trouble, where there is a folder for it; and it is counted how often the program did not live
/// through this: the third time it is trouble too.
pub fn guarded<T>(options: &Options, open: impl FnOnce() -> Result<T, Unopened>) -> Result<Result<T, Trouble>, String> {
    let Some(folder) = &options.trouble else { return open().map(Ok).map_err(String::from) };
    let counter = folder.join(TRIES);
    fs::write(&counter, (tries(folder) + 1).to_string()).map_err(|e| format!("{}: {e}", counter.display()))?;
    let opened = open();
    fs::remove_file(&counter).map_err(|e| format!("{}: {e}", counter.display()))?;
    match opened {
        Ok(parts) => Ok(Ok(parts)),
        Err(Unopened::InUse(why)) => Err(why),
        Err(Unopened::Damaged(why)) => Ok(Err(Trouble { why, folder: folder.clone() })),
    }
}

fn tries(folder: &Path) -> u32 {
    fs::read_to_string(folder.join(TRIES)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(data: &Path, trouble: &Path) -> Options {
        Options {
            data: data.to_path_buf(),
            port_offset: 0,
            listen: None,
            trouble: Some(trouble.to_path_buf()),
            endurance: None,
        }
    }

    #[test]
    fn what_the_start_script_says_is_trouble() {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = options(data.path(), folder.path());
        assert!(Trouble::found(&options).unwrap().is_none());
        fs::write(folder.path().join(WHY), "No partition.\n").unwrap();
        assert_eq!(Trouble::found(&options).unwrap().unwrap().why, "No partition.");
        // Data that cannot even be made.
        fs::remove_file(folder.path().join(WHY)).unwrap();
        let nowhere = Options { data: "/proc/nowhere".into(), ..options };
        assert!(Trouble::found(&nowhere).unwrap().unwrap().why.contains("/proc/nowhere"));
        assert!(Trouble::found(&Options { trouble: None, ..nowhere }).is_err());
    }

    #[test]
    fn damage_is_trouble_and_data_in_use_is_not() {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = options(data.path(), folder.path());
        let damaged = || Err::<(), _>(Unopened::Damaged("broken".into()));
        assert_eq!(guarded(&options, damaged).unwrap().unwrap_err().why, "broken");
        assert_eq!(guarded(&options, || Err::<(), _>(Unopened::InUse("later".into()))).unwrap_err(), "later");
        assert!(guarded(&options, || Ok(())).unwrap().is_ok() && Trouble::found(&options).unwrap().is_none());
        let alone = Options { trouble: None, ..options };
        assert_eq!(guarded(&alone, damaged).unwrap_err(), "broken");
    }

    #[test]
    fn a_program_that_dies_of_its_data_is_trouble_the_third_time() {
        let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = options(data.path(), folder.path());
        for _ in 0..3 {
            assert!(Trouble::found(&options).unwrap().is_none());
            let died =
                std::panic::catch_unwind(|| guarded(&options, || -> Result<(), Unopened> { panic!("in a library") }));
            assert!(died.is_err());
        }
        assert!(Trouble::found(&options).unwrap().unwrap().why.contains("fails each time"));
    }
}
