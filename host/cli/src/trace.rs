//! `--trace` and `--debug-print`: what crosses the line between drivers and the machine, one line each.
//!
//! ```text
//! threads of the machine ─► queue without bound ─► one thread: resolves addresses, writes
//! ```
//!
//! An observer may run under locks of the machine, so it only records; what takes time is done behind the
//! queue.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use altimeter::{Event, Machine, Observer};

enum Record {
    Export {
        export: &'static str,
        caller: usize,
    },
    Entered {
        driver: String,
        operation: &'static str,
        phase: &'static str,
    },
    Returned {
        driver: String,
        operation: &'static str,
        phase: &'static str,
        answer: u32,
        status: String,
        nanoseconds: u64,
    },
    Print {
        text: String,
    },
    End,
}

struct Recorder {
    queue: Sender<Record>,
    everything: bool,
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        let record = match *event {
            Event::DebugPrint { text } => Record::Print { text: text.to_owned() },
            _ if !self.everything => return,
            Event::Switch { .. }
            | Event::DpcEntered { .. }
            | Event::ApcDelivered { .. }
            | Event::TimerFired { .. } => return,
            Event::ExportCalled { export, caller } => Record::Export { export, caller },
            Event::CallbackEntered { driver, operation, phase, .. } => {
                Record::Entered { driver: driver.to_owned(), operation, phase }
            }
            Event::CallbackReturned { driver, operation, phase, answer, status, nanoseconds } => {
                Record::Returned {
                    driver: driver.to_owned(),
                    operation,
                    phase,
                    answer,
                    status: status.to_string(),
                    nanoseconds,
                }
            }
        };
        let _ = self.queue.send(record);
    }
}

/// A trace that is being written.
pub struct Trace {
    queue: Sender<Record>,
    writer: JoinHandle<io::Result<()>>,
}

impl Trace {
    /// Begins to watch `machine`; lines go to `file`, what drivers print goes to stderr when `print` says so.
    pub fn begin(machine: &'static Machine, file: Option<File>, print: bool) -> Option<Self> {
        if file.is_none() && !print {
            return None;
        }
        let (queue, records) = channel();
        machine.set_observer(Some(Arc::new(Recorder { queue: queue.clone(), everything: file.is_some() })));
        let writer =
            std::thread::spawn(move || write(&records, &|address| place(machine, address), file, print));
        Some(Self { queue, writer })
    }

    /// Stops watching and waits until everything so far is written.
    ///
    /// Errors: the file could not be written
    pub fn end(self, machine: &Machine) -> io::Result<()> {
        machine.set_observer(None);
        let _ = self.queue.send(Record::End);
        self.writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer of the trace failed")))
    }
}

/// `driver.sys+0x1234`, without the symbol: the same in every run.
fn place(machine: &Machine, address: usize) -> String {
    let resolved = machine.resolve(address);
    resolved.split(" (").next().unwrap_or_default().to_owned()
}

fn write(
    records: &Receiver<Record>,
    resolve: &dyn Fn(usize) -> String,
    file: Option<File>,
    print: bool,
) -> io::Result<()> {
    let mut file = file.map(BufWriter::new);
    let mut places: HashMap<usize, String> = HashMap::new();
    loop {
        let record = match records.try_recv() {
            Ok(record) => record,
            // What a process that dies leaves behind is complete up to the last pause.
            Err(_) => {
                file.as_mut().map_or(Ok(()), Write::flush)?;
                match records.recv() {
                    Ok(record) => record,
                    Err(_) => break,
                }
            }
        };
        if print && let Record::Print { text } = &record {
            eprintln!("{}", text.trim_end_matches(['\r', '\n']));
        }
        let Some(file) = &mut file else {
            if matches!(record, Record::End) {
                break;
            }
            continue;
        };
        match record {
            Record::Export { export, caller } => {
                let place = places.entry(caller).or_insert_with(|| resolve(caller));
                writeln!(file, "call {export} from {place}")?;
            }
            Record::Entered { driver, operation, phase } => {
                writeln!(file, "enter {driver} {phase} {operation}")?
            }
            Record::Returned { driver, operation, phase, answer, status, nanoseconds } => writeln!(
                file,
                "leave {driver} {phase} {operation} answer {answer:#x} status {status} after {nanoseconds} ns"
            )?,
            Record::Print { text } => writeln!(file, "print {}", text.trim_end().escape_debug())?,
            Record::End => break,
        }
    }
    file.map_or(Ok(()), |mut file| file.flush())
}

#[cfg(test)]
mod lines {
    use std::io::{Read, Seek};

    use super::*;

    #[test]
    fn each_event_is_one_line_and_addresses_are_resolved_once() {
        let (queue, records) = channel();
        let recorder = Recorder { queue: queue.clone(), everything: true };
        recorder.event(&Event::ExportCalled { export: "FltWriteFile", caller: 16 });
        recorder.event(&Event::ExportCalled { export: "FltReadFile", caller: 16 });
        recorder.event(&Event::CallbackEntered {
            driver: "d",
            altitude: "1",
            operation: "IRP_MJ_READ",
            phase: "pre",
        });
        recorder.event(&Event::DebugPrint { text: "two\nlines\n" });
        queue.send(Record::End).expect("the queue is open");
        let asked = std::cell::Cell::new(0);
        let mut file = tempfile::tempfile().expect("a temporary file");
        let resolve = |address: usize| {
            asked.set(asked.get() + 1);
            format!("d.sys+{address:#x}")
        };
        write(&records, &resolve, Some(file.try_clone().expect("a second handle")), false).expect("written");
        let mut text = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("read back");
        assert_eq!(
            text,
            "call FltWriteFile from d.sys+0x10\ncall FltReadFile from d.sys+0x10\nenter d pre IRP_MJ_READ\n\
             print two\\nlines\n"
        );
        assert_eq!(asked.get(), 1);
    }
}
