//! `tour`: one visit to every operation that the file system offers, each with the status, the information
//! and the bytes that have to come back.
//!
//! It works in a directory of its own and removes it afterwards. It knows what `guard` denies.

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

    fn create_dispositions(&self) -> Result<(), Stopped> {
        let path = self.path("dispositions");
        let request = |disposition| {
            OpenRequest::on_volume(&path)
                .access(RW)
                .disposition(disposition)
                .options(option::FILE_NON_DIRECTORY_FILE)
        };
        self.refuse(
            "open of a missing file",
            &request(disposition::FILE_OPEN),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;
        self.refuse(
            "overwrite of a missing file",
            &request(disposition::FILE_OVERWRITE),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;
        let cases = [
            (disposition::FILE_CREATE, information::FILE_CREATED),
            (disposition::FILE_OPEN, information::FILE_OPENED),
            (disposition::FILE_OPEN_IF, information::FILE_OPENED),
            (disposition::FILE_OVERWRITE, information::FILE_OVERWRITTEN),
            (disposition::FILE_OVERWRITE_IF, information::FILE_OVERWRITTEN),
            (disposition::FILE_SUPERSEDE, information::FILE_SUPERSEDED),
        ];
        for (disposition, expected) in cases {
            if let Some((handle, got)) = self.open("disposition", &request(disposition), NtStatus::SUCCESS)? {
                self.expect(&format!("information of disposition {disposition}"), got, expected);
                self.close(handle)?;
            }
        }
        self.refuse(
            "create of an existing file",
            &request(disposition::FILE_CREATE),
            NtStatus::OBJECT_NAME_COLLISION,
        )?;
        if let Some(handle) = self.file("dispositions", b"to be overwritten")? {
            self.close(handle)?;
        }
        if let Some(handle) = self.open_ok("overwrite", &request(disposition::FILE_OVERWRITE))? {
            let standard = self.query("standard", &handle, class::FileStandardInformation, 24)?;
            self.expect("size after overwrite", u64_at(&standard, 8), 0);
            self.close(handle)?;
        }
        let absent = self.path("dispositions-2");
        let create = OpenRequest::on_volume(&absent).access(RW).disposition(disposition::FILE_OVERWRITE_IF);
        if let Some((handle, got)) =
            self.open("overwrite-if of a missing file", &create, NtStatus::SUCCESS)?
        {
            self.expect("information", got, information::FILE_CREATED);
            self.close(handle)?;
        }
        Ok(())
    }

    fn kinds(&self) -> Result<(), Stopped> {
        let (file, directory) = (self.path("kind-file"), self.path("kind-directory"));
        self.make(&file, false)?;
        self.make(&directory, true)?;
        self.refuse(
            "a file opened as a directory",
            &OpenRequest::on_volume(&file).options(option::FILE_DIRECTORY_FILE),
            NtStatus::NOT_A_DIRECTORY,
        )?;
        self.refuse(
            "a directory opened as a file",
            &OpenRequest::on_volume(&directory).options(option::FILE_NON_DIRECTORY_FILE),
            NtStatus::FILE_IS_A_DIRECTORY,
        )?;
        let slash = self.path("kind-directory\\");
        if let Some(handle) =
            self.open_ok("a directory with a trailing backslash", &OpenRequest::on_volume(&slash))?
        {
            self.close(handle)?;
        }
        let root = utf16("\\");
        if let Some(handle) =
            self.open_ok("the root", &OpenRequest::on_volume(&root).options(option::FILE_DIRECTORY_FILE))?
        {
            self.close(handle)?;
        }
        Ok(())
    }

    fn missing_names(&self) -> Result<(), Stopped> {
        self.refuse(
            "a missing directory in the path",
            &OpenRequest::on_volume(&self.path("none\\file")),
            NtStatus::OBJECT_PATH_NOT_FOUND,
        )?;
        self.make(&self.path("plain"), false)?;
        self.refuse(
            "a file in the middle of the path",
            &OpenRequest::on_volume(&self.path("plain\\file")),
            NtStatus::OBJECT_PATH_NOT_FOUND,
        )?;
        for bad in ["a*b", "a?b", "a<b", "a|b", "a\"b", "a\\\\b"] {
            let path = self.path(bad);
            let request = OpenRequest::on_volume(&path).access(RW).disposition(disposition::FILE_CREATE);
            self.refuse(&format!("the name {bad}"), &request, NtStatus::OBJECT_NAME_INVALID)?;
        }
        Ok(())
    }

    fn case(&self) -> Result<(), Stopped> {
        self.make(&self.path("MixedCase.Txt"), false)?;
        for spelling in ["mixedcase.txt", "MIXEDCASE.TXT", "MixedCase.Txt"] {
            let path = self.path(spelling);
            if let Some(handle) = self.open_ok(spelling, &OpenRequest::on_volume(&path))? {
                self.close(handle)?;
            }
        }
        let path = self.path("MIXEDcase.txt");
        let request = OpenRequest::on_volume(&path).access(RW).disposition(disposition::FILE_CREATE);
        self.refuse("another spelling", &request, NtStatus::OBJECT_NAME_COLLISION)
    }

    fn read_write(&self) -> Result<(), Stopped> {
        let data: Vec<u8> = (0..10_000u32).map(|n| (n * 7 % 251) as u8).collect();
        let Some(handle) = self.file("data", &data)? else { return Ok(()) };
        self.read(&handle, 0, 10_000, &data, NtStatus::SUCCESS)?;
        self.read(&handle, 1, 100, &data[1..101], NtStatus::SUCCESS)?;
        self.read(&handle, 9_990, 100, &data[9_990..], NtStatus::SUCCESS)?;
        self.read(&handle, 10_000, 1, &[], NtStatus::END_OF_FILE)?;
        self.read(&handle, 1 << 40, 1, &[], NtStatus::END_OF_FILE)?;
        self.write(&handle, 20_000, b"far")?;
        let mut tail = vec![0u8; 10_000];
        tail.extend_from_slice(b"far");
        self.read(&handle, 10_000, 20_000, &tail, NtStatus::SUCCESS)?;
        // -1: at the end of file.
        self.write(&handle, -1, b"appended")?;
        self.read(&handle, 20_003, 100, b"appended", NtStatus::SUCCESS)?;
        let big = vec![0x5Au8; 3 << 20];
        self.write(&handle, 0, &big)?;
        self.read(&handle, 0, big.len(), &big, NtStatus::SUCCESS)?;
        self.write(&handle, 5, &[])?;
        self.close(handle)?;
        let path = self.path("data");
        let request = OpenRequest::on_volume(&path).access(access::GENERIC_READ | access::SYNCHRONIZE);
        if let Some(handle) = self.open_ok("open for reading", &request)? {
            let done = self.session.write(&handle, Some(0), b"no")?;
            self.expect_status("write through a handle for reading", done.status, NtStatus::ACCESS_DENIED);
            self.close(handle)?;
        }
        Ok(())
    }

    fn position(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("position", b"0123456789")? else { return Ok(()) };
        self.set(
            "set position",
            &handle,
            class::FilePositionInformation,
            &4i64.to_le_bytes(),
            NtStatus::SUCCESS,
        )?;
        let mut data = [0u8; 3];
        let done = self.session.read(&handle, None, &mut data)?;
        self.expect("bytes at the position", (done.information, &data[..]), (3, &b"456"[..]));
        let position = self.query("position", &handle, class::FilePositionInformation, 8)?;
        self.expect("position after the read", u64_at(&position, 0), 7);
        self.write(&handle, 2, b"xx")?;
        let position = self.query("position", &handle, class::FilePositionInformation, 8)?;
        self.expect("position after a write at 2", u64_at(&position, 0), 4);
        self.close(handle)
    }

    fn end_of_file(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("end", b"abcdefghij")? else { return Ok(()) };
        let class = class::FileEndOfFileInformation;
        self.set("shrink", &handle, class, &4i64.to_le_bytes(), NtStatus::SUCCESS)?;
        self.read(&handle, 0, 10, b"abcd", NtStatus::SUCCESS)?;
        self.set("grow", &handle, class, &8i64.to_le_bytes(), NtStatus::SUCCESS)?;
        self.read(&handle, 0, 10, b"abcd\0\0\0\0", NtStatus::SUCCESS)?;
        self.set("negative size", &handle, class, &(-5i64).to_le_bytes(), NtStatus::INVALID_PARAMETER)?;
        self.close(handle)
    }

    fn allocation(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("allocation", b"abcdefghij")? else { return Ok(()) };
        let class = class::FileAllocationInformation;
        self.set("grow", &handle, class, &100_000i64.to_le_bytes(), NtStatus::SUCCESS)?;
        self.read(&handle, 0, 20, b"abcdefghij", NtStatus::SUCCESS)?;
        self.set("truncate by allocation", &handle, class, &0i64.to_le_bytes(), NtStatus::SUCCESS)?;
        self.read(&handle, 0, 1, &[], NtStatus::END_OF_FILE)?;
        self.close(handle)
    }

    fn basic_information(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("basic", b"x")? else { return Ok(()) };
        let basic = self.query("basic", &handle, class::FileBasicInformation, 40)?;
        for (field, offset) in [("creation", 0), ("last access", 8), ("last write", 16)] {
            self.expect(&format!("{field} time is set"), u64_at(&basic, offset) > 0, true);
        }
        // 2001-02-03 in 100 ns units since 1601, whole seconds: every store can keep that.
        let stamp = 126_253_728_000_000_000u64;
        let mut new = [0u8; 40];
        new[16..24].copy_from_slice(&stamp.to_le_bytes());
        new[32..36].copy_from_slice(&attribute::FILE_ATTRIBUTE_HIDDEN.to_le_bytes());
        self.set("set basic", &handle, class::FileBasicInformation, &new, NtStatus::SUCCESS)?;
        let after = self.query("basic", &handle, class::FileBasicInformation, 40)?;
        self.expect("last write time", u64_at(&after, 16), stamp);
        self.expect("creation time is left alone", u64_at(&after, 0), u64_at(&basic, 0));
        self.expect("attributes", u32_at(&after, 32), attribute::FILE_ATTRIBUTE_HIDDEN);
        self.close(handle)
    }

    fn standard_information(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("standard", &[7; 5_000])? else { return Ok(()) };
        let standard = self.query("standard", &handle, class::FileStandardInformation, 24)?;
        self.expect("end of file", u64_at(&standard, 8), 5_000);
        self.expect("allocation covers the file", u64_at(&standard, 0) >= 5_000, true);
        self.expect("links", u32_at(&standard, 16), 1);
        self.expect("delete pending", standard[20], 0);
        self.expect("directory", standard[21], 0);
        let mut short = [0u8; 10];
        let done = self.session.query_information(&handle, class::FileStandardInformation, &mut short)?;
        self.expect_status("a buffer that is too short", done.status, NtStatus::INFO_LENGTH_MISMATCH);
        self.close(handle)
    }

    fn name_information(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("Named.File", b"")? else { return Ok(()) };
        let name = self.query("name", &handle, class::FileNameInformation, 512)?;
        let length = u32_at(&name, 0) as usize;
        let units: Vec<u16> = name[4..4 + length.min(500)]
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        self.expect(
            "name",
            String::from_utf16_lossy(&units),
            String::from_utf16_lossy(&self.path("Named.File")),
        );
        let mut short = [0u8; 8];
        let done = self.session.query_information(&handle, class::FileNameInformation, &mut short)?;
        self.expect_status("a buffer for a part of the name", done.status, NtStatus::BUFFER_OVERFLOW);
        self.close(handle)
    }

    fn combined_information(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("combined", &[1; 77])? else { return Ok(()) };
        let all = self.query("all", &handle, class::FileAllInformation, 1024)?;
        self.expect("end of file in all information", u64_at(&all, 40 + 8), 77);
        let network = self.query("network open", &handle, class::FileNetworkOpenInformation, 56)?;
        self.expect("end of file in network open information", u64_at(&network, 40), 77);
        let internal = self.query("internal", &handle, class::FileInternalInformation, 8)?;
        self.expect("file id is not zero", u64_at(&internal, 0) != 0, true);
        self.expect("file id in all information", u64_at(&all, 64), u64_at(&internal, 0));
        self.close(handle)
    }

    fn rename_to(
        &self,
        handle: &Handle,
        name: &str,
        replace: bool,
        expected: NtStatus,
    ) -> Result<(), Stopped> {
        let full = self.session.volume_path(&self.path(name));
        self.set(
            &format!("rename to {name}"),
            handle,
            class::FileRenameInformation,
            &rename_information(&full, replace),
            expected,
        )
    }

    fn rename(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("rename-1", b"one")? else { return Ok(()) };
        self.rename_to(&handle, "rename-2", false, NtStatus::SUCCESS)?;
        self.rename_to(&handle, "RENAME-2", false, NtStatus::SUCCESS)?;
        self.make(&self.path("taken"), false)?;
        self.rename_to(&handle, "taken", false, NtStatus::OBJECT_NAME_COLLISION)?;
        self.rename_to(&handle, "taken", true, NtStatus::SUCCESS)?;
        self.make(&self.path("other"), true)?;
        self.rename_to(&handle, "other\\moved", false, NtStatus::SUCCESS)?;
        self.rename_to(&handle, "missing\\moved", false, NtStatus::OBJECT_PATH_NOT_FOUND)?;
        // A bare name stays in the directory.
        self.set(
            "rename by a bare name",
            &handle,
            class::FileRenameInformation,
            &rename_information(&utf16("bare"), false),
            NtStatus::SUCCESS,
        )?;
        self.read(&handle, 0, 10, b"one", NtStatus::SUCCESS)?;
        self.close(handle)?;
        for (gone, expected) in
            [("rename-1", NtStatus::OBJECT_NAME_NOT_FOUND), ("taken", NtStatus::OBJECT_NAME_NOT_FOUND)]
        {
            self.refuse(gone, &OpenRequest::on_volume(&self.path(gone)), expected)?;
        }
        let path = self.path("other\\bare");
        if let Some(handle) = self.open_ok("the renamed file", &OpenRequest::on_volume(&path))? {
            self.close(handle)?;
        }
        Ok(())
    }

    fn delete(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("deleted", b"x")? else { return Ok(()) };
        let path = self.path("deleted");
        let class = class::FileDispositionInformation;
        self.set("set disposition", &handle, class, &[1], NtStatus::SUCCESS)?;
        self.refuse(
            "open of a file that is being deleted",
            &OpenRequest::on_volume(&path),
            NtStatus::DELETE_PENDING,
        )?;
        self.set("clear disposition", &handle, class, &[0], NtStatus::SUCCESS)?;
        if let Some(again) =
            self.open_ok("open after the deletion was taken back", &OpenRequest::on_volume(&path))?
        {
            self.close(again)?;
        }
        self.set("set disposition", &handle, class, &[1], NtStatus::SUCCESS)?;
        self.close(handle)?;
        self.refuse(
            "open of a deleted file",
            &OpenRequest::on_volume(&path),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;

        let request = OpenRequest::on_volume(&path)
            .access(RW)
            .disposition(disposition::FILE_CREATE)
            .options(option::FILE_DELETE_ON_CLOSE | option::FILE_NON_DIRECTORY_FILE);
        if let Some(handle) = self.open_ok("create with delete on close", &request)? {
            self.close(handle)?;
        }
        self.refuse(
            "after delete on close",
            &OpenRequest::on_volume(&path),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;

        self.make(&self.path("full"), true)?;
        self.make(&self.path("full\\file"), false)?;
        let full = self.path("full");
        let request = OpenRequest::on_volume(&full).access(RW).options(option::FILE_DIRECTORY_FILE);
        if let Some(handle) = self.open_ok("a directory that is not empty", &request)? {
            self.set("its deletion", &handle, class, &[1], NtStatus::DIRECTORY_NOT_EMPTY)?;
            self.close(handle)?;
        }
        Ok(())
    }

    fn read_only(&self) -> Result<(), Stopped> {
        let path = self.path("read-only");
        let request = OpenRequest::on_volume(&path)
            .access(RW)
            .disposition(disposition::FILE_CREATE)
            .attributes(attribute::FILE_ATTRIBUTE_READONLY)
            .options(option::FILE_NON_DIRECTORY_FILE);
        if let Some(handle) = self.open_ok("create", &request)? {
            let class = class::FileDispositionInformation;
            self.set("deletion", &handle, class, &[1], NtStatus::CANNOT_DELETE)?;
            self.close(handle)?;
        }
        let write = OpenRequest::on_volume(&path).access(access::GENERIC_WRITE);
        self.refuse("open for writing", &write, NtStatus::ACCESS_DENIED)?;
        let request = OpenRequest::on_volume(&path)
            .access(access::FILE_WRITE_ATTRIBUTES | access::FILE_READ_ATTRIBUTES | access::SYNCHRONIZE);
        if let Some(handle) = self.open_ok("open for attributes", &request)? {
            let mut basic = [0u8; 40];
            basic[32..36].copy_from_slice(&attribute::FILE_ATTRIBUTE_NORMAL.to_le_bytes());
            self.set("make it writable", &handle, class::FileBasicInformation, &basic, NtStatus::SUCCESS)?;
            self.close(handle)?;
        }
        if let Some(handle) = self.open_ok("open for writing again", &write)? {
            self.close(handle)?;
        }
        Ok(())
    }

    fn share_access(&self) -> Result<(), Stopped> {
        let path = self.path("shared");
        self.make(&path, false)?;
        let alone = OpenRequest::on_volume(&path).access(access::GENERIC_READ).share(0);
        if let Some(handle) = self.open_ok("open without sharing", &alone)? {
            let read = OpenRequest::on_volume(&path).access(access::GENERIC_READ);
            self.refuse("a second open", &read, NtStatus::SHARING_VIOLATION)?;
            let attributes =
                OpenRequest::on_volume(&path).access(access::FILE_READ_ATTRIBUTES | access::SYNCHRONIZE);
            if let Some(second) = self.open_ok("an open for attributes only", &attributes)? {
                self.close(second)?;
            }
            self.close(handle)?;
        }
        let readers =
            OpenRequest::on_volume(&path).access(access::GENERIC_READ).share(access::FILE_SHARE_READ);
        if let Some(handle) = self.open_ok("open with sharing for reading", &readers)? {
            if let Some(second) = self.open_ok("a second reader", &readers)? {
                self.close(second)?;
            }
            let write = OpenRequest::on_volume(&path).access(access::GENERIC_WRITE);
            self.refuse("a writer", &write, NtStatus::SHARING_VIOLATION)?;
            self.close(handle)?;
        }
        Ok(())
    }

    fn relative(&self) -> Result<(), Stopped> {
        self.make(&self.path("base"), true)?;
        self.make(&self.path("base\\leaf"), false)?;
        let base = self.path("base");
        let Some(root) =
            self.open_ok("the base", &OpenRequest::on_volume(&base).options(option::FILE_DIRECTORY_FILE))?
        else {
            return Ok(());
        };
        let leaf = utf16("leaf");
        if let Some(handle) = self.open_ok("a name below it", &OpenRequest::relative(&root, &leaf))? {
            self.close(handle)?;
        }
        let none = utf16("none");
        self.refuse(
            "a missing name below it",
            &OpenRequest::relative(&root, &none),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;
        self.close(root)
    }

    fn listing(&self) -> Result<(), Stopped> {
        self.make(&self.path("list"), true)?;
        for name in ["alpha.txt", "Beta.txt", "gamma.doc", "delta"] {
            self.make(&self.path(&format!("list\\{name}")), false)?;
        }
        let path = self.path("list");
        match self.session.list(&path)? {
            Ok(entries) => {
                let mut names: Vec<_> = entries.iter().map(|e| String::from_utf16_lossy(&e.name)).collect();
                names.sort();
                self.expect(
                    "all names",
                    names,
                    ["Beta.txt", "alpha.txt", "delta", "gamma.doc"].map(String::from).to_vec(),
                );
            }
            Err(status) => self.expect_status("list", status, NtStatus::SUCCESS),
        }
        let request = OpenRequest::on_volume(&path)
            .access(access::FILE_LIST_DIRECTORY | access::SYNCHRONIZE)
            .options(option::FILE_DIRECTORY_FILE | option::FILE_SYNCHRONOUS_IO_NONALERT);
        let Some(handle) = self.open_ok("the directory", &request)? else { return Ok(()) };
        let mut buffer = vec![0u8; 4096];
        let names_class = class::FileNamesInformation;
        let mut next = |pattern: Option<&str>, restart: bool, single: bool| {
            let pattern = pattern.map(utf16);
            let done = self.session.query_directory(
                &handle,
                names_class,
                &mut buffer,
                pattern.as_deref(),
                restart,
                single,
            )?;
            self.tally.operations(1, 0);
            let mut names = Vec::new();
            if done.status == NtStatus::SUCCESS {
                let mut at = 0usize;
                loop {
                    let length = u32_at(&buffer, at + 8) as usize;
                    let units: Vec<u16> = buffer[at + 12..at + 12 + length]
                        .chunks_exact(2)
                        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                        .collect();
                    names.push(String::from_utf16_lossy(&units));
                    match u32_at(&buffer, at) as usize {
                        0 => break,
                        step => at += step,
                    }
                }
            }
            Ok::<_, Stopped>((done.status, names))
        };
        let mut found = next(Some("*.TXT"), true, false)?;
        found.1.sort();
        self.expect("*.TXT", found, (NtStatus::SUCCESS, vec!["Beta.txt".into(), "alpha.txt".into()]));
        self.expect("after the last name", next(None, false, false)?, (NtStatus::NO_MORE_FILES, vec![]));
        let single = next(None, true, true)?;
        self.expect("one name", (single.0, single.1.len()), (NtStatus::SUCCESS, 1));
        self.close(handle)?;
        let Some(handle) = self.open_ok("the directory", &request)? else { return Ok(()) };
        let pattern = utf16("*.none");
        let mut buffer = vec![0u8; 1024];
        let done =
            self.session.query_directory(&handle, names_class, &mut buffer, Some(&pattern), true, false)?;
        self.expect_status("a pattern that nothing matches", done.status, NtStatus::NO_SUCH_FILE);
        self.close(handle)
    }

    fn streams(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("streams", b"main")? else { return Ok(()) };
        let path = self.path("streams:extra");
        let request = OpenRequest::on_volume(&path)
            .access(RW)
            .disposition(disposition::FILE_CREATE)
            .options(option::FILE_NON_DIRECTORY_FILE | option::FILE_SYNCHRONOUS_IO_NONALERT);
        if let Some(stream) = self.open_ok("create of a stream", &request)? {
            self.write(&stream, 0, b"second")?;
            self.read(&stream, 0, 100, b"second", NtStatus::SUCCESS)?;
            self.close(stream)?;
        }
        self.read(&handle, 0, 100, b"main", NtStatus::SUCCESS)?;
        let listed = self.query("stream information", &handle, class::FileStreamInformation, 1024)?;
        let units: Vec<u16> =
            listed.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let text = String::from_utf16_lossy(&units);
        self.expect("the default stream is listed", text.contains("::$DATA"), true);
        self.expect("the other stream is listed", text.contains(":extra:$DATA"), true);
        self.close(handle)?;
        let missing = self.path("streams:missing");
        self.refuse("a missing stream", &OpenRequest::on_volume(&missing), NtStatus::OBJECT_NAME_NOT_FOUND)
    }

    fn volume(&self) -> Result<(), Stopped> {
        let root = utf16("\\");
        let request = OpenRequest::on_volume(&root).options(option::FILE_DIRECTORY_FILE);
        let Some(handle) = self.open_ok("the root", &request)? else { return Ok(()) };
        let query = |class: u32, length: usize| {
            let mut data = vec![0u8; length];
            self.tally.operations(1, 0);
            let done = self.session.query_volume(&handle, class, &mut data)?;
            self.expect_status(&format!("volume class {class}"), done.status, NtStatus::SUCCESS);
            Ok::<_, Stopped>(data)
        };
        let size = query(fs_class::FileFsSizeInformation, 24)?;
        self.expect("free units within total units", u64_at(&size, 8) <= u64_at(&size, 0), true);
        self.expect("bytes per sector", matches!(u32_at(&size, 20), 512 | 4096), true);
        let full = query(fs_class::FileFsFullSizeInformation, 32)?;
        self.expect("total units agree", u64_at(&full, 0), u64_at(&size, 0));
        query(fs_class::FileFsVolumeInformation, 256)?;
        let device = query(fs_class::FileFsDeviceInformation, 8)?;
        self.expect("device type", u32_at(&device, 0), 7);
        let attributes = query(fs_class::FileFsAttributeInformation, 256)?;
        self.expect("component length", u32_at(&attributes, 4), 255);
        self.close(handle)
    }

    fn flush(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("flushed", b"bytes")? else { return Ok(()) };
        self.tally.operations(1, 0);
        let done = self.session.flush(&handle)?;
        self.expect_status("flush", done.status, NtStatus::SUCCESS);
        self.close(handle)
    }

    fn guarded(&self) -> Result<(), Stopped> {
        let suffix = self.options.denied_suffix.as_deref();
        let name = format!("secret{}", suffix.unwrap_or(".blocked"));
        let path = self.path(&name);
        let request = OpenRequest::on_volume(&path).access(RW).disposition(disposition::FILE_CREATE);
        let expected = if suffix.is_some() { NtStatus::ACCESS_DENIED } else { NtStatus::SUCCESS };
        if let Some((handle, _)) = self.open(&format!("create of {name}"), &request, expected)? {
            self.close(handle)?;
        }
        if suffix.is_some() {
            self.expect_status(
                "open of what was never created",
                self.raw_status(&path)?,
                NtStatus::ACCESS_DENIED,
            );
        }
        Ok(())
    }

    fn raw_status(&self, path: &[u16]) -> Result<NtStatus, Stopped> {
        self.tally.operations(1, 0);
        Ok(match self.session.open(&OpenRequest::on_volume(path))? {
            Ok(opened) => {
                self.session.close(opened.handle)?;
                NtStatus::SUCCESS
            }
            Err(status) => status,
        })
    }
}
