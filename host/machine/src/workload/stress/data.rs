//! Reads, writes and sizes of a thread's own files.

use nt_abi::{NtStatus, create_disposition as disposition, file_information_class as class};
use rand::{Rng, RngExt};

use super::{Buffering, MAX_FILE, Worker};
use crate::session::{Handle, Stopped};

impl Worker<'_> {
    pub(super) fn buffering(&mut self) -> Buffering {
        if self.random.random_bool(0.3) { Buffering::None } else { Buffering::Cached }
    }

    pub(super) fn write(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let buffering = self.buffering();
        let Some(handle) = self.open_as(&name, disposition::FILE_OPEN, buffering)? else { return Ok(()) };
        self.write_by(&handle, buffering, &key)?;
        self.session.close(handle)?;
        Ok(())
    }

    pub(super) fn write_by(
        &mut self,
        handle: &Handle,
        buffering: Buffering,
        key: &[u16],
    ) -> Result<(), Stopped> {
        let name = self.files[key].name.clone();
        let longest = if self.random.random_bool(0.2) { 65_536 } else { 5_000 };
        let (offset, length) =
            (self.random.random_range(0..MAX_FILE / 2), self.random.random_range(1..=longest));
        let (offset, length) = buffering.range(offset, length);
        let mut data = vec![0u8; length];
        self.random.fill_bytes(&mut data);
        let append = buffering == Buffering::Cached && self.random.random_bool(0.1);
        let at = if append { self.files[key].data.len() as u64 } else { offset };
        let given = if append { -1 } else { offset as i64 };
        let done = self.session.write(handle, Some(given), &data)?;
        self.operations += 1;
        self.bytes += length as u64;
        if done.status != NtStatus::SUCCESS || done.information != length {
            self.mismatch(
                &name,
                format!("write of {length} at {at}: {} bytes, {}", done.information, done.status),
            );
        } else {
            let node = self.files.get_mut(key).expect("picked");
            let end = at as usize + length;
            if node.data.len() < end {
                node.data.resize(end, 0);
            }
            node.data[at as usize..end].copy_from_slice(&data);
        }
        Ok(())
    }

    pub(super) fn read(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let buffering = self.buffering();
        let Some(handle) = self.open_as(&name, disposition::FILE_OPEN, buffering)? else { return Ok(()) };
        self.read_by(&handle, buffering, &key)?;
        self.session.close(handle)?;
        Ok(())
    }

    pub(super) fn read_by(
        &mut self,
        handle: &Handle,
        buffering: Buffering,
        key: &[u16],
    ) -> Result<(), Stopped> {
        let name = self.files[key].name.clone();
        let size = self.files[key].data.len() as u64;
        let (offset, length) = (self.random.random_range(0..size + 100), self.random.random_range(1..20_000));
        let (offset, length) = buffering.range(offset, length);
        let mut data = vec![0u8; length];
        let done = self.session.read(handle, Some(offset as i64), &mut data)?;
        self.operations += 1;
        self.bytes += done.information as u64;
        let expected = &self.files[key].data[(offset.min(size)) as usize..];
        let expected = &expected[..expected.len().min(data.len())];
        let status = if expected.is_empty() { NtStatus::END_OF_FILE } else { NtStatus::SUCCESS };
        if done.status != status || done.information != expected.len() || data[..expected.len()] != *expected
        {
            let first = data.iter().zip(expected).position(|(got, expected)| got != expected);
            self.mismatch(
                &name,
                format!(
                    "read of {} at {offset} of {size}{}: {} bytes, {}; expected {} bytes, {status}; {}",
                    data.len(),
                    if buffering == Buffering::None { " without buffering" } else { "" },
                    done.information,
                    done.status,
                    expected.len(),
                    first.map_or("the same bytes".into(), |at| format!("they differ from byte {at} on"))
                ),
            );
        }
        Ok(())
    }

    /// A cached handle and one without buffering on the same file, in turns, with sizes and flushes between.
    pub(super) fn mixed(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let Some(cached) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
        let Some(direct) = self.open_as(&name, disposition::FILE_OPEN, Buffering::None)? else {
            return self.session.close(cached).map(|_| ());
        };
        for _ in 0..self.random.random_range(2..10u32) {
            match self.random.random_range(0..10u32) {
                0..3 => self.write_by(&cached, Buffering::Cached, &key)?,
                3..5 => self.write_by(&direct, Buffering::None, &key)?,
                5..7 => self.read_by(&cached, Buffering::Cached, &key)?,
                7 => self.read_by(&direct, Buffering::None, &key)?,
                8 => {
                    let handle = if self.random.random_bool(0.5) { &cached } else { &direct };
                    let size = self.random.random_range(0..MAX_FILE);
                    self.resize_by(handle, &key, size)?;
                }
                _ => {
                    let done = self.session.flush(&cached)?;
                    self.operations += 1;
                    if done.status != NtStatus::SUCCESS {
                        self.mismatch(&name, format!("flush: {}", done.status));
                    }
                }
            }
        }
        self.session.close(direct)?;
        self.session.close(cached)?;
        Ok(())
    }

    pub(super) fn resize(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
        let size = self.random.random_range(0..MAX_FILE);
        self.resize_by(&handle, &key, size)?;
        self.session.close(handle)?;
        self.check_size(&key)
    }

    pub(super) fn resize_by(&mut self, handle: &Handle, key: &[u16], size: u64) -> Result<(), Stopped> {
        let done =
            self.session.set_information(handle, class::FileEndOfFileInformation, &size.to_le_bytes())?;
        self.operations += 1;
        if done.status == NtStatus::SUCCESS {
            self.files.get_mut(key).expect("picked").data.resize(size as usize, 0);
        } else {
            let name = self.files[key].name.clone();
            self.mismatch(&name, format!("set end of file to {size}: {}", done.status));
        }
        Ok(())
    }

    pub(super) fn check_size(&mut self, key: &[u16]) -> Result<(), Stopped> {
        let node = self.files[key].clone();
        let Some(handle) = self.open(&node.name, disposition::FILE_OPEN)? else { return Ok(()) };
        let mut information = [0u8; 24];
        let done =
            self.session.query_information(&handle, class::FileStandardInformation, &mut information)?;
        self.operations += 1;
        let size = u64::from_le_bytes(information[8..16].try_into().expect("eight bytes"));
        if done.status != NtStatus::SUCCESS || size != node.data.len() as u64 {
            self.mismatch(
                &node.name,
                format!("size is {size} ({}), expected {}", done.status, node.data.len()),
            );
        }
        self.session.close(handle)?;
        Ok(())
    }
}
