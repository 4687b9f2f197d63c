//! `roost serve`: opens the parts, wires them together, runs until it is told to stop.

use crate::certificates::{self, Certificates};
use crate::control;
use crate::data_dir::{DataDir, House, Unopened};
use crate::doors::{self, Door, Guests, HTTP, HTTPS, Reception};
use crate::network_time::{self, NetworkTime};
use crate::sandbox::{self, Sandbox};
use crate::trouble::{self, Trouble};
use crate::updates::Updates;
use crate::web_front::{self, Behind};
use crate::{clock, download, keeper, limits, metrics, network};
use board::{Board, LinuxBoard};
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the data lies.
    pub data: PathBuf,
    /// Added to every standard port.
    pub port_offset: u16,
    /// One address instead of all.
    pub listen: Option<IpAddr>,
    /// Where there is room, in RAM, for a box that cannot open its data: it serves a page about that (`trouble`). Without, it ends.
    pub trouble: Option<PathBuf>,
    /// Octets that the maker of its card promises can be written to it.
    pub endurance: Option<u64>,
}

/// Runs the daemon; returns after a clean stop.
pub fn serve(options: Options) -> Result<(), String> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_ansi(false).init();
    let trouble = Trouble::found(&options)?;
    // Before there is a second thread, which would stay outside. The directories it is kept to are there now.
    let folders: Vec<&Path> = [&options.data].into_iter().chain(&options.trouble).map(PathBuf::as_path).collect();
    let sandbox = sandbox::enter(&folders, &ports(options.port_offset))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|e| format!("threads: {e}"))?;
    let stopped = runtime.block_on(run(options, &sandbox, trouble));
    runtime.shutdown_timeout(limits::FAREWELL);
    stopped
}

/// Every port that is opened.
fn ports(offset: u16) -> Vec<u16> {
    let standard = Door::ALL.iter().map(|door| door.port()).chain([HTTP, HTTPS]);
    standard.filter_map(|port| port.checked_add(offset)).collect()
}

async fn run(options: Options, sandbox: &Sandbox, trouble: Option<Trouble>) -> Result<(), String> {
    let signals = Signals::new()?;
    let dir = DataDir::new(&options.data);
    let listeners = Listeners::bind(&options).await?;
    dir.note_panics();
    let parts = match trouble {
        Some(trouble) => Err(trouble),
        None => trouble::guarded(&options, || Parts::open(&options, &dir))?,
    };
    // Only now: who is refused a start hears the one reason for it.
    match sandbox.holds() {
        true => tracing::info!("sandbox: {sandbox}"),
        false => tracing::warn!("sandbox: {sandbox}"),
    }
    let Parts { house, board, certificates } = match parts {
        Ok(parts) => parts,
        Err(trouble) => return trouble.serve(&options, listeners, signals).await,
    };
    let outcome = run_house(&options, &dir, listeners, (&house, board, certificates), signals).await;
    house.close();
    outcome
}

/// What is opened from the data before anything is served.
struct Parts {
    house: House,
    board: Arc<dyn Board>,
    certificates: Arc<Certificates>,
}

impl Parts {
    fn open(options: &Options, dir: &DataDir) -> Result<Parts, Unopened> {
        let house = House { endurance: options.endurance, ..dir.open()? };
        let board: Arc<dyn Board> = Arc::new(LinuxBoard::new(&options.data));
        let certificates = house
            .settings
            .get()
            .accounts
            .iter()
            .try_for_each(|a| house.ensure_mailboxes(a.id))
            .and_then(|()| Certificates::open(&dir.certificates(), certificate_names(&*board), house.clock.now()));
        match certificates {
            Ok(certificates) => Ok(Parts { house, board, certificates: Arc::new(certificates) }),
            Err(why) => {
                house.close();
                Err(why.into())
            }
        }
    }
}

/// Every port, open. They are bound before the data is touched: a second daemon fails without having done anything.
pub struct Listeners {
    mail: Vec<(Door, TcpListener)>,
    http: TcpListener,
    https: TcpListener,
}

impl Listeners {
    async fn bind(options: &Options) -> Result<Listeners, String> {
        let port = |standard: u16| {
            standard.checked_add(options.port_offset).ok_or_else(|| "--port-offset is too large".to_owned())
        };
        let mut mail = Vec::new();
        for door in Door::ALL {
            mail.push((door, doors::bind(options.listen, port(door.port())?, door.name()).await?));
        }
        let http = doors::bind(options.listen, port(HTTP)?, "http").await?;
        let https = doors::bind(options.listen, port(HTTPS)?, "https").await?;
        Ok(Listeners { mail, http, https })
    }

    /// Those of the sign post and of the pages; those of mail are closed.
    pub fn web_alone(self) -> (TcpListener, TcpListener) {
        (self.http, self.https)
    }
}

async fn run_house(
    options: &Options,
    dir: &DataDir,
    listeners: Listeners,
    (house, board, certificates): (&House, Arc<dyn Board>, Arc<Certificates>),
    mut signals: Signals,
) -> Result<(), String> {
    let guests = Arc::new(Guests::default());
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();

    let reception = Arc::new(reception(house, &certificates, &guests, &*board, &stopping)?);
    for (door, listener) in listeners.mail {
        tasks.spawn(doors::serve(door, listener, reception.clone()));
    }
    let socket: Arc<Path> = dir.web_socket().into();
    let time = network_time(house);
    let _pages = pages(options, house, &board, (&certificates, &time), &guests, &socket)?;
    let https = options.port_offset + HTTPS;
    let behind = Behind::Pages { tls: certificates.tls(&[b"http/1.1"])?, socket };
    tasks.spawn(web_front::serve(listeners.https, behind, guests.clone(), stopping.clone()));
    tasks.spawn(web_front::serve(listeners.http, Behind::SignPost { https }, guests.clone(), stopping.clone()));
    tasks.spawn(control_socket(private_socket(&dir.control_socket())?, house.clone(), stopping.clone()));
    tasks.spawn(housekeeping(house.clone(), certificates, board.clone(), stopping));

    announce(options, house, &*board);
    tokio::select! {
        () = signals.wait() => tracing::info!("stopping"),
        // The supervisor starts the next one.
        () = time.run(is_board) => tracing::warn!("stopping, to start anew in the right time"),
    }
    stop.send_replace(true);
    while tasks.join_next().await.is_some() {}
    let farewell = async {
        while guests.count() > 0 {
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
        }
    };
    if tokio::time::timeout(limits::FAREWELL, farewell).await.is_err() {
        tracing::warn!("{} connections did not end in time", guests.count());
    }
    Ok(())
}

/// One of our boards, with a keeper. What it keeps for us is the clock and the root slots.
fn is_board() -> bool {
    keeper::is_at_home()
}

fn network_time(house: &House) -> Arc<NetworkTime> {
    let set_system = Box::new(|time| {
        let unix_ms = u64::try_from(clock::since_1970(time).as_millis()).map_err(|e| e.to_string())?;
        keeper::order(&keeper::Order::SetTime { unix_ms }, std::io::empty(), &mut |_| {})
    });
    let (clock, settings) = (house.clock.clone(), house.settings.clone());
    let announced = Path::new(network_time::ANNOUNCED);
    Arc::new(NetworkTime::new((clock, settings), announced, network_time::PORT, set_system))
}

fn reception(
    house: &House,
    certificates: &Arc<Certificates>,
    guests: &Arc<Guests>,
    board: &dyn Board,
    stopping: &watch::Receiver<bool>,
) -> Result<Reception, String> {
    let (store, directory) = (house.store.clone(), house.settings.directory());
    let host = smol_str::SmolStr::new(format!("{}.local", board.network().host));
    Ok(Reception {
        imap: Arc::new(imap::Context { store: store.clone(), directory: directory.clone(), host: host.clone() }),
        pop3: Arc::new(pop3::Context { store: store.clone(), directory: directory.clone(), host: host.clone() }),
        smtp: Arc::new(smtp::Context { store, directory, host }),
        tls: certificates.tls(&[])?,
        certificates: certificates.clone(),
        clock: house.clock.clone(),
        guests: guests.clone(),
        farewells: Arc::new(tokio::sync::Semaphore::new(limits::TURNED_AWAY)),
        stopping: stopping.clone(),
    })
}

/// Starts the setup pages on their socket.
fn pages(
    options: &Options,
    house: &House,
    board: &Arc<dyn Board>,
    (certificates, time): (&Arc<Certificates>, &Arc<NetworkTime>),
    guests: &Arc<Guests>,
    socket: &Path,
) -> Result<web_ui::Server, String> {
    let (store, doomed) = (house.store.clone(), house.store.clone());
    let (guests, named, measured, listen) = (guests.clone(), board.clone(), board.clone(), options.listen);
    let endurance = house.endurance;
    let context = web_ui::Context {
        settings: house.settings.clone(),
        board: board.clone(),
        authority_pem: certificates.authority_pem().to_owned(),
        authority_der: certificates.authority_der().to_vec(),
        ports: page_ports(options.port_offset),
        server_names: Box::new(move || reachable_names(certificate_names(&*named), listen)),
        metrics: Box::new(move || metrics::render(&store.stats(), endurance, &guests, &*measured)),
        health: Box::new(move || doomed.health().map_err(|e| e.to_string())),
        time: web_time(time),
        updates: web_updates(),
        networking: web_networking(),
        power: web_power(),
        trouble: None,
    };
    web_ui::serve(context, private_socket(socket)?).map_err(|e| format!("setup pages: {e}"))
}

/// What the pages tell of ports.
pub fn page_ports(offset: u16) -> web_ui::Ports {
    let port = |door: Door| door.port() + offset;
    web_ui::Ports {
        imap: port(Door::Imap),
        imaps: port(Door::Imaps),
        pop3s: port(Door::Pop3s),
        submission: port(Door::Submission),
        submissions: port(Door::Submissions),
        https: HTTPS + offset,
    }
}

/// What the pages show of the time.
fn web_time(time: &Arc<NetworkTime>) -> web_ui::Time {
    let (known, asked) = (time.clone(), time.clone());
    web_ui::Time {
        known: Box::new(move || {
            let known = is_board().then(|| known.known())?;
            Some(web_ui::KnownTime { last: known.last, trouble: known.trouble })
        }),
        ask: Box::new(move || asked.ask_now()),
    }
}

/// What the pages do about updates.
fn web_updates() -> web_ui::Updates {
    let install = |bundle: &mut dyn std::io::Read| {
        let mut said = Vec::new();
        keeper::order(&keeper::Order::Install, bundle, &mut |line| said.push(line.to_owned()))?;
        Ok(said.join("; "))
    };
    let updates = Arc::new(Updates::new(Box::new(install), Box::new(download::Client::new)));
    let (taken, fetched, watched) = (updates.clone(), updates.clone(), updates.clone());
    web_ui::Updates {
        possible: Box::new(is_board),
        install: Box::new(move |bundle| taken.take(bundle)),
        fetch: Box::new(move |address| fetched.fetch(address)),
        fetching: Box::new(move || watched.now()),
        cancel: Box::new(move || updates.cancel()),
    }
}

/// What the pages do about the network.
fn web_networking() -> web_ui::Networking {
    let order = |order: &network::Order| network::order(order).map(drop);
    web_ui::Networking {
        look: Box::new(network::look),
        attempt: Box::new(move |change| order(&network::Order::Try(change.clone()))),
        confirm: Box::new(move || order(&network::Order::Confirm)),
        go_back: Box::new(move || order(&network::Order::GoBack)),
        scan: Box::new(network::scan),
    }
}

/// How the pages end what the machine does.
fn web_power() -> web_ui::Power {
    let end = |ending| {
        let order = match ending {
            web_ui::Ending::Off => keeper::Order::PowerOff,
            web_ui::Ending::Restart => keeper::Order::Restart,
        };
        keeper::order(&order, std::io::empty(), &mut |_| {})
    };
    web_ui::Power { possible: Box::new(is_board), end: Box::new(end) }
}

/// The names of this machine, for its certificate.
pub fn certificate_names(board: &dyn Board) -> Vec<String> {
    let network = board.network();
    certificates::names(&network.host, &network.addresses)
}

/// Those of the names that lead to where the daemon listens: all of them, or none but this machine's own.
pub fn reachable_names(mut names: Vec<String>, listen: Option<IpAddr>) -> Vec<String> {
    if listen.is_some_and(|address| address.is_loopback()) {
        names.retain(|n| n == "localhost" || n.parse::<IpAddr>().is_ok_and(|address| Some(address) == listen));
    }
    names
}

/// A socket in the data directory that only its owner can use.
pub fn private_socket(path: &Path) -> Result<UnixListener, String> {
    use std::os::unix::fs::PermissionsExt;
    let fault = |e: std::io::Error| format!("{}: {e}", path.display());
    // The data directory is ours alone (the store holds its lock), so what lies here was left by a daemon that was cut off.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(fault(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(fault)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fault)?;
    Ok(listener)
}

async fn control_socket(listener: UnixListener, house: House, mut stopping: watch::Receiver<bool>) {
    let listener = match listener.set_nonblocking(true).and_then(|()| tokio::net::UnixListener::from_std(listener)) {
        Ok(listener) => listener,
        Err(e) => return tracing::error!("control socket: {e}"),
    };
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.and_then(|(stream, _)| stream.into_std()),
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        match stream.and_then(|s| s.set_nonblocking(false).map(|()| s)) {
            Ok(stream) => {
                let house = house.clone();
                tokio::task::spawn_blocking(move || control::serve(stream, &house));
            }
            Err(e) => tracing::warn!("control socket: {e}"),
        }
    }
}

/// Follows the network with the certificate and the clock with its file.
async fn housekeeping(
    house: House,
    certificates: Arc<Certificates>,
    board: Arc<dyn Board>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut network = tokio::time::interval(limits::NETWORK_CHECK);
    let mut clock = tokio::time::interval_at(tokio::time::Instant::now() + limits::CLOCK_SAVE, limits::CLOCK_SAVE);
    loop {
        let outcome = tokio::select! {
            _ = network.tick() => certificates.refresh(certificate_names(&*board), house.clock.now()),
            _ = clock.tick() => house.clock.save().map_err(|e| format!("the time could not be written down: {e}")),
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        if let Err(why) = outcome {
            tracing::warn!("{why}");
        }
    }
}

/// The signals that mean "stop". Caught from the beginning: one that comes while the parts are opened is obeyed as soon as they are.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> Result<Signals, String> {
        let catch = |kind| signal(kind).map_err(|e| format!("signals: {e}"));
        Ok(Signals { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    /// Waits until one comes, or has come.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells whoever stands before the console what to do next.
#[allow(clippy::print_stdout, reason = "this is the console's text, not the log")]
fn announce(options: &Options, house: &House, board: &dyn Board) {
    let address = address(options, board);
    let pages = match &house.settings.get().setup_code {
        Some(code) => format!("  Set it up:   {address}\n  Setup code:  {}\n", code.as_str()),
        None => format!("  Its pages:   {address}\n"),
    };
    // In one piece: nothing from the log gets between its lines.
    println!("\n  Roost {} is ready.\n\n{pages}", env!("CARGO_PKG_VERSION"));
    tracing::info!(imaps = Door::Imaps.port() + options.port_offset, "serving {}", options.data.display());
}

/// Where the pages are.
pub fn address(options: &Options, board: &dyn Board) -> String {
    let network = board.network();
    let shown = match options.listen {
        Some(ip) if !ip.is_unspecified() => ip,
        _ => network.addresses.first().copied().unwrap_or(IpAddr::from([127, 0, 0, 1])),
    };
    let host = match shown {
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) if ip.is_loopback() => "localhost".into(),
        IpAddr::V4(ip) => ip.to_string(),
    };
    let port = if options.port_offset == 0 { String::new() } else { format!(":{}", HTTPS + options.port_offset) };
    format!("https://{host}{port}/")
}

#[cfg(test)]
mod tests {
    use super::{ports, reachable_names};
    use std::collections::BTreeSet;

    #[test]
    fn the_boards_firewall_opens_the_ports_that_are_served_and_no_others() {
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../buildroot/overlay/etc/nftables.conf");
        let text = std::fs::read_to_string(rules).unwrap();
        let lists: Vec<_> = text.lines().filter(|line| line.trim().starts_with("tcp dport")).collect();
        let [list] = lists.as_slice() else { panic!("one line with all of them, not {lists:?}") };
        let (_, list) = list.split_once('{').unwrap();
        let (list, verdict) = list.split_once('}').unwrap();
        assert_eq!(verdict.trim(), "accept");
        let opened: BTreeSet<u16> = list.split(',').map(|port| port.trim().parse().unwrap()).collect();
        assert_eq!(opened, ports(0).into_iter().collect());
    }

    #[test]
    fn a_daemon_on_loopback_can_be_asked_there_only() {
        let all = ["roost.local", "localhost", "192.168.1.2", "fd00::2", "127.0.0.1", "::1"].map(String::from).to_vec();
        let names = |listen: Option<&str>| reachable_names(all.clone(), listen.map(|ip| ip.parse().unwrap()));
        assert_eq!(names(None), all);
        assert_eq!(names(Some("0.0.0.0")), all);
        assert_eq!(names(Some("192.168.1.2")), all);
        assert_eq!(names(Some("127.0.0.1")), ["localhost", "127.0.0.1"]);
        assert_eq!(names(Some("::1")), ["localhost", "::1"]);
    }
}
