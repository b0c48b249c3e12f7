//! Which pages of a mapped range were written to, by plain stores.
//!
//! The host's kernel keeps the account where it can (write protection of userfaultfd in asynchronous mode, from Linux
//! 6.7 on: a first store costs under a microsecond and nobody is called). Where it cannot, pages are compared with
//! hashes of what they held.
//!
//! ```text
//! new ─► stores … ─► collect: pages written since the collection before, protected again in the same step
//! ```
//!
//! UNSAFETY: three system calls that no crate wraps, on ranges of a machine's own slot; their structures are laid out here.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex};

use boundary::slot::PAGE_SIZE;
use nt_ke::{Lock, Rank};

/// `struct uffdio_api`.
#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_register`.
#[repr(C)]
struct Register {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

/// `struct uffdio_writeprotect`.
#[repr(C)]
struct WriteProtect {
    start: u64,
    length: u64,
    mode: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[repr(C)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_room: u64,
    max_pages: u64,
    inverted: u64,
    mask: u64,
    any_of: u64,
    returned: u64,
}

const UFFD_API: u64 = 0xAA;
const UFFD_USER_MODE_ONLY: i32 = 1;
const FEATURE_WP_HUGETLBFS_SHMEM: u64 = 1 << 12;
const FEATURE_WP_UNPOPULATED: u64 = 1 << 13;
const FEATURE_WP_ASYNC: u64 = 1 << 15;
const MODE_WP: u64 = 1 << 1;
const WRITEPROTECT_ON: u64 = 1;
const PAGE_IS_WRITTEN: u64 = 1 << 1;
const SCAN_PROTECT: u64 = 1;
const SCAN_CHECK: u64 = 2;

/// Number of an ioctl that reads and writes its argument.
const fn request(group: u8, number: u8, bytes: usize) -> libc::c_ulong {
    3 << 30 | (bytes as libc::c_ulong) << 16 | (group as libc::c_ulong) << 8 | number as libc::c_ulong
}

/// The account of this process.
struct Keeper {
    faults: OwnedFd,
    pagemap: File,
}

impl Keeper {
    fn open() -> io::Result<Self> {
        // SAFETY: takes no memory.
        let raw = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | UFFD_USER_MODE_ONLY) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor that was just made.
        let faults = unsafe { OwnedFd::from_raw_fd(raw as i32) };
        let keeper = Self { faults, pagemap: File::open("/proc/self/pagemap")? };
        let features = FEATURE_WP_HUGETLBFS_SHMEM | FEATURE_WP_UNPOPULATED | FEATURE_WP_ASYNC;
        keeper.control(0x3F, &mut Api { api: UFFD_API, features, ioctls: 0 })?;
        Ok(keeper)
    }

    fn control<T>(&self, number: u8, argument: &mut T) -> io::Result<()> {
        let argument = std::ptr::from_mut(argument);
        // SAFETY: the argument is the structure of this request, and names ranges of a slot only.
        let result =
            unsafe { libc::ioctl(self.faults.as_raw_fd(), request(0xAA, number, size_of::<T>()), argument) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn watch(&self, start: u64, length: u64) -> io::Result<()> {
        self.control(0x00, &mut Register { start, length, mode: MODE_WP, ioctls: 0 })?;
        self.control(0x06, &mut WriteProtect { start, length, mode: WRITEPROTECT_ON })
    }

    fn scan(&self, start: u64, end: u64, mut written: impl FnMut(usize, usize)) -> io::Result<()> {
        let mut at = start;
        while at < end {
            let mut regions = [Region::default(); 64];
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                flags: SCAN_PROTECT | SCAN_CHECK,
                start: at,
                end,
                walk_end: 0,
                regions: regions.as_mut_ptr() as u64,
                regions_room: regions.len() as u64,
                max_pages: 0,
                inverted: 0,
                mask: PAGE_IS_WRITTEN,
                any_of: 0,
                returned: PAGE_IS_WRITTEN,
            };
            let argument = std::ptr::from_mut(&mut scan);
            // SAFETY: the structure of this request; it names an array with the room that it says.
            let found = unsafe {
                libc::ioctl(self.pagemap.as_raw_fd(), request(b'f', 16, size_of::<Scan>()), argument)
            };
            if found < 0 {
                return Err(io::Error::last_os_error());
            }
            for region in &regions[..found as usize] {
                let first = (region.start - start) as usize / PAGE_SIZE;
                written(first, (region.end - region.start) as usize / PAGE_SIZE);
            }
            at = scan.walk_end;
        }
        Ok(())
    }
}

/// The keeper of this process, `None` where the host has none. A forked child opens its own.
fn keeper() -> Option<Arc<Keeper>> {
    type Opened = Option<(u32, Option<Arc<Keeper>>)>;
    static KEEPER: Mutex<Opened> = Mutex::new(None);
    let process = std::process::id();
    let mut known = KEEPER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match &*known {
        Some((owner, keeper)) if *owner == process => keeper.clone(),
        _ => {
            let keeper = Keeper::open().ok().map(Arc::new);
            *known = Some((process, keeper.clone()));
            keeper
        }
    }
}

enum How {
    Kernel(Arc<Keeper>),
    /// A hash of each page.
    Compared(Lock<Vec<u64>>),
}

/// A mapped range whose written pages are looked for.
pub struct Written {
    address: usize,
    pages: usize,
    how: How,
}

fn hash(page: usize) -> u64 {
    let mut bytes = [0u8; PAGE_SIZE];
    // A page that is gone counts as one that never changes.
    let _ = boundary::copy::read(page, &mut bytes);
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl Written {
    /// Begins to look at the whole pages from `address` on, which are mapped writable. What they hold now was not written.
    pub fn new(address: usize, bytes: usize) -> Self {
        let watched = keeper().filter(|keeper| keeper.watch(address as u64, bytes as u64).is_ok());
        match watched {
            Some(keeper) => Self { address, pages: bytes / PAGE_SIZE, how: How::Kernel(keeper) },
            None => Self::compared(address, bytes),
        }
    }

    /// The same by comparing, as on hosts without better means.
    pub fn compared(address: usize, bytes: usize) -> Self {
        let pages = bytes / PAGE_SIZE;
        let hashes = (0..pages).map(|page| hash(address + page * PAGE_SIZE)).collect();
        Self { address, pages, how: How::Compared(Lock::new(Rank::Leaf, hashes)) }
    }

    /// Calls `written` with each run of pages (first, how many) that were written to since the last time.
    ///
    /// A store that comes while this runs is found now or the next time.
    pub fn collect(&self, mut written: impl FnMut(usize, usize)) {
        match &self.how {
            How::Kernel(keeper) => {
                let (start, end) = (self.address as u64, (self.address + self.pages * PAGE_SIZE) as u64);
                if keeper.scan(start, end, &mut written).is_err() {
                    // Better written once too often than lost.
                    written(0, self.pages);
                }
            }
            How::Compared(hashes) => {
                let mut changed = Vec::new();
                {
                    let mut hashes = hashes.lock();
                    for (page, known) in hashes.iter_mut().enumerate() {
                        let now = hash(self.address + page * PAGE_SIZE);
                        if std::mem::replace(known, now) != now {
                            changed.push(page);
                        }
                    }
                }
                changed.into_iter().for_each(|page| written(page, 1));
            }
        }
    }
}
