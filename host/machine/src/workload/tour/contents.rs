//! Contents: reads and writes, positions, sizes, flushes, streams.

use super::*;

impl Tour<'_> {
    pub(super) fn read_write(&self) -> Result<(), Stopped> {
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

    pub(super) fn position(&self) -> Result<(), Stopped> {
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

    pub(super) fn end_of_file(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("end", b"abcdefghij")? else { return Ok(()) };
        let class = class::FileEndOfFileInformation;
        self.set("shrink", &handle, class, &4i64.to_le_bytes(), NtStatus::SUCCESS)?;
        self.read(&handle, 0, 10, b"abcd", NtStatus::SUCCESS)?;
        self.set("grow", &handle, class, &8i64.to_le_bytes(), NtStatus::SUCCESS)?;
        self.read(&handle, 0, 10, b"abcd\0\0\0\0", NtStatus::SUCCESS)?;
        self.set("negative size", &handle, class, &(-5i64).to_le_bytes(), NtStatus::INVALID_PARAMETER)?;
        self.close(handle)
    }

    pub(super) fn allocation(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("allocation", b"abcdefghij")? else { return Ok(()) };
        let class = class::FileAllocationInformation;
        self.set("grow", &handle, class, &100_000i64.to_le_bytes(), NtStatus::SUCCESS)?;
        self.read(&handle, 0, 20, b"abcdefghij", NtStatus::SUCCESS)?;
        self.set("truncate by allocation", &handle, class, &0i64.to_le_bytes(), NtStatus::SUCCESS)?;
        self.read(&handle, 0, 1, &[], NtStatus::END_OF_FILE)?;
        self.close(handle)
    }

    pub(super) fn streams(&self) -> Result<(), Stopped> {
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

    pub(super) fn flush(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("flushed", b"bytes")? else { return Ok(()) };
        self.tally.operations(1, 0);
        let done = self.session.flush(&handle)?;
        self.expect_status("flush", done.status, NtStatus::SUCCESS);
        self.close(handle)
    }
}
