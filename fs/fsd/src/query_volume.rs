//! IRP_MJ_QUERY_VOLUME_INFORMATION and IRP_MJ_SET_VOLUME_INFORMATION.

use nt_abi::{IO_STACK_LOCATION, IRP, NtStatus, fs_information_class as class};

use crate::buffer::Record;
use crate::fcb::Volume;
use crate::{Answer, Done, buffer};

/// Answers one class.
pub(crate) fn query(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let parameters = stack.Parameters.QueryVolume();
    let length = parameters.Length.get() as usize;
    let info = volume.store.volume_info()?;
    let sectors = info.cluster_size / info.sector_size;
    let units = info.total_bytes / u64::from(info.cluster_size);
    let free = info.free_bytes / u64::from(info.cluster_size);
    let mut record = Record::default();
    let mut fixed = None;
    match parameters.FsInformationClass.get() {
        class::FileFsVolumeInformation => {
            record.i64(info.creation).u32(info.serial).u32((info.label.len() * 2) as u32).u8(1).u8(0);
            fixed = Some(18);
            record.name(&info.label);
        }
        class::FileFsSizeInformation => {
            record.u64(units).u64(free).u32(sectors).u32(info.sector_size);
        }
        class::FileFsFullSizeInformation => {
            record.u64(units).u64(free).u64(free).u32(sectors).u32(info.sector_size);
        }
        class::FileFsDeviceInformation => {
            // FILE_DEVICE_DISK, FILE_DEVICE_IS_MOUNTED
            record.u32(7).u32(0x20);
        }
        class::FileFsAttributeInformation => {
            let capabilities = volume.store.capabilities();
            let mut attributes = class::FILE_CASE_SENSITIVE_SEARCH
                | class::FILE_CASE_PRESERVED_NAMES
                | class::FILE_UNICODE_ON_DISK
                | class::FILE_SUPPORTS_OPEN_BY_FILE_ID;
            if capabilities.streams {
                attributes |= class::FILE_NAMED_STREAMS;
            }
            if capabilities.read_only {
                attributes |= class::FILE_READ_ONLY_VOLUME;
            }
            let name: Vec<u16> = "NTFS".encode_utf16().collect();
            record.u32(attributes).u32(capabilities.max_component_utf16 as u32).u32((name.len() * 2) as u32);
            fixed = Some(12);
            record.name(&name);
        }
        class::FileFsSectorSizeInformation => {
            for _ in 0..4 {
                record.u32(info.sector_size);
            }
            // Aligned device and partition; no offset known.
            record.u32(3).u32(0).u32(0);
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

/// Sets the label.
pub(crate) fn set(volume: &Volume, irp: &'static IRP, stack: &IO_STACK_LOCATION) -> Answer {
    let parameters = stack.Parameters.SetVolume();
    let length = parameters.Length.get() as usize;
    if parameters.FsInformationClass.get() != class::FileFsLabelInformation {
        return Err(NtStatus::INVALID_INFO_CLASS.into());
    }
    let from = buffer::system_address(irp);
    if length < 4 {
        return Err(NtStatus::INFO_LENGTH_MISMATCH.into());
    }
    let bytes = buffer::get::<u32>(from, 0)? as usize;
    if length < 4 + bytes {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    let label = buffer::get_name(from + 4, bytes)?;
    if label.len() > 32 {
        return Err(NtStatus::INVALID_PARAMETER.into());
    }
    volume.store.set_label(&label)?;
    for (index, slot) in volume.vpb.VolumeLabel.iter().enumerate() {
        slot.set(label.get(index).copied().unwrap_or(0));
    }
    volume.vpb.VolumeLabelLength.set(bytes as u16);
    Ok(NtStatus::SUCCESS.into())
}
