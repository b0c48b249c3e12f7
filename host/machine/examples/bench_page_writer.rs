//! How fast stores into a mapped file arrive: the mapped page writer beside plain `msync` of the same pages.
//!
//! Each round stores one byte into each of 4,096 pages. Ours: a view of a file in a host directory, then the page writer
//! until nothing is left, then a flush of the file. Plain: a shared mapping of a file beside it, then `msync`. Both end
//! with the bytes on the disk. The figures are medians of interleaved rounds; `filtered` is ours below the default set,
//! whose cipher touches every byte, and `memory` ours with a volume in memory, without a disk at all.
//!
//! Run by `cargo xtask bench page-writer [--json]`.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use altimeter::session::{OpenRequest, Session};
use altimeter::{DriverSource, Machine, MappedFile, Options, Schedule, VolumeSource, utf16};
use rustix::mm::{MapFlags, MsyncFlags, ProtFlags};

const PAGE: usize = 4096;
const PAGES: usize = 4096;
const BYTES: usize = PAGES * PAGE;
const ROUNDS: usize = 15;

fn boot(volume: VolumeSource, drivers: &[&str]) -> Machine {
    let options = Options { volumes: vec![volume], schedule: Schedule::Free, ..Options::default() };
    let machine = Machine::boot(options).expect("a machine boots");
    for name in drivers {
        machine.load(&DriverSource::embedded(name).expect("a sample")).expect("it loads");
    }
    machine
}

/// The same pages of a plain file.
struct Plain {
    address: usize,
}

impl Plain {
    fn open(path: &Path) -> Self {
        let file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .expect("a file for the benchmark");
        file.set_len(BYTES as u64).expect("room on the disk");
        // SAFETY: a new mapping where the kernel likes, kept until the process ends.
        let address = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                BYTES,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                file.as_fd(),
                0,
            )
        };
        Self { address: address.expect("a mapping") as usize }
    }

    fn round(&self, value: u8) -> f64 {
        let started = Instant::now();
        for page in 0..PAGES {
            // SAFETY: inside the mapping above, which nobody else uses.
            unsafe { ((self.address + page * PAGE) as *mut u8).write_volatile(value) };
        }
        // SAFETY: as above.
        unsafe { rustix::mm::msync(self.address as *mut c_void, BYTES, MsyncFlags::SYNC) }.expect("written");
        started.elapsed().as_secs_f64()
    }
}

fn ours(machine: &Machine, mapped: &MappedFile, session: &Session, value: u8, flush: bool) -> f64 {
    let started = Instant::now();
    for page in 0..PAGES {
        session.store(mapped, page * PAGE, &[value]).expect("a view");
    }
    assert_eq!(nt_section::flush_all(), Ok(0));
    if flush {
        let name = utf16("\\bench");
        let request = OpenRequest::on_volume(&name).access(nt_abi::GENERIC_WRITE);
        let handle = session.open(&request).expect("it runs").expect("the file").handle;
        session.flush(&handle).expect("it runs");
        session.close(handle).expect("it runs");
    }
    let _ = machine;
    started.elapsed().as_secs_f64()
}

fn run(volume: VolumeSource, drivers: &[&str], plain: Option<&Plain>) -> (Vec<f64>, Vec<f64>) {
    let on_disk = plain.is_some();
    let machine = boot(volume, drivers);
    machine
        .run(|session| {
            let name = utf16("\\bench");
            let request = OpenRequest::on_volume(&name)
                .access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE)
                .disposition(nt_abi::FILE_OPEN_IF);
            let handle = session.open(&request)?.expect("the file").handle;
            let mapped = session.map(&handle, BYTES as u64, true)?.expect("a view");
            session.close(handle)?;
            let (mut times, mut others) = (Vec::new(), Vec::new());
            for round in 0..=ROUNDS {
                let other = plain.map(|plain| plain.round(round as u8));
                let time = ours(&machine, &mapped, session, round as u8, on_disk);
                if round != 0 {
                    times.push(time);
                    others.extend(other);
                }
            }
            session.unmap(mapped)?;
            Ok((times, others))
        })
        .expect("the machine runs")
}

fn median(mut times: Vec<f64>) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() / 4], times[times.len() * 3 / 4])
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let folder = std::env::temp_dir().join(format!("altimeter-page-writer-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the benchmark");
    let plain = Plain::open(&folder.join("plain"));
    let host = VolumeSource::Directory(folder.clone());
    let (bare, msync) = run(host.clone(), &[], Some(&plain));
    let (filtered, _) = run(host, &["passthrough", "guard", "xorcrypt"], Some(&plain));
    let (memory, _) = run(VolumeSource::Memory, &[], None);
    let _ = std::fs::remove_dir_all(&folder);
    let rows = [("msync", msync), ("host", bare), ("filtered", filtered), ("memory", memory)];
    let rows = rows.map(|(name, times)| (name, median(times)));
    if json {
        let fields: Vec<String> = rows
            .iter()
            .map(|(name, (median, ..))| format!("\"{name}_us_per_page\":{:.3}", median * 1e6 / PAGES as f64))
            .collect();
        println!("{{{}}}", fields.join(","));
        return;
    }
    let base = rows[0].1.0;
    println!(
        "{PAGES} pages of 4 KiB, one store each, until they have arrived; median of {ROUNDS} rounds (quartiles)"
    );
    for (name, (median, low, high)) in rows {
        let per_page = |time: f64| time * 1e6 / PAGES as f64;
        println!(
            "{name:>9}  {:7.2} us a page ({:.2} to {:.2})  {:6.1} MB/s  {:.2} of msync's time",
            per_page(median),
            per_page(low),
            per_page(high),
            BYTES as f64 / median / 1e6,
            median / base
        );
    }
}
