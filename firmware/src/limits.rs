//! Every limit the daemon itself enforces: connections, buffers, time.

use std::time::Duration;

/// Connections in all, over every protocol; a board of 512 MB carries them.
pub const CONNECTIONS: usize = 1_000;
/// Connections from one address: Apple's programs open about twenty per account, and a family may share one address.
pub const CONNECTIONS_PER_ADDRESS: usize = 100;
/// Connections logged in to one account.
pub const CONNECTIONS_PER_ACCOUNT: usize = 60;
/// Requests for the setup pages at a time.
pub const WEB_CONNECTIONS: usize = 64;
/// Clients that are turned away where TLS comes first, at a time: only after the handshake they understand why.
pub const TURNED_AWAY: usize = 8;
/// Turning a client away takes no longer.
pub const TURN_AWAY: Duration = Duration::from_secs(5);
/// A client that was told good-bye closes its side within this time; until then what it still sends is thrown away.
pub const LINGER: Duration = Duration::from_secs(2);
/// A TLS handshake takes no longer.
pub const HANDSHAKE: Duration = Duration::from_secs(20);
/// A client takes at least one buffer of replies within this time.
pub const WRITE: Duration = Duration::from_secs(300);
/// A session that was told to stop says good-bye within this time.
pub const FAREWELL: Duration = Duration::from_secs(5);
/// A silent client is asked by TCP after this time whether it is still there.
pub const KEEP_ALIVE: Duration = Duration::from_secs(240);
/// It is asked again after this time without an answer.
pub const KEEP_ALIVE_AGAIN: Duration = Duration::from_secs(30);
/// So often without an answer it is gone.
pub const KEEP_ALIVE_TRIES: u32 = 4;
/// Octets read at a time from an idle connection, and from a busy one.
pub const READ_IDLE: usize = 2 * 1024;
/// See [`READ_IDLE`].
pub const READ_BUSY: usize = 32 * 1024;
/// Threads for calls that may wait for the disk.
pub const BLOCKING_THREADS: usize = 64;
/// After accept fails (no descriptors left), it pauses.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Octets of a request head of the pages.
pub const WEB_HEAD: usize = 8 * 1024;
/// Octets of a request body of the pages.
pub const WEB_BODY: usize = 256 * 1024;
/// Octets of a form with an update: a slot and what is around it.
pub const UPLOAD: usize = 512 * 1024 * 1024;
/// An update arrives within this time.
pub const UPLOAD_TIME: Duration = Duration::from_secs(15 * 60);
/// An update is fetched within this time.
pub const DOWNLOAD_TIME: Duration = Duration::from_secs(3600);
/// A server that updates are fetched from may be silent for this long; less than [`KEEPER`], which waits for what it says.
pub const DOWNLOAD_SILENCE: Duration = Duration::from_secs(30);
/// It sends so many octets in that time, or is given up: the slowest of lines are faster.
pub const DOWNLOAD_PACE: (u64, Duration) = (64 * 1024, Duration::from_secs(60));
/// Who cancels an update waits no longer for its end.
pub const CANCEL: Duration = Duration::from_secs(3);
/// So often the address of an update may lead to another.
pub const REDIRECTS: u32 = 5;
/// Octets of such an address.
pub const ADDRESS: usize = 1024;
/// A whole request head arrives within this time.
pub const WEB_HEAD_TIME: Duration = Duration::from_secs(10);
/// A whole request body arrives within this time.
pub const WEB_BODY_TIME: Duration = Duration::from_secs(30);
/// Headers of one request.
pub const WEB_HEADERS: usize = 48;
/// Octets of one request line on the control socket.
pub const CONTROL_LINE: u64 = 64 * 1024;
/// Messages larger than this are not stored.
pub const MESSAGE: u64 = 50 * 1024 * 1024;
/// Free space below which no new mail is accepted.
pub const RESERVE: u64 = 32 * 1024 * 1024;
/// How often the network's names and addresses are looked at, for the certificate.
pub const NETWORK_CHECK: Duration = Duration::from_secs(10);
/// How often the time is written down.
pub const CLOCK_SAVE: Duration = Duration::from_secs(6 * 3600);
/// How often a healthy daemon is probed.
pub const PROBE: Duration = Duration::from_secs(60);
/// How often one is probed that is new or not healthy.
pub const PROBE_TRIAL: Duration = Duration::from_secs(5);
/// Connections that the keeper answers at once.
pub const KEEPER_CONNECTIONS: usize = 8;
/// An update that stalls for this long is given up.
pub const KEEPER: Duration = Duration::from_secs(60);
/// A box in trouble asks for its keeper so often, with this pause between.
pub const KEEPER_TRIES: u32 = 10;
/// See [`KEEPER_TRIES`].
pub const KEEPER_PAUSE: Duration = Duration::from_millis(500);
/// A program that so often did not live through opening its data does not try it again before the next start of the box.
pub const OPENING_TRIES: u32 = 3;
/// Between the answer to an update and the restart; a page that looks every other second sees it.
pub const LAST_WORD: Duration = Duration::from_secs(5);
/// A restart in good order takes no longer; the daemon alone may take half a minute.
pub const RESTART: Duration = Duration::from_secs(120);
/// A clock that is ahead of the truth by no more than this waits for it; one that is further ahead is given up.
pub const CLOCK_AHEAD: Duration = Duration::from_secs(3600);
/// Times from here on are no times: 2100.
pub const LAST_TIME: u64 = 4_102_444_800;
/// A time server answers within this time.
pub const TIME_ANSWER: Duration = Duration::from_secs(3);
/// Addresses of time servers that are asked in one round.
pub const TIME_SERVERS: usize = 4;
/// A time that is further from ours than this needs a second answer.
pub const TIME_TRUST: Duration = Duration::from_secs(15 * 60);
/// Two answers that are no further apart say the same.
pub const TIME_AGREE: Duration = Duration::from_secs(2);
/// The system's clock is set when it is further off than this.
pub const TIME_OFF: Duration = Duration::from_millis(500);
/// How often the time is asked for once it is known.
pub const TIME_CHECK: Duration = Duration::from_secs(4 * 3600);
/// After a failure it is asked for again after this time, then ever later up to the other.
pub const TIME_RETRY: Duration = Duration::from_secs(10);
/// See [`TIME_RETRY`].
pub const TIME_RETRY_LAST: Duration = Duration::from_secs(15 * 60);
/// Octets of the file with the time servers that the network announces.
pub const TIME_ANNOUNCED: u64 = 1024;
/// So long the light is off when the button was understood.
pub const LIGHT_OFF: Duration = Duration::from_secs(3);
/// Between two questions to the disk of how it is.
pub const DISK_ASKED: Duration = Duration::from_secs(6 * 60 * 60);
/// A disk has answered by then, or does not.
pub const DISK_ANSWERS: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 60 });
/// A change of the network waits so long for the owner to confirm it.
pub const CONFIRM: Duration = Duration::from_secs(180);
/// The radio's program answers within this time.
pub const SUPPLICANT: Duration = Duration::from_secs(2);
/// How often the radio is asked whether the Wi-Fi that is tried lets the box in.
pub const RADIO_CHECK: Duration = Duration::from_secs(3);
/// Looking for Wi-Fis takes no longer.
pub const SCAN: Duration = Duration::from_secs(15);
/// Octets of an answer of the radio's program.
pub const RADIO_ANSWER: usize = 16 * 1024;
/// Wi-Fis that are shown.
pub const WIFIS: usize = 32;
