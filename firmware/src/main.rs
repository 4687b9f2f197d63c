//! `roost`: one program that holds a household's mail. This file reads the command line and calls the room that does the work.

mod allocator;
mod certificates;
mod cli;
mod clock;
mod connection;
mod control;
mod data_dir;
mod disk_health;
mod doors;
mod download;
mod endurance;
mod front_panel;
mod import;
mod keeper;
mod limits;
mod metrics;
mod network;
mod network_time;
mod probe;
mod rescue;
mod sandbox;
mod serve;
mod supplicant;
mod trouble;
mod updates;
mod web_front;

use cli::{Bundle, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(why) => return fail(&why),
    };
    let done = match command {
        Command::Help => {
            say(cli::HELP);
            Ok(())
        }
        Command::Version => {
            say(concat!("roost ", env!("CARGO_PKG_VERSION")));
            Ok(())
        }
        Command::Serve(options) => {
            allocator::give_back();
            serve::serve(options)
        }
        Command::Keep(options) => keeper::keep(&options, &say),
        Command::Update(from) => update(from),
        Command::Slots => keeper::order(&keeper::Order::Status, std::io::empty(), &mut say),
        Command::Ask { data, request } => control::ask(&data, request, &mut say),
        Command::Rescue { from, to } => rescue::rescue(&from, &to, &mut say),
        Command::Import { data, account, paths } => import::import(&data, account, &paths, &mut say),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

/// Hands a bundle to the keeper.
fn update(from: Bundle) -> Result<(), String> {
    let install = |bundle: &mut dyn std::io::Read| keeper::order(&keeper::Order::Install, bundle, &mut say);
    match from {
        Bundle::Stdin => install(&mut std::io::stdin().lock()),
        Bundle::File(path) => {
            let mut file = std::fs::File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            install(&mut file)
        }
        Bundle::Address(source) => {
            let client = download::Client::new();
            let mut download = client.fetch(&source).map_err(|trouble| trouble.to_string())?;
            let bar = indicatif::ProgressBar::new(client.progress().now().1.unwrap_or(0));
            let done = install(&mut bar.wrap_read(&mut download));
            bar.finish_and_clear();
            done.map_err(|why| download.trouble().map_or(why, ToString::to_string))
        }
    }
}

#[allow(clippy::print_stdout, reason = "the answer to a command belongs on standard output")]
fn say(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr, reason = "a failed command says why in one line on standard error")]
fn fail(why: &str) -> ExitCode {
    eprintln!("roost: {why}");
    ExitCode::FAILURE
}
