//! Waits until a service on a forwarded port says its greeting.

use crate::{Error, Result};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// QEMU accepts a connection before the board does, and then resets it or leaves it hanging: one try lasts this long.
const TRY: Duration = Duration::from_millis(500);
/// Time between two tries that ended at once.
const PAUSE: Duration = Duration::from_millis(50);

/// Connects to a port of this machine until a line that begins with `prefix` comes, and returns it.
pub fn wait_for_greeting(port: u16, prefix: &str, timeout: Duration) -> Result<String> {
    let deadline = Instant::now() + timeout;
    let mut last = String::from("never tried");
    while Instant::now() < deadline {
        match first_line(port) {
            Ok(line) if line.starts_with(prefix) => return Ok(line.trim_end().to_owned()),
            Ok(line) => last = format!("said {line:?}"),
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(PAUSE);
    }
    Err(Error::new(format!("port {port}: no greeting {prefix:?} within {} s: {last}", timeout.as_secs())))
}

fn first_line(port: u16) -> std::io::Result<String> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TRY)?;
    stream.set_read_timeout(Some(TRY))?;
    let mut line = String::new();
    BufReader::new(stream.take(1024)).read_line(&mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    #[test]
    fn a_service_that_comes_late_is_waited_for() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            drop(listener.accept().unwrap());
            listener.accept().unwrap().0.write_all(b"* BYE not yet\r\n").unwrap();
            listener.accept().unwrap().0.write_all(b"* OK ready\r\n").unwrap();
        });
        assert_eq!(wait_for_greeting(port, "* OK", Duration::from_secs(20)).unwrap(), "* OK ready");
        server.join().unwrap();
    }

    #[test]
    fn the_error_says_what_came_instead() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = wait_for_greeting(port, "* OK", Duration::from_millis(100)).unwrap_err().to_string();
        assert!(error.contains("refused"), "{error}");
    }
}
