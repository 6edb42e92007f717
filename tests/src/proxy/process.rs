//! Which process makes a call: the owner of the other end of its connection.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use soxauto_local::Function;

/// A process of a deployed function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The process.
    pub pid: u32,
    /// The function that it is.
    pub function: Function,
}

/// What the emulator calls the program of every function.
const PROGRAM: &str = "bootstrap";

/// The function process that has connected `peer` to `here`; `None` for any other program.
pub(super) fn caller(peer: SocketAddr, here: SocketAddr) -> Option<Caller> {
    let inode = inode(peer, here)?;
    let socket = format!("socket:[{inode}]");
    let pid = functions().find(|pid| holds(*pid, &socket))?;
    Some(Caller {
        pid,
        function: function(pid)?,
    })
}

/// Every process of a function on this machine, of whichever stack.
fn functions() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == PROGRAM)
        })
}

/// Ends the functions that reach AWS at this address: those of one stack that do not know its proxy.
pub fn end_functions_at(aws: &str) {
    for pid in functions() {
        if variable(pid, "AWS_ENDPOINT_URL").as_deref() == Some(aws) {
            kill(pid);
        }
    }
}

fn holds(pid: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files
        .flatten()
        .any(|file| fs::read_link(file.path()).is_ok_and(|link| link == Path::new(socket)))
}

/// The socket's number in the kernel's table.
fn inode(peer: SocketAddr, here: SocketAddr) -> Option<u64> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let (local, remote) = (hex(peer)?, hex(here)?);
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let found = fields.get(1)? == &local && fields.get(2)? == &remote;
        found.then(|| fields.get(9)?.parse().ok()).flatten()
    })
}

/// An address as the kernel's table spells it.
fn hex(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(v4) = address else {
        return None;
    };
    let ip = u32::from_le_bytes(v4.ip().octets());
    Some(format!("{ip:08X}:{:04X}", v4.port()))
}

fn function(pid: u32) -> Option<Function> {
    let name = variable(pid, "AWS_LAMBDA_FUNCTION_NAME")?;
    [Function::Dispatcher, Function::Worker, Function::Finalizer]
        .into_iter()
        .find(|function| name.ends_with(super::function_name(*function)))
}

/// A variable of the process's environment.
fn variable(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment.split(|byte| *byte == 0).find_map(|variable| {
        let text = std::str::from_utf8(variable).ok()?;
        let value = text.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.to_owned())
    })
}

/// Whether the process runs: one that has ended and was not waited for does not.
pub(super) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Kills the process by SIGKILL and waits until it has ended; whether it lived.
pub fn kill(pid: u32) -> bool {
    let Some(id) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    if !is_alive(pid) || kill_process(id, Signal::KILL).is_err() {
        return false;
    }
    for _ in 0..2_000 {
        if !is_alive(pid) {
            return true;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_connection_is_found_by_its_socket() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let (_held, peer) = server.accept().unwrap();
        let here = server.local_addr().unwrap();
        let inode = inode(peer, here).unwrap();
        assert!(holds(std::process::id(), &format!("socket:[{inode}]")));
        // This test is no function: nobody would kill it.
        assert_eq!(caller(peer, here), None);
        drop(client);
    }

    #[test]
    fn a_killed_process_is_dead_when_the_call_returns() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert!(is_alive(child.id()));
        assert!(kill(child.id()));
        assert!(!is_alive(child.id()) && !kill(child.id()));
        child.wait().unwrap();
    }
}
