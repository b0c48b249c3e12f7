//! `stress`: seeded random operations from several threads, checked against a model in memory.
//!
//! Each thread owns a directory and everything in it, so its model is exact while the volume, the filters
//! and the file system see all threads at once. Besides, all threads write disjoint stripes of shared files
//! and read their own stripes back; stripes begin and end inside pages and sectors that other threads write to.
//!
//! Handles are cached or without intermediate buffering, and some operations use one of each on the same file at
//! the same time.

use std::collections::BTreeMap;

use nt_abi::{
    NtStatus, create_disposition as disposition, create_options as option, file_access as access,
    file_information_class as class,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{Outcome, Progress, Tally};
use crate::session::{Handle, OpenRequest, Session, Stopped, rename_information};
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

/// Runs the workload in a fresh directory of the volume and removes it again.
pub fn stress(machine: &Machine, options: StressOptions, progress: &dyn Progress) -> Outcome {
    let tally = Tally::new("stress");
    let root = utf16(&format!("\\altimeter-stress-{:x}", options.seed));
    progress.total(options.seconds.unwrap_or(u64::from(options.threads) * options.operations));
    if machine.run_on(options.volume, |session| prepare(session, &root, &tally)).is_err() {
        tally.interrupted();
        return tally.finish();
    }
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..options.threads {
            let (tally, root) = (&tally, &root);
            scope.spawn(move || {
                let result = machine.run_on(options.volume, |session| {
                    let mut worker = Worker::new(session, tally, root, options.seed, thread);
                    let result = worker.run(options, started, progress);
                    tally.operations(worker.operations, worker.bytes);
                    result
                });
                if result.is_err() {
                    tally.interrupted();
                }
            });
        }
    });
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
            83..87 => self.list(),
            87..92 => self.stream(),
            92..94 => self.wrong_names(),
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

    fn buffering(&mut self) -> Buffering {
        if self.random.random_bool(0.3) { Buffering::None } else { Buffering::Cached }
    }

    fn write(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let buffering = self.buffering();
        let Some(handle) = self.open_as(&name, disposition::FILE_OPEN, buffering)? else { return Ok(()) };
        self.write_by(&handle, buffering, &key)?;
        self.session.close(handle)?;
        Ok(())
    }

    fn write_by(&mut self, handle: &Handle, buffering: Buffering, key: &[u16]) -> Result<(), Stopped> {
        let name = self.files[key].name.clone();
        let longest = if self.random.random_bool(0.2) { 65_536 } else { 5_000 };
        let (offset, length) =
            (self.random.random_range(0..MAX_FILE / 2), self.random.random_range(1..=longest));
        let (offset, length) = buffering.range(offset, length);
        let mut data = vec![0u8; length];
        self.random.fill_bytes(&mut data);
        let append = buffering == Buffering::Cached && self.random.random_bool(0.1);
        let at = if append { self.files[key].data.len() as u64 } else { offset };
        let given = if append { -1 } else { offset as i64 };
        let done = self.session.write(handle, Some(given), &data)?;
        self.operations += 1;
        self.bytes += length as u64;
        if done.status != NtStatus::SUCCESS || done.information != length {
            self.mismatch(
                &name,
                format!("write of {length} at {at}: {} bytes, {}", done.information, done.status),
            );
        } else {
            let node = self.files.get_mut(key).expect("picked");
            let end = at as usize + length;
            if node.data.len() < end {
                node.data.resize(end, 0);
            }
            node.data[at as usize..end].copy_from_slice(&data);
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let buffering = self.buffering();
        let Some(handle) = self.open_as(&name, disposition::FILE_OPEN, buffering)? else { return Ok(()) };
        self.read_by(&handle, buffering, &key)?;
        self.session.close(handle)?;
        Ok(())
    }

    fn read_by(&mut self, handle: &Handle, buffering: Buffering, key: &[u16]) -> Result<(), Stopped> {
        let name = self.files[key].name.clone();
        let size = self.files[key].data.len() as u64;
        let (offset, length) = (self.random.random_range(0..size + 100), self.random.random_range(1..20_000));
        let (offset, length) = buffering.range(offset, length);
        let mut data = vec![0u8; length];
        let done = self.session.read(handle, Some(offset as i64), &mut data)?;
        self.operations += 1;
        self.bytes += done.information as u64;
        let expected = &self.files[key].data[(offset.min(size)) as usize..];
        let expected = &expected[..expected.len().min(data.len())];
        let status = if expected.is_empty() { NtStatus::END_OF_FILE } else { NtStatus::SUCCESS };
        if done.status != status || done.information != expected.len() || data[..expected.len()] != *expected
        {
            let first = data.iter().zip(expected).position(|(got, expected)| got != expected);
            self.mismatch(
                &name,
                format!(
                    "read of {} at {offset} of {size}{}: {} bytes, {}; expected {} bytes, {status}; {}",
                    data.len(),
                    if buffering == Buffering::None { " without buffering" } else { "" },
                    done.information,
                    done.status,
                    expected.len(),
                    first.map_or("the same bytes".into(), |at| format!("they differ from byte {at} on"))
                ),
            );
        }
        Ok(())
    }

    /// A cached handle and one without buffering on the same file, in turns, with sizes and flushes between.
    fn mixed(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let Some(cached) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
        let Some(direct) = self.open_as(&name, disposition::FILE_OPEN, Buffering::None)? else {
            return self.session.close(cached).map(|_| ());
        };
        for _ in 0..self.random.random_range(2..10u32) {
            match self.random.random_range(0..10u32) {
                0..3 => self.write_by(&cached, Buffering::Cached, &key)?,
                3..5 => self.write_by(&direct, Buffering::None, &key)?,
                5..7 => self.read_by(&cached, Buffering::Cached, &key)?,
                7 => self.read_by(&direct, Buffering::None, &key)?,
                8 => {
                    let handle = if self.random.random_bool(0.5) { &cached } else { &direct };
                    let size = self.random.random_range(0..MAX_FILE);
                    self.resize_by(handle, &key, size)?;
                }
                _ => {
                    let done = self.session.flush(&cached)?;
                    self.operations += 1;
                    if done.status != NtStatus::SUCCESS {
                        self.mismatch(&name, format!("flush: {}", done.status));
                    }
                }
            }
        }
        self.session.close(direct)?;
        self.session.close(cached)?;
        Ok(())
    }

    fn resize(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
        let size = self.random.random_range(0..MAX_FILE);
        self.resize_by(&handle, &key, size)?;
        self.session.close(handle)?;
        self.check_size(&key)
    }

    fn resize_by(&mut self, handle: &Handle, key: &[u16], size: u64) -> Result<(), Stopped> {
        let done =
            self.session.set_information(handle, class::FileEndOfFileInformation, &size.to_le_bytes())?;
        self.operations += 1;
        if done.status == NtStatus::SUCCESS {
            self.files.get_mut(key).expect("picked").data.resize(size as usize, 0);
        } else {
            let name = self.files[key].name.clone();
            self.mismatch(&name, format!("set end of file to {size}: {}", done.status));
        }
        Ok(())
    }

    fn check_size(&mut self, key: &[u16]) -> Result<(), Stopped> {
        let node = self.files[key].clone();
        let Some(handle) = self.open(&node.name, disposition::FILE_OPEN)? else { return Ok(()) };
        let mut information = [0u8; 24];
        let done =
            self.session.query_information(&handle, class::FileStandardInformation, &mut information)?;
        self.operations += 1;
        let size = u64::from_le_bytes(information[8..16].try_into().expect("eight bytes"));
        if done.status != NtStatus::SUCCESS || size != node.data.len() as u64 {
            self.mismatch(
                &node.name,
                format!("size is {size} ({}), expected {}", done.status, node.data.len()),
            );
        }
        self.session.close(handle)?;
        Ok(())
    }

    fn rename(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let onto = if self.random.random_bool(0.3) { self.pick() } else { None };
        let replace = self.random.random_bool(0.5);
        let new_name = match &onto {
            Some(other) => self.files[other].name.clone(),
            None => self.fresh_name(),
        };
        let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
        let information =
            rename_information(&join(&self.session.volume_path(&self.directory), &new_name), replace);
        let done = self.session.set_information(&handle, class::FileRenameInformation, &information)?;
        self.operations += 1;
        self.session.close(handle)?;
        let new_key = store::fold(&new_name);
        let taken = new_key != key && self.files.contains_key(&new_key);
        let expected = if taken && !replace { NtStatus::OBJECT_NAME_COLLISION } else { NtStatus::SUCCESS };
        if done.status != expected {
            self.mismatch(
                &name,
                format!(
                    "rename to {}: {}, expected {expected}",
                    String::from_utf16_lossy(&new_name),
                    done.status
                ),
            );
        }
        if done.status == NtStatus::SUCCESS {
            let mut node = self.files.remove(&key).expect("picked");
            node.name = new_name;
            self.files.insert(new_key, node);
        }
        Ok(())
    }

    fn delete(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return Ok(()) };
        let name = self.files[&key].name.clone();
        if self.random.random_bool(0.5) {
            let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
            let done = self.session.set_information(&handle, class::FileDispositionInformation, &[1])?;
            if done.status != NtStatus::SUCCESS {
                self.mismatch(&name, format!("set disposition: {}", done.status));
            }
            self.session.close(handle)?;
        } else {
            let path = join(&self.directory, &name);
            let request = OpenRequest::on_volume(&path)
                .access(access::DELETE)
                .options(option::FILE_NON_DIRECTORY_FILE | option::FILE_DELETE_ON_CLOSE);
            match self.session.open(&request)? {
                Ok(opened) => {
                    self.session.close(opened.handle)?;
                }
                Err(status) => self.mismatch(&name, format!("open for delete on close: {status}")),
            }
        }
        self.operations += 3;
        self.files.remove(&key);
        let path = join(&self.directory, &name);
        match self.session.open(&OpenRequest::on_volume(&path))? {
            Err(NtStatus::OBJECT_NAME_NOT_FOUND) => {}
            Err(status) => self.mismatch(&name, format!("open after delete: {status}")),
            Ok(opened) => {
                self.mismatch(&name, "is still there after it was deleted");
                self.session.close(opened.handle)?;
            }
        }
        Ok(())
    }

    fn list(&mut self) -> Result<(), Stopped> {
        let listed = self.session.list(&self.directory)?;
        self.operations += 3;
        match listed {
            Ok(entries) => {
                let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
                names.sort();
                let mut expected: Vec<_> = self.files.values().map(|node| node.name.clone()).collect();
                expected.sort();
                if names != expected {
                    let directory = self.directory.clone();
                    self.mismatch(
                        &directory,
                        format!("lists {} names, expected {}", names.len(), expected.len()),
                    );
                }
            }
            Err(status) => self.mismatch(&self.directory, format!("listing failed with {status}")),
        }
        Ok(())
    }

    fn stream(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let stream = utf16(["one", "two", "Zone.Identifier"][self.random.random_range(0..3usize)]);
        let mut name = self.files[&key].name.clone();
        name.push(u16::from(b':'));
        name.extend_from_slice(&stream);
        let known = self.files[&key].streams.get(&stream).cloned();
        if let Some(expected) = known
            && self.random.random_bool(0.5)
        {
            let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
            let mut data = vec![0u8; expected.len() + 10];
            let done = self.session.read(&handle, Some(0), &mut data)?;
            if done.information != expected.len() || data[..expected.len()] != expected[..] {
                self.mismatch(&name, format!("stream holds {} bytes ({})", done.information, done.status));
            }
            self.session.close(handle)?;
            return Ok(());
        }
        let Some(handle) = self.open(&name, disposition::FILE_OVERWRITE_IF)? else { return Ok(()) };
        let mut data = vec![0u8; self.random.random_range(1..3_000)];
        self.random.fill_bytes(&mut data);
        let done = self.session.write(&handle, Some(0), &data)?;
        self.operations += 1;
        if done.status != NtStatus::SUCCESS {
            self.mismatch(&name, format!("write to the stream: {}", done.status));
        } else {
            self.files.get_mut(&key).expect("picked").streams.insert(stream, data);
        }
        self.session.close(handle)?;
        Ok(())
    }

    fn wrong_names(&mut self) -> Result<(), Stopped> {
        let missing = join(&self.directory, &utf16("no-such-directory\\file"));
        let absent = join(&self.directory, &utf16("no-such-file"));
        for (path, expected) in
            [(missing, NtStatus::OBJECT_PATH_NOT_FOUND), (absent, NtStatus::OBJECT_NAME_NOT_FOUND)]
        {
            self.operations += 1;
            match self.session.open(&OpenRequest::on_volume(&path))? {
                Err(status) if status == expected => {}
                Err(status) => self.mismatch(&path, format!("{status}, expected {expected}")),
                Ok(opened) => {
                    self.mismatch(&path, "was opened, but is not there");
                    self.session.close(opened.handle)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a part of this thread's stripe of a shared file and reads the stripe back.
    fn shared_stripe(&mut self) -> Result<(), Stopped> {
        let shared = self.random.random_range(0..SHARED_FILES);
        let root_end = self.directory.iter().rposition(|unit| *unit == u16::from(b'\\')).unwrap_or(0);
        let path = join(&self.directory[..root_end], &utf16(&format!("shared-{shared}")));
        let buffering = self.buffering();
        let request = OpenRequest::on_volume(&path)
            .access(access::GENERIC_READ | access::GENERIC_WRITE | access::SYNCHRONIZE)
            .options(FILE_OPTIONS | buffering.option());
        let handle = match self.session.open(&request)? {
            Ok(opened) => opened.handle,
            Err(status) => {
                self.mismatch(&path, format!("open failed with {status}"));
                return Ok(());
            }
        };
        let start = self.thread as usize * STRIPE;
        let (first, end) = match buffering {
            Buffering::Cached => {
                let at = self.random.random_range(0..STRIPE);
                (start + at, start + at + self.random.random_range(1..=STRIPE - at))
            }
            // The whole sectors inside the stripe: the others belong to a neighbour as well.
            Buffering::None => (
                start.next_multiple_of(SECTOR as usize),
                (start + STRIPE) / SECTOR as usize * SECTOR as usize,
            ),
        };
        let mut data = vec![0u8; end - first];
        self.random.fill_bytes(&mut data);
        let done = self.session.write(&handle, Some(first as i64), &data)?;
        if done.status == NtStatus::SUCCESS {
            self.stripes[shared][first - start..end - start].copy_from_slice(&data);
        } else {
            self.mismatch(&path, format!("write failed with {}", done.status));
        }
        // Everything up to what any thread wrote last: the tail may not be there yet.
        let (from, bytes) = match buffering {
            Buffering::Cached => (start, STRIPE),
            Buffering::None => (first, end - first),
        };
        let mut back = vec![0u8; bytes];
        let done = self.session.read(&handle, Some(from as i64), &mut back)?;
        self.operations += 4;
        self.bytes += (data.len() + done.information) as u64;
        let mine = &self.stripes[shared][from - start..][..done.information];
        if back[..done.information] != *mine || done.information < end - from {
            let first = back.iter().zip(mine).position(|(got, expected)| got != expected);
            self.mismatch(
                &path,
                format!("stripe of thread {} differs: {} bytes, {first:?}", self.thread, done.information),
            );
        }
        self.session.close(handle)?;
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
