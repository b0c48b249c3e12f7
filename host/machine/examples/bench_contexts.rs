//! What it costs a driver to get a context and release it: `tracker` measures it in its own code, on an open file with one
//! instance. Run by `cargo xtask bench contexts [--json]`.
//!
//! | figure | is |
//! | --- | --- |
//! | `instance_ns` … `handle_ns` | get and release of a context of that kind |

use std::path::Path;

use altimeter::session::OpenRequest;
use altimeter::{DriverSource, Machine, Options, Schedule, utf16};

const ROUNDS: usize = 15;
const KINDS: [(&str, usize); 4] = [("instance_ns", 1), ("file_ns", 2), ("stream_ns", 3), ("handle_ns", 4)];

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn main() {
    let machine = Machine::boot(Options { schedule: Schedule::Free, ..Options::default() })
        .expect("a machine in memory boots");
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../drivers/bin/tracker.sys");
    machine.load(&DriverSource::from_path(&image).expect("the driver is built")).expect("it loads");
    let address =
        machine.service_qword("tracker", "Results").expect("the driver wrote where its results are") as usize;
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); KINDS.len()];
    for _ in 0..ROUNDS {
        machine
            .run(|session| {
                let path = utf16("\\bench");
                let request = OpenRequest::on_volume(&path).disposition(nt_abi::FILE_OPEN_IF);
                let handle = session.open(&request)?.expect("the file").handle;
                session.close(handle).map(drop)
            })
            .expect("the machine runs");
        let bytes = machine.read_memory(address + 0x200, 56).expect("the image is there");
        for (samples, (_, kind)) in samples.iter_mut().zip(KINDS) {
            let picoseconds = u64::from_le_bytes(bytes[8 * kind..8 * kind + 8].try_into().expect("eight"));
            assert!(picoseconds != 0, "the driver measured");
            samples.push(picoseconds as f64 / 1000.0);
        }
    }
    let figures: Vec<(&str, f64)> =
        samples.into_iter().zip(KINDS).map(|(samples, (name, _))| (name, median(samples))).collect();
    if std::env::args().any(|argument| argument == "--json") {
        let members: Vec<String> =
            figures.iter().map(|(name, value)| format!("\"{name}\":{value:.1}")).collect();
        println!("{{{}}}", members.join(","));
    } else {
        figures.iter().for_each(|(name, value)| println!("{name:<20}{value:>10.1}"));
    }
}
