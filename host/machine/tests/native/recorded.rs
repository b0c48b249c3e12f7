//! What filters above and below the samples see, recorded line by line: nothing of it changes unseen.
//!
//! The records lie in `recorded/`; `UPDATE_EXPECT=1 cargo test -p altimeter --test native recorded` writes them anew, and the
//! difference has to be one that was meant. Numbers of files and threads are those of their first appearance, a star is an
//! address.

use std::fmt::Write as _;

use altimeter::session::{OpenRequest, Session};
use altimeter::{Machine, Stopped, utf16};
use expect_test::{ExpectFile, expect_file};
use nt_abi::{
    FILE_NO_INTERMEDIATE_BUFFERING, IRP_MJ_CREATE, IRP_MJ_DIRECTORY_CONTROL, IRP_MJ_FLUSH_BUFFERS,
    IRP_MJ_READ, IRP_MJ_WRITE, file_information_class as class, fs_information_class,
};

use crate::objects;
use crate::pended::between_recorders;
use crate::support::*;

/// Gives each address its number.
#[derive(Default)]
struct Numbers(Vec<u64>);

impl Numbers {
    fn of(&mut self, address: u64) -> usize {
        if address == 0 {
            return 0;
        }
        match self.0.iter().position(|known| *known == address) {
            Some(at) => at + 1,
            None => {
                self.0.push(address);
                self.0.len()
            }
        }
    }
}

/// The record of one filter.
fn lines(text: &mut String, machine: &Machine, name: &str) {
    let (mut files, mut threads) = (Numbers::default(), Numbers::default());
    for entry in results(machine, name).entries {
        let phase = if entry.post { "post" } else { "pre " };
        let operation = nt_abi::irp_mj::name(entry.major).trim_start_matches("IRP_MJ_");
        let _ = write!(text, "{name} {phase} {operation}");
        let mut field = |name: &str, value: u64| {
            if value != 0 {
                let _ = write!(text, " {name} {value:#x}");
            }
        };
        field("minor", entry.minor.into());
        field("flags", entry.operation_flags.into());
        field("irp", entry.irp_flags.into());
        field("data", entry.data_flags.into());
        field("irql", entry.irql.into());
        field("mode", entry.requestor_mode.into());
        field("file", files.of(entry.file_object) as u64);
        field("thread", threads.of(entry.thread) as u64);
        field("unequal", (entry.equal ^ ALL_EQUAL).into());
        if entry.post || entry.status != 0 || entry.information != 0 {
            let _ = write!(text, " = {:#x} {:#x}", entry.status, entry.information);
        }
        let used = entry.parameters.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        for word in &entry.parameters[..used] {
            // What lies above four gigabytes and is no number that programs give is an address.
            let _ = if *word >> 32 == 0 || *word >> 47 != 0 {
                write!(text, " {word:x}")
            } else {
                write!(text, " *")
            };
        }
        text.push('\n');
    }
}

/// A little of everything that programs do with files.
fn work(session: &Session) -> Result<(), Stopped> {
    // Some samples refuse it.
    let Ok(handle) = create(session, "change")? else { return Ok(()) };
    session.write(&handle, Some(0), &[b'a'; 1024])?;
    session.write(&handle, Some(512), b"fast")?;
    let mut bytes = [0; 24];
    session.read(&handle, Some(512), &mut bytes)?;
    session.query_information(&handle, class::FileStandardInformation, &mut bytes)?;
    session.query_volume(&handle, fs_information_class::FileFsSizeInformation, &mut bytes)?;
    session.set_information(&handle, class::FileEndOfFileInformation, &600i64.to_le_bytes())?;
    session.flush(&handle)?;
    session.close(handle)?;
    let path = utf16("\\change");
    let request = OpenRequest::on_volume(&path).access(nt_abi::GENERIC_READ | nt_abi::GENERIC_WRITE);
    if let Ok(opened) = session.open(&request.options(FILE_NO_INTERMEDIATE_BUFFERING))? {
        let mut sector = [0; 512];
        session.read(&opened.handle, Some(0), &mut sector)?;
        session.write(&opened.handle, Some(0), &sector)?;
        session.close(opened.handle)?;
    }
    let _ = session.list(&utf16("\\"))?;
    Ok(())
}

/// The records of several machines, each below its title, and what was found in each.
fn assert_recorded<'a>(
    expected: ExpectFile,
    machines: impl Iterator<Item = (String, Machine, &'a [&'a str])>,
) {
    let mut text = String::new();
    for (title, machine, names) in machines {
        let _ = writeln!(text, "## {title}");
        for name in names {
            lines(&mut text, &machine, name);
        }
        machine.unload_all();
        let report = machine.report();
        for rule in report.findings.iter().map(|finding| &finding.rule) {
            let _ = writeln!(text, "found {rule}");
        }
        if let Some(bug_check) = &report.bug_check {
            let _ = writeln!(text, "bug check {:#x}", bug_check.code);
        }
        text.push('\n');
    }
    expected.assert_eq(&text);
}

#[test]
fn the_operations_around_a_filter_that_acts() {
    let modes: &[(&str, u8, &[&str])] = &[
        ("observe", IRP_MJ_WRITE, &[]),
        ("disallow-fastio", IRP_MJ_READ, &[]),
        ("synchronize", IRP_MJ_READ, &[]),
        ("complete-pre", IRP_MJ_READ, &[]),
        ("fail-post", IRP_MJ_CREATE, &[]),
        ("change-dirty", IRP_MJ_READ, &["Offset=dword:512"]),
        ("change-nodirty", IRP_MJ_READ, &["Offset=dword:512"]),
        ("post-change-dirty", IRP_MJ_READ, &["Offset=dword:512"]),
        ("pend", IRP_MJ_CREATE, &[]),
        ("pend", IRP_MJ_WRITE, &[]),
        ("pend-early", IRP_MJ_READ, &[]),
        ("post-pend", IRP_MJ_READ, &[]),
        ("issue", IRP_MJ_FLUSH_BUFFERS, &[]),
        ("issue-async", IRP_MJ_FLUSH_BUFFERS, &[]),
        ("issue-again", IRP_MJ_FLUSH_BUFFERS, &[]),
        ("transfer", IRP_MJ_FLUSH_BUFFERS, &[]),
        ("reissue", IRP_MJ_READ, &[]),
        ("create-again", IRP_MJ_CREATE, &[]),
        ("undo", IRP_MJ_CREATE, &[]),
        ("pend", IRP_MJ_DIRECTORY_CONTROL, &[]),
    ];
    let run = |(mode, major, settings): &(&str, u8, &[&str])| {
        let machine = between_recorders(mode, *major, settings);
        machine.run(work).unwrap_or_else(|Stopped| panic!("{mode}: {:?}", machine.report()));
        let title = format!("{mode} {} {settings:?}", nt_abi::irp_mj::name(*major));
        // Those that issue operations are seen from below, the others from above.
        let issues =
            ["issue", "transfer", "again", "undo", "change-dirty"].iter().any(|word| mode.contains(word));
        let names: &[&str] = if issues { &["low"] } else { &["up"] };
        (title, machine, names)
    };
    assert_recorded(expect_file!["recorded/modes.txt"], modes.iter().map(run));
}

#[test]
fn what_filters_ask_of_the_file_system_below() {
    let words = [
        "attributes",
        "devices",
        "directories",
        "dirty",
        "ecp-attach",
        "ecp-given",
        "getters",
        "guarded",
        "guid",
        "held",
        "linked",
        "no-volume",
        "queue",
        "references",
        "regions",
        "reissued",
        "requestor",
        "storage",
        "tag-file",
        "txn-outside",
        "writable",
    ];
    let run = |word: &&str| {
        let machine = machine();
        objects::load(&machine);
        recorder(&machine, "below", "100000", &["Mode=sz:observe"]);
        objects::run(&machine, word).unwrap_or_else(|Stopped| panic!("{word}: {:?}", machine.report()));
        ((*word).to_owned(), machine, &["below"][..])
    };
    assert_recorded(expect_file!["recorded/asked.txt"], words.iter().map(run));
}

#[test]
fn what_samples_do_below_themselves() {
    let samples = ["names", "provider", "tracker", "deferrer", "passthrough", "swapall"];
    let run = |sample: &&str| {
        let machine = machine();
        load_plain(&machine, &format!("{sample}.sys"), sample, "200000");
        recorder(&machine, "below", "100000", &["Mode=sz:observe"]);
        machine.run(work).unwrap_or_else(|Stopped| panic!("{sample}: {:?}", machine.report()));
        ((*sample).to_owned(), machine, &["below"][..])
    };
    assert_recorded(expect_file!["recorded/samples.txt"], samples.iter().map(run));
}
