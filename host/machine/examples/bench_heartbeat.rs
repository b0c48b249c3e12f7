//! What a passed-through operation costs: 4 KiB through `NtWriteFile` and `NtReadFile` on a cached handle of a
//! 1 MiB file in the memory store, below N native filters that do nothing (`drivers/heartbeat`).
//!
//! | figure | is |
//! | --- | --- |
//! | `model_ns` | the same work bare: a block from a free list, a lock, a page lookup, the copy |
//! | `memcpy_ns` | the copy alone, between the same buffers |
//! | `write_ns`, `read_ns` | the service by fast I/O |
//! | `irp_write_ns` | the write with fast I/O switched off (`nt_io::Io::set_fast_io`) |
//! | `per_filter_both_ns` | what each of 8 filters with both callbacks adds to a write |
//! | `per_filter_pre_ns` | the same with a pre callback that asks for no post callback |
//! | `allocations_per_op` | pool allocations, which are also the misses of all free lists, of a write by either way below 8 filters |
//!
//! Each round measures every subject once, so that a change of the host's speed meets all alike; the figures are
//! medians of the rounds. Run by `cargo xtask bench heartbeat [--json]`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::{DriverSource, Machine, Options, Schedule, Setting, Stopped, utf16};
use nt_io::Asynchronous;
use nt_mm::user::UserBuffer;
use parking_lot::Mutex;

const FILTERS: [usize; 5] = [0, 1, 2, 4, 8];
const ROUNDS: usize = 31;
const OPERATIONS: usize = 4_000;
const PAGE: usize = 4096;
const PAGES: usize = 256;

/// What is measured once a round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Figure {
    Model,
    Memcpy,
    Write(usize),
    Read(usize),
    IrpWrite(usize),
    WritePre(usize),
}

type Samples = BTreeMap<Figure, Vec<f64>>;

struct Subject {
    filters: usize,
    pre_only: bool,
    machine: Machine,
}

fn open(session: &Session) -> Result<Handle, Stopped> {
    let name = utf16("\\bench");
    let request = OpenRequest::on_volume(&name)
        .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
        .disposition(nt_abi::FILE_OPEN_IF);
    Ok(session.open(&request)?.expect("the file can be opened").handle)
}

fn boot(filters: usize, pre_only: bool) -> Subject {
    let machine = Machine::boot(Options { schedule: Schedule::Free, ..Options::default() })
        .expect("a machine in memory boots");
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin/heartbeat.sys");
    for index in 0..filters {
        let mut source = DriverSource::from_path(&image).expect("the driver is built");
        source.name = format!("beat{index}");
        // Instance names are unique on a volume: each copy gets one made from its own name.
        source.inf = None;
        source.altitude = Some(format!("{}", 370_000 + index));
        let setting = format!("PreOnly=dword:{}", u32::from(pre_only));
        source.settings = vec![Setting::parse(&setting).expect("a setting")];
        machine.load(&source).expect("the driver loads");
    }
    Subject { filters, pre_only, machine }
}

/// Nanoseconds of each of `OPERATIONS` calls.
fn timed(mut operation: impl FnMut(usize) -> Result<(), Stopped>) -> Result<f64, Stopped> {
    let started = Instant::now();
    for index in 0..OPERATIONS {
        operation(index)?;
    }
    Ok(started.elapsed().as_nanos() as f64 / OPERATIONS as f64)
}

fn write(handle: &Handle, buffer: &UserBuffer, index: usize) -> Result<(), Stopped> {
    let (none, offset) = (Asynchronous::default(), (index % PAGES * PAGE) as i64);
    let done =
        nt_io::nt_write_file(handle.value(), &none, buffer.address(), PAGE as u32, Some(offset), None)?;
    assert_eq!(done.information, PAGE, "{:?}", done.status);
    Ok(())
}

fn read(handle: &Handle, buffer: &UserBuffer, index: usize) -> Result<(), Stopped> {
    let (none, offset) = (Asynchronous::default(), (index % PAGES * PAGE) as i64);
    let done = nt_io::nt_read_file(handle.value(), &none, buffer.address(), PAGE as u32, Some(offset), None)?;
    assert_eq!(done.information, PAGE, "{:?}", done.status);
    Ok(())
}

/// Allocations that so many operations make in a thread that has done some already.
fn allocations(mut operation: impl FnMut(usize) -> Result<(), Stopped>) -> Result<f64, Stopped> {
    let before = nt_ex::pool::allocations();
    for index in 0..OPERATIONS {
        operation(index)?;
    }
    Ok((nt_ex::pool::allocations() - before) as f64 / OPERATIONS as f64)
}

/// One round of a subject. Returns the allocations of each operation.
fn round(subject: &Subject, samples: &mut Samples) -> f64 {
    let (filters, pre_only) = (subject.filters, subject.pre_only);
    let mut keep = |figure, nanoseconds| samples.entry(figure).or_default().push(nanoseconds);
    subject
        .machine
        .run(|session| {
            let handle = open(session)?;
            let buffer = UserBuffer::new(PAGE).expect("user memory");
            let io = nt_ke::current_core().get::<nt_io::Io>();
            for index in 0..2 * PAGES {
                write(&handle, &buffer, index)?;
                read(&handle, &buffer, index)?;
            }
            let mut allocated = allocations(|index| write(&handle, &buffer, index))?;
            if pre_only {
                keep(Figure::WritePre(filters), timed(|index| write(&handle, &buffer, index))?);
            } else {
                keep(Figure::Write(filters), timed(|index| write(&handle, &buffer, index))?);
                keep(Figure::Read(filters), timed(|index| read(&handle, &buffer, index))?);
                io.set_fast_io(false);
                write(&handle, &buffer, 0)?;
                allocated = allocated.max(allocations(|index| write(&handle, &buffer, index))?);
                keep(Figure::IrpWrite(filters), timed(|index| write(&handle, &buffer, index))?);
                io.set_fast_io(true);
            }
            session.close(handle)?;
            Ok(allocated)
        })
        .expect("the machine runs")
}

/// The bare model: what any design of a cached write has to do.
struct Model {
    // Blocks are boxes: a free list hands out addresses.
    #[expect(clippy::vec_box, reason = "blocks of a free list are allocations of their own")]
    free: Vec<Box<[u64; 16]>>,
    pages: Mutex<BTreeMap<usize, usize>>,
}

impl Model {
    fn new(target: &UserBuffer) -> Self {
        let pages = (0..PAGES).map(|page| (page, target.address() + page * PAGE)).collect();
        Self { free: vec![Box::new([0; 16])], pages: Mutex::new(pages) }
    }

    #[inline(never)]
    fn write(&mut self, from: usize, offset: usize) {
        let mut block = self.free.pop().expect("one is free");
        block[0] = offset as u64;
        block[1] = from as u64;
        let pages = self.pages.lock();
        let page = pages[&(block[0] as usize / PAGE)];
        copy(page, from);
        drop(pages);
        self.free.push(std::hint::black_box(block));
    }
}

/// A plain copy of a page.
#[inline(never)]
fn copy(to: usize, from: usize) {
    // SAFETY: both are pages of user buffers that live while this runs, in a thread of their machine.
    unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, PAGE) };
}

fn bare(machine: &Machine, samples: &mut Samples) {
    machine
        .run(|_| {
            let buffer = UserBuffer::new(PAGE).expect("user memory");
            let target = UserBuffer::new(PAGES * PAGE).expect("user memory");
            let mut model = Model::new(&target);
            for _ in 0..2 {
                for page in 0..PAGES {
                    model.write(buffer.address(), page * PAGE);
                }
            }
            let spent = timed(|index| {
                model.write(buffer.address(), index % PAGES * PAGE);
                Ok(())
            })?;
            samples.entry(Figure::Model).or_default().push(spent);
            let spent = timed(|index| {
                copy(target.address() + index % PAGES * PAGE, buffer.address());
                Ok(())
            })?;
            samples.entry(Figure::Memcpy).or_default().push(spent);
            Ok(())
        })
        .expect("the machine runs");
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let mut subjects: Vec<Subject> = FILTERS.iter().map(|filters| boot(*filters, false)).collect();
    subjects.push(boot(8, true));
    let mut samples = Samples::new();
    let mut allocated = 0.0f64;
    for subject in &subjects {
        round(subject, &mut samples);
        let report = subject.machine.report();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let attached = report.drivers.iter().filter(|driver| driver.instances.len() == 1).count();
        assert_eq!(attached, subject.filters, "every filter is attached");
    }
    samples.clear();
    for _ in 0..ROUNDS {
        bare(&subjects[0].machine, &mut samples);
        for subject in &subjects {
            let operations = round(subject, &mut samples);
            if subject.filters == 8 {
                allocated = allocated.max(operations);
            }
        }
    }
    for values in samples.values_mut() {
        values.sort_by(f64::total_cmp);
    }
    let median = |figure: Figure| quantile(&samples[&figure], 0.5);
    let both = (median(Figure::Write(8)) - median(Figure::Write(0))) / 8.0;
    let pre = (median(Figure::WritePre(8)) - median(Figure::Write(0))) / 8.0;
    if json {
        let by_filters = |figure: fn(usize) -> Figure| {
            let rows = FILTERS.iter().map(|n| format!("\"{n}\":{:.1}", median(figure(*n))));
            format!("{{{}}}", rows.collect::<Vec<_>>().join(","))
        };
        println!(
            "{{\"model_ns\":{:.1},\"write_ns\":{},\"irp_write_ns\":{},\"read_ns\":{},\"memcpy_ns\":{:.1},\
             \"per_filter_both_ns\":{both:.1},\"per_filter_pre_ns\":{pre:.1},\"allocations_per_op\":{allocated}}}",
            median(Figure::Model),
            by_filters(Figure::Write),
            by_filters(Figure::IrpWrite),
            by_filters(Figure::Read),
            median(Figure::Memcpy),
        );
        return;
    }
    println!("4 KiB on a cached handle, {ROUNDS} interleaved rounds of {OPERATIONS} operations, nanoseconds");
    for (figure, values) in &samples {
        let name = match figure {
            Figure::Model => "bare model".to_owned(),
            Figure::Memcpy => "copy alone".to_owned(),
            Figure::Write(n) => format!("write, {n} filters"),
            Figure::Read(n) => format!("read, {n} filters"),
            Figure::IrpWrite(n) => format!("write as an IRP, {n} filters"),
            Figure::WritePre(n) => format!("write, {n} filters without post"),
        };
        let (low, middle, high) = (quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75));
        println!("{name:<32} median {middle:>7.1}, quartiles {low:.1} to {high:.1}");
    }
    println!("each filter with both callbacks: {both:.1}; with a pre callback alone: {pre:.1}");
    println!("allocations for each write below 8 filters: {allocated}");
}
