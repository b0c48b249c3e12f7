//! `stress`: seeded random operations from several threads, checked against a model in memory.
//!
//! Each thread owns a directory and everything in it, so its model is exact while the volume, the filters
//! and the file system see all threads at once. Besides, all threads write disjoint stripes of shared files
//! and read their own stripes back; stripes begin and end inside pages and sectors that other threads write to.
//!
//! Handles are cached or without intermediate buffering, and some operations use one of each on the same file at
//! the same time. Files are mapped as well: loads and stores beside reads and writes.

mod data;
mod mapped;
mod names;
mod shared;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use nt_abi::{create_disposition as disposition, create_options as option, file_access as access};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{Outcome, Progress, Tally};
use crate::session::{Handle, OpenRequest, Session, Stopped};
use crate::{Machine, utf16};

/// What `stress` does.
#[derive(Clone, Copy, Debug)]
pub struct StressOptions {
    /// The same seed gives each thread the same operations.
    pub seed: u64,
    /// Threads.
    pub threads: u32,
    /// Operations of each thread; ignored when `seconds` is given.
    pub operations: u64,
    /// Runs for about this long instead.
    pub seconds: Option<u64>,
    /// Which volume, from 0.
    pub volume: usize,
}

impl Default for StressOptions {
    fn default() -> Self {
        Self { seed: 1, threads: 4, operations: 4_000, seconds: None, volume: 0 }
    }
}

const SHARED_FILES: usize = 2;
/// No multiple of a page or a sector.
const STRIPE: usize = 21_000;
/// What transfers through handles without intermediate buffering are multiples of, on every volume.
const SECTOR: u64 = 4096;
const MAX_FILE: u64 = 256 << 10;

const FILE_OPTIONS: u32 = option::FILE_NON_DIRECTORY_FILE | option::FILE_SYNCHRONOUS_IO_NONALERT;

/// How a handle moves its data.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Buffering {
    Cached,
    None,
}

impl Buffering {
    fn option(self) -> u32 {
        if self == Self::None { option::FILE_NO_INTERMEDIATE_BUFFERING } else { 0 }
    }

    /// A range as such a handle takes it: whole sectors around the same place.
    fn range(self, offset: u64, length: usize) -> (u64, usize) {
        match self {
            Self::Cached => (offset, length),
            Self::None => (offset / SECTOR * SECTOR, length.next_multiple_of(SECTOR as usize)),
        }
    }
}

#[derive(Default, Clone)]
struct Node {
    name: Vec<u16>,
    data: Vec<u8>,
    streams: BTreeMap<Vec<u16>, Vec<u8>>,
}

struct Worker<'a> {
    session: &'a Session,
    tally: &'a Tally,
    random: Pcg64Mcg,
    directory: Vec<u16>,
    /// By folded name.
    files: BTreeMap<Vec<u16>, Node>,
    stripes: [Vec<u8>; SHARED_FILES],
    thread: u32,
    operations: u64,
    bytes: u64,
    next_name: u32,
}

/// What runs beside the operations, again and again, told how often before.
pub type Beside<'a> = &'a (dyn Fn(u64) -> Result<(), Stopped> + Sync);

/// Runs the workload in a fresh directory of the volume and removes it again.
pub fn stress(machine: &Machine, options: StressOptions, progress: &dyn Progress) -> Outcome {
    run(machine, options, progress, None)
}

/// The same while a thread of its own calls `beside` in kernel mode until the others are done. It has to wait for something.
pub fn stress_beside(
    machine: &Machine,
    options: StressOptions,
    progress: &dyn Progress,
    beside: Beside<'_>,
) -> Outcome {
    run(machine, options, progress, Some(beside))
}

fn run(
    machine: &Machine,
    options: StressOptions,
    progress: &dyn Progress,
    beside: Option<Beside<'_>>,
) -> Outcome {
    let tally = Tally::new("stress");
    let root = utf16(&format!("\\altimeter-stress-{:x}", options.seed));
    progress.total(options.seconds.unwrap_or(u64::from(options.threads) * options.operations));
    if machine.run_on(options.volume, |session| prepare(session, &root, &tally)).is_err() {
        tally.interrupted();
        return tally.finish();
    }
    let started = std::time::Instant::now();
    let left = AtomicU32::new(options.threads);
    let work = |session: &Session, thread: u32| {
        if let Some(beside) = beside.filter(|_| thread == options.threads) {
            let mut round = 0;
            return nt_ps::with_previous_mode(0, || {
                while left.load(Ordering::Acquire) != 0 {
                    beside(round)?;
                    round += 1;
                }
                Ok(())
            });
        }
        let mut worker = Worker::new(session, &tally, &root, options.seed, thread);
        let result = worker.run(options, started, progress);
        tally.operations(worker.operations, worker.bytes);
        left.fetch_sub(1, Ordering::AcqRel);
        result
    };
    let threads = options.threads + u32::from(beside.is_some());
    if machine.run_threads(options.volume, threads, work).is_err() {
        tally.interrupted();
    }
    if machine.run_on(options.volume, |session| session.remove_tree(&root)).is_err() {
        tally.interrupted();
    }
    tally.finish()
}

fn prepare(session: &Session, root: &[u16], tally: &Tally) -> Result<(), Stopped> {
    session.remove_tree(root)?;
    let check = |path: &[u16], directory: bool| -> Result<(), Stopped> {
        let kind = if directory { option::FILE_DIRECTORY_FILE } else { option::FILE_NON_DIRECTORY_FILE };
        match session
            .open(&OpenRequest::on_volume(path).disposition(disposition::FILE_CREATE).options(kind))?
        {
            Ok(opened) => session.close(opened.handle).map(|_| ()),
            Err(status) => {
                tally.mismatch(format!("{}: {status}", String::from_utf16_lossy(path)));
                Ok(())
            }
        }
    };
    check(root, true)?;
    for shared in 0..SHARED_FILES {
        check(&join(root, &utf16(&format!("shared-{shared}"))), false)?;
    }
    Ok(())
}

fn join(directory: &[u16], name: &[u16]) -> Vec<u16> {
    let mut path = directory.to_vec();
    path.push(u16::from(b'\\'));
    path.extend_from_slice(name);
    path
}

impl<'a> Worker<'a> {
    fn new(session: &'a Session, tally: &'a Tally, root: &[u16], seed: u64, thread: u32) -> Self {
        Self {
            session,
            tally,
            random: Pcg64Mcg::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(thread)),
            directory: join(root, &utf16(&format!("thread-{thread}"))),
            files: BTreeMap::new(),
            stripes: std::array::from_fn(|_| vec![0; STRIPE]),
            thread,
            operations: 0,
            bytes: 0,
            next_name: 0,
        }
    }

    fn run(
        &mut self,
        options: StressOptions,
        started: std::time::Instant,
        progress: &dyn Progress,
    ) -> Result<(), Stopped> {
        let request = OpenRequest::on_volume(&self.directory).disposition(disposition::FILE_CREATE);
        if let Ok(opened) = self.session.open(&request.options(option::FILE_DIRECTORY_FILE))? {
            self.session.close(opened.handle)?;
        }
        let mut step = 0u64;
        let mut second = 0;
        loop {
            match options.seconds {
                Some(seconds) => {
                    let now = started.elapsed().as_secs();
                    if now >= seconds {
                        break;
                    }
                    if self.thread == 0 && now > second {
                        progress.advance(now - second);
                        second = now;
                    }
                }
                None if step >= options.operations => break,
                None => progress.advance(1),
            }
            step += 1;
            self.step()?;
        }
        self.verify_everything()
    }

    fn step(&mut self) -> Result<(), Stopped> {
        match self.random.random_range(0..100u32) {
            0..12 => self.create(),
            12..34 => self.write(),
            34..54 => self.read(),
            54..62 => self.mixed(),
            62..70 => self.resize(),
            70..77 => self.rename(),
            77..83 => self.delete(),
            83..86 => self.list(),
            86..90 => self.stream(),
            90..91 => self.wrong_names(),
            91..95 => self.mapped(),
            _ => self.shared_stripe(),
        }
    }

    fn pick(&mut self) -> Option<Vec<u16>> {
        if self.files.is_empty() {
            return None;
        }
        let index = self.random.random_range(0..self.files.len());
        self.files.keys().nth(index).cloned()
    }

    fn fresh_name(&mut self) -> Vec<u16> {
        self.next_name += 1;
        let kinds =
            ["file", "File With Spaces", "döcument", "x", "very-long-name-very-long-name-very-long-name"];
        let kind = kinds[self.random.random_range(0..kinds.len())];
        utf16(&format!("{kind}-{}.dat", self.next_name))
    }

    /// Another spelling of the same name half of the time.
    fn spelling(&mut self, name: &[u16]) -> Vec<u16> {
        if self.random.random_bool(0.5) { store::fold(name) } else { name.to_vec() }
    }

    fn mismatch(&self, name: &[u16], what: impl std::fmt::Display) {
        self.tally.mismatch(format!("thread {}: {}: {what}", self.thread, String::from_utf16_lossy(name)));
    }

    fn open(&mut self, name: &[u16], disposition: u32) -> Result<Option<Handle>, Stopped> {
        self.open_as(name, disposition, Buffering::Cached)
    }

    fn open_as(
        &mut self,
        name: &[u16],
        disposition: u32,
        buffering: Buffering,
    ) -> Result<Option<Handle>, Stopped> {
        self.operations += 2;
        let spelled = self.spelling(name);
        let path = join(&self.directory, if disposition == disposition::FILE_OPEN { &spelled } else { name });
        let request = OpenRequest::on_volume(&path)
            .access(access::GENERIC_READ | access::GENERIC_WRITE | access::DELETE | access::SYNCHRONIZE)
            .disposition(disposition)
            .options(FILE_OPTIONS | buffering.option());
        match self.session.open(&request)? {
            Ok(opened) => Ok(Some(opened.handle)),
            Err(status) => {
                self.mismatch(name, format!("open (disposition {disposition}) failed with {status}"));
                Ok(None)
            }
        }
    }

    fn create(&mut self) -> Result<(), Stopped> {
        if self.files.len() > 40 {
            return self.delete();
        }
        let name = self.fresh_name();
        let Some(handle) = self.open(&name, disposition::FILE_CREATE)? else { return Ok(()) };
        self.session.close(handle)?;
        self.files.insert(store::fold(&name), Node { name, ..Node::default() });
        Ok(())
    }

    fn verify_everything(&mut self) -> Result<(), Stopped> {
        self.list()?;
        let keys: Vec<_> = self.files.keys().cloned().collect();
        for key in keys {
            self.check_size(&key)?;
            let node = self.files[&key].clone();
            let Some(handle) = self.open(&node.name, disposition::FILE_OPEN)? else { continue };
            let mut data = vec![0u8; node.data.len() + 1];
            let done = self.session.read(&handle, Some(0), &mut data)?;
            self.operations += 1;
            if done.information != node.data.len() || data[..node.data.len()] != node.data[..] {
                self.mismatch(&node.name, "differs at the end of the run");
            }
            self.session.close(handle)?;
        }
        Ok(())
    }
}
