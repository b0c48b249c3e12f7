//! Names and ends: renames, deletions, read-only files.

use super::*;

impl Tour<'_> {
    pub(super) fn rename_to(
        &self,
        handle: &Handle,
        name: &str,
        replace: bool,
        expected: NtStatus,
    ) -> Result<(), Stopped> {
        let full = self.session.volume_path(&self.path(name));
        self.set(
            &format!("rename to {name}"),
            handle,
            class::FileRenameInformation,
            &rename_information(&full, replace),
            expected,
        )
    }

    pub(super) fn rename(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("rename-1", b"one")? else { return Ok(()) };
        self.rename_to(&handle, "rename-2", false, NtStatus::SUCCESS)?;
        self.rename_to(&handle, "RENAME-2", false, NtStatus::SUCCESS)?;
        self.make(&self.path("taken"), false)?;
        self.rename_to(&handle, "taken", false, NtStatus::OBJECT_NAME_COLLISION)?;
        self.rename_to(&handle, "taken", true, NtStatus::SUCCESS)?;
        self.make(&self.path("other"), true)?;
        self.rename_to(&handle, "other\\moved", false, NtStatus::SUCCESS)?;
        self.rename_to(&handle, "missing\\moved", false, NtStatus::OBJECT_PATH_NOT_FOUND)?;
        // A bare name stays in the directory.
        self.set(
            "rename by a bare name",
            &handle,
            class::FileRenameInformation,
            &rename_information(&utf16("bare"), false),
            NtStatus::SUCCESS,
        )?;
        self.read(&handle, 0, 10, b"one", NtStatus::SUCCESS)?;
        self.close(handle)?;
        for (gone, expected) in
            [("rename-1", NtStatus::OBJECT_NAME_NOT_FOUND), ("taken", NtStatus::OBJECT_NAME_NOT_FOUND)]
        {
            self.refuse(gone, &OpenRequest::on_volume(&self.path(gone)), expected)?;
        }
        let path = self.path("other\\bare");
        if let Some(handle) = self.open_ok("the renamed file", &OpenRequest::on_volume(&path))? {
            self.close(handle)?;
        }
        Ok(())
    }

    pub(super) fn delete(&self) -> Result<(), Stopped> {
        let Some(handle) = self.file("deleted", b"x")? else { return Ok(()) };
        let path = self.path("deleted");
        let class = class::FileDispositionInformation;
        self.set("set disposition", &handle, class, &[1], NtStatus::SUCCESS)?;
        self.refuse(
            "open of a file that is being deleted",
            &OpenRequest::on_volume(&path),
            NtStatus::DELETE_PENDING,
        )?;
        self.set("clear disposition", &handle, class, &[0], NtStatus::SUCCESS)?;
        if let Some(again) =
            self.open_ok("open after the deletion was taken back", &OpenRequest::on_volume(&path))?
        {
            self.close(again)?;
        }
        self.set("set disposition", &handle, class, &[1], NtStatus::SUCCESS)?;
        self.close(handle)?;
        self.refuse(
            "open of a deleted file",
            &OpenRequest::on_volume(&path),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;

        let request = OpenRequest::on_volume(&path)
            .access(RW)
            .disposition(disposition::FILE_CREATE)
            .options(option::FILE_DELETE_ON_CLOSE | option::FILE_NON_DIRECTORY_FILE);
        if let Some(handle) = self.open_ok("create with delete on close", &request)? {
            self.close(handle)?;
        }
        self.refuse(
            "after delete on close",
            &OpenRequest::on_volume(&path),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;

        self.make(&self.path("full"), true)?;
        self.make(&self.path("full\\file"), false)?;
        let full = self.path("full");
        let request = OpenRequest::on_volume(&full).access(RW).options(option::FILE_DIRECTORY_FILE);
        if let Some(handle) = self.open_ok("a directory that is not empty", &request)? {
            self.set("its deletion", &handle, class, &[1], NtStatus::DIRECTORY_NOT_EMPTY)?;
            self.close(handle)?;
        }
        Ok(())
    }

    pub(super) fn read_only(&self) -> Result<(), Stopped> {
        let path = self.path("read-only");
        let request = OpenRequest::on_volume(&path)
            .access(RW)
            .disposition(disposition::FILE_CREATE)
            .attributes(attribute::FILE_ATTRIBUTE_READONLY)
            .options(option::FILE_NON_DIRECTORY_FILE);
        if let Some(handle) = self.open_ok("create", &request)? {
            let class = class::FileDispositionInformation;
            self.set("deletion", &handle, class, &[1], NtStatus::CANNOT_DELETE)?;
            self.close(handle)?;
        }
        let write = OpenRequest::on_volume(&path).access(access::GENERIC_WRITE);
        self.refuse("open for writing", &write, NtStatus::ACCESS_DENIED)?;
        let request = OpenRequest::on_volume(&path)
            .access(access::FILE_WRITE_ATTRIBUTES | access::FILE_READ_ATTRIBUTES | access::SYNCHRONIZE);
        if let Some(handle) = self.open_ok("open for attributes", &request)? {
            let mut basic = [0u8; 40];
            basic[32..36].copy_from_slice(&attribute::FILE_ATTRIBUTE_NORMAL.to_le_bytes());
            self.set("make it writable", &handle, class::FileBasicInformation, &basic, NtStatus::SUCCESS)?;
            self.close(handle)?;
        }
        if let Some(handle) = self.open_ok("open for writing again", &write)? {
            self.close(handle)?;
        }
        Ok(())
    }
}
