//! `make bench`: a report, not a test. Rates, writes, memory, sizes; the table goes to standard output, every single value
//! to `target/bench.json`.
//!
//! The data lies on a disk of its own that counts what reaches it ([`flash`]); the peer ([`peer`]) does the same work in
//! the same run. Sections run one after the other, each alone on the machine as far as this program can tell.

mod board;
mod deliver;
mod fetch;
mod flash;
mod idle;
mod mails;
mod measure;
mod peer;
mod report;
mod server;
mod start;

use flash::Flash;
use peer::Peer;
use report::Report;
use server::{Roost, Server};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use system_tests::dovecot::Dovecot;
use system_tests::own_mounts;

const USAGE: &str = "usage: bench [--quick] [--no-peer] [--no-board] [SECTION...]
sections: deliver read idle board (all without)
--quick: small numbers, to try this program itself; --no-peer: without Dovecot; --no-board: no QEMU";
/// After this time nothing is measured a second time.
const ENOUGH: Duration = Duration::from_secs(240);
/// Runs of each measurement; the report shows the median.
const RUNS: usize = 3;

/// What was asked for on the command line.
#[derive(Debug)]
struct Options {
    quick: bool,
    peer: bool,
    board: bool,
    sections: Vec<String>,
}

impl Options {
    fn parse() -> Result<Options, String> {
        let mut options = Options { quick: false, peer: true, board: true, sections: Vec::new() };
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--no-peer" => options.peer = false,
                "--no-board" => options.board = false,
                "deliver" | "read" | "idle" | "board" => options.sections.push(argument),
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    fn wants(&self, section: &str) -> bool {
        self.sections.is_empty() || self.sections.iter().any(|s| s == section)
    }

    /// A number of messages.
    fn count(&self, count: usize) -> usize {
        if self.quick { count / 20 } else { count }
    }
}

/// One part of the report.
type Section = fn(&mut Bench) -> Result<(), String>;

/// Everything that the sections share.
struct Bench {
    options: Options,
    began: Instant,
    report: Report,
    flash: Flash,
    dovecot: Option<Dovecot>,
}

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::FAILURE;
        }
    };
    own_mounts::enter();
    let mut bench = Bench::new(options);
    let faults = bench.run();
    bench.finish();
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Bench {
    fn new(options: Options) -> Bench {
        let mut report = Report::default();
        let (flash, why) = Flash::new();
        why.into_iter().for_each(|why| report.remark(why));
        let dovecot = match options.peer.then(Dovecot::fetch).transpose() {
            Ok(dovecot) => dovecot,
            Err(why) => {
                report.remark(format!("Without a peer: Dovecot could not be had ({why})."));
                None
            }
        };
        report.peer = dovecot.as_ref().map(|d| d.name.clone());
        report.setting.push(measure::machine());
        report.setting.push(format!("the daemon: {}", measure::build(system_tests::daemon::binary())));
        report.setting.push(format!(
            "data on {}, reached through this machine's disk; load before: {:.1}",
            flash.kind,
            measure::load()
        ));
        Bench { options, began: Instant::now(), report, flash, dovecot }
    }

    /// Runs the sections; answers how many failed.
    fn run(&mut self) -> usize {
        let sections: [(&str, Section); 4] =
            [("deliver", Bench::deliver), ("read", Bench::read), ("idle", Bench::idle), ("board", Bench::board)];
        let mut faults = 0;
        for (name, section) in sections {
            if !self.options.wants(name) {
                continue;
            }
            eprintln!("bench: {name}, after {:.0} s", self.began.elapsed().as_secs_f64());
            if let Err(why) = section(self) {
                self.report.remark(format!("FAILED: {name}: {why}"));
                faults += 1;
            }
        }
        faults
    }

    fn finish(self) {
        let Bench { mut report, flash, began, .. } = self;
        drop(flash);
        report.setting.push(format!("medians of {RUNS} runs; the whole took {:.0} s", began.elapsed().as_secs_f64()));
        println!("{}", report.markdown());
        let exe = std::env::current_exe().expect("a process knows its file");
        let file = exe.ancestors().nth(2).expect("it lies in a folder of the build directory").join("bench.json");
        let json = serde_json::to_string_pretty(&report.json()).expect("values are JSON");
        match std::fs::write(&file, json) {
            Ok(()) => println!("Every single value is in {}.", file.display()),
            Err(e) => eprintln!("bench: {}: {e}", file.display()),
        }
    }

    /// Whether there is time for one more run.
    fn again(&self, done: usize) -> bool {
        done == 0 || (done < RUNS && self.began.elapsed() < ENOUGH)
    }

    fn deliver(&mut self) -> Result<(), String> {
        let small = mails::small(self.options.count(2000));
        let mixed = mails::mixed(self.options.count(400));
        for (corpus, mails) in [("small mails", &small), ("mixed mails", &mixed)] {
            let mean = mails::total(mails) / mails.len() as u64;
            self.report.setting.push(format!(
                "{corpus}: {} made mails of {:.1} KB on average",
                mails.len(),
                mean as f64 / 1e3
            ));
            for parallel in [1, 8] {
                let plan = deliver::Plan { corpus, mails, parallel };
                let mut done = 0;
                while self.again(done) {
                    let server = Box::new(Roost::start(&self.flash.fresh("data"), 1));
                    deliver::run(&mut self.report, &self.flash, &plan, server)?;
                    if let Some(dovecot) = &self.dovecot {
                        let server = Box::new(Peer::start(dovecot, &self.flash.fresh("peer"), true)?);
                        deliver::run(&mut self.report, &self.flash, &plan, server)?;
                    }
                    done += 1;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), String> {
        start::fresh(&mut self.report, &self.flash, RUNS);
        let mails = mails::small(self.options.count(10_000));
        let size = (mails.len(), mails::total(&mails));
        let mut roost = Roost::start(&self.flash.fresh("data"), 1);
        deliver::deliver(&roost, &mails, 8)?;
        start::stopped(&mut self.report, &mut self.flash, &mut roost, RUNS)?;
        idle::run_large(&mut self.report, &roost)?;
        start::crashed(&mut self.report, &mut roost, &mails, RUNS)?;
        Box::new(roost).stop();
        let roost = Roost::start(&self.flash.fresh("data"), 1);
        deliver::deliver(&roost, &mails, 8)?;
        fetch::run(&mut self.report, &mut self.flash, Box::new(roost), RUNS, size)?.stop();
        if let Some(dovecot) = &self.dovecot {
            let server = Peer::start(dovecot, &self.flash.fresh("peer"), false)?;
            deliver::deliver(&server, &mails, 8)?;
            fetch::run(&mut self.report, &mut self.flash, Box::new(server), RUNS, size)?.stop();
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), String> {
        let (most, mails) = (self.options.count(500), mails::small(50));
        let few = most / 5;
        let accounts = most.div_ceil(idle::PER_ACCOUNT);
        let mut roost = Roost::start(&self.flash.fresh("data"), accounts);
        idle::fill(&roost, accounts, &mails)?;
        roost.start_cold(&mut self.flash)?;
        idle::run(&mut self.report, &roost, &[few, most])?;
        Box::new(roost).stop();
        if let Some(dovecot) = &self.dovecot {
            let home = self.flash.fresh("peer");
            let server = Peer::start(dovecot, &home, false)?;
            idle::fill(&server, few.div_ceil(idle::PER_ACCOUNT), &mails)?;
            idle::run(&mut self.report, &server, &[few])?;
            Box::new(server).stop();
        }
        Ok(())
    }

    fn board(&mut self) -> Result<(), String> {
        if self.options.board {
            board::run(&mut self.report);
        }
        Ok(())
    }
}
