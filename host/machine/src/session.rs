//! A user-mode program's view of the volume: NT services with user buffers.
//!
//! A session belongs to one kernel thread of a machine. It runs in a process of its own with previous mode
//! UserMode, so names, buffers and access are checked as for a program; data crosses through a buffer in
//! the user part of the machine's addresses.

use boundary::Raise;
use nt_abi::{NtStatus, file_access as access, file_information_class as class};
use nt_io::{Asynchronous, CreateParameters, IoStatus};
use nt_mm::user::UserBuffer;
use nt_ps::system_service;

use crate::utf16;

/// The machine stopped: by a bug check, or because it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl From<Raise> for Stopped {
    fn from(_: Raise) -> Self {
        Self
    }
}

/// Bytes of the transfer buffer: larger requests are one operation all the same, on a buffer of their own.
const BUFFER: usize = 256 << 10;
const OBJ_CASE_INSENSITIVE: u32 = 0x40;

/// An open file. Close it with [`Session::close`]; the machine closes what is left.
#[derive(Debug)]
pub struct Handle(usize);

impl Handle {
    /// Its value.
    pub fn value(&self) -> usize {
        self.0
    }
}

/// A successful open.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub handle: Handle,
    /// `FILE_OPENED`, `FILE_CREATED` …
    pub information: u32,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: Vec<u16>,
    /// `FILE_ATTRIBUTE_*`.
    pub attributes: u32,
    /// End of file.
    pub size: u64,
}

/// A transaction that a program has made. It is rolled back when nobody names it any more.
#[derive(Debug)]
pub struct Transaction(usize);

/// What to open, and how.
#[derive(Clone, Debug)]
pub struct OpenRequest<'a> {
    path: &'a [u16],
    root: Option<&'a Handle>,
    absolute: bool,
    access: u32,
    share: u32,
    attributes: u32,
    disposition: u32,
    options: u32,
    case_sensitive: bool,
}

impl<'a> OpenRequest<'a> {
    fn new(path: &'a [u16], root: Option<&'a Handle>, absolute: bool) -> Self {
        Self {
            path,
            root,
            absolute,
            access: access::FILE_READ_ATTRIBUTES | access::SYNCHRONIZE,
            share: access::FILE_SHARE_READ | access::FILE_SHARE_WRITE | access::FILE_SHARE_DELETE,
            attributes: 0,
            disposition: nt_abi::FILE_OPEN,
            options: nt_abi::FILE_SYNCHRONOUS_IO_NONALERT,
            case_sensitive: false,
        }
    }
    /// A path on the volume, beginning with a backslash.
    pub fn on_volume(path: &'a [u16]) -> Self {
        Self::new(path, None, false)
    }
    /// A full NT path: `\Device\HarddiskVolume1\a`, `\??\C:\a`.
    pub fn absolute(path: &'a [u16]) -> Self {
        Self::new(path, None, true)
    }
    /// A name below an open directory.
    pub fn relative(root: &'a Handle, path: &'a [u16]) -> Self {
        Self::new(path, Some(root), true)
    }
    /// Desired access; default: attributes only.
    pub fn access(mut self, access: u32) -> Self {
        self.access = access | access::SYNCHRONIZE;
        self
    }
    /// Share access; default: everything.
    pub fn share(mut self, share: u32) -> Self {
        self.share = share;
        self
    }
    /// Attributes of a new file.
    pub fn attributes(mut self, attributes: u32) -> Self {
        self.attributes = attributes;
        self
    }
    /// Create disposition; default: open.
    pub fn disposition(mut self, disposition: u32) -> Self {
        self.disposition = disposition;
        self
    }
    /// Create options. Opens are synchronous unless [`OpenRequest::asynchronous`] is called afterwards.
    pub fn options(mut self, options: u32) -> Self {
        self.options = options | nt_abi::FILE_SYNCHRONOUS_IO_NONALERT;
        self
    }
    /// Opens for asynchronous I/O.
    pub fn asynchronous(mut self) -> Self {
        self.options &= !nt_abi::FILE_SYNCHRONOUS_IO_NONALERT;
        self
    }
    /// Names are compared exactly.
    pub fn case_sensitive(mut self) -> Self {
        self.case_sensitive = true;
        self
    }
}

/// NT services for one thread.
pub struct Session {
    buffer: UserBuffer,
    /// Where programs find the volume: `\??\C:`.
    volume: Vec<u16>,
}

impl Session {
    pub(crate) fn new(volume: usize) -> Option<Self> {
        let letter = ('C'..='Z').nth(volume)?;
        Some(Self { buffer: UserBuffer::new(BUFFER)?, volume: utf16(&format!("\\??\\{letter}:")) })
    }

    /// `path` of the volume as a full NT name, as renames need it.
    pub fn volume_path(&self, path: &[u16]) -> Vec<u16> {
        let mut full = self.volume.clone();
        full.extend_from_slice(path);
        full
    }

    /// NtCreateFile.
    pub fn open(&self, request: &OpenRequest<'_>) -> Result<Result<Opened, NtStatus>, Stopped> {
        self.open_with(request, |_| ())
    }

    fn open_with(
        &self,
        request: &OpenRequest<'_>,
        more: impl FnOnce(&mut CreateParameters<'_>),
    ) -> Result<Result<Opened, NtStatus>, Stopped> {
        let full;
        let name = if request.absolute {
            request.path
        } else {
            full = self.volume_path(request.path);
            &full
        };
        let mut parameters = CreateParameters {
            name,
            root: request.root.map_or(0, |handle| handle.0),
            object_attributes: if request.case_sensitive { 0 } else { OBJ_CASE_INSENSITIVE },
            access: request.access,
            file_attributes: request.attributes,
            share: request.share,
            disposition: request.disposition,
            options: request.options,
            mode: 1,
            ..CreateParameters::default()
        };
        more(&mut parameters);
        let opened = system_service("NtCreateFile", || nt_io::nt_create_file(&parameters))?;
        Ok(if opened.status.is_success() {
            Ok(Opened { handle: Handle(opened.handle), information: opened.information as u32 })
        } else {
            Err(opened.status)
        })
    }

    /// NtCreateTransaction.
    pub fn begin_transaction(&self) -> Result<Result<Transaction, NtStatus>, Stopped> {
        let attributes = nt_ob::ObjectAttributes::default();
        let made = system_service("NtCreateTransaction", || {
            nt_tm::nt_create_transaction(&attributes, nt_abi::GENERIC_ALL)
        })?;
        Ok(made.map(Transaction))
    }

    /// NtCreateFile inside a transaction. The volume's file system is not transactional: what is done to the file is done at
    /// once, and no rollback undoes it; filters are told of both.
    pub fn open_in(
        &self,
        transaction: &Transaction,
        request: &OpenRequest<'_>,
    ) -> Result<Result<Opened, NtStatus>, Stopped> {
        let kind = Some(nt_tm::tm_transaction_type());
        let found = match nt_ob::ob_reference_by_handle(transaction.0, 0, kind, 0) {
            Ok(found) => found.object,
            Err(status) => return Ok(Err(status)),
        };
        let opened = self.open_with(request, |parameters| parameters.transaction = found.address());
        found.release()?;
        opened
    }

    /// NtCommitTransaction, and closes the handle.
    pub fn commit(&self, transaction: Transaction) -> Result<NtStatus, Stopped> {
        let status =
            system_service("NtCommitTransaction", || nt_tm::nt_commit_transaction(transaction.0, 1))?;
        system_service("NtClose", || nt_io::nt_close(transaction.0))?;
        Ok(status)
    }

    /// NtRollbackTransaction, and closes the handle.
    pub fn roll_back(&self, transaction: Transaction) -> Result<NtStatus, Stopped> {
        let status =
            system_service("NtRollbackTransaction", || nt_tm::nt_rollback_transaction(transaction.0, 1))?;
        system_service("NtClose", || nt_io::nt_close(transaction.0))?;
        Ok(status)
    }

    /// NtCreateFile with extra create parameters, each a GUID's 16 bytes in memory and a context.
    pub fn open_with_extra(
        &self,
        request: &OpenRequest<'_>,
        extra: &[([u8; 16], &[u8])],
    ) -> Result<Result<Opened, NtStatus>, Stopped> {
        let list = match nt_fsrtl::ecp::from_user(extra)? {
            Ok(list) => list,
            Err(status) => return Ok(Err(status)),
        };
        let opened = self.open_with(request, |parameters| parameters.ecp_list = list)?;
        let freed = nt_fsrtl::ecp::free_list(list)?;
        debug_assert!(freed.is_ok(), "the list is ours");
        Ok(opened)
    }

    /// NtClose.
    pub fn close(&self, handle: Handle) -> Result<NtStatus, Stopped> {
        Ok(system_service("NtClose", || nt_io::nt_close(handle.0))?)
    }

    /// Runs `operation` on a user buffer of at least `length` bytes.
    fn with_buffer<R>(
        &self,
        length: usize,
        operation: impl FnOnce(&UserBuffer) -> Result<R, Stopped>,
    ) -> Result<R, Stopped> {
        if length <= BUFFER {
            return operation(&self.buffer);
        }
        let large = UserBuffer::new(length).ok_or(Stopped)?;
        operation(&large)
    }

    /// NtReadFile. `None` reads at the handle's position.
    pub fn read(&self, handle: &Handle, offset: Option<i64>, into: &mut [u8]) -> Result<IoStatus, Stopped> {
        self.with_buffer(into.len(), |buffer| {
            let none = Asynchronous::default();
            let length = into.len() as u32;
            let done = system_service("NtReadFile", || {
                nt_io::nt_read_file(handle.0, &none, buffer.address(), length, offset, None)
            })?;
            let got = done.information.min(into.len());
            buffer.read(0, &mut into[..got]).map_err(|_| Stopped)?;
            Ok(done)
        })
    }

    /// NtWriteFile. `Some(-1)` appends; `None` writes at the handle's position.
    pub fn write(&self, handle: &Handle, offset: Option<i64>, data: &[u8]) -> Result<IoStatus, Stopped> {
        self.with_buffer(data.len(), |buffer| {
            buffer.write(0, data).map_err(|_| Stopped)?;
            let none = Asynchronous::default();
            let length = data.len() as u32;
            Ok(system_service("NtWriteFile", || {
                nt_io::nt_write_file(handle.0, &none, buffer.address(), length, offset, None)
            })?)
        })
    }

    /// NtQueryInformationFile.
    pub fn query_information(
        &self,
        handle: &Handle,
        class: u32,
        into: &mut [u8],
    ) -> Result<IoStatus, Stopped> {
        self.query("NtQueryInformationFile", into, |address, length| {
            nt_io::nt_query_information_file(handle.0, address, length, class)
        })
    }

    /// NtQueryInformationByName: information about the file of `path` on the session's volume.
    pub fn query_by_name(&self, path: &[u16], class: u32, into: &mut [u8]) -> Result<IoStatus, Stopped> {
        let name = self.volume_path(path);
        let parameters = CreateParameters {
            name: &name,
            object_attributes: OBJ_CASE_INSENSITIVE,
            mode: 1,
            ..CreateParameters::default()
        };
        self.query("NtQueryInformationByName", into, |address, length| {
            nt_fsrtl::fs_filter::nt_query_information_by_name(&parameters, address, length, class)
        })
    }

    /// NtQueryVolumeInformationFile.
    pub fn query_volume(&self, handle: &Handle, class: u32, into: &mut [u8]) -> Result<IoStatus, Stopped> {
        self.query("NtQueryVolumeInformationFile", into, |address, length| {
            nt_io::nt_query_volume_information_file(handle.0, address, length, class)
        })
    }

    fn query(
        &self,
        name: &str,
        into: &mut [u8],
        service: impl FnOnce(usize, u32) -> Result<IoStatus, Raise>,
    ) -> Result<IoStatus, Stopped> {
        self.with_buffer(into.len(), |buffer| {
            let done = system_service(name, || service(buffer.address(), into.len() as u32))?;
            if !done.status.is_error() {
                let got = done.information.min(into.len());
                buffer.read(0, &mut into[..got]).map_err(|_| Stopped)?;
            }
            Ok(done)
        })
    }

    /// NtSetInformationFile.
    pub fn set_information(&self, handle: &Handle, class: u32, data: &[u8]) -> Result<IoStatus, Stopped> {
        self.with_buffer(data.len(), |buffer| {
            buffer.write(0, data).map_err(|_| Stopped)?;
            let length = data.len() as u32;
            Ok(system_service("NtSetInformationFile", || {
                nt_io::nt_set_information_file(handle.0, buffer.address(), length, class)
            })?)
        })
    }

    /// NtQueryDirectoryFile.
    pub fn query_directory(
        &self,
        handle: &Handle,
        class: u32,
        into: &mut [u8],
        pattern: Option<&[u16]>,
        restart: bool,
        single: bool,
    ) -> Result<IoStatus, Stopped> {
        let flags = (if restart { nt_abi::SL_RESTART_SCAN } else { 0 })
            | (if single { nt_abi::SL_RETURN_SINGLE_ENTRY } else { 0 });
        self.query("NtQueryDirectoryFile", into, |address, length| {
            let none = Asynchronous::default();
            nt_io::nt_query_directory_file(handle.0, &none, (address, length), class, flags, pattern)
        })
    }

    /// NtFsControlFile with a code whose buffers are copied.
    pub fn fs_control(
        &self,
        handle: &Handle,
        code: u32,
        input: &[u8],
        into: &mut [u8],
    ) -> Result<IoStatus, Stopped> {
        let room = input.len().max(into.len());
        self.with_buffer(room.max(1), |buffer| {
            buffer.write(0, input).map_err(|_| Stopped)?;
            let address = buffer.address();
            let (input_length, output_length) = (input.len() as u32, into.len() as u32);
            let buffers =
                nt_io::ControlBuffers { input: address, input_length, output: address, output_length };
            let none = Asynchronous::default();
            let done = system_service("NtFsControlFile", || {
                nt_io::nt_fs_control_file(handle.0, &none, code, buffers)
            })?;
            let got = done.information.min(into.len());
            buffer.read(0, &mut into[..got]).map_err(|_| Stopped)?;
            Ok(done)
        })
    }

    /// NtFlushBuffersFile.
    pub fn flush(&self, handle: &Handle) -> Result<IoStatus, Stopped> {
        Ok(system_service("NtFlushBuffersFile", || nt_io::nt_flush_buffers_file(handle.0, 0))?)
    }

    /// All names in a directory of the volume, without `.` and `..`.
    pub fn list(&self, path: &[u16]) -> Result<Result<Vec<Listed>, NtStatus>, Stopped> {
        let request = OpenRequest::on_volume(path)
            .access(access::FILE_LIST_DIRECTORY)
            .options(nt_abi::FILE_DIRECTORY_FILE);
        let handle = match self.open(&request)? {
            Ok(opened) => opened.handle,
            Err(status) => return Ok(Err(status)),
        };
        let mut names = Vec::new();
        let mut page = vec![0u8; 64 << 10];
        let status = loop {
            let done = self.query_directory(
                &handle,
                class::FileDirectoryInformation,
                &mut page,
                None,
                false,
                false,
            )?;
            if done.status != NtStatus::SUCCESS {
                break done.status;
            }
            collect(&page[..done.information.min(page.len())], &mut names);
        };
        self.close(handle)?;
        Ok(match status {
            NtStatus::NO_MORE_FILES | NtStatus::NO_SUCH_FILE => Ok(names),
            status => Err(status),
        })
    }

    /// Deletes a file, or a directory with everything below it. What is not there is no error; what cannot
    /// be deleted stays.
    pub fn remove_tree(&self, path: &[u16]) -> Result<(), Stopped> {
        if let Ok(entries) = self.list(path)? {
            for entry in entries {
                let mut child = path.to_vec();
                if child.last() != Some(&u16::from(b'\\')) {
                    child.push(u16::from(b'\\'));
                }
                child.extend_from_slice(&entry.name);
                if entry.attributes & nt_abi::FILE_ATTRIBUTE_DIRECTORY != 0 {
                    self.remove_tree(&child)?;
                } else {
                    self.remove_one(&child, 0)?;
                }
            }
        }
        self.remove_one(path, 0)
    }

    fn remove_one(&self, path: &[u16], options: u32) -> Result<(), Stopped> {
        let request = OpenRequest::on_volume(path)
            .access(access::DELETE | access::FILE_READ_ATTRIBUTES)
            .options(options | nt_abi::FILE_DELETE_ON_CLOSE);
        if let Ok(opened) = self.open(&request)? {
            self.close(opened.handle)?;
        }
        Ok(())
    }
}

/// Takes `FILE_DIRECTORY_INFORMATION` entries apart.
fn collect(page: &[u8], names: &mut Vec<Listed>) {
    let u32_at = |offset: usize| u32::from_le_bytes(page[offset..offset + 4].try_into().expect("four bytes"));
    let mut at = 0;
    while at + 64 <= page.len() {
        let bytes = u32_at(at + 60) as usize;
        let name: Vec<u16> = page[at + 64..(at + 64 + bytes).min(page.len())]
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        if name != utf16(".") && name != utf16("..") {
            let size = u64::from_le_bytes(page[at + 40..at + 48].try_into().expect("eight bytes"));
            names.push(Listed { name, attributes: u32_at(at + 56), size });
        }
        match u32_at(at) as usize {
            0 => break,
            step => at += step,
        }
    }
}

/// `FILE_RENAME_INFORMATION` for a new name: a full NT name, or a bare one.
pub fn rename_information(name: &[u16], replace: bool) -> Vec<u8> {
    let mut information = vec![0u8; 20];
    information[0] = u8::from(replace);
    information[16..20].copy_from_slice(&((name.len() * 2) as u32).to_le_bytes());
    for unit in name {
        information.extend_from_slice(&unit.to_le_bytes());
    }
    information.resize(information.len().max(24), 0);
    information
}
