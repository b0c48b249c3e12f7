//! What it costs a driver to get a context and release it: `tracker` measures it in its own code, on an open file with one
//! instance. Run by `cargo xtask bench contexts [--json]`.
//!
//! | figure | is |
//! | --- | --- |
//! | `instance_ns` … `handle_ns` | get and release of a context of that kind |

use altimeter::session::OpenRequest;
use altimeter::utf16;

mod sample;
use sample::{Spread, wants_json};

const ROUNDS: usize = 15;
const KINDS: [(&str, usize); 4] = [("instance_ns", 1), ("file_ns", 2), ("stream_ns", 3), ("handle_ns", 4)];

fn main() {
    let machine = sample::free_machine();
    sample::load(&machine, "tracker", &[]);
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
        for (samples, (_, kind)) in samples.iter_mut().zip(KINDS) {
            let picoseconds = sample::result(&machine, "tracker", 0x200 + 8 * kind);
            assert!(picoseconds != 0, "the driver measured");
            samples.push(picoseconds as f64 / 1000.0);
        }
    }
    let figures = samples.into_iter().zip(KINDS).map(|(samples, (name, _))| (name, Spread::of(samples)));
    if wants_json() {
        let members: Vec<String> =
            figures.map(|(name, spread)| format!("\"{name}\":{:.1}", spread.median)).collect();
        println!("{{{}}}", members.join(","));
    } else {
        figures.for_each(|(name, spread)| println!("{name:<20}{spread}"));
    }
}
