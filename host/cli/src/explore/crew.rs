//! The hosts that explore together: started, listened to, ended.
//!
//! Seeds are dealt out in turn. The first failure of a host ends its part; the others go on up to that seed, so the
//! lowest seed that fails is the answer, however fast each of them is.

use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::worker::{AT, CANNOT, CLEAN, FAILED, SHARE};
use crate::arguments::ExploreArguments;
use crate::outcome::Usage;
use crate::phase::END;
use crate::supervisor;

/// What the crew met.
#[derive(Debug, Default)]
pub struct Met {
    /// Schedules that came to an end, or failed.
    pub schedules: u64,
    /// NT operations in all of them.
    pub operations: u64,
    /// The lowest seed that failed.
    pub failed: Option<u64>,
    /// How it failed, in a few words.
    pub why: String,
}

struct Member {
    process: Child,
    /// The seed that it is at.
    seed: Option<u64>,
    /// When it was heard of last.
    heard: Instant,
    finished: bool,
}

/// What one host said; `None`: its pipe ended.
type Said = (usize, Option<String>);

/// The running hosts.
pub struct Crew {
    members: Vec<Member>,
    said: Receiver<Said>,
    timeout: Duration,
    total: u64,
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

impl Crew {
    /// Starts the hosts.
    pub fn start(arguments: &ExploreArguments) -> Result<Self, Usage> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
        let count = arguments.jobs.map_or(processors, u64::from).min(arguments.schedules);
        let (sender, said) = channel();
        let mut crew = Self {
            members: Vec::new(),
            said,
            timeout: Duration::from_secs(arguments.timeout),
            total: arguments.schedules,
        };
        for index in 0..count {
            let process = start_host(index, count, &sender).map_err(supervisor::not_started)?;
            crew.members.push(Member { process, seed: None, heard: Instant::now(), finished: false });
        }
        Ok(crew)
    }

    /// Waits until it is known whether a schedule fails, and which is the first.
    pub fn wait(mut self) -> Result<Met, Usage> {
        let mut met = Met::default();
        let bar = bar(self.total);
        while self.members.iter().any(|member| !member.finished) {
            match self.said.recv_timeout(Duration::from_millis(200)) {
                Ok((index, said)) => self.hear(index, said, &mut met)?,
                Err(RecvTimeoutError::Timeout) => self.look_after(&mut met),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            bar.set_position(met.schedules);
            if let Some(failed) = met.failed {
                for member in &mut self.members {
                    member.finished |= member.seed.is_some_and(|seed| seed > failed);
                }
            }
        }
        bar.finish_and_clear();
        Ok(met)
    }

    fn hear(&mut self, index: usize, said: Option<String>, met: &mut Met) -> Result<(), Usage> {
        let member = &mut self.members[index];
        member.heard = Instant::now();
        let Some(line) = said else {
            if !member.finished {
                member.finished = true;
                fail(met, member.seed.unwrap_or_default(), "the process that hosts the machine died");
            }
            return Ok(());
        };
        if let Some(seed) = line.strip_prefix(AT) {
            member.seed = seed.parse().ok();
        } else if let Some((_, operations)) = line.strip_prefix(CLEAN).and_then(|rest| rest.split_once(' ')) {
            met.schedules += 1;
            met.operations += operations.parse::<u64>().unwrap_or_default();
        } else if let Some((seed, why)) = line.strip_prefix(FAILED).and_then(|rest| rest.split_once(' ')) {
            member.finished = true;
            fail(met, seed.parse().unwrap_or_default(), why);
        } else if let Some(why) = line.strip_prefix(CANNOT) {
            return Err(Usage(why.to_owned()));
        } else if line == END {
            member.finished = true;
        }
        Ok(())
    }

    /// Gives up hosts that have not been heard of for too long.
    fn look_after(&mut self, met: &mut Met) {
        for member in self.members.iter_mut().filter(|member| !member.finished) {
            if member.heard.elapsed() > self.timeout {
                let _ = member.process.kill();
                member.finished = true;
                fail(met, member.seed.unwrap_or_default(), "it did not come to an end");
            }
        }
    }
}

fn fail(met: &mut Met, seed: u64, why: &str) {
    met.schedules += 1;
    if met.failed.is_none_or(|failed| seed < failed) {
        (met.failed, met.why) = (Some(seed), why.to_owned());
    }
}

fn start_host(index: u64, count: u64, sender: &Sender<Said>) -> std::io::Result<Child> {
    let (mut command, reader) = supervisor::host_command(std::env::args_os().skip(1))?;
    command.env(SHARE, format!("{index}/{count}")).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.spawn()?;
    // The command keeps the pipe's writing end open; the pipe has to end with the host.
    drop(command);
    let sender = sender.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            let _ = sender.send((index as usize, Some(line)));
        }
        let _ = sender.send((index as usize, None));
    });
    Ok(process)
}

fn bar(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("exploring {wide_bar} {pos}/{len} {per_sec} {eta:>4}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
