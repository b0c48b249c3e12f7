//! An instance: one filter at one altitude of one volume.
//!
//! ```text
//! settling ─setup callback accepts─► active ─tear_down─► going ─drained─► gone
//!     └────setup callback refuses──────────────────────────────────────────┘
//! ```
//!
//! Owns: identity, stage, the operations parked on it or held by it, its counters. Publishing its callbacks is the volume's.

use std::cmp::Ordering as Order;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use nt_abi::{FILE_OBJECT, FLT_RELATED_OBJECTS};
use nt_ke::{Lock, Rank};

use crate::altitude::Altitude;
use crate::anchor::{self, Anchor, Anchored};
use crate::filter::Filter;
use crate::rows::ROWS;
use crate::text::lossy;
use crate::volume::Volume;

/// Reserved, the setup callback runs.
pub const SETTLING: u32 = 0;
/// Callbacks run.
pub const ACTIVE: u32 = 1;
/// No new callbacks; operations drain.
pub const GOING: u32 = 2;
/// Torn down.
pub const GONE: u32 = 3;

/// Counters of one operation.
#[derive(Default)]
pub struct Counter {
    /// Pre callbacks.
    pub pre: AtomicU64,
    /// Post callbacks.
    pub post: AtomicU64,
    /// Time in both.
    pub nanoseconds: AtomicU64,
}

/// An instance.
pub struct Instance {
    anchor: Anchor,
    /// Its filter.
    pub filter: Arc<Filter>,
    /// Its volume.
    pub volume: Arc<Volume>,
    /// Its name.
    pub name: Vec<u16>,
    /// Where it stands.
    pub altitude: Altitude,
    stage: AtomicU32,
    /// Operations that are pending below and owe this instance a post callback: addresses of frames.
    pub(crate) parked: Lock<Vec<usize>>,
    /// Operations that a pre callback of this instance holds.
    pub(crate) pended: Lock<Vec<usize>>,
    pub(crate) counters: Box<[Counter]>,
    pub(crate) contexts: crate::contexts::links::Links,
    /// It has announced that it scans files.
    pub(crate) scans: AtomicBool,
    /// Name queries that have it make the name.
    pub(crate) names: AtomicU32,
    /// Files that its filter opened below it and has not closed.
    pub(crate) files: Arc<AtomicU32>,
    /// How many [`Engaged`] there are.
    engaged: AtomicU32,
}

impl Anchored for Instance {
    const TYPE_CODE: u16 = anchor::INSTANCE;
    const WORD: &'static str = "instance";
    fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

impl Instance {
    /// An instance that is being set up; `None` when pool is exhausted.
    pub fn new(
        filter: &Arc<Filter>,
        volume: &Arc<Volume>,
        name: &[u16],
        altitude: &Altitude,
    ) -> Option<Arc<Self>> {
        let instance = Arc::new(Self {
            anchor: Anchor::new(anchor::INSTANCE)?,
            filter: Arc::clone(filter),
            volume: Arc::clone(volume),
            name: name.to_vec(),
            altitude: altitude.clone(),
            stage: AtomicU32::new(SETTLING),
            parked: Lock::new(Rank::FltObject, Vec::new()),
            pended: Lock::new(Rank::FltObject, Vec::new()),
            counters: (0..ROWS).map(|_| Counter::default()).collect(),
            contexts: crate::contexts::links::Links::default(),
            scans: AtomicBool::new(false),
            names: AtomicU32::new(0),
            files: Arc::default(),
            engaged: AtomicU32::new(0),
        });
        anchor::bind(&instance);
        Some(instance)
    }

    /// The stage it is in.
    #[inline]
    pub fn stage(&self) -> u32 {
        self.stage.load(Ordering::Relaxed)
    }

    /// Goes to `stage` and returns the one before.
    pub fn set_stage(&self, stage: u32) -> u32 {
        self.stage.swap(stage, Ordering::AcqRel)
    }

    /// Active becomes going, once.
    pub fn begin_going(&self) -> bool {
        self.stage.compare_exchange(ACTIVE, GOING, Ordering::SeqCst, Ordering::Acquire).is_ok()
    }

    /// Counts a name query that it serves, unless it is going.
    pub(crate) fn begin_naming(&self) -> bool {
        self.names.fetch_add(1, Ordering::SeqCst);
        // Either this sees that it is going, or who lets it go sees the count.
        let serves = self.stage.load(Ordering::SeqCst) == ACTIVE;
        if !serves {
            self.end_naming();
        }
        serves
    }

    /// Ends one [`Self::begin_naming`].
    pub(crate) fn end_naming(&self) {
        self.names.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether a callback of it is due that no operation inside it stands for.
    pub(crate) fn is_engaged(&self) -> bool {
        self.engaged.load(Ordering::SeqCst) != 0
    }

    /// Fills the objects that its callbacks receive. Source: REL-01, REL-02, SEED-IOPB-45.
    pub fn related_objects(&self, objects: &FLT_RELATED_OBJECTS, file: *mut FILE_OBJECT) {
        objects.Size.set(size_of::<FLT_RELATED_OBJECTS>() as u16);
        objects.TransactionContext.set(0);
        objects.Filter.set(self.filter.anchor().address() as *mut _);
        objects.Volume.set(self.volume.anchor().address() as *mut _);
        objects.Instance.set(self.anchor.address() as *mut _);
        objects.FileObject.set(file);
        objects.Transaction.set(std::ptr::null_mut());
    }

    /// Whether a callback of it holds operations now.
    pub fn holds_operations(&self) -> bool {
        crate::pend::held_by(self) != 0
    }

    /// For messages.
    pub fn label(&self) -> String {
        format!("{} on {}", lossy(&self.name), lossy(&self.volume.name))
    }
}

/// A callback that is due to an instance, or runs, besides those of operations on their way: teardown waits for it.
pub(crate) struct Engaged(Arc<Instance>);

impl Engaged {
    /// `None` when the instance is going.
    pub(crate) fn new(instance: &Arc<Instance>) -> Option<Self> {
        instance.engaged.fetch_add(1, Ordering::SeqCst);
        // Dropped again when it is refused. Either this sees that the instance is going, or who lets it go sees the count.
        let engaged = Self(Arc::clone(instance));
        (instance.stage.load(Ordering::SeqCst) < GOING).then_some(engaged)
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.0
    }
}

impl Drop for Engaged {
    fn drop(&mut self) {
        self.0.engaged.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Compares the altitudes of two instances.
///
/// Source:  FltCompareInstanceAltitudes; ALT-04
/// IRQL:    <= DISPATCH_LEVEL
/// Returns: negative when the first is lower, positive when it is higher, 0 for the same instance or different
///          volumes
pub fn flt_compare_instance_altitudes(first: &Arc<Instance>, second: &Arc<Instance>) -> i32 {
    if !Arc::ptr_eq(&first.volume, &second.volume) {
        return 0;
    }
    match first.altitude.cmp(&second.altitude) {
        Order::Less => -1,
        Order::Equal => 0,
        Order::Greater => 1,
    }
}
