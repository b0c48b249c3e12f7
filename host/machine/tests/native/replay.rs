//! The same seed gives the same run: traces of the same seed are the same bytes.

use std::io::Write;
use std::sync::Arc;

use altimeter::trace::Tracer;
use altimeter::workload::{NoProgress, StressOptions, stress};
use altimeter::{DriverSource, Machine, Options, Schedule};
use parking_lot::Mutex;

use crate::support::assert_clean;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The trace of a short stress with the default drivers.
fn trace(seed: u64) -> Vec<u8> {
    let sink = Sink::default();
    let options = Options { schedule: Schedule::Seeded(seed), ..Options::default() };
    let machine = Machine::boot(options).expect("a machine in memory boots");
    let tracer = Tracer::new(&machine, Box::new(sink.clone()));
    machine.set_observer(Some(Arc::<Tracer>::clone(&tracer)));
    for name in DriverSource::embedded_names() {
        machine.load(&DriverSource::embedded(name).expect("it is built in")).expect("it loads");
    }
    let outcome =
        stress(&machine, StressOptions { operations: 150, ..StressOptions::default() }, &NoProgress);
    assert_eq!((outcome.mismatches, outcome.interrupted), (0, false), "{outcome:?}");
    machine.unload_all();
    assert_clean(&machine);
    machine.set_observer(None);
    tracer.finish().expect("memory takes it");
    drop(machine);
    std::mem::take(&mut *sink.0.lock())
}

#[test]
fn traces_of_one_seed_are_equal_and_those_of_two_differ() {
    let first = trace(1);
    assert!(first.len() > 1_000_000, "it has the run in it: {} bytes", first.len());
    // Other addresses of the host, and another processor's load.
    let kept: Vec<Vec<u8>> = (0..100).map(|size| vec![0u8; size * 1000]).collect();
    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let again = trace(1);
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
        let differ =
            first.split(|byte| *byte == b'\n').zip(again.split(|byte| *byte == b'\n')).find(|(a, b)| a != b);
        let shown = differ.map(|(a, b)| (String::from_utf8_lossy(a), String::from_utf8_lossy(b)));
        assert_eq!(shown, None, "the first lines that differ");
        assert_eq!(first.len(), again.len());
    });
    drop(kept);
    let other = trace(2);
    assert_ne!(first, other, "another seed, another order");
    let text = String::from_utf8(first).expect("lines are text");
    for part in [
        " switch ",
        "call FltGetFileNameInformation(",
        "return FltGetFileNameInformation = STATUS_SUCCESS",
        "enter xorcrypt pre IRP_MJ_WRITE",
    ] {
        assert!(text.contains(part), "no line with {part:?}");
    }
}
