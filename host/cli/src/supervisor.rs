//! The process that outlives every crash: starts the host, waits, and reports when the host died.
//!
//! ```text
//! started ─► lines through the pipe ─► "end", exit 0..3: passed on
//!                                  └─► signal, or no "end": a report of its own, exit 3
//! ```
//!
//! A signal from the terminal reaches both processes. A host whose supervisor is gone ends itself
//! (`monitor`).

use std::ffi::OsString;
use std::io::{BufRead, BufReader, PipeReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use altimeter::report::{BugCheckReport, DriverReport, Report};
use altimeter::workload::Outcome;

use crate::arguments::RunArguments;
use crate::outcome::{Exit, Usage};
use crate::phase::{DOING, DRIVER, END};
use crate::run::Summary;
use crate::{conclude, json};

/// Holds the supervisor's process id in the host's environment.
const VARIABLE: &str = "ALTIMETER_SUPERVISOR";

/// Whether this process is to host the machine.
pub fn is_host() -> bool {
    supervisor_id().is_some()
}

/// The process id of the supervisor of this host.
pub fn supervisor_id() -> Option<u32> {
    std::env::var(VARIABLE).ok()?.parse().ok()
}

/// Runs the host, the same program with `words` for arguments, to its end. `arguments`: what they ask for.
pub fn supervise(arguments: &RunArguments, words: impl IntoIterator<Item = OsString>) -> Exit {
    conclude(start_and_wait(arguments, words))
}

/// The command of a host that tells its supervisor through a pipe, whose other end is returned.
pub fn host_command(words: impl IntoIterator<Item = OsString>) -> std::io::Result<(Command, PipeReader)> {
    let (reader, writer) = std::io::pipe()?;
    let mut command = Command::new("/proc/self/exe");
    command.args(words).env(VARIABLE, std::process::id().to_string()).stdin(Stdio::from(writer));
    Ok((command, reader))
}

/// What the host said.
#[derive(Default)]
struct Told {
    drivers: Vec<DriverReport>,
    doing: String,
    ended: bool,
}

/// What to say when a host cannot be started.
pub fn not_started(error: std::io::Error) -> Usage {
    Usage(format!("the process that hosts the machine cannot be started: {error}; is /proc mounted?"))
}

fn start_and_wait(
    arguments: &RunArguments,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Exit, Usage> {
    let failed = not_started;
    let (mut command, reader) = host_command(words).map_err(failed)?;
    let mut child = command.spawn().map_err(failed)?;
    // The command keeps the pipe's writing end open; the pipe has to end with the host.
    drop(command);
    let told = listen(BufReader::new(reader));
    let status = child.wait().map_err(failed)?;
    if told.ended
        && let Some(exit) = status.code().and_then(exit_of)
    {
        return Ok(exit);
    }
    if let Some(signal) = status.signal().filter(|signal| [1, 2, 15].contains(signal)) {
        eprintln!("interrupted by {}", signal_name(signal));
        return Ok(Exit::Interrupted(signal));
    }
    death(arguments, told, status)
}

fn listen(pipe: impl BufRead) -> Told {
    let mut told = Told::default();
    for line in pipe.lines().map_while(Result::ok) {
        if let Some(what) = line.strip_prefix(DOING) {
            told.doing = what.to_owned();
        } else if let Some((name, image)) = line.strip_prefix(DRIVER).and_then(|rest| rest.split_once('\t')) {
            let (name, image) = (name.to_owned(), image.to_owned());
            told.drivers.push(DriverReport { name, image, ..DriverReport::default() });
        } else if line == END {
            told.ended = true;
        }
    }
    told
}

fn exit_of(code: i32) -> Option<Exit> {
    [Exit::Clean, Exit::Findings, Exit::Unusable, Exit::BugCheck].into_iter().find(|exit| exit.code() == code)
}

/// Reports a host that died.
fn death(arguments: &RunArguments, told: Told, status: ExitStatus) -> Result<Exit, Usage> {
    let how = match (status.signal(), status.code()) {
        (Some(9), _) => {
            "was killed (SIGKILL); if nobody did it by hand, the system ran out of memory: see its log"
                .to_owned()
        }
        (Some(signal), _) => format!("died of {}", signal_name(signal)),
        (None, code) => format!("ended with exit code {} and no result", code.unwrap_or(-1)),
    };
    let during = if told.doing.is_empty() { String::new() } else { format!(" while {}", told.doing) };
    let message = format!(
        "The process that hosts the machine {how}{during}. This is a defect of Altimeter, or of a driver that \
         destroyed the process. Run again with --trace FILE: its last lines say who ran last; or with fewer \
         drivers, to find the one. Files that were acknowledged are in the volume's directory"
    );
    let driver = match told.drivers.as_slice() {
        [only] => only.name.clone(),
        _ => String::new(),
    };
    let bug_check =
        BugCheckReport { name: "HOST_PROCESS_DIED".into(), driver, message, ..BugCheckReport::default() };
    let summary = Summary {
        volumes: arguments.volumes.iter().map(|volume| volume.display().to_string()).collect(),
        outcome: Outcome { name: arguments.workload.name(), interrupted: true, ..Outcome::default() },
        elapsed: None,
        report: Report { drivers: told.drivers, bug_check: Some(bug_check), ..Report::default() },
        steps: None,
        explored: arguments.explored,
    };
    let mut file = json::Destination::open(arguments.json.as_deref())?;
    summary.print(&mut file)?;
    Ok(Exit::BugCheck)
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL, an illegal instruction",
        5 => "SIGTRAP, a breakpoint",
        6 => "SIGABRT, an abort",
        7 => "SIGBUS, an access to memory that cannot be had",
        8 => "SIGFPE, an arithmetic fault",
        9 => "SIGKILL",
        11 => "SIGSEGV, an access to memory that is not there",
        15 => "SIGTERM",
        31 => "SIGSYS, a forbidden system call",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod listening {
    use super::*;

    #[test]
    fn last_phase_and_drivers_are_kept_and_the_end_is_noticed() {
        let told = listen(&b"doing a\ndriver x\tx.sys\ndoing b\n"[..]);
        assert_eq!((told.doing.as_str(), told.drivers.len(), told.ended), ("b", 1, false));
        assert_eq!((told.drivers[0].name.as_str(), told.drivers[0].image.as_str()), ("x", "x.sys"));
        assert!(listen(&b"doing a\nend\n"[..]).ended);
    }

    #[test]
    fn only_the_documented_codes_are_passed_on() {
        assert_eq!(exit_of(3), Some(Exit::BugCheck));
        assert_eq!(exit_of(101), None);
    }
}
