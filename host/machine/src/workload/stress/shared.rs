//! Files that all threads write to, each its own stripe.

use nt_abi::{NtStatus, file_access as access};
use rand::{Rng, RngExt};

use super::{Buffering, FILE_OPTIONS, SECTOR, SHARED_FILES, STRIPE, Worker, join};
use crate::session::{OpenRequest, Stopped};
use crate::utf16;

impl Worker<'_> {
    /// Writes a part of this thread's stripe of a shared file and reads the stripe back.
    pub(super) fn shared_stripe(&mut self) -> Result<(), Stopped> {
        let shared = self.random.random_range(0..SHARED_FILES);
        let root_end = self.directory.iter().rposition(|unit| *unit == u16::from(b'\\')).unwrap_or(0);
        let path = join(&self.directory[..root_end], &utf16(&format!("shared-{shared}")));
        let buffering = self.buffering();
        let request = OpenRequest::on_volume(&path)
            .access(access::GENERIC_READ | access::GENERIC_WRITE | access::SYNCHRONIZE)
            .options(FILE_OPTIONS | buffering.option());
        let handle = match self.session.open(&request)? {
            Ok(opened) => opened.handle,
            Err(status) => {
                self.mismatch(&path, format!("open failed with {status}"));
                return Ok(());
            }
        };
        let start = self.thread as usize * STRIPE;
        let (first, end) = match buffering {
            Buffering::Cached => {
                let at = self.random.random_range(0..STRIPE);
                (start + at, start + at + self.random.random_range(1..=STRIPE - at))
            }
            // The whole sectors inside the stripe: the others belong to a neighbour as well.
            Buffering::None => (
                start.next_multiple_of(SECTOR as usize),
                (start + STRIPE) / SECTOR as usize * SECTOR as usize,
            ),
        };
        let mut data = vec![0u8; end - first];
        self.random.fill_bytes(&mut data);
        let done = self.session.write(&handle, Some(first as i64), &data)?;
        if done.status == NtStatus::SUCCESS {
            self.stripes[shared][first - start..end - start].copy_from_slice(&data);
        } else {
            self.mismatch(&path, format!("write failed with {}", done.status));
        }
        // Everything up to what any thread wrote last: the tail may not be there yet.
        let (from, bytes) = match buffering {
            Buffering::Cached => (start, STRIPE),
            Buffering::None => (first, end - first),
        };
        let mut back = vec![0u8; bytes];
        let done = self.session.read(&handle, Some(from as i64), &mut back)?;
        self.operations += 4;
        self.bytes += (data.len() + done.information) as u64;
        let mine = &self.stripes[shared][from - start..][..done.information];
        if back[..done.information] != *mine || done.information < end - from {
            let first = back.iter().zip(mine).position(|(got, expected)| got != expected);
            self.mismatch(
                &path,
                format!("stripe of thread {} differs: {} bytes, {first:?}", self.thread, done.information),
            );
        }
        self.session.close(handle)?;
        Ok(())
    }
}
