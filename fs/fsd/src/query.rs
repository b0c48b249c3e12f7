//! IRP_MJ_QUERY_INFORMATION: one function per part, classes built from parts.

use nt_abi::{
    FILE_DEVICE_DISK, FILE_OBJECT, IO_STACK_LOCATION, IRP, NtStatus, file_attributes as attribute,
    file_information_class as class,
};
use store::Metadata;

use crate::buffer::Record;
use crate::fcb::{Ccb, Fcb, Volume, of_file};
use crate::short::OpenedByShort;
use crate::{Answer, Done, Failure, buffer, ea, name, reparse, times};

/// `FileStatBasicInformation`.
const FILE_STAT_BASIC_INFORMATION: u32 = nt_fsrtl::fs_filter::query_open::FILE_STAT_BASIC_INFORMATION;

struct Subject<'a> {
    volume: &'a Volume,
    fcb: &'static Fcb,
    ccb: &'static Ccb,
    metadata: Metadata,
}

/// Answers one information class.
pub(crate) fn query(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let (file, fcb, ccb) = of_file(stack.FileObject.get())?;
    let parameters = stack.Parameters.QueryFile();
    let length = parameters.Length.get() as usize;
    if fcb.state().volume_open {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let _guard = nt_ex::resource::ResourceGuard::shared(volume.resource)?;
    times::settle(volume, fcb)?;
    let metadata = volume.store.metadata(fcb.id())?;
    let subject = Subject { volume, fcb, ccb, metadata };
    let mut record = Record::default();
    // What has to fit, when the rest may be cut off.
    let mut fixed = None;
    match parameters.FileInformationClass.get() {
        class::FileBasicInformation => subject.basic(&mut record),
        class::FileStandardInformation => subject.standard(&mut record)?,
        class::FileInternalInformation => subject.internal(&mut record),
        class::FileEaInformation => drop(record.u32(ea::size(volume, fcb.id()))),
        class::FilePositionInformation => drop(record.i64(file.CurrentByteOffset.get())),
        class::FileNameInformation => {
            subject.name(&mut record, &ccb.state().shorts);
            fixed = Some(4);
        }
        class::FileNormalizedNameInformation => {
            subject.name(&mut record, &[]);
            fixed = Some(4);
        }
        class::FileAlternateNameInformation => {
            let short = subject.metadata.short;
            if short.is_none() || fcb.stream().is_some() {
                return Err(NtStatus::OBJECT_NAME_NOT_FOUND.into());
            }
            record.u32((short.units().len() * 2) as u32).name(short.units());
            fixed = Some(4);
        }
        class::FileNetworkOpenInformation => subject.network_open(&mut record)?,
        class::FileAttributeTagInformation => {
            let tag = reparse::tag(volume, fcb.id(), subject.metadata.attributes);
            record.u32(subject.attributes()).u32(tag);
        }
        class::FileStreamInformation => {
            if length < 24 {
                return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
            }
            return streams(&subject, buffer::system_address(irp), length);
        }
        class::FileStatInformation => subject.stat(&mut record)?,
        class::FileStatLxInformation => subject.stat_lx(&mut record)?,
        // No directory here is case sensitive.
        class::FileCaseSensitiveInformation => drop(record.u32(0)),
        FILE_STAT_BASIC_INFORMATION => subject.stat_basic(&mut record)?,
        class::FileAllInformation => {
            subject.basic(&mut record);
            subject.standard(&mut record)?;
            subject.internal(&mut record);
            // Then access, position, mode and alignment.
            record
                .u32(ea::size(volume, fcb.id()))
                .u32(ccb.granted.get())
                .i64(file.CurrentByteOffset.get())
                .u32(mode(file))
                .u32(0);
            fixed = Some(record.0.len() + 4);
            subject.name(&mut record, &ccb.state().shorts);
        }
        _ => return Err(NtStatus::INVALID_INFO_CLASS.into()),
    }
    let whole = record.0.len();
    if length < fixed.unwrap_or(whole) {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let given = whole.min(length);
    boundary::copy::write(buffer::system_address(irp), &record.0[..given])?;
    Ok(Done::new(if given < whole { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS }, given))
}

/// The same without an IRP, for the classes of a fixed length that fast I/O and query opens ask for.
pub(crate) fn fixed(volume: &Volume, file: &FILE_OBJECT, class: u32, to: usize, length: usize) -> Answer {
    let (_, fcb, ccb) = of_file(std::ptr::from_ref(file).cast_mut())?;
    if fcb.state().volume_open {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let _guard = nt_ex::resource::ResourceGuard::shared(volume.resource)?;
    times::settle(volume, fcb)?;
    let subject = Subject { volume, fcb, ccb, metadata: volume.store.metadata(fcb.id())? };
    let mut record = Record::default();
    match class {
        class::FileBasicInformation => subject.basic(&mut record),
        class::FileStandardInformation => subject.standard(&mut record)?,
        class::FileNetworkOpenInformation => subject.network_open(&mut record)?,
        class::FileStatInformation => subject.stat(&mut record)?,
        class::FileStatLxInformation => subject.stat_lx(&mut record)?,
        class::FileCaseSensitiveInformation => drop(record.u32(0)),
        FILE_STAT_BASIC_INFORMATION => subject.stat_basic(&mut record)?,
        _ => return Err(NtStatus::INVALID_INFO_CLASS.into()),
    }
    if record.0.len() > length {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    boundary::copy::write(to, &record.0)?;
    Ok(Done::new(NtStatus::SUCCESS, record.0.len()))
}

/// `FILE_MODE_INFORMATION.Mode`: the create options that live on in the file object.
fn mode(file: &FILE_OBJECT) -> u32 {
    use nt_abi::{create_options as option, fo_flags};
    let flags = file.Flags.load(std::sync::atomic::Ordering::Relaxed);
    [
        (fo_flags::FO_WRITE_THROUGH, option::FILE_WRITE_THROUGH),
        (fo_flags::FO_SEQUENTIAL_ONLY, option::FILE_SEQUENTIAL_ONLY),
        (fo_flags::FO_NO_INTERMEDIATE_BUFFERING, option::FILE_NO_INTERMEDIATE_BUFFERING),
        (fo_flags::FO_SYNCHRONOUS_IO, option::FILE_SYNCHRONOUS_IO_NONALERT),
    ]
    .iter()
    .filter(|(flag, _)| flags & flag != 0)
    .fold(0, |mode, (_, option)| mode | option)
}

/// Attributes as drivers see them: NORMAL where none is set.
pub(crate) fn shown_attributes(attributes: u32) -> u32 {
    if attributes == 0 { attribute::FILE_ATTRIBUTE_NORMAL } else { attributes }
}

impl Subject<'_> {
    fn attributes(&self) -> u32 {
        shown_attributes(self.metadata.attributes)
    }

    fn sizes(&self) -> Result<(u64, u64), Failure> {
        if self.fcb.is_directory() {
            return Ok((0, 0));
        }
        let size = self.volume.store.size(self.fcb.id(), self.fcb.stream())?;
        // Holes take no space in the store, but callers count on allocation to cover the file.
        let held = self.volume.store.allocation_size(self.fcb.id(), self.fcb.stream())?;
        Ok((size, held.max(size.next_multiple_of(4096))))
    }

    fn basic(&self, record: &mut Record) {
        let times = self.metadata.times;
        record.i64(times.creation).i64(times.last_access).i64(times.last_write).i64(times.change);
        record.u32(self.attributes()).u32(0);
    }

    fn standard(&self, record: &mut Record) -> Result<(), Failure> {
        let (size, allocation) = self.sizes()?;
        record.u64(allocation).u64(size);
        let pending = self.fcb.delete_pending.get() != 0;
        record.u32(if pending { self.metadata.links.saturating_sub(1) } else { self.metadata.links });
        record.u8(u8::from(pending)).u8(u8::from(self.fcb.is_directory())).u16(0);
        Ok(())
    }

    fn internal(&self, record: &mut Record) {
        record.u64(self.fcb.id().0);
    }

    fn network_open(&self, record: &mut Record) -> Result<(), Failure> {
        let (size, allocation) = self.sizes()?;
        let times = self.metadata.times;
        record.i64(times.creation).i64(times.last_access).i64(times.last_write).i64(times.change);
        record.u64(allocation).u64(size).u32(self.attributes()).u32(0);
        Ok(())
    }

    /// What all `FileStat*` classes begin with, up to the number of links.
    fn stat_head(&self, record: &mut Record) -> Result<(), Failure> {
        let (size, allocation) = self.sizes()?;
        let times = self.metadata.times;
        record.u64(self.fcb.id().0);
        record.i64(times.creation).i64(times.last_access).i64(times.last_write).i64(times.change);
        // The tag of a reparse point: there are none.
        record.u64(allocation).u64(size).u32(self.attributes()).u32(0).u32(self.metadata.links);
        Ok(())
    }

    fn stat(&self, record: &mut Record) -> Result<(), Failure> {
        self.stat_head(record)?;
        record.u32(self.ccb.granted.get());
        Ok(())
    }

    /// No file has metadata of a Linux subsystem, which its flags say.
    fn stat_lx(&self, record: &mut Record) -> Result<(), Failure> {
        self.stat(record)?;
        record.u32(0).u32(0).u32(0).u32(0).u32(0).u32(0);
        Ok(())
    }

    fn stat_basic(&self, record: &mut Record) -> Result<(), Failure> {
        self.stat_head(record)?;
        let serial = self.volume.vpb.SerialNumber.get();
        record.u32(FILE_DEVICE_DISK).u32(0).u32(0).u64(u64::from(serial)).u64(self.fcb.id().0).u64(0);
        Ok(())
    }

    /// Path and stream, with the short names that the file was opened by where `shorts` has them.
    fn name(&self, record: &mut Record, shorts: &[OpenedByShort]) {
        let mut full = match self.volume.path_as_opened(self.fcb.id(), shorts) {
            Ok(components) => name::join(&components),
            Err(_) => self.ccb.state().opened_name.clone(),
        };
        if let Some(stream) = self.fcb.stream() {
            full.push(u16::from(b':'));
            full.extend_from_slice(stream);
        }
        record.u32((full.len() * 2) as u32).name(&full);
    }
}

/// `FileStreamInformation`: as many whole entries as fit.
fn streams(subject: &Subject<'_>, to: usize, length: usize) -> Answer {
    let mut out: Vec<u8> = Vec::new();
    let mut last = 0;
    let mut overflow = false;
    for stream in subject.volume.store.streams(subject.fcb.id())? {
        let mut shown: Vec<u16> = vec![u16::from(b':')];
        shown.extend_from_slice(&stream.name);
        shown.extend(":$DATA".encode_utf16());
        let mut entry = Record::default();
        entry.u32(0).u32((shown.len() * 2) as u32).u64(stream.size).u64(stream.allocation).name(&shown);
        let start = out.len().next_multiple_of(8);
        if start + entry.0.len() > length {
            overflow = true;
            break;
        }
        if !out.is_empty() {
            out[last..last + 4].copy_from_slice(&((start - last) as u32).to_le_bytes());
        }
        out.resize(start, 0);
        last = start;
        out.extend_from_slice(&entry.0);
    }
    boundary::copy::write(to, &out)?;
    Ok(Done::new(if overflow { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS }, out.len()))
}
