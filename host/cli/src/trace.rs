//! `--trace FILE` and `--debug-print`: what a run tells while it runs.

use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;

use altimeter::trace::Tracer;
use altimeter::{Event, Machine, Observer};

/// Shows on stderr what drivers print, and passes every event on.
struct Printer(Option<Arc<Tracer>>);

impl Observer for Printer {
    fn event(&self, event: &Event<'_>) {
        if let Event::DebugPrint { text } = event {
            eprintln!("{}", text.trim_end_matches(['\r', '\n']));
        }
        if let Some(tracer) = &self.0 {
            tracer.event(event);
        }
    }
}

/// A trace that is being written.
pub struct Trace(Option<Arc<Tracer>>);

impl Trace {
    /// Begins to watch `machine`; lines go to `file`, what drivers print goes to stderr when `print` says so.
    pub fn begin(machine: &'static Machine, file: Option<File>, print: bool) -> Self {
        let tracer = file.map(|file| Tracer::new(machine, Box::new(BufWriter::with_capacity(1 << 20, file))));
        if print {
            machine.set_observer(Some(Arc::new(Printer(tracer.clone()))));
        } else if let Some(tracer) = &tracer {
            machine.set_observer(Some(Arc::<Tracer>::clone(tracer)));
        }
        Self(tracer)
    }

    /// Stops watching and writes everything so far.
    ///
    /// Errors: the file could not be written
    pub fn end(&self, machine: &Machine) -> io::Result<()> {
        machine.set_observer(None);
        self.0.as_ref().map_or(Ok(()), |tracer| tracer.finish())
    }
}
