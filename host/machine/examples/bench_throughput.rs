//! How much data goes through: 64 KiB writes by `NtWriteFile`, beside the plain thing.
//!
//! | figure | is |
//! | --- | --- |
//! | `cached_of_memcpy` | speed of cached writes to resident pages of a 64 MiB file in the memory store, as a part of that of `memcpy` from the same buffer to 64 MiB |
//! | `noncached_of_pwrite` | speed of noncached writes to a file in a host directory, as a part of that of `pwrite` to a file beside it |
//!
//! Both sides write the same mebibyte of their files in turns, and so on through 64 of them, again and again; the figures
//! are medians of the ratios of these pairs, which a busy host disturbs little. Run by
//! `cargo xtask bench throughput [--json]`.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use altimeter::session::{Handle, OpenRequest, Session};
use altimeter::{Machine, Options, Schedule, Stopped, VolumeSource, utf16};
use nt_io::Asynchronous;
use nt_mm::user::UserBuffer;

const PIECE: usize = 64 << 10;
const FILE: usize = 64 << 20;
/// Bytes of one side of a pair.
const RUN: usize = 1 << 20;
const ROUNDS: usize = 31;

fn open(session: &Session, options: u32) -> Result<Handle, Stopped> {
    let name = utf16("\\bench");
    let request = OpenRequest::on_volume(&name)
        .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
        .disposition(nt_abi::FILE_OPEN_IF)
        .options(options);
    Ok(session.open(&request)?.expect("the file can be opened").handle)
}

/// The offsets of the pieces of a run.
fn pieces(run: usize) -> impl Iterator<Item = usize> {
    (run * RUN..(run + 1) * RUN).step_by(PIECE)
}

fn timed(work: impl FnOnce() -> Result<(), Stopped>) -> Result<f64, Stopped> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

fn write_run(handle: &Handle, buffer: &UserBuffer, run: usize) -> Result<(), Stopped> {
    let none = Asynchronous::default();
    for at in pieces(run) {
        let offset = Some(at as i64);
        let done = nt_io::nt_write_file(handle.value(), &none, buffer.address(), PIECE as u32, offset, None)?;
        assert_eq!(done.information, PIECE, "{:?}", done.status);
    }
    Ok(())
}

/// Ratios of all pairs, plain to ours, and the bytes a second of our median.
fn pairs(
    mut ours: impl FnMut(usize) -> Result<(), Stopped>,
    mut plain: impl FnMut(usize) -> Result<(), Stopped>,
) -> Result<(Vec<f64>, f64), Stopped> {
    let (mut ratios, mut times) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        for run in 0..FILE / RUN {
            // Who goes first takes turns: caches remember.
            let first = (round + run) % 2 == 0;
            let early = first.then(|| timed(|| plain(run))).transpose()?;
            let time = timed(|| ours(run))?;
            let other = match early {
                Some(early) => early,
                None => timed(|| plain(run))?,
            };
            // The first round makes pages and blocks.
            if round != 0 {
                ratios.push(other / time);
                times.push(time);
            }
        }
    }
    times.sort_by(f64::total_cmp);
    Ok((ratios, RUN as f64 / quantile(&times, 0.5)))
}

#[inline(never)]
fn copy(to: usize, from: usize) {
    // SAFETY: both are user buffers of this size that live while this runs, in a thread of their machine.
    unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, PIECE) };
}

fn cached() -> (Vec<f64>, f64) {
    // The file fits into the cache four times.
    let cache = nt_cc::CacheLimits::of(4 * FILE);
    let machine = Machine::boot(Options { cache, schedule: Schedule::Free, ..Options::default() })
        .expect("a machine in memory boots");
    machine
        .run(|session| {
            let handle = open(session, 0)?;
            let buffer = UserBuffer::new(PIECE).expect("user memory");
            let target = UserBuffer::new(FILE).expect("user memory");
            let plain = |run| {
                pieces(run).for_each(|at| copy(target.address() + at, buffer.address()));
                Ok(())
            };
            let result = pairs(|run| write_run(&handle, &buffer, run), plain)?;
            session.close(handle)?;
            Ok(result)
        })
        .expect("the machine runs")
}

fn noncached() -> (Vec<f64>, f64) {
    let directory = std::env::temp_dir().join(format!("altimeter-throughput-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the benchmark");
    let beside = directory.join("plain");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&beside);
    let file = file.expect("a file for the benchmark");
    let volumes = vec![VolumeSource::Directory(directory.clone())];
    let machine = Machine::boot(Options { volumes, schedule: Schedule::Free, ..Options::default() })
        .expect("a machine boots");
    let result = machine.run(|session| {
        let handle = open(session, nt_abi::FILE_NO_INTERMEDIATE_BUFFERING)?;
        let buffer = UserBuffer::new(PIECE).expect("user memory");
        let data = vec![0x5A; PIECE];
        buffer.write(0, &data).expect("user memory");
        let plain = |run| {
            pieces(run).for_each(|at| file.write_all_at(&data, at as u64).expect("room on the disk"));
            Ok(())
        };
        let result = pairs(|run| write_run(&handle, &buffer, run), plain)?;
        session.close(handle)?;
        Ok(result)
    });
    drop(machine);
    let _ = std::fs::remove_dir_all(&directory);
    result.expect("the machine runs")
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let figures = [
        ("cached_of_memcpy", "cached writes, of memcpy", cached()),
        ("noncached_of_pwrite", "noncached writes to the host, of pwrite", noncached()),
    ];
    let mut fields = Vec::new();
    for (key, name, (mut ratios, speed)) in figures {
        ratios.sort_by(f64::total_cmp);
        let (low, median, high) = (quantile(&ratios, 0.25), quantile(&ratios, 0.5), quantile(&ratios, 0.75));
        fields.push(format!("\"{key}\":{median:.3}"));
        if !json {
            println!("{name}: median {median:.3}, quartiles {low:.3} to {high:.3}; {:.1} GB/s", speed / 1e9);
        }
    }
    if json {
        println!("{{{}}}", fields.join(","));
    }
}
