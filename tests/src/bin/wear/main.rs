//! `make wear`: what a card has to bear. A report, not a test. Every byte is counted by the device itself: one of our own,
//! formatted and mounted as the appliance's data partition is; the peer does the same work on the same kind of device in the
//! same run. The table goes to standard output, the same as JSON to `target/wear.json`.

mod changes;
mod deliveries;
mod device;
mod large;
mod options;
mod report;
mod rest;
mod rig;
mod server;

use device::Format;
use options::Options;
use report::Report;
use rig::{Load, Mail, Rig};
use server::Subject;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use system_tests::dovecot::{Dovecot, Layout};
use system_tests::own_mounts;

/// How the peer keeps mail.
const LAYOUTS: [(&str, bool); 6] =
    [("sdbox", false), ("sdbox", true), ("mdbox", false), ("mdbox", true), ("maildir", false), ("maildir", true)];

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    own_mounts::enter();
    if !own_mounts::entered() {
        eprintln!("wear: loop devices and mounts need root and unshare; run it as root");
        return ExitCode::FAILURE;
    }
    let began = Instant::now();
    let mut wear = Wear { place: place(&options), options, report: Report::default() };
    let faults = wear.run();
    let setting = format!("measured in {:.0} minutes", began.elapsed().as_secs_f64() / 60.0);
    wear.report.setting.push(setting);
    wear.finish();
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// On whose disk the cards' contents lie: the one that holds the build, or the one asked for.
fn place(options: &Options) -> PathBuf {
    let exe = std::env::current_exe().expect("a process knows its file");
    options.directory.clone().unwrap_or_else(|| exe.parent().expect("it is in a directory").to_owned())
}

/// Messages where more would only take longer.
const SOME: u64 = 2_000;

/// What is done on one fresh device.
type Section = fn(&mut Wear, &Subject, Format) -> Result<(), String>;

/// Everything that the measurements share.
struct Wear {
    options: Options,
    place: PathBuf,
    report: Report,
}

impl Wear {
    /// Measures everything; answers how many columns broke off.
    fn run(&mut self) -> usize {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        self.report.setting.push(format!(
            "{} messages of a made corpus, {} for the peer; loop device on Linux {}",
            self.options.messages,
            self.options.peer_messages,
            kernel.trim()
        ));
        let mut faults = 0;
        for format in self.options.formats.clone() {
            if format.is_known() {
                faults += self.column(&format!("Roost, {}", format.name()), &Subject::Roost, format);
            } else {
                self.report.remark(format!("This kernel has no {}.", format.name()));
            }
        }
        if self.options.large > 0 {
            self.report.column(&format!("Roost, {}, large", Format::Xfs.name()));
            let large = |wear: &mut Wear| {
                let mut rig = Rig::new(&wear.place, &Subject::Roost, Format::Xfs)?;
                large::run(&mut wear.report, &mut rig, wear.options.large)
            };
            if let Err(why) = large(self) {
                self.report.remark(format!("FAILED: a large store: {why}"));
                faults += 1;
            }
        }
        if self.options.peers.is_empty() {
            return faults;
        }
        match Dovecot::fetch() {
            Ok(dovecot) => faults + self.peers(&dovecot),
            Err(why) => {
                self.report.remark(format!("Without a peer: Dovecot could not be had ({why})."));
                faults
            }
        }
    }

    fn peers(&mut self, dovecot: &Dovecot) -> usize {
        self.report.setting.push(format!("the peer: {}, on the appliance's file system", dovecot.name));
        let mut faults = self.like_the_peer();
        for (driver, zstd) in LAYOUTS {
            if self.options.peers.iter().any(|peer| peer == driver) {
                let name = format!("{driver}{}", if zstd { " zstd" } else { "" });
                let subject = Subject::Dovecot(dovecot.clone(), Layout { driver, zstd, durable: true });
                faults += self.column(&name, &subject, Format::Xfs);
            }
        }
        faults
    }

    fn column(&mut self, name: &str, subject: &Subject, format: Format) -> usize {
        self.report.column(name);
        let sections: [Section; 5] = [Wear::small, Wear::whole, Wear::unshared, Wear::small_parallel, Wear::churn];
        let mut faults = 0;
        for section in sections {
            if let Err(why) = section(self, subject, format) {
                self.report.remark(format!("FAILED: {name}: {why}"));
                faults += 1;
            }
        }
        faults
    }

    fn rig(&self, subject: &Subject, format: Format) -> Result<(Rig, u64), String> {
        let messages = match subject {
            Subject::Roost => self.options.messages,
            Subject::Dovecot(..) => self.options.peer_messages,
        };
        Ok((Rig::new(&self.place, subject, format)?, messages))
    }

    fn small(&mut self, subject: &Subject, format: Format) -> Result<(), String> {
        let (mut rig, messages) = self.rig(subject, format)?;
        let load = |numbers| Load { mail: Mail::Small, numbers, parallel: 1 };
        deliveries::deliver(&mut self.report, &mut rig, &load(0..messages), "")?;
        if matches!(subject, Subject::Roost) {
            deliveries::empty(&mut self.report, &mut rig, messages)?;
            let again = ", into the space of as many that were expunged";
            deliveries::deliver(&mut self.report, &mut rig, &load(messages..2 * messages), again)?;
        }
        Ok(())
    }

    /// Changes to as many messages as the peer has: what a stop writes weighs more on few.
    fn like_the_peer(&mut self) -> usize {
        let messages = self.options.peer_messages;
        self.report.column(&format!("Roost, {}, {messages} messages", Format::Xfs.name()));
        let work = |wear: &mut Wear| {
            let mut rig = Rig::new(&wear.place, &Subject::Roost, Format::Xfs)?;
            rig.deliver(&Load { mail: Mail::Whole, numbers: 0..messages, parallel: 1 })?;
            changes::run(&mut wear.report, &mut rig, messages * 9 / 10)
        };
        match work(self) {
            Ok(()) => 0,
            Err(why) => {
                self.report.remark(format!("FAILED: Roost with {messages} messages: {why}"));
                1
            }
        }
    }

    fn whole(&mut self, subject: &Subject, format: Format) -> Result<(), String> {
        let (mut rig, messages) = self.rig(subject, format)?;
        deliveries::deliver(
            &mut self.report,
            &mut rig,
            &Load { mail: Mail::Whole, numbers: 0..messages, parallel: 1 },
            "",
        )?;
        // Some went to the other account.
        changes::run(&mut self.report, &mut rig, messages * 9 / 10)?;
        if matches!(subject, Subject::Roost) {
            rest::memory(&mut self.report, &rig, "EXPUNGE one by one")?;
            rest::power_cuts(&mut self.report, &mut rig, messages, "")?;
            if self.options.idle > 0 {
                rest::idle(&mut self.report, &mut rig, self.options.idle)?;
            }
        }
        Ok(())
    }

    fn unshared(&mut self, subject: &Subject, format: Format) -> Result<(), String> {
        let (mut rig, messages) = self.rig(subject, format)?;
        let load = Load { mail: Mail::New, numbers: 0..messages.min(SOME), parallel: 1 };
        deliveries::deliver(&mut self.report, &mut rig, &load, "")
    }

    fn small_parallel(&mut self, subject: &Subject, format: Format) -> Result<(), String> {
        let (mut rig, messages) = self.rig(subject, format)?;
        let load = |numbers| Load { mail: Mail::Small, numbers, parallel: 8 };
        deliveries::deliver(&mut self.report, &mut rig, &load(0..messages), "")?;
        if matches!(subject, Subject::Roost) {
            let some = messages..messages + messages.min(SOME);
            deliveries::deliver_slowly(&mut self.report, &mut rig, &load(some))?;
        }
        Ok(())
    }

    fn churn(&mut self, subject: &Subject, format: Format) -> Result<(), String> {
        let (mut rig, messages) = self.rig(subject, format)?;
        deliveries::deliver(
            &mut self.report,
            &mut rig,
            &Load { mail: Mail::Whole, numbers: 0..messages, parallel: 8 },
            "",
        )?;
        deliveries::space(&mut self.report, &rig, "the whole corpus", "")?;
        deliveries::churn(&mut self.report, &mut rig, messages * 9 / 10)
    }

    fn finish(self) {
        println!("{}", self.report.markdown());
        let exe = std::env::current_exe().expect("a process knows its file");
        let file = exe.ancestors().nth(2).unwrap_or(Path::new(".")).join("wear.json");
        let json = serde_json::to_string_pretty(&self.report.json()).expect("values are JSON");
        match std::fs::write(&file, json) {
            Ok(()) => println!("The same is in {}.", file.display()),
            Err(e) => eprintln!("wear: {}: {e}", file.display()),
        }
    }
}
