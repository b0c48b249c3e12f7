//! `tour`: one visit to every operation that the file system offers, each with the status, the information
//! and the bytes that have to come back.
//!
//! It works in a directory of its own and removes it afterwards. It knows what `guard` denies.

mod contents;
mod facts;
mod naming;
mod opening;

use nt_abi::{
    NtStatus, create_disposition as disposition, create_information as information, create_options as option,
    file_access as access, file_attributes as attribute, file_information_class as class,
    fs_information_class as fs_class,
};

use super::{Outcome, Progress, Tally};
use crate::session::{Handle, OpenRequest, Session, Stopped, rename_information};
use crate::{Machine, utf16};

/// What the tour has to know of the filters.
#[derive(Clone, Debug, Default)]
pub struct TourOptions {
    /// Names ending so are denied by `guard`; `None` when it is not loaded.
    pub denied_suffix: Option<String>,
    /// Which volume, from 0.
    pub volume: usize,
}

type Step = fn(&Tour<'_>) -> Result<(), Stopped>;

/// Every step by name, in order. The table lists; the functions do.
const STEPS: &[(&str, Step)] = &[
    ("create dispositions", |tour| tour.create_dispositions()),
    ("directory and file options", |tour| tour.kinds()),
    ("missing names", |tour| tour.missing_names()),
    ("case", |tour| tour.case()),
    ("read and write", |tour| tour.read_write()),
    ("file position", |tour| tour.position()),
    ("end of file", |tour| tour.end_of_file()),
    ("allocation", |tour| tour.allocation()),
    ("basic information", |tour| tour.basic_information()),
    ("standard information", |tour| tour.standard_information()),
    ("name information", |tour| tour.name_information()),
    ("all and network open information", |tour| tour.combined_information()),
    ("rename", |tour| tour.rename()),
    ("delete", |tour| tour.delete()),
    ("read-only files", |tour| tour.read_only()),
    ("share access", |tour| tour.share_access()),
    ("relative opens", |tour| tour.relative()),
    ("directory listing", |tour| tour.listing()),
    ("alternate data streams", |tour| tour.streams()),
    ("volume information", |tour| tour.volume()),
    ("flush", |tour| tour.flush()),
    ("guarded names", |tour| tour.guarded()),
];

const RW: u32 = access::GENERIC_READ | access::GENERIC_WRITE | access::DELETE | access::SYNCHRONIZE;

struct Tour<'a> {
    session: &'a Session,
    tally: &'a Tally,
    options: &'a TourOptions,
    root: Vec<u16>,
    step: std::cell::Cell<&'static str>,
}

/// Runs all steps.
pub fn tour(machine: &Machine, options: &TourOptions, progress: &dyn Progress) -> Outcome {
    let tally = Tally::new("tour");
    progress.total(STEPS.len() as u64);
    let result = machine.run_on(options.volume, |session| {
        let tour =
            Tour { session, tally: &tally, options, root: utf16("\\altimeter-tour"), step: "start".into() };
        session.remove_tree(&tour.root)?;
        tour.make(&tour.root, true)?;
        for (name, step) in STEPS {
            tour.step.set(name);
            step(&tour)?;
            progress.advance(1);
        }
        tour.step.set("clean up");
        session.remove_tree(&tour.root)
    });
    if result.is_err() {
        tally.interrupted();
    }
    tally.finish()
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

impl Tour<'_> {
    fn path(&self, name: &str) -> Vec<u16> {
        let mut path = self.root.clone();
        path.push(u16::from(b'\\'));
        path.extend(name.encode_utf16());
        path
    }

    fn expect<T: PartialEq + std::fmt::Debug>(&self, what: &str, got: T, expected: T) {
        if got != expected {
            self.tally.mismatch(format!("{}: {what}: got {got:?}, expected {expected:?}", self.step.get()));
        }
    }

    fn expect_status(&self, what: &str, got: NtStatus, expected: NtStatus) {
        if got != expected {
            self.tally.mismatch(format!("{}: {what}: got {got}, expected {expected}", self.step.get()));
        }
    }

    /// Opens; a handle that comes although `expected` is a failure, or the reverse, is a mismatch.
    fn open(
        &self,
        what: &str,
        request: &OpenRequest<'_>,
        expected: NtStatus,
    ) -> Result<Option<(Handle, usize)>, Stopped> {
        self.tally.operations(1, 0);
        match self.session.open(request)? {
            Ok(opened) => {
                self.expect_status(what, NtStatus::SUCCESS, expected);
                Ok(Some((opened.handle, opened.information as usize)))
            }
            Err(status) => {
                self.expect_status(what, status, expected);
                Ok(None)
            }
        }
    }

    /// Opens what must open.
    fn open_ok(&self, what: &str, request: &OpenRequest<'_>) -> Result<Option<Handle>, Stopped> {
        Ok(self.open(what, request, NtStatus::SUCCESS)?.map(|(handle, _)| handle))
    }

    /// Opens what must not.
    fn refuse(&self, what: &str, request: &OpenRequest<'_>, expected: NtStatus) -> Result<(), Stopped> {
        if let Some((handle, _)) = self.open(what, request, expected)? {
            self.close(handle)?;
        }
        Ok(())
    }

    fn close(&self, handle: Handle) -> Result<(), Stopped> {
        self.tally.operations(1, 0);
        let status = self.session.close(handle)?;
        self.expect_status("close", status, NtStatus::SUCCESS);
        Ok(())
    }

    fn make(&self, path: &[u16], directory: bool) -> Result<(), Stopped> {
        let kind = if directory { option::FILE_DIRECTORY_FILE } else { option::FILE_NON_DIRECTORY_FILE };
        let request =
            OpenRequest::on_volume(path).access(RW).disposition(disposition::FILE_CREATE).options(kind);
        if let Some(handle) = self.open_ok("create", &request)? {
            self.close(handle)?;
        }
        Ok(())
    }

    /// A fresh file with contents, open for everything.
    fn file(&self, name: &str, data: &[u8]) -> Result<Option<Handle>, Stopped> {
        let path = self.path(name);
        let request = OpenRequest::on_volume(&path)
            .access(RW)
            .disposition(disposition::FILE_SUPERSEDE)
            .options(option::FILE_NON_DIRECTORY_FILE | option::FILE_SYNCHRONOUS_IO_NONALERT);
        let handle = self.open_ok(name, &request)?;
        if let Some(handle) = &handle
            && !data.is_empty()
        {
            self.write(handle, 0, data)?;
        }
        Ok(handle)
    }

    fn write(&self, handle: &Handle, offset: i64, data: &[u8]) -> Result<(), Stopped> {
        self.tally.operations(1, data.len() as u64);
        let done = self.session.write(handle, Some(offset), data)?;
        self.expect_status("write", done.status, NtStatus::SUCCESS);
        self.expect("bytes written", done.information, data.len());
        Ok(())
    }

    fn read(
        &self,
        handle: &Handle,
        offset: i64,
        length: usize,
        expected: &[u8],
        status: NtStatus,
    ) -> Result<(), Stopped> {
        let mut data = vec![0xEEu8; length];
        let done = self.session.read(handle, Some(offset), &mut data)?;
        self.tally.operations(1, done.information as u64);
        self.expect_status(&format!("read of {length} at {offset}"), done.status, status);
        self.expect(&format!("bytes read at {offset}"), done.information, expected.len());
        if data[..expected.len().min(length)] != expected[..expected.len().min(length)] {
            self.tally.mismatch(format!("{}: bytes at {offset} differ", self.step.get()));
        }
        Ok(())
    }

    fn set(
        &self,
        what: &str,
        handle: &Handle,
        class: u32,
        data: &[u8],
        expected: NtStatus,
    ) -> Result<(), Stopped> {
        self.tally.operations(1, 0);
        let done = self.session.set_information(handle, class, data)?;
        self.expect_status(what, done.status, expected);
        Ok(())
    }

    fn query(&self, what: &str, handle: &Handle, class: u32, length: usize) -> Result<Vec<u8>, Stopped> {
        self.tally.operations(1, 0);
        let mut data = vec![0u8; length];
        let done = self.session.query_information(handle, class, &mut data)?;
        self.expect_status(what, done.status, NtStatus::SUCCESS);
        Ok(data)
    }
}
