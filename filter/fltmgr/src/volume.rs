//! A volume as filters see it, and the device through which its operations arrive.
//!
//! ```text
//! mount IRP arrives ─► known (name, disk) ─mounted─► device attached above the file system's
//!                                            └─first create─► automatic instances settled
//! dismount ─► instances torn down, device detached, gone
//! ```
//!
//! Owns: the sorted list of instances, the published callback table, the device pair. Statements: REL-02,
//! LIFE-07, OBJ-21.

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use boundary::Raise;
use nt_abi::{DEVICE_OBJECT, DISPATCHER_HEADER};
use nt_ke::dispatcher::{self, object_type};
use nt_ke::{Core, Lock, Rank, current_thread};

use crate::altitude::Altitude;
use crate::anchor::{self, Anchor, Anchored};
use crate::attach;
use crate::generated::Opener;
use crate::instance::Instance;
use crate::nodes::{CallbackTable, Published};

const UNSETTLED: u32 = 0;
const SETTLING: u32 = 1;
const SETTLED: u32 = 2;

/// What the volume's lock guards.
#[derive(Default)]
pub struct Members {
    /// Instances, highest altitude first; those that settle or go included.
    pub instances: Vec<Arc<Instance>>,
    /// Filters (by anchor) whose automatic instances were considered here.
    pub considered: Vec<usize>,
    /// One for each altitude below which a cancelled open is closed; file objects name them.
    openers: Vec<Arc<Opener>>,
}

/// A volume.
pub struct Volume {
    anchor: Anchor,
    /// `\Device\HarddiskVolumeN`.
    pub name: Vec<u16>,
    /// The storage device.
    pub disk: Option<&'static DEVICE_OBJECT>,
    device: AtomicPtr<DEVICE_OBJECT>,
    lower: AtomicPtr<DEVICE_OBJECT>,
    /// `FILE_DEVICE_DISK_FILE_SYSTEM` and the like.
    pub device_type: u32,
    file_system: AtomicU32,
    pub(crate) members: Lock<Members>,
    pub(crate) table: Published,
    pub(crate) contexts: crate::contexts::links::Links,
    pub(crate) names: crate::names::cache::Names,
    settled: AtomicU32,
    settling_thread: AtomicUsize,
    settled_event: Box<DISPATCHER_HEADER>,
    newly_mounted: bool,
}

impl Anchored for Volume {
    const TYPE_CODE: u16 = anchor::VOLUME;
    const WORD: &'static str = "volume";
    fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

impl Volume {
    /// A volume without devices yet; `None` when pool is exhausted.
    pub fn new(
        name: Vec<u16>,
        disk: Option<&'static DEVICE_OBJECT>,
        device_type: u32,
        newly_mounted: bool,
    ) -> Option<Arc<Self>> {
        let settled_event = Box::new(DISPATCHER_HEADER::default());
        dispatcher::initialize_header(&settled_event, object_type::NOTIFICATION_EVENT, 0);
        let volume = Arc::new(Self {
            anchor: Anchor::new(anchor::VOLUME)?,
            name,
            disk,
            device: AtomicPtr::new(std::ptr::null_mut()),
            lower: AtomicPtr::new(std::ptr::null_mut()),
            device_type,
            file_system: AtomicU32::new(0),
            members: Lock::new(Rank::FltVolume, Members::default()),
            table: Published::new(),
            contexts: crate::contexts::links::Links::default(),
            names: crate::names::cache::Names::default(),
            settled: AtomicU32::new(UNSETTLED),
            settling_thread: AtomicUsize::new(0),
            settled_event,
            newly_mounted,
        });
        anchor::bind(&volume);
        Some(volume)
    }

    /// The manager's device, once the volume is mounted.
    pub fn device(&self) -> Option<&'static DEVICE_OBJECT> {
        crate::pointer::device(self.device.load(Ordering::Acquire))
    }

    /// The device below the manager's.
    #[inline]
    pub fn lower(&self) -> Option<&'static DEVICE_OBJECT> {
        crate::pointer::device(self.lower.load(Ordering::Acquire))
    }

    /// Gives the volume its devices: `lower` first, because operations arrive from then on.
    pub(crate) fn set_devices(&self, device: Option<&DEVICE_OBJECT>, lower: Option<&DEVICE_OBJECT>) {
        let raw =
            |d: Option<&DEVICE_OBJECT>| d.map_or(std::ptr::null_mut(), |d| std::ptr::from_ref(d).cast_mut());
        self.lower.store(raw(lower), Ordering::Release);
        self.device.store(raw(device), Ordering::Release);
    }

    /// Whether the volume has its device.
    pub fn is_mounted(&self) -> bool {
        !self.device.load(Ordering::Acquire).is_null() && !self.anchor.is_deleting()
    }

    /// `FLT_FSTYPE_` of the file system.
    pub fn file_system(&self) -> u32 {
        self.file_system.load(Ordering::Relaxed)
    }

    pub(crate) fn set_file_system(&self, kind: u32) {
        self.file_system.store(kind, Ordering::Relaxed);
    }

    /// The instances, highest altitude first.
    pub fn instances(&self) -> Vec<Arc<Instance>> {
        self.members.lock().instances.clone()
    }

    /// Address of the mark for files whose last requests go below `altitude` only. It lives as long as the
    /// volume, so longer than any file on it.
    pub(crate) fn opener_below(&self, altitude: &Altitude) -> usize {
        let mut members = self.members.lock();
        let place = members.openers.iter().position(|opener| opener.altitude == *altitude);
        let place = place.unwrap_or_else(|| {
            members.openers.push(Arc::new(Opener {
                altitude: altitude.clone(),
                generated: false,
                files: None,
                transaction: 0,
            }));
            members.openers.len() - 1
        });
        Arc::as_ptr(&members.openers[place]) as usize
    }

    /// Publishes the callbacks of the instances that are active now.
    pub(crate) fn publish(&self, core: &Core) {
        let members = self.members.lock();
        self.table.replace(core, CallbackTable::build(&members.instances));
    }

    /// Before the first create after a mount: sets up the automatic instances of all filters that run.
    /// Other threads' creates wait; creates of the setup callbacks themselves pass.
    ///
    /// Source: LIFE-07, LIFE-08, X-09
    #[inline]
    pub(crate) fn settle(self: &Arc<Self>) -> Result<(), Raise> {
        if self.settled.load(Ordering::Acquire) == SETTLED { Ok(()) } else { self.settle_now() }
    }

    #[cold]
    fn settle_now(self: &Arc<Self>) -> Result<(), Raise> {
        let me = std::ptr::from_ref(current_thread()) as usize;
        if self.settled.compare_exchange(UNSETTLED, SETTLING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            if self.settling_thread.load(Ordering::Acquire) != me {
                let _waiting =
                    nt_ke::locks::waiting_for("another thread's attaching of filters to the volume");
                dispatcher::wait(&self.settled_event, false, None)?;
            }
            return Ok(());
        }
        self.settling_thread.store(me, Ordering::Release);
        let result = attach::automatic_of_all(self, self.newly_mounted);
        self.settling_thread.store(0, Ordering::Release);
        self.settled.store(SETTLED, Ordering::Release);
        dispatcher::set_event(&self.settled_event);
        result
    }
}
