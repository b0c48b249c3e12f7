//! Facts: information classes, the volume, directories.

use super::*;

impl Tour<'_> {
    pub(super) fn basic_information(&self) -> Result<(), Stopped> {
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

    pub(super) fn standard_information(&self) -> Result<(), Stopped> {
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

    pub(super) fn name_information(&self) -> Result<(), Stopped> {
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

    pub(super) fn combined_information(&self) -> Result<(), Stopped> {
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

    pub(super) fn listing(&self) -> Result<(), Stopped> {
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

    pub(super) fn volume(&self) -> Result<(), Stopped> {
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
}
