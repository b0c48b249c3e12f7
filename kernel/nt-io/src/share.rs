//! Share access: who else may open a stream for what.
//!
//! The counts belong to the file system; whoever calls holds its lock of the stream.

use nt_abi::{
    DELETE, FILE_APPEND_DATA, FILE_EXECUTE, FILE_OBJECT, FILE_READ_DATA, FILE_SHARE_DELETE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, FILE_WRITE_DATA, NtStatus, SHARE_ACCESS,
};

struct Wish {
    read: bool,
    write: bool,
    delete: bool,
    share_read: bool,
    share_write: bool,
    share_delete: bool,
}

impl Wish {
    fn new(access: u32, share: u32) -> Self {
        Self {
            read: access & (FILE_READ_DATA | FILE_EXECUTE) != 0,
            write: access & (FILE_WRITE_DATA | FILE_APPEND_DATA) != 0,
            delete: access & DELETE != 0,
            share_read: share & FILE_SHARE_READ != 0,
            share_write: share & FILE_SHARE_WRITE != 0,
            share_delete: share & FILE_SHARE_DELETE != 0,
        }
    }

    fn of(file: &FILE_OBJECT) -> Self {
        Self {
            read: file.ReadAccess.get() != 0,
            write: file.WriteAccess.get() != 0,
            delete: file.DeleteAccess.get() != 0,
            share_read: file.SharedRead.get() != 0,
            share_write: file.SharedWrite.get() != 0,
            share_delete: file.SharedDelete.get() != 0,
        }
    }

    fn counts(&self) -> bool {
        self.read || self.write || self.delete
    }

    fn remember(&self, file: &FILE_OBJECT) {
        file.ReadAccess.set(u8::from(self.read));
        file.WriteAccess.set(u8::from(self.write));
        file.DeleteAccess.set(u8::from(self.delete));
        let counts = self.counts();
        file.SharedRead.set(u8::from(counts && self.share_read));
        file.SharedWrite.set(u8::from(counts && self.share_write));
        file.SharedDelete.set(u8::from(counts && self.share_delete));
    }

    fn each<'a>(&self, shared: &'a SHARE_ACCESS) -> [(bool, &'a std::cell::Cell<u32>); 6] {
        [
            (self.read, &shared.Readers),
            (self.write, &shared.Writers),
            (self.delete, &shared.Deleters),
            (self.share_read, &shared.SharedRead),
            (self.share_write, &shared.SharedWrite),
            (self.share_delete, &shared.SharedDelete),
        ]
    }

    fn add(&self, shared: &SHARE_ACCESS) {
        if self.counts() {
            shared.OpenCount.set(shared.OpenCount.get() + 1);
            for (has, count) in self.each(shared) {
                count.set(count.get() + u32::from(has));
            }
        }
    }
}

/// Whether the open was made with IO_IGNORE_SHARE_ACCESS_CHECK: it is neither checked nor counted.
fn ignored(file: &FILE_OBJECT) -> bool {
    !file.FileObjectExtension.get().is_null()
}

/// Whether an open with `access` and `share` goes with those that there are.
///
/// Source:  IoCheckShareAccess; SHR-01 to SHR-03. Sets the file object's access and share bytes either way.
/// IRQL:    PASSIVE_LEVEL
/// Locks:   the caller holds the lock of the stream
/// Returns: SUCCESS (and counts the open when `update`) or SHARING_VIOLATION
pub fn io_check_share_access(
    access: u32,
    share: u32,
    file: &FILE_OBJECT,
    shared: &SHARE_ACCESS,
    update: bool,
) -> NtStatus {
    let wish = Wish::new(access, share);
    file.ReadAccess.set(u8::from(wish.read));
    file.WriteAccess.set(u8::from(wish.write));
    file.DeleteAccess.set(u8::from(wish.delete));
    if !wish.counts() || ignored(file) {
        wish.remember(file);
        return NtStatus::SUCCESS;
    }
    let open = shared.OpenCount.get();
    let conflict = (wish.read && shared.SharedRead.get() < open)
        || (wish.write && shared.SharedWrite.get() < open)
        || (wish.delete && shared.SharedDelete.get() < open)
        || (shared.Readers.get() != 0 && !wish.share_read)
        || (shared.Writers.get() != 0 && !wish.share_write)
        || (shared.Deleters.get() != 0 && !wish.share_delete);
    if conflict {
        return NtStatus::SHARING_VIOLATION;
    }
    wish.remember(file);
    if update {
        wish.add(shared);
    }
    NtStatus::SUCCESS
}

/// Starts the counts with the first open. Source: IoSetShareAccess; SHR-04.
pub fn io_set_share_access(access: u32, share: u32, file: &FILE_OBJECT, shared: &SHARE_ACCESS) {
    let wish = Wish::new(access, share);
    wish.remember(file);
    shared.OpenCount.set(0);
    for (_, count) in wish.each(shared) {
        count.set(0);
    }
    if !ignored(file) {
        wish.add(shared);
    }
}

/// Counts an open that was checked before. Source: IoUpdateShareAccess; SHR-04.
pub fn io_update_share_access(file: &FILE_OBJECT, shared: &SHARE_ACCESS) {
    if !ignored(file) {
        Wish::of(file).add(shared);
    }
}

/// Takes an open out of the counts, at cleanup. Source: IoRemoveShareAccess; SHR-04.
pub fn io_remove_share_access(file: &FILE_OBJECT, shared: &SHARE_ACCESS) {
    let wish = Wish::of(file);
    if wish.counts() && !ignored(file) {
        shared.OpenCount.set(shared.OpenCount.get().saturating_sub(1));
        for (has, count) in wish.each(shared) {
            count.set(count.get().saturating_sub(u32::from(has)));
        }
    }
}
