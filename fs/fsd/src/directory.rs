//! IRP_MJ_DIRECTORY_CONTROL: scans of a directory, as many entries as fit. Statement: FS-29.
//!
//! A scan works on a snapshot that is taken when it starts or restarts, so names that come and go meanwhile
//! neither repeat nor shift others.

use nt_abi::{
    IO_STACK_LOCATION, IRP, NtStatus, UNICODE_STRING, file_information_class as class, irp_mn, sl_flags,
};
use store::{Entry, Metadata};

use crate::buffer::Record;
use crate::fcb::{Fcb, Volume, of_file};
use crate::{Answer, Done, Failure, buffer, query, reparse};

/// Where a handle is in its directory.
pub(crate) struct Scan {
    pattern: Option<Vec<u16>>,
    entries: Vec<Entry>,
    next: usize,
    /// Whether any query has answered yet.
    started: bool,
}

/// Answers queries; change notification is refused.
pub(crate) fn control(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    match stack.MinorFunction.get() {
        irp_mn::IRP_MN_QUERY_DIRECTORY => query_directory(volume, irp, stack),
        _ => Err(NtStatus::INVALID_DEVICE_REQUEST.into()),
    }
}

fn query_directory(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (_, fcb, ccb) = of_file(stack.FileObject.get())?;
    if !fcb.is_directory() || fcb.state().volume_open {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let parameters = stack.Parameters.QueryDirectory();
    let length = parameters.Length.get() as usize;
    let layout = Layout::of(parameters.FileInformationClass.get()).ok_or(NtStatus::INVALID_INFO_CLASS)?;
    if length < layout.name_offset() + 2 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let flags = stack.Flags.get();
    let pattern = pattern_of(parameters.FileName.get())?;
    let to = buffer::data_address(irp)?;
    let _guard = nt_ex::resource::ResourceGuard::shared(volume.resource)?;
    if fcb.deleted.get() != 0 {
        return Err(NtStatus::DELETE_PENDING.into());
    }
    let fresh = ccb.state().scan.lock().is_none();
    if fresh || flags & sl_flags::SL_RESTART_SCAN != 0 {
        let entries = snapshot(volume, fcb)?;
        let mut slot = ccb.state().scan.lock();
        // The pattern of the first query holds for the handle's life, unless a restart brings another.
        let pattern = pattern.or_else(|| slot.take().and_then(|scan| scan.pattern));
        let started = slot.as_ref().is_some_and(|scan| scan.started);
        *slot = Some(Scan { pattern, entries, next: 0, started });
    }
    let (out, status) = {
        let mut slot = ccb.state().scan.lock();
        let scan = slot.as_mut().ok_or(NtStatus::INVALID_PARAMETER)?;
        fill(volume, scan, layout, length, flags & sl_flags::SL_RETURN_SINGLE_ENTRY != 0)
    };
    boundary::copy::write(to, &out)?;
    Ok(Done::new(status, out.len()))
}

fn pattern_of(name: *mut UNICODE_STRING) -> Result<Option<Vec<u16>>, Failure> {
    // SAFETY: the I/O manager's copy of the caller's pattern, or null.
    let Some(name) = (unsafe { name.as_ref() }) else { return Ok(None) };
    let pattern = buffer::get_name(name.Buffer.get() as usize, usize::from(name.Length.get()))?;
    Ok((!pattern.is_empty()).then(|| store::fold(&pattern)))
}

/// All names, behind `.` and `..` in every directory but the root.
fn snapshot(volume: &Volume, fcb: &Fcb) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    if fcb.id() != volume.store.root() {
        let parent = volume.store.parent(fcb.id())?;
        for (id, name) in [(fcb.id(), "."), (parent, "..")] {
            entries.push(Entry { id, name: name.encode_utf16().collect(), kind: store::NodeKind::Directory });
        }
    }
    entries.extend(volume.store.list(fcb.id())?);
    Ok(entries)
}

fn fill(
    volume: &Volume,
    scan: &mut Scan,
    layout: Layout,
    length: usize,
    single: bool,
) -> (Vec<u8>, NtStatus) {
    let mut out: Vec<u8> = Vec::new();
    let mut last = 0;
    while let Some(entry) = scan.entries.get(scan.next) {
        // A name that went after the snapshot was taken is skipped.
        let Some(metadata) = wanted(volume, scan.pattern.as_deref(), entry) else {
            scan.next += 1;
            continue;
        };
        let record = layout.entry(entry, &metadata, reparse::tag(volume, entry.id, metadata.attributes));
        let start = out.len().next_multiple_of(8);
        if start + record.len() > length {
            if out.is_empty() {
                // Not even the first fits: its fixed part and what fits of the name.
                scan.started = true;
                return (record[..length].to_vec(), NtStatus::BUFFER_OVERFLOW);
            }
            break;
        }
        if !out.is_empty() {
            out[last..last + 4].copy_from_slice(&((start - last) as u32).to_le_bytes());
        }
        out.resize(start, 0);
        last = start;
        out.extend_from_slice(&record);
        scan.next += 1;
        if single {
            break;
        }
    }
    let status = match (out.is_empty(), scan.started) {
        (false, _) => NtStatus::SUCCESS,
        (true, false) => NtStatus::NO_SUCH_FILE,
        (true, true) => NtStatus::NO_MORE_FILES,
    };
    scan.started = true;
    (out, status)
}

/// Whether it is `.` or `..`.
fn is_of_the_directory(entry: &Entry) -> bool {
    entry.name.len() <= 2 && entry.name.iter().all(|unit| *unit == u16::from(b'.'))
}

/// What is known of an entry whose name or short name the pattern fits.
fn wanted(volume: &Volume, pattern: Option<&[u16]>, entry: &Entry) -> Option<Metadata> {
    let fits =
        |pattern: &[u16], name: &[u16]| nt_fsrtl::name_in_expression(pattern, name, Some(&store::upcase));
    let Some(pattern) = pattern else { return volume.store.metadata(entry.id).ok() };
    if fits(pattern, &entry.name) {
        return volume.store.metadata(entry.id).ok();
    }
    // A directory's own two entries stand under no other name.
    if is_of_the_directory(entry) {
        return None;
    }
    let metadata = volume.store.metadata(entry.id).ok()?;
    (!metadata.short.is_none() && fits(pattern, metadata.short.units())).then_some(metadata)
}

/// The classes of directory entries.
#[derive(Clone, Copy)]
enum Layout {
    Directory,
    Full,
    Both,
    Names,
    IdFull,
    IdBoth,
}

impl Layout {
    fn of(class: u32) -> Option<Self> {
        Some(match class {
            class::FileDirectoryInformation => Self::Directory,
            class::FileFullDirectoryInformation => Self::Full,
            class::FileBothDirectoryInformation => Self::Both,
            class::FileNamesInformation => Self::Names,
            class::FileIdFullDirectoryInformation => Self::IdFull,
            class::FileIdBothDirectoryInformation => Self::IdBoth,
            _ => return None,
        })
    }

    fn name_offset(self) -> usize {
        match self {
            Self::Names => 12,
            Self::Directory => 64,
            Self::Full => 68,
            Self::IdFull => 80,
            Self::Both => 94,
            Self::IdBoth => 104,
        }
    }

    /// `tag` is that of a reparse point, which stands where others have the size of their extended attributes.
    fn entry(self, entry: &Entry, metadata: &Metadata, tag: u32) -> Vec<u8> {
        let mut record = Record::default();
        record.u32(0).u32(0);
        let name_bytes = (entry.name.len() * 2) as u32;
        if matches!(self, Self::Names) {
            record.u32(name_bytes).name(&entry.name);
            return record.0;
        }
        let times = metadata.times;
        record.i64(times.creation).i64(times.last_access).i64(times.last_write).i64(times.change);
        record.u64(metadata.size).u64(metadata.allocation.max(metadata.size.next_multiple_of(4096)));
        record.u32(query::shown_attributes(metadata.attributes)).u32(name_bytes);
        if !matches!(self, Self::Directory) {
            record.u32(tag);
        }
        if matches!(self, Self::Both | Self::IdBoth) {
            // Its length in bytes, then room for twelve units.
            let short = if is_of_the_directory(entry) { &[] } else { metadata.short.units() };
            let at = record.u8((short.len() * 2) as u8).u8(0).name(short).0.len();
            record.0.resize(at + (12 - short.len()) * 2, 0);
        }
        if matches!(self, Self::IdBoth | Self::IdFull) {
            record.pad_to(8).u64(entry.id.0);
        }
        debug_assert_eq!(record.0.len(), self.name_offset());
        record.name(&entry.name);
        record.0
    }
}
