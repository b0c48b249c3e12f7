//! Names: renames, deletions, listings, streams, and names that are wrong.

use nt_abi::{
    NtStatus, create_disposition as disposition, create_options as option, file_access as access,
    file_information_class as class,
};
use rand::{Rng, RngExt};

use super::{Worker, join};
use crate::session::{OpenRequest, Stopped, rename_information};
use crate::utf16;

impl Worker<'_> {
    pub(super) fn rename(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let name = self.files[&key].name.clone();
        let onto = if self.random.random_bool(0.3) { self.pick() } else { None };
        let replace = self.random.random_bool(0.5);
        let new_name = match &onto {
            Some(other) => self.files[other].name.clone(),
            None => self.fresh_name(),
        };
        let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
        let information =
            rename_information(&join(&self.session.volume_path(&self.directory), &new_name), replace);
        let done = self.session.set_information(&handle, class::FileRenameInformation, &information)?;
        self.operations += 1;
        self.session.close(handle)?;
        let new_key = store::fold(&new_name);
        let taken = new_key != key && self.files.contains_key(&new_key);
        let expected = if taken && !replace { NtStatus::OBJECT_NAME_COLLISION } else { NtStatus::SUCCESS };
        if done.status != expected {
            self.mismatch(
                &name,
                format!(
                    "rename to {}: {}, expected {expected}",
                    String::from_utf16_lossy(&new_name),
                    done.status
                ),
            );
        }
        if done.status == NtStatus::SUCCESS {
            let mut node = self.files.remove(&key).expect("picked");
            node.name = new_name;
            self.files.insert(new_key, node);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return Ok(()) };
        let name = self.files[&key].name.clone();
        if self.random.random_bool(0.5) {
            let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
            let done = self.session.set_information(&handle, class::FileDispositionInformation, &[1])?;
            if done.status != NtStatus::SUCCESS {
                self.mismatch(&name, format!("set disposition: {}", done.status));
            }
            self.session.close(handle)?;
        } else {
            let path = join(&self.directory, &name);
            let request = OpenRequest::on_volume(&path)
                .access(access::DELETE)
                .options(option::FILE_NON_DIRECTORY_FILE | option::FILE_DELETE_ON_CLOSE);
            match self.session.open(&request)? {
                Ok(opened) => {
                    self.session.close(opened.handle)?;
                }
                Err(status) => self.mismatch(&name, format!("open for delete on close: {status}")),
            }
        }
        self.operations += 3;
        self.files.remove(&key);
        let path = join(&self.directory, &name);
        match self.session.open(&OpenRequest::on_volume(&path))? {
            Err(NtStatus::OBJECT_NAME_NOT_FOUND) => {}
            Err(status) => self.mismatch(&name, format!("open after delete: {status}")),
            Ok(opened) => {
                self.mismatch(&name, "is still there after it was deleted");
                self.session.close(opened.handle)?;
            }
        }
        Ok(())
    }

    pub(super) fn list(&mut self) -> Result<(), Stopped> {
        let listed = self.session.list(&self.directory)?;
        self.operations += 3;
        match listed {
            Ok(entries) => {
                let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
                names.sort();
                let mut expected: Vec<_> = self.files.values().map(|node| node.name.clone()).collect();
                expected.sort();
                if names != expected {
                    let directory = self.directory.clone();
                    self.mismatch(
                        &directory,
                        format!("lists {} names, expected {}", names.len(), expected.len()),
                    );
                }
            }
            Err(status) => self.mismatch(&self.directory, format!("listing failed with {status}")),
        }
        Ok(())
    }

    pub(super) fn stream(&mut self) -> Result<(), Stopped> {
        let Some(key) = self.pick() else { return self.create() };
        let stream = utf16(["one", "two", "Zone.Identifier"][self.random.random_range(0..3usize)]);
        let mut name = self.files[&key].name.clone();
        name.push(u16::from(b':'));
        name.extend_from_slice(&stream);
        let known = self.files[&key].streams.get(&stream).cloned();
        if let Some(expected) = known
            && self.random.random_bool(0.5)
        {
            let Some(handle) = self.open(&name, disposition::FILE_OPEN)? else { return Ok(()) };
            let mut data = vec![0u8; expected.len() + 10];
            let done = self.session.read(&handle, Some(0), &mut data)?;
            if done.information != expected.len() || data[..expected.len()] != expected[..] {
                self.mismatch(&name, format!("stream holds {} bytes ({})", done.information, done.status));
            }
            self.session.close(handle)?;
            return Ok(());
        }
        let Some(handle) = self.open(&name, disposition::FILE_OVERWRITE_IF)? else { return Ok(()) };
        let mut data = vec![0u8; self.random.random_range(1..3_000)];
        self.random.fill_bytes(&mut data);
        let done = self.session.write(&handle, Some(0), &data)?;
        self.operations += 1;
        if done.status != NtStatus::SUCCESS {
            self.mismatch(&name, format!("write to the stream: {}", done.status));
        } else {
            self.files.get_mut(&key).expect("picked").streams.insert(stream, data);
        }
        self.session.close(handle)?;
        Ok(())
    }

    pub(super) fn wrong_names(&mut self) -> Result<(), Stopped> {
        let missing = join(&self.directory, &utf16("no-such-directory\\file"));
        let absent = join(&self.directory, &utf16("no-such-file"));
        for (path, expected) in
            [(missing, NtStatus::OBJECT_PATH_NOT_FOUND), (absent, NtStatus::OBJECT_NAME_NOT_FOUND)]
        {
            self.operations += 1;
            match self.session.open(&OpenRequest::on_volume(&path))? {
                Err(status) if status == expected => {}
                Err(status) => self.mismatch(&path, format!("{status}, expected {expected}")),
                Ok(opened) => {
                    self.mismatch(&path, "was opened, but is not there");
                    self.session.close(opened.handle)?;
                }
            }
        }
        Ok(())
    }
}
