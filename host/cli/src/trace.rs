//! `--trace FILE`, `--steps N` and `--debug-print`: what a run tells while it runs.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

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

/// The last lines of a trace.
#[derive(Clone, Default)]
pub struct LastSteps {
    /// Oldest first.
    pub lines: VecDeque<String>,
    /// How many there were in all.
    pub total: u64,
    /// How many are kept; 0: all.
    keep: usize,
}

impl LastSteps {
    fn add(&mut self, line: &str) {
        self.total += 1;
        if self.keep != 0 && self.lines.len() == self.keep {
            self.lines.pop_front();
        }
        self.lines.push_back(line.to_owned());
    }
}

/// Where lines go, one at each `write`: a file, memory, or both.
struct Sink {
    file: Option<BufWriter<File>>,
    last: Option<Arc<Mutex<LastSteps>>>,
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(last) = &self.last {
            let text = String::from_utf8_lossy(line);
            last.lock().unwrap_or_else(PoisonError::into_inner).add(text.trim_end());
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

/// A trace that is being written.
pub struct Trace {
    tracer: Option<Arc<Tracer>>,
    last: Option<Arc<Mutex<LastSteps>>>,
}

impl Trace {
    /// Begins to watch `machine`; lines go to `file`, the last `steps` of them are kept (0: all), and what drivers print goes
    /// to stderr when `print` says so.
    pub fn begin(machine: &'static Machine, file: Option<File>, steps: Option<usize>, print: bool) -> Self {
        let last = steps.map(|keep| Arc::new(Mutex::new(LastSteps { keep, ..LastSteps::default() })));
        let file = file.map(|file| BufWriter::with_capacity(1 << 20, file));
        let wanted = file.is_some() || last.is_some();
        let tracer = wanted.then(|| Tracer::new(machine, Box::new(Sink { file, last: last.clone() })));
        if print {
            machine.set_observer(Some(Arc::new(Printer(tracer.clone()))));
        } else if let Some(tracer) = &tracer {
            machine.set_observer(Some(Arc::<Tracer>::clone(tracer)));
        }
        Self { tracer, last }
    }

    /// The last steps so far, if they are kept.
    pub fn last_steps(&self) -> Option<LastSteps> {
        self.last.as_ref().map(|last| last.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Stops watching and writes everything so far.
    ///
    /// Errors: the file could not be written
    pub fn end(&self, machine: &Machine) -> io::Result<()> {
        machine.set_observer(None);
        self.tracer.as_ref().map_or(Ok(()), |tracer| tracer.finish())
    }
}
