//! Opens: dispositions, kinds, names, case, sharing, relative names, guarded names.

use super::*;

impl Tour<'_> {
    pub(super) fn create_dispositions(&self) -> Result<(), Stopped> {
        let path = self.path("dispositions");
        let request = |disposition| {
            OpenRequest::on_volume(&path)
                .access(RW)
                .disposition(disposition)
                .options(option::FILE_NON_DIRECTORY_FILE)
        };
        self.refuse(
            "open of a missing file",
            &request(disposition::FILE_OPEN),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;
        self.refuse(
            "overwrite of a missing file",
            &request(disposition::FILE_OVERWRITE),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;
        let cases = [
            (disposition::FILE_CREATE, information::FILE_CREATED),
            (disposition::FILE_OPEN, information::FILE_OPENED),
            (disposition::FILE_OPEN_IF, information::FILE_OPENED),
            (disposition::FILE_OVERWRITE, information::FILE_OVERWRITTEN),
            (disposition::FILE_OVERWRITE_IF, information::FILE_OVERWRITTEN),
            (disposition::FILE_SUPERSEDE, information::FILE_SUPERSEDED),
        ];
        for (disposition, expected) in cases {
            if let Some((handle, got)) = self.open("disposition", &request(disposition), NtStatus::SUCCESS)? {
                self.expect(&format!("information of disposition {disposition}"), got, expected);
                self.close(handle)?;
            }
        }
        self.refuse(
            "create of an existing file",
            &request(disposition::FILE_CREATE),
            NtStatus::OBJECT_NAME_COLLISION,
        )?;
        if let Some(handle) = self.file("dispositions", b"to be overwritten")? {
            self.close(handle)?;
        }
        if let Some(handle) = self.open_ok("overwrite", &request(disposition::FILE_OVERWRITE))? {
            let standard = self.query("standard", &handle, class::FileStandardInformation, 24)?;
            self.expect("size after overwrite", u64_at(&standard, 8), 0);
            self.close(handle)?;
        }
        let absent = self.path("dispositions-2");
        let create = OpenRequest::on_volume(&absent).access(RW).disposition(disposition::FILE_OVERWRITE_IF);
        if let Some((handle, got)) =
            self.open("overwrite-if of a missing file", &create, NtStatus::SUCCESS)?
        {
            self.expect("information", got, information::FILE_CREATED);
            self.close(handle)?;
        }
        Ok(())
    }

    pub(super) fn kinds(&self) -> Result<(), Stopped> {
        let (file, directory) = (self.path("kind-file"), self.path("kind-directory"));
        self.make(&file, false)?;
        self.make(&directory, true)?;
        self.refuse(
            "a file opened as a directory",
            &OpenRequest::on_volume(&file).options(option::FILE_DIRECTORY_FILE),
            NtStatus::NOT_A_DIRECTORY,
        )?;
        self.refuse(
            "a directory opened as a file",
            &OpenRequest::on_volume(&directory).options(option::FILE_NON_DIRECTORY_FILE),
            NtStatus::FILE_IS_A_DIRECTORY,
        )?;
        let slash = self.path("kind-directory\\");
        if let Some(handle) =
            self.open_ok("a directory with a trailing backslash", &OpenRequest::on_volume(&slash))?
        {
            self.close(handle)?;
        }
        let root = utf16("\\");
        if let Some(handle) =
            self.open_ok("the root", &OpenRequest::on_volume(&root).options(option::FILE_DIRECTORY_FILE))?
        {
            self.close(handle)?;
        }
        Ok(())
    }

    pub(super) fn missing_names(&self) -> Result<(), Stopped> {
        self.refuse(
            "a missing directory in the path",
            &OpenRequest::on_volume(&self.path("none\\file")),
            NtStatus::OBJECT_PATH_NOT_FOUND,
        )?;
        self.make(&self.path("plain"), false)?;
        self.refuse(
            "a file in the middle of the path",
            &OpenRequest::on_volume(&self.path("plain\\file")),
            NtStatus::OBJECT_PATH_NOT_FOUND,
        )?;
        for bad in ["a*b", "a?b", "a<b", "a|b", "a\"b", "a\\\\b"] {
            let path = self.path(bad);
            let request = OpenRequest::on_volume(&path).access(RW).disposition(disposition::FILE_CREATE);
            self.refuse(&format!("the name {bad}"), &request, NtStatus::OBJECT_NAME_INVALID)?;
        }
        Ok(())
    }

    pub(super) fn case(&self) -> Result<(), Stopped> {
        self.make(&self.path("MixedCase.Txt"), false)?;
        for spelling in ["mixedcase.txt", "MIXEDCASE.TXT", "MixedCase.Txt"] {
            let path = self.path(spelling);
            if let Some(handle) = self.open_ok(spelling, &OpenRequest::on_volume(&path))? {
                self.close(handle)?;
            }
        }
        let path = self.path("MIXEDcase.txt");
        let request = OpenRequest::on_volume(&path).access(RW).disposition(disposition::FILE_CREATE);
        self.refuse("another spelling", &request, NtStatus::OBJECT_NAME_COLLISION)
    }

    pub(super) fn share_access(&self) -> Result<(), Stopped> {
        let path = self.path("shared");
        self.make(&path, false)?;
        let alone = OpenRequest::on_volume(&path).access(access::GENERIC_READ).share(0);
        if let Some(handle) = self.open_ok("open without sharing", &alone)? {
            let read = OpenRequest::on_volume(&path).access(access::GENERIC_READ);
            self.refuse("a second open", &read, NtStatus::SHARING_VIOLATION)?;
            let attributes =
                OpenRequest::on_volume(&path).access(access::FILE_READ_ATTRIBUTES | access::SYNCHRONIZE);
            if let Some(second) = self.open_ok("an open for attributes only", &attributes)? {
                self.close(second)?;
            }
            self.close(handle)?;
        }
        let readers =
            OpenRequest::on_volume(&path).access(access::GENERIC_READ).share(access::FILE_SHARE_READ);
        if let Some(handle) = self.open_ok("open with sharing for reading", &readers)? {
            if let Some(second) = self.open_ok("a second reader", &readers)? {
                self.close(second)?;
            }
            let write = OpenRequest::on_volume(&path).access(access::GENERIC_WRITE);
            self.refuse("a writer", &write, NtStatus::SHARING_VIOLATION)?;
            self.close(handle)?;
        }
        Ok(())
    }

    pub(super) fn relative(&self) -> Result<(), Stopped> {
        self.make(&self.path("base"), true)?;
        self.make(&self.path("base\\leaf"), false)?;
        let base = self.path("base");
        let Some(root) =
            self.open_ok("the base", &OpenRequest::on_volume(&base).options(option::FILE_DIRECTORY_FILE))?
        else {
            return Ok(());
        };
        let leaf = utf16("leaf");
        if let Some(handle) = self.open_ok("a name below it", &OpenRequest::relative(&root, &leaf))? {
            self.close(handle)?;
        }
        let none = utf16("none");
        self.refuse(
            "a missing name below it",
            &OpenRequest::relative(&root, &none),
            NtStatus::OBJECT_NAME_NOT_FOUND,
        )?;
        self.close(root)
    }

    pub(super) fn guarded(&self) -> Result<(), Stopped> {
        let suffix = self.options.denied_suffix.as_deref();
        let name = format!("secret{}", suffix.unwrap_or(".blocked"));
        let path = self.path(&name);
        let request = OpenRequest::on_volume(&path).access(RW).disposition(disposition::FILE_CREATE);
        let expected = if suffix.is_some() { NtStatus::ACCESS_DENIED } else { NtStatus::SUCCESS };
        if let Some((handle, _)) = self.open(&format!("create of {name}"), &request, expected)? {
            self.close(handle)?;
        }
        if suffix.is_some() {
            self.expect_status(
                "open of what was never created",
                self.raw_status(&path)?,
                NtStatus::ACCESS_DENIED,
            );
        }
        Ok(())
    }

    pub(super) fn raw_status(&self, path: &[u16]) -> Result<NtStatus, Stopped> {
        self.tally.operations(1, 0);
        Ok(match self.session.open(&OpenRequest::on_volume(path))? {
            Ok(opened) => {
                self.session.close(opened.handle)?;
                NtStatus::SUCCESS
            }
            Err(status) => status,
        })
    }
}
