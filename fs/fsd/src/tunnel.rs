//! What a directory remembers of names that left it, for a file that takes one of them soon after.
//!
//! ```text
//! delete(n), or rename(n, m) ─► n: long and short name, creation time ─► create(n), or rename(s, n): takes all three
//!                                                └─► 15 s of the machine's time, or the directory is deleted: gone
//! ```
//!
//! An entry is found by the name that was used to open the file when it lost the name: the long or the short one. Files
//! only: a directory neither leaves nor finds an entry. A rename over a file leaves none of the file replaced.
//!
//! Statements: NAME-46, NAME-49.

use std::collections::VecDeque;

use nt_ke::{Lock, Rank};
use store::{CaseMatch, FileId, MetadataChange, ShortName, equal_insensitive};

use crate::Failure;
use crate::fcb::{Ccb, Fcb, Volume};
use crate::short::OpenedByShort;

/// How long an entry lives, in 100 ns units.
const MAX_AGE: u64 = 15 * 10_000_000;
/// How many there are at most; the oldest goes first.
const MAX_ENTRIES: usize = 256;

/// A name that left its directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Removed {
    pub(crate) directory: FileId,
    pub(crate) long: Vec<u16>,
    pub(crate) short: ShortName,
    /// The file had been opened by its short name, which is what finds the entry.
    pub(crate) by_short: bool,
    pub(crate) creation: i64,
}

impl Removed {
    /// What is to be remembered when the handle of `ccb` takes the name of its file away. Call before that.
    pub(crate) fn of(volume: &Volume, fcb: &Fcb, ccb: &Ccb) -> Result<Self, Failure> {
        let id = fcb.id();
        let metadata = volume.store.metadata(id)?;
        let by_short = ccb.state().shorts.contains(&(id, metadata.short));
        let long = volume.store.path(id)?.pop().unwrap_or_default();
        let directory = volume.store.parent(id)?;
        Ok(Self { directory, long, short: metadata.short, by_short, creation: metadata.times.creation })
    }

    fn key(&self) -> &[u16] {
        if self.by_short { self.short.units() } else { &self.long }
    }
}

struct Entry {
    since: u64,
    removed: Removed,
}

/// The names that left a volume's directories. Used with the volume's resource held exclusively.
pub(crate) struct Tunnel {
    entries: Lock<VecDeque<Entry>>,
}

/// Time since the machine started, in 100 ns units.
fn now() -> u64 {
    nt_ke::current_core().scheduler().now()
}

impl Tunnel {
    pub(crate) fn new() -> Self {
        Self { entries: Lock::new(Rank::FsdTable, VecDeque::new()) }
    }

    /// The name is gone.
    pub(crate) fn remember(&self, removed: Removed) {
        self.remember_at(now(), removed);
    }

    fn remember_at(&self, now: u64, removed: Removed) {
        let mut entries = self.entries.lock();
        entries.retain(|entry| {
            entry.since + MAX_AGE > now
                && (entry.removed.directory != removed.directory
                    || !equal_insensitive(entry.removed.key(), removed.key()))
        });
        if entries.len() == MAX_ENTRIES {
            entries.pop_front();
        }
        entries.push_back(Entry { since: now, removed });
    }

    /// Takes out what is known of `name` in `directory`.
    pub(crate) fn take(&self, directory: FileId, name: &[u16]) -> Option<Removed> {
        self.take_at(now(), directory, name)
    }

    fn take_at(&self, now: u64, directory: FileId, name: &[u16]) -> Option<Removed> {
        let mut entries = self.entries.lock();
        entries.retain(|entry| entry.since + MAX_AGE > now);
        let is_it = |entry: &Entry| {
            entry.removed.directory == directory && equal_insensitive(entry.removed.key(), name)
        };
        let at = entries.iter().position(is_it)?;
        entries.remove(at).map(|entry| entry.removed)
    }

    /// The directory is deleted.
    pub(crate) fn forget(&self, directory: FileId) {
        self.entries.lock().retain(|entry| entry.removed.directory != directory);
    }
}

impl Volume {
    /// The name for a file that comes into `directory` as `name`: the long one where a short one was given.
    pub(crate) fn name_to_take<'a>(
        &self,
        directory: FileId,
        name: &'a [u16],
        before: Option<&'a Removed>,
    ) -> &'a [u16] {
        match before {
            Some(before)
                if before.by_short
                    && self.lookup(directory, &before.long, CaseMatch::Insensitive).is_err() =>
            {
                &before.long
            }
            _ => name,
        }
    }

    /// A file came into `directory` as `name`: gives it its short name, and the time of the one before it. What the
    /// store does not take stays as it is.
    ///
    /// Returns: the short name that it was named by
    pub(crate) fn arrived(
        &self,
        directory: FileId,
        id: FileId,
        name: &[u16],
        before: Option<&Removed>,
    ) -> Option<OpenedByShort> {
        self.give_short_name(directory, id, name, before.map_or(ShortName::NONE, |before| before.short));
        let before = before?;
        let creation = Some(before.creation);
        let _ = self.store.set_metadata(id, MetadataChange { creation, ..MetadataChange::default() });
        before.by_short.then_some((id, before.short))
    }
}

#[cfg(test)]
mod a_name_that_left {
    use super::*;

    const SECOND: u64 = 10_000_000;

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn removed(directory: u64, long: &str, short: &str, by_short: bool) -> Removed {
        Removed {
            directory: FileId(directory),
            long: wide(long),
            short: ShortName::new(&wide(short)).unwrap(),
            by_short,
            creation: 7,
        }
    }

    #[test]
    fn is_found_once_by_the_name_that_was_used_in_its_directory() {
        // spec: NAME-49
        let tunnel = Tunnel::new();
        let by_long = removed(1, "Long name", "LONGNA~1", false);
        let by_short = removed(1, "Other name", "OTHERN~1", true);
        tunnel.remember_at(0, by_long.clone());
        tunnel.remember_at(0, by_short.clone());
        for (directory, name) in [(2, "long name"), (1, "LONGNA~1"), (1, "other name")] {
            assert_eq!(tunnel.take_at(1, FileId(directory), &wide(name)), None, "{name}");
        }
        assert_eq!(tunnel.take_at(1, FileId(1), &wide("LONG NAME")), Some(by_long));
        assert_eq!(tunnel.take_at(1, FileId(1), &wide("othern~1")), Some(by_short));
        assert_eq!(tunnel.take_at(1, FileId(1), &wide("long name")), None);
    }

    #[test]
    fn is_forgotten_after_fifteen_seconds_or_with_its_directory() {
        // spec: NAME-49
        let tunnel = Tunnel::new();
        let file = |directory| removed(directory, "f", "", false);
        tunnel.remember_at(0, file(1));
        tunnel.remember_at(SECOND, file(2));
        tunnel.remember_at(SECOND, file(3));
        tunnel.forget(FileId(3));
        assert_eq!(tunnel.take_at(15 * SECOND, FileId(1), &wide("f")), None);
        assert_eq!(tunnel.take_at(15 * SECOND, FileId(3), &wide("f")), None);
        assert_eq!(tunnel.take_at(15 * SECOND, FileId(2), &wide("f")), Some(file(2)));
    }

    #[test]
    fn makes_room_by_pushing_the_oldest_out_and_replaces_one_of_the_same_name() {
        // spec: NAME-49
        let tunnel = Tunnel::new();
        for directory in 0..=MAX_ENTRIES as u64 {
            tunnel.remember_at(0, removed(directory, "f", "", false));
        }
        assert_eq!(tunnel.take_at(0, FileId(0), &wide("f")), None);
        assert!(tunnel.take_at(0, FileId(1), &wide("f")).is_some());
        tunnel.remember_at(0, removed(2, "F", "NEW", false));
        assert_eq!(tunnel.take_at(0, FileId(2), &wide("f")), Some(removed(2, "F", "NEW", false)));
        assert_eq!(tunnel.take_at(0, FileId(2), &wide("f")), None);
    }
}
