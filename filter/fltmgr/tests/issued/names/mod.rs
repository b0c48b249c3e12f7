//! Names of files: when they are asked for, what is kept, how they are put together.

mod asked;
mod blocks;
mod creates;
mod destinations;
mod kept;

use std::cell::{Cell, RefCell};
use std::ptr::from_ref;
use std::sync::atomic::Ordering;

use fltmgr::names::*;
use nt_abi::irql::APC_LEVEL;
use nt_abi::*;

use crate::stage::*;

const NORMALIZED: u32 = FLT_FILE_NAME_NORMALIZED;
const OPENED: u32 = FLT_FILE_NAME_OPENED;
const SHORT: u32 = FLT_FILE_NAME_SHORT;
const DEFAULT: u32 = FLT_FILE_NAME_QUERY_DEFAULT;
const CACHE_ONLY: u32 = FLT_FILE_NAME_QUERY_CACHE_ONLY;
const FILESYSTEM_ONLY: u32 = FLT_FILE_NAME_QUERY_FILESYSTEM_ONLY;
const ALWAYS: u32 = FLT_FILE_NAME_QUERY_ALWAYS_ALLOW_CACHE_LOOKUP;
const VOLUME: &str = r"\Device\HarddiskVolume1";

pub type Name = Result<String, NtStatus>;

thread_local! {
    /// What a callback got.
    static ASKED: RefCell<Vec<Name>> = const { RefCell::new(Vec::new()) };
    /// The path that the file system says, in the place of the one of the open.
    static PATH: RefCell<Option<String>> = const { RefCell::new(None) };
    /// It knows no normalized names.
    static PLAIN: Cell<bool> = const { Cell::new(false) };
    /// Short names of its directories, and the long ones.
    static SHORT_NAMES: RefCell<Vec<(&'static str, Result<String, NtStatus>)>> = const { RefCell::new(Vec::new()) };
}

fn put_name(system: usize, room: usize, name: &str) -> (NtStatus, usize) {
    let bytes: Vec<u8> = units(name).iter().flat_map(|unit| unit.to_le_bytes()).collect();
    boundary::copy::write_value(system, bytes.len() as u32).unwrap();
    if bytes.len() + 4 > room {
        return (NtStatus::BUFFER_OVERFLOW, 4);
    }
    boundary::copy::write(system + 4, &bytes).unwrap();
    (NtStatus::SUCCESS, bytes.len() + 4)
}

fn find_entry(found: &Seen) -> (NtStatus, usize) {
    // SAFETY: the pattern of a directory query.
    let pattern = unsafe { &*(found.parameters[1] as *const UNICODE_STRING) };
    let pattern = String::from_utf16_lossy(&text(pattern));
    if pattern == "LIES~1" {
        // More bytes than there is room for.
        boundary::copy::write_value(found.user + 8, 514u32).unwrap();
        return (NtStatus::SUCCESS, 12);
    }
    let long = SHORT_NAMES
        .with_borrow(|all| all.iter().find(|(short, _)| *short == pattern).map(|(_, long)| long.clone()));
    match long.unwrap_or(Err(NtStatus::NO_SUCH_FILE)) {
        Ok(long) => {
            // NextEntryOffset and FileIndex stand in front.
            let room = found.parameters[0] as u32 as usize - 8;
            put_name(found.user + 8, room, &long)
        }
        Err(status) => (status, 0),
    }
}

/// The long names of short ones.
pub fn short_names(names: Vec<(&'static str, Result<String, NtStatus>)>) {
    SHORT_NAMES.set(names);
}

/// The file system says names.
pub fn names_are_known() {
    answer(|_, found| match (found.major, found.parameters[1] as u32) {
        (IRP_MJ_QUERY_INFORMATION, 48) if PLAIN.get() => Some((NtStatus::INVALID_PARAMETER, 0)),
        (IRP_MJ_QUERY_INFORMATION, 9 | 48) => {
            let path = PATH.with_borrow(Clone::clone).unwrap_or_else(|| found.name.clone());
            Some(put_name(found.system, found.parameters[0] as u32 as usize, &path))
        }
        (IRP_MJ_QUERY_INFORMATION, 21) => Some(put_name(found.system, 64, "F~1")),
        (IRP_MJ_DIRECTORY_CONTROL, _) => Some(find_entry(found)),
        _ => None,
    });
}

pub fn name_at(address: usize) -> String {
    // SAFETY: a name block of the manager's with a reference of ours.
    let information = unsafe { &*(address as *const FLT_FILE_NAME_INFORMATION) };
    String::from_utf16_lossy(&text(&information.Name))
}

pub fn take(found: Result<usize, NtStatus>) -> Name {
    let name = name_at(found?);
    flt_release_file_name_information(found.unwrap()).unwrap();
    Ok(name)
}

fn get(data: &FLT_CALLBACK_DATA, options: u32) -> Result<usize, NtStatus> {
    let operation = fltmgr::operation_from(from_ref(data) as usize).unwrap();
    flt_get_file_name_information(operation, options).unwrap()
}

pub fn ask(data: &FLT_CALLBACK_DATA, options: u32) -> Name {
    take(get(data, options))
}

fn note(name: Name) {
    ASKED.with_borrow_mut(|asked| asked.push(name));
}

pub fn below_volume(path: &str) -> Name {
    Ok(format!("{VOLUME}{path}"))
}

/// Runs `f` in a callback of `who` for operations of `major`.
pub fn during(who: &'static str, major: u8, post: bool, f: impl Fn(&'static FLT_CALLBACK_DATA) + 'static) {
    hook(move |caller, data, is_post| {
        if caller == who && is_post == post && iopb(data).MajorFunction.get() == major {
            f(data);
        }
        None
    });
}

/// Asks in a callback of a flush of the file: the names, and how many queries the file system got.
fn ask_in_flush(handle: usize, who: &'static str, options: &'static [u32]) -> (Vec<Name>, usize) {
    during(who, IRP_MJ_FLUSH_BUFFERS, false, move |data| {
        options.iter().for_each(|options| note(ask(data, *options)));
    });
    seen();
    nt_io::nt_flush_buffers_file(handle, 0).unwrap();
    no_hook();
    (ASKED.take(), queries())
}

/// How many queries of a name the file system got.
pub fn queries() -> usize {
    seen().iter().filter(|found| found.major == IRP_MJ_QUERY_INFORMATION).count()
}

fn create(name: &str, options: u32) -> nt_io::Opened {
    nt_io::io_create_file(&parameters(&units(name), options)).unwrap()
}

fn asked_in_create(name: &str, post: bool, options: &'static [u32]) -> (Vec<Name>, nt_io::Opened) {
    during("asker", IRP_MJ_CREATE, post, move |data| {
        options.iter().for_each(|options| note(ask(data, *options)));
    });
    let opened = create(name, FILE_SYNCHRONOUS_IO_NONALERT);
    no_hook();
    (ASKED.take(), opened)
}

fn unsafe_file(data: &FLT_CALLBACK_DATA) -> &'static FILE_OBJECT {
    // SAFETY: the operation's file object.
    unsafe { &*iopb(data).TargetFileObject.get() }
}
