//! Loads and stores through mapped views of a thread's own files, beside reads and writes by handle.

use nt_abi::{NtStatus, create_disposition as disposition};
use rand::{Rng, RngExt};

use super::{Buffering, MAX_FILE, Worker};
use crate::MappedFile;
use crate::session::Stopped;

impl Worker<'_> {
    /// Maps a file, stores, loads, writes and reads by handle in turns, and leaves the rest to the mapped page writer.
    pub(super) fn mapped(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
        let size = self.files[&key].data.len() as u64;
        let wanted =
            if size == 0 || self.random.random_bool(0.3) { self.random.random_range(1..MAX_FILE) } else { 0 };
        self.operations += 1;
        let mapped = match self.session.map(&handle, wanted, true)? {
            Ok(mapped) => mapped,
            Err(status) => {
                self.mismatch(&name, format!("mapping {wanted} of {size} bytes: {status}"));
                self.session.close(handle)?;
                return Ok(());
            }
        };
        let node = self.files.get_mut(&key).expect("picked");
        if wanted > size {
            node.data.resize(wanted as usize, 0);
        }
        for _ in 0..self.random.random_range(2..10u32) {
            match self.random.random_range(0..10u32) {
                0..4 => self.store(&mapped, &key)?,
                4..7 => self.load(&mapped, &key)?,
                7 => self.read_by(&handle, Buffering::Cached, &key)?,
                8 => self.write_by(&handle, Buffering::Cached, &key)?,
                _ => {
                    self.operations += 1;
                    let done = self.session.flush_view(&mapped)?;
                    if done.status != NtStatus::SUCCESS {
                        self.mismatch(&name, format!("flush of a view: {}", done.status));
                    }
                }
            }
        }
        if self.random.random_bool(0.5) {
            // The view keeps the file.
            self.session.close(handle)?;
            self.store(&mapped, &key)?;
        } else {
            self.store(&mapped, &key)?;
            self.session.close(handle)?;
        }
        self.operations += 1;
        let status = self.session.unmap(mapped)?;
        if status != NtStatus::SUCCESS {
            self.mismatch(&name, format!("ending a view: {status}"));
        }
        Ok(())
    }

    /// A part of the file that the view shows.
    fn part(&mut self, mapped: &MappedFile, key: &[u16]) -> (usize, usize) {
        // A write by handle may have made the file longer than the view.
        let end = self.files[key].data.len().min(mapped.len());
        let start = self.random.random_range(0..end);
        (start, self.random.random_range(1..=(end - start).min(9_000)))
    }

    fn store(&mut self, mapped: &MappedFile, key: &[u16]) -> Result<(), Stopped> {
        let (start, length) = self.part(mapped, key);
        let mut data = vec![0u8; length];
        self.random.fill_bytes(&mut data);
        self.session.store(mapped, start, &data)?;
        self.operations += 1;
        self.bytes += length as u64;
        self.files.get_mut(key).expect("picked").data[start..start + length].copy_from_slice(&data);
        Ok(())
    }

    fn load(&mut self, mapped: &MappedFile, key: &[u16]) -> Result<(), Stopped> {
        let (start, length) = self.part(mapped, key);
        let mut data = vec![0u8; length];
        self.session.load(mapped, start, &mut data)?;
        self.operations += 1;
        self.bytes += length as u64;
        let expected = &self.files[key].data[start..start + length];
        if data != *expected {
            let first = data.iter().zip(expected).position(|(got, expected)| got != expected);
            let name = self.files[key].name.clone();
            self.mismatch(
                &name,
                format!("load of {length} at {start} through a view differs from {first:?} on"),
            );
        }
        Ok(())
    }
}
