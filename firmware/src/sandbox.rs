//! What the daemon may still do once it serves: read and write its data, read what the system has to tell, open its own ports.
//!
//! Whoever takes it over through a message or a command gets no more than that. Four layers, each of its own: no
//! privilege can be gained (`no_new_privs`) and none is held but the one for low ports; Landlock (Linux 5.13 and newer, ports
//! from 6.7) keeps it to its files and ports; seccomp refuses the system calls that a mail daemon never makes, first of all the
//! ones that start programs. All are the calling thread's and of every thread that it starts: they come before the
//! first. What needs rights, restarting the board or writing to the other root slot, is the keeper's, a process of its own.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::fmt;
use std::path::{Path, PathBuf};

/// The newest Landlock whose rights are known here; an older kernel holds those it knows.
const RIGHTS: ABI = ABI::V6;
/// Read and nothing else: programs' data, the resolver's and the authorities' files, what a board's network announced (`network_time`)
/// and its disk answered (`disk_health`), what the kernel tells.
const READ: [&str; 9] =
    ["/etc", "/usr", "/lib", "/run/network", "/run/hardware", "/proc", "/sys", "/dev/random", "/dev/urandom"];
/// The resolver's file, which is often a link to one that is replaced with each lease.
const RESOLVER: &str = "/etc/resolv.conf";
/// What is left of the rights of a daemon that was started with more.
const KEPT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;
/// Families of sockets there is a use for: local, IPv4, IPv6, and the kernel's answers about interfaces.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// System calls that are refused.
#[rustfmt::skip]
const REFUSED: &[libc::c_long] = &[
    // Programs, other processes, and what looks into them.
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
    libc::SYS_process_madvise, libc::SYS_kcmp, libc::SYS_pidfd_getfd, libc::SYS_perf_event_open, libc::SYS_memfd_create,
    // Much of the kernel that is reached by few programs.
    libc::SYS_bpf, libc::SYS_userfaultfd, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
    libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key, libc::SYS_personality, libc::SYS_fanotify_init,
    // Another kernel, other code in it, another state of the machine.
    libc::SYS_kexec_load, libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module, libc::SYS_reboot,
    libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_acct, libc::SYS_syslog, libc::SYS_vhangup, libc::SYS_sethostname,
    libc::SYS_setdomainname, libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex,
    // Other mounts, other namespaces, files beside their paths, devices.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_move_mount, libc::SYS_fsopen,
    libc::SYS_fsconfig, libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_open_tree, libc::SYS_mount_setattr,
    libc::SYS_quotactl, libc::SYS_unshare, libc::SYS_setns, libc::SYS_name_to_handle_at, libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    // Another user, other rights.
    libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_setresuid, libc::SYS_setresgid,
    libc::SYS_setfsuid, libc::SYS_setfsgid, libc::SYS_setgroups, libc::SYS_capset,
    #[cfg(target_env = "gnu")] libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")] libc::SYS_fork, #[cfg(target_arch = "x86_64")] libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")] libc::SYS_mknod, #[cfg(target_arch = "x86_64")] libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")] libc::SYS_ioperm, #[cfg(target_arch = "x86_64")] libc::SYS_modify_ldt,
];

/// How far this kernel could be made to hold the daemon; `Display` is one line for the log.
#[derive(Debug)]
pub struct Sandbox {
    files: RulesetStatus,
    landlock: LandlockStatus,
    /// Why there is no filter of system calls, if there is none.
    calls: Result<(), String>,
}

/// Confines this thread and those it will start. Only the folders of `data` that are there can be changed; `ports` are the only
/// ones that TCP listens on. A kernel that lacks something is no error.
pub fn enter(data: &[&Path], ports: &[u16]) -> Result<Sandbox, String> {
    drop_privileges().map_err(|e| format!("privileges: {e}"))?;
    let (files, landlock) = keep_to_files(data, ports).map_err(|e| format!("files: {e}"))?;
    Ok(Sandbox { files, landlock, calls: refuse_calls().map_err(|e| e.to_string()) })
}

fn drop_privileges() -> Result<(), rustix::io::Errno> {
    rustix::thread::set_no_new_privs(true)?;
    let held = rustix::thread::capabilities(None)?;
    let kept = CapabilitySets {
        effective: held.effective & KEPT,
        permitted: held.permitted & KEPT,
        inheritable: CapabilitySet::empty(),
    };
    if kept == held { Ok(()) } else { rustix::thread::set_capabilities(None, kept) }
}

fn keep_to_files(data: &[&Path], ports: &[u16]) -> Result<(RulesetStatus, LandlockStatus), landlock::RulesetError> {
    let all = AccessFs::from_all(RIGHTS);
    let never = AccessFs::Execute
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeFifo
        | AccessFs::MakeSym
        | AccessFs::IoctlDev;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let readable = READ.iter().map(PathBuf::from).chain(resolver_folder(Path::new(RESOLVER)));
    let listen = |port: &u16| Ok::<_, landlock::RulesetError>(NetPort::new(*port, AccessNet::BindTcp));
    let status = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(RIGHTS))?
        .create()?
        .add_rules(path_beneath_rules(data, all & !never))?
        .add_rules(path_beneath_rules(readable, read))?
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(ports.iter().map(listen))?
        .restrict_self()?;
    Ok((status.ruleset, status.landlock))
}

/// The folder that the resolver's file really lies in. The file itself would be the wrong one after the next lease, and there may
/// be none yet.
fn resolver_folder(file: &Path) -> Option<PathBuf> {
    let target = std::fs::read_link(file).map(|link| file.parent().unwrap_or(file).join(link)).ok()?;
    std::fs::canonicalize(target.parent()?).ok()
}

fn refuse_calls() -> Result<(), Box<dyn std::error::Error>> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    // Its flags lie in memory, where no filter sees them. "Not there" makes libraries take `clone`, whose flags can be seen.
    let absent = [(libc::SYS_clone3, vec![])].into();
    let mut refused: std::collections::BTreeMap<_, _> = REFUSED.iter().map(|call| (*call, vec![])).collect();
    refused.insert(libc::SYS_clone, vec![SeccompRule::new(vec![no_thread()?])?]);
    refused.insert(libc::SYS_socket, vec![SeccompRule::new(strange_family()?)?]);
    for (calls, errno) in [(absent, libc::ENOSYS), (refused, libc::EPERM)] {
        let refuse = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(calls, SeccompAction::Allow, refuse, arch)?;
        seccompiler::apply_filter(&seccompiler::BpfProgram::try_from(filter)?)?;
    }
    Ok(())
}

/// A new process, not a thread of this one.
fn no_thread() -> Result<SeccompCondition, seccompiler::BackendError> {
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)
}

fn strange_family() -> Result<Vec<SeccompCondition>, seccompiler::BackendError> {
    let other = |family: &libc::c_int| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, u64::from(family.unsigned_abs()))
    };
    FAMILIES.iter().map(other).collect()
}

impl Sandbox {
    /// Whether the kernel holds at least to files and system calls.
    pub fn holds(&self) -> bool {
        self.files != RulesetStatus::NotEnforced && self.calls.is_ok()
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.files, self.landlock) {
            (RulesetStatus::NotEnforced, _) => f.write_str("not kept to its files, for this kernel has no Landlock")?,
            (RulesetStatus::FullyEnforced, _) => f.write_str("kept to its files and ports")?,
            (RulesetStatus::PartiallyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
                write!(f, "kept to its files as far as Landlock {effective_abi:?} goes")?;
            }
            (RulesetStatus::PartiallyEnforced, _) => f.write_str("kept to its files in part")?,
        }
        match &self.calls {
            Ok(()) => f.write_str(", starts no programs"),
            Err(why) => write!(f, ", no system call is refused: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;

    /// Runs this on a thread that is confined to a data directory.
    fn confined(ports: &[u16], run: impl FnOnce(&Path, Sandbox) + Send) {
        let data = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let sandbox = enter(&[data.path()], ports).unwrap();
                run(data.path(), sandbox);
            });
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    /// A line of the calling thread's status.
    fn status(name: &str) -> String {
        let text = fs::read_to_string("/proc/thread-self/status").unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim_start_matches(':').trim().to_owned()
    }

    #[test]
    fn what_the_daemon_does_every_day_works() {
        confined(&[], |data, _| {
            let (file, folder) = (data.join("file"), data.join("folder"));
            fs::write(&file, "mail").unwrap();
            fs::create_dir(&folder).unwrap();
            fs::rename(&file, folder.join("file")).unwrap();
            fs::OpenOptions::new().write(true).truncate(true).open(folder.join("file")).unwrap().sync_all().unwrap();
            fs::remove_dir_all(&folder).unwrap();
            drop(UnixListener::bind(data.join("socket")).unwrap());
            fs::remove_file(data.join("socket")).unwrap();
            assert!(fs::read_to_string("/proc/self/status").is_ok() && fs::read_dir("/sys").is_ok());
            fs::write("/dev/null", "nothing").unwrap();
            // Threads, the kernel's answers about interfaces, random octets.
            let board = board::LinuxBoard::new(data);
            let network = std::thread::spawn(move || board::Board::network(&board)).join().unwrap();
            assert!(!network.addresses.is_empty());
            assert!(ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut [0; 8]).is_ok());
        });
    }

    #[test]
    fn no_program_and_no_process_is_started() {
        confined(&[], |_, sandbox| {
            assert_eq!(sandbox.calls, Ok(()));
            let started = std::process::Command::new("/bin/true").status();
            assert_eq!(started.unwrap_err().kind(), PermissionDenied);
            let inherited = std::thread::spawn(|| std::process::Command::new("/bin/true").status().is_err());
            assert!(inherited.join().unwrap(), "a thread of a confined thread is confined");
            let packets = rustix::net::socket(rustix::net::AddressFamily::PACKET, rustix::net::SocketType::DGRAM, None);
            assert_eq!(packets.unwrap_err(), rustix::io::Errno::PERM);
            let same = rustix::system::uname().nodename().to_bytes().to_owned();
            assert_eq!(rustix::system::sethostname(&same), Err(rustix::io::Errno::PERM));
        });
    }

    #[test]
    fn privileges_are_gone() {
        confined(&[], |_, _| {
            assert_eq!((status("NoNewPrivs"), status("Seccomp")), ("1".into(), "2".into()));
            for set in ["CapEff", "CapPrm", "CapInh"] {
                let left = u64::from_str_radix(&status(set), 16).unwrap();
                assert_eq!(left & !KEPT.bits(), 0, "{set}");
            }
        });
    }

    #[test]
    fn files_of_others_are_out_of_reach() {
        let other = tempfile::tempdir().unwrap();
        let (secret, new) = (other.path().join("secret"), other.path().join("new"));
        fs::write(&secret, "a letter").unwrap();
        confined(&[], |data, sandbox| {
            assert!(sandbox.holds(), "the kernel that tests run on has Landlock: {sandbox}");
            let denied = |outcome: std::io::Result<()>| assert_eq!(outcome.unwrap_err().kind(), PermissionDenied);
            denied(fs::read(&secret).map(|_| ()));
            denied(fs::write(&new, "x"));
            denied(fs::remove_file(&secret));
            denied(fs::read_dir(other.path()).map(|_| ()));
            denied(fs::write("/etc/roost-was-here", "x"));
            denied(std::os::unix::fs::symlink(&secret, data.join("link")));
            // Not by another name either.
            assert!(fs::hard_link(&secret, data.join("link")).is_err());
        });
        assert_eq!(fs::read(&secret).unwrap(), b"a letter");
    }

    #[test]
    fn only_its_own_ports_are_listened_on() {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (ours, outside) = (free(), TcpListener::bind("127.0.0.1:0").unwrap());
        let elsewhere = outside.local_addr().unwrap();
        confined(&[ours], |_, sandbox| {
            let LandlockStatus::Available { effective_abi, .. } = sandbox.landlock else { panic!("{sandbox}") };
            assert!(TcpListener::bind(("127.0.0.1", ours)).is_ok());
            assert_eq!(TcpListener::bind("127.0.0.1:0").is_err(), effective_abi >= ABI::V4, "{sandbox}");
            assert!(TcpStream::connect(elsewhere).is_ok(), "other servers can be asked");
        });
    }

    #[test]
    fn the_resolvers_folder_is_the_one_behind_the_link() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let file = root.join("etc/resolv.conf");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("run/lease")).unwrap();
        assert_eq!(resolver_folder(&file), None);
        // There before the first lease is.
        std::os::unix::fs::symlink("../run/lease/resolv.conf", &file).unwrap();
        assert_eq!(resolver_folder(&file), Some(root.join("run/lease")));
    }

    #[test]
    fn a_kernel_that_lacks_something_is_told_of_in_one_line() {
        let bare = Sandbox {
            files: RulesetStatus::NotEnforced,
            landlock: LandlockStatus::NotImplemented,
            calls: Err("no filters".into()),
        };
        assert!(!bare.holds());
        let line = bare.to_string();
        assert!(line.contains("no Landlock") && line.contains("no filters") && !line.contains('\n'), "{line}");
    }
}
