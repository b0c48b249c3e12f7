//! The trait [`Store`] and the values that cross it.
//!
//! Owns the meaning of each operation. All of them take `&self`, may be called from any thread at any time, and hold
//! no lock when they return. Each is atomic as seen by the others. Data of different files never wait for each other.
//!
//! Units: offsets and sizes are bytes; times are 100 ns ticks since 1601-01-01 UTC.

use crate::error::Result;
use crate::short::ShortName;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Names a file or directory of one mounted store. The same file has the same value for as long as the store is
/// mounted, however often it is opened, renamed, or looked up; a value is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u64);

/// Tells the time as 100 ns ticks since 1601-01-01 UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's own time as a [`Clock`], for uses that need no determinism.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        ticks_from_unix(now.tv_sec, now.tv_nsec as u32)
    })
}

const TICKS_1601_TO_1970: i64 = 116_444_736_000_000_000;

/// Converts Unix seconds and nanoseconds to ticks, rounding down.
pub(crate) fn ticks_from_unix(seconds: i64, nanoseconds: u32) -> i64 {
    seconds
        .saturating_mul(10_000_000)
        .saturating_add(i64::from(nanoseconds / 100))
        .saturating_add(TICKS_1601_TO_1970)
}

/// Converts ticks to Unix seconds and nanoseconds.
pub(crate) fn unix_from_ticks(ticks: i64) -> (i64, u32) {
    let unix = ticks.saturating_sub(TICKS_1601_TO_1970);
    (unix.div_euclid(10_000_000), unix.rem_euclid(10_000_000) as u32 * 100)
}

/// A stream of a file: `None` is the default stream (`::$DATA`), `Some` an alternate one, by name without colons.
pub type StreamName<'a> = Option<&'a [u16]>;

/// `FILE_ATTRIBUTE_READONLY`: kept and shown, enforced by the file system driver.
pub const ATTRIBUTE_READONLY: u32 = 0x1;
/// `FILE_ATTRIBUTE_DIRECTORY`: always equal to the kind, whatever is set.
pub const ATTRIBUTE_DIRECTORY: u32 = 0x10;
/// `FILE_ATTRIBUTE_ARCHIVE`: what a host file without kept attributes shows.
pub const ATTRIBUTE_ARCHIVE: u32 = 0x20;
/// `FILE_ATTRIBUTE_NORMAL`: never kept; the file system driver shows it where nothing else is set.
pub const ATTRIBUTE_NORMAL: u32 = 0x80;

/// The attributes that a store keeps: what was given, without NORMAL, and with DIRECTORY only as the kind says.
pub(crate) fn kept_attributes(given: u32, kind: NodeKind) -> u32 {
    let plain = given & !(ATTRIBUTE_NORMAL | ATTRIBUTE_DIRECTORY);
    if kind == NodeKind::Directory { plain | ATTRIBUTE_DIRECTORY } else { plain }
}

/// What a store keeps with a file without looking into it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Blob {
    /// Reparse data.
    Reparse,
    /// Extended attributes.
    ExtendedAttributes,
    /// A security descriptor.
    Security,
}

impl Blob {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Reparse, Self::ExtendedAttributes, Self::Security];
}

/// Longest blob in bytes.
pub const MAX_BLOB_BYTES: usize = 64 << 10;

/// How a name is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaseMatch {
    /// The exact spelling if it is there, else any spelling that upcases to the same.
    Insensitive,
    /// The exact spelling only.
    Sensitive,
}

/// What a name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeKind {
    /// Has a default stream.
    File,
    /// Has names in it; may have alternate streams but no default one.
    Directory,
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The file.
    pub id: FileId,
    /// The name as stored, which may differ in case from the one asked for.
    pub name: Vec<u16>,
    /// What it is. A host object that is neither file nor directory (a symbolic link, a socket) is shown as a file
    /// whose every use answers `AccessDenied`.
    pub kind: NodeKind,
}

/// One stream of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamInfo {
    /// Empty for the default stream.
    pub name: Vec<u16>,
    /// End of file.
    pub size: u64,
    /// Bytes that it takes in the store.
    pub allocation: u64,
}

/// The four times of a file, in ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// When it was made.
    pub creation: i64,
    /// When it was last read, as far as the store keeps that: reads never change it in the memory store.
    pub last_access: i64,
    /// When its data (or a directory's names) last changed.
    pub last_write: i64,
    /// When anything about it last changed.
    pub change: i64,
}

/// What is known of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// The file.
    pub id: FileId,
    /// What it is.
    pub kind: NodeKind,
    /// `FILE_ATTRIBUTE_*`; never `NORMAL`: zero where nothing is set.
    pub attributes: u32,
    /// Its times.
    pub times: Times,
    /// End of file of the default stream; 0 for a directory.
    pub size: u64,
    /// Bytes that the default stream takes; less than `size` where it has holes.
    pub allocation: u64,
    /// Its 8.3 name.
    pub short: ShortName,
    /// Names that lead to it: 1, or 0 after removal. More on a host that had hard links before.
    pub links: u32,
}

/// Which facts to change; `None` leaves one alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MetadataChange {
    /// New creation time.
    pub creation: Option<i64>,
    /// New last access time.
    pub last_access: Option<i64>,
    /// New last write time.
    pub last_write: Option<i64>,
    /// New change time; ignored where [`Capabilities::settable_change_time`] is false.
    pub change: Option<i64>,
    /// New attributes, replacing all; DIRECTORY and NORMAL are ignored.
    pub attributes: Option<u32>,
}

/// What a store can do; constant while it is mounted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// `"memory"` or `"host"`.
    pub name: &'static str,
    /// Alternate data streams.
    pub streams: bool,
    /// NT extended attributes.
    pub extended_attributes: bool,
    /// Names come back as they were given.
    pub case_preserving: bool,
    /// One directory can hold two names that differ only in case (found there, never made through this trait).
    pub case_variants: bool,
    /// Hard links can be made.
    pub hard_links: bool,
    /// Holes take no space.
    pub sparse: bool,
    /// Longest component in UTF-16 units. The host store also limits it to 255 bytes on disk.
    pub max_component_utf16: usize,
    /// Security descriptors are kept.
    pub persistent_acls: bool,
    /// Largest end of file.
    pub max_file_size: u64,
    /// The change time can be set; otherwise it is the host's own.
    pub settable_change_time: bool,
    /// Every change is refused with `ReadOnly`.
    pub read_only: bool,
}

/// What is known of the volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolumeInfo {
    /// Its label; at most 32 units.
    pub label: Vec<u16>,
    /// Its serial number.
    pub serial: u32,
    /// Its size.
    pub total_bytes: u64,
    /// What can still be written.
    pub free_bytes: u64,
    /// 512 or 4096; the store itself takes any alignment.
    pub sector_size: u32,
    /// The granularity of allocation.
    pub cluster_size: u32,
    /// When it was made.
    pub creation: i64,
}

/// The bytes of one volume. What holds for all operations stands at the head of the module `contract`.
///
/// Errors that every operation can give: `NotFound` (no such id) · `Io`; every change: `ReadOnly`.
pub trait Store: Send + Sync {
    /// What this store can do.
    fn capabilities(&self) -> Capabilities;

    /// The root directory.
    fn root(&self) -> FileId;

    /// Finds `name` in `dir`.
    ///
    /// Errors: NotFound · NotADirectory
    fn lookup(&self, dir: FileId, name: &[u16], case: CaseMatch) -> Result<Entry>;

    /// Finds the file in `dir` that has this short name, in any spelling. The answer has its own name.
    ///
    /// Errors: NotFound · NotADirectory
    fn lookup_short(&self, dir: FileId, name: &[u16]) -> Result<Entry>;

    /// Gives `id` this short name in the place of the one it has.
    ///
    /// Errors: AlreadyExists (another file of its directory has that name or short name) · NameInvalid · NotFound
    ///         (removed) · InvalidParameter (the root)
    fn set_short_name(&self, id: FileId, short: ShortName) -> Result<()>;

    /// Makes an empty file or directory, without a short name. `attributes` are kept as given ([`MetadataChange::attributes`]).
    ///
    /// Errors: AlreadyExists (any spelling) · NameInvalid · NameTooLong · NotADirectory · NoSpace
    fn create(&self, dir: FileId, name: &[u16], kind: NodeKind, attributes: u32) -> Result<FileId>;

    /// Takes the name away at once. Without opens the data is freed at once, else at the last [`Store::close`].
    ///
    /// Errors: NotEmpty · AccessDenied (the root)
    fn remove(&self, id: FileId) -> Result<()>;

    /// Moves `id` to `new_dir` as `new_name`, atomically; a new spelling of its own name is a move too. With `replace`
    /// a file that has the new name in any spelling is removed as by [`Store::remove`]. The short name goes with the old
    /// name; those of other files count for nothing here.
    ///
    /// Returns: the file that was replaced
    /// Errors:  AlreadyExists · IsADirectory (the target is one: never replaced) · NotADirectory (a directory cannot
    ///          replace a file) · InvalidParameter (into itself, the root) · NameInvalid · NameTooLong
    fn rename(&self, id: FileId, new_dir: FileId, new_name: &[u16], replace: bool) -> Result<Option<FileId>>;

    /// Counts one more user of `id`, whose data then outlives its name.
    ///
    /// Errors: AccessDenied (a host object that is neither file nor directory)
    fn open(&self, id: FileId) -> Result<()>;

    /// Takes back one [`Store::open`]; the last one frees a nameless file.
    fn close(&self, id: FileId);

    /// Reads from `offset`; holes are zeros.
    ///
    /// Returns: bytes read, fewer than asked only at the end of file
    /// Errors:  IsADirectory (default stream) · NotFound (stream)
    fn read(&self, id: FileId, stream: StreamName<'_>, offset: u64, into: &mut [u8]) -> Result<usize>;

    /// Writes all of `data` at `offset`, extending the stream; a gap before it reads as zeros. On an error before any
    /// byte was written nothing changed; the host may have taken a part when its disk fills half-way.
    ///
    /// Returns: bytes written, always all
    /// Errors:  NoSpace · TooLarge · IsADirectory · NotFound (stream)
    fn write(&self, id: FileId, stream: StreamName<'_>, offset: u64, data: &[u8]) -> Result<usize>;

    /// A file of the host that holds the stream's bytes at the same offsets, for who writes to it without this store:
    /// memory that no slice may stand for. Only inside the stream's size.
    ///
    /// Returns: `None` where there is none
    /// Errors:  as for [`Store::write`]
    fn host_file(&self, _id: FileId, _stream: StreamName<'_>) -> Result<Option<Arc<OwnedFd>>> {
        Ok(None)
    }

    /// Moves the end of file; new bytes read as zeros, cut ones are gone.
    ///
    /// Errors: NoSpace · TooLarge · IsADirectory · NotFound (stream)
    fn set_size(&self, id: FileId, stream: StreamName<'_>, size: u64) -> Result<()>;

    /// Asks that writes up to `bytes` find their space; never moves the end of file.
    /// Less than the data takes gives back what was asked for ahead, no data.
    ///
    /// Errors: NoSpace · TooLarge · IsADirectory · NotFound (stream)
    fn set_allocation(&self, id: FileId, stream: StreamName<'_>, bytes: u64) -> Result<()>;

    /// End of file.
    fn size(&self, id: FileId, stream: StreamName<'_>) -> Result<u64>;

    /// Bytes that the stream takes.
    fn allocation_size(&self, id: FileId, stream: StreamName<'_>) -> Result<u64>;

    /// All names in `dir` at one moment, ordered by upcased name, then by spelling.
    ///
    /// Errors: NotADirectory
    fn list(&self, dir: FileId) -> Result<Vec<Entry>>;

    /// The directory that holds `id`; the root is its own.
    ///
    /// Errors: NotFound (removed)
    fn parent(&self, id: FileId) -> Result<FileId>;

    /// The names that lead from the root to `id`; none for the root.
    ///
    /// Errors: NotFound (removed)
    fn path(&self, id: FileId) -> Result<Vec<Vec<u16>>>;

    /// What is known of `id`.
    fn metadata(&self, id: FileId) -> Result<Metadata>;

    /// Changes what `change` names. Does not move the change time by itself in the memory store.
    fn set_metadata(&self, id: FileId, change: MetadataChange) -> Result<()>;

    /// What was kept with `id`, if anything was.
    fn blob(&self, id: FileId, blob: Blob) -> Result<Option<Vec<u8>>>;

    /// Keeps bytes with `id` in the place of those before; `None` forgets them.
    ///
    /// Errors: TooLarge · NoSpace
    fn set_blob(&self, id: FileId, blob: Blob, bytes: Option<&[u8]>) -> Result<()>;

    /// Whether any file may have reparse data: a file system need not look for them otherwise.
    fn may_have_reparse_points(&self) -> bool;

    /// The streams: the default one first (files only), then by upcased name.
    fn streams(&self, id: FileId) -> Result<Vec<StreamInfo>>;

    /// Makes an empty alternate stream.
    ///
    /// Errors: AlreadyExists (any spelling) · NameInvalid · NameTooLong · NoSpace
    fn create_stream(&self, id: FileId, name: &[u16]) -> Result<()>;

    /// Finds an alternate stream in any spelling; the answer is its name as stored.
    ///
    /// Errors: NotFound
    fn lookup_stream(&self, id: FileId, name: &[u16]) -> Result<Vec<u16>>;

    /// Removes an alternate stream and its data.
    ///
    /// Errors: NotFound
    fn remove_stream(&self, id: FileId, name: &[u16]) -> Result<()>;

    /// Renames an alternate stream; with `replace` over another one.
    ///
    /// Errors: NotFound · AlreadyExists · NameInvalid · NameTooLong
    fn rename_stream(&self, id: FileId, name: &[u16], new_name: &[u16], replace: bool) -> Result<()>;

    /// Makes what was written to `id` outlive a power loss, as far as the store can.
    fn flush(&self, id: FileId) -> Result<()>;

    /// The same for the whole volume.
    fn flush_all(&self) -> Result<()>;

    /// What is known of the volume.
    fn volume_info(&self) -> Result<VolumeInfo>;

    /// Sets the label.
    ///
    /// Errors: NameTooLong (over 32 units)
    fn set_label(&self, label: &[u16]) -> Result<()>;
}

/// Longest volume label in UTF-16 units.
pub const MAX_LABEL_UTF16: usize = 32;
