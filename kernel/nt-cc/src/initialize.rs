//! Beginning and ending cached I/O on a file object.
//!
//! Statements: CC-01, CC-03.
//!
//! UNSAFETY: publishes addresses of maps in structures that drivers can reach; `map` says who may follow them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use boundary::Raise;
use nt_abi::{FILE_OBJECT, KEVENT, NtStatus, SECTION_OBJECT_POINTERS, fo_flags};
use nt_ke::{current_core, dispatcher};

use crate::callbacks::Callbacks;
use crate::map::{CcFileSizes, MapReference, PrivateMap, SharedMap, private_of, section_pointers};
use crate::{cc, purge, view};

/// Begins cached I/O on a file object; the first one of a stream makes the stream's map, which keeps it.
///
/// Source:  CcInitializeCacheMap; CC-01. A second call for the same file object changes nothing.
/// IRQL:    PASSIVE_LEVEL
/// Locks:   the caller sees to it that the sizes stay
/// Errors:  raises INVALID_PARAMETER (no stream header or section pointers), INSUFFICIENT_RESOURCES
pub fn cc_initialize_cache_map(
    file: &'static FILE_OBJECT,
    sizes: CcFileSizes,
    pin_access: bool,
    callbacks: Callbacks,
    context: usize,
) -> Result<(), Raise> {
    // Pinned access needs nothing more than a map; pinning single pages is not there.
    let _ = pin_access;
    let refuse = Err(Raise::Status(NtStatus::INVALID_PARAMETER));
    let (Some(section), false) = (section_pointers(file), file.FsContext.get().is_null()) else {
        return refuse;
    };
    if !file.PrivateCacheMap.get().is_null() {
        return Ok(());
    }
    cc().lazy.start()?;
    let private = PrivateMap::default();
    if file.Flags.load(Ordering::Relaxed) & fo_flags::FO_RANDOM_ACCESS != 0 {
        private.no_read_ahead.store(1, Ordering::Relaxed);
    }
    let private = current_core().own(private);
    let new;
    {
        let mut maps = cc().maps.lock();
        let (map, made) = find_or_list(&mut maps, file, section, sizes.file);
        new = made.then_some(file);
        if section.SharedCacheMap.get().is_null() {
            map.set_callbacks(callbacks, context);
            section.SharedCacheMap.set(section.DataSectionObject.get());
        }
        if file.PrivateCacheMap.get().is_null() {
            map.opens.fetch_add(1, Ordering::Relaxed);
            file.PrivateCacheMap.set(private.cast());
        } else {
            // Another request on the same file object was faster.
            current_core().disown(private);
        }
    }
    file.Flags.fetch_or(fo_flags::FO_CACHE_SUPPORTED, Ordering::Relaxed);
    match new {
        Some(file) => nt_ob::ob_reference(std::ptr::from_ref(file) as usize),
        None => Ok(()),
    }
}

/// The stream's map, made if there is none: whether it was. Then the caller references the file object.
pub fn find_or_list(
    maps: &mut BTreeMap<usize, Arc<SharedMap>>,
    file: &FILE_OBJECT,
    section: &SECTION_OBJECT_POINTERS,
    file_size: i64,
) -> (Arc<SharedMap>, bool) {
    if let Some(map) = maps.get(&(section.DataSectionObject.get() as usize)) {
        return (Arc::clone(map), false);
    }
    let order = cc().maps_made.fetch_add(1, Ordering::Relaxed);
    let map = Arc::new(SharedMap::new(order, file, section, file_size));
    maps.insert(map.key(), Arc::clone(&map));
    section.DataSectionObject.set(Arc::as_ptr(&map).cast_mut().cast());
    (map, true)
}

/// Ends cached I/O on a file object. With `truncate`, what lies behind that size is dropped first. `event` is set
/// when the map is gone or the lazy writer has it.
///
/// Source:  CcUninitializeCacheMap; CC-03. Good for every file object, cached or not.
/// IRQL:    PASSIVE_LEVEL
/// Locks:   the stream's main resource, exclusive
/// Returns: whether the map is gone; `false`: others use it, or dirty data is still to be written
pub fn cc_uninitialize_cache_map(
    file: &'static FILE_OBJECT,
    truncate: Option<i64>,
    event: Option<&KEVENT>,
) -> Result<bool, Raise> {
    let Some(section) = section_pointers(file) else { return Ok(true) };
    if let (Some(size), Some(map)) = (truncate, MapReference::of(section)) {
        purge::drop_range(&map.0, size.max(0) as u64, u64::MAX, purge::Going::Cut)?;
    }
    let private = private_of(file);
    let mut gone = section.DataSectionObject.get().is_null();
    if let Some(private) = private {
        let taken = {
            let mut maps = cc().maps.lock();
            file.PrivateCacheMap.set(std::ptr::null_mut());
            let map = maps.get(&(section.DataSectionObject.get() as usize)).cloned();
            map.inspect(|map| {
                map.opens.fetch_sub(1, Ordering::Relaxed);
            })
            .filter(|map| map.may_go())
            .inspect(|map| unlist(&mut maps, map))
        };
        current_core().disown(std::ptr::from_ref(private));
        match taken {
            Some(map) => {
                free_views(&map)?;
                let keeper = map.file();
                if std::ptr::eq(keeper, file) {
                    // The caller's own reference keeps the file object beyond this call.
                    nt_ob::ob_dereference(std::ptr::from_ref(keeper) as usize)?;
                } else {
                    // The last reference sends CLOSE, which must not happen under the caller's locks.
                    cc().lazy.let_go_later(keeper);
                }
                gone = true;
            }
            None => cc().lazy.wake(),
        }
    }
    if let Some(event) = event {
        dispatcher::set_event(&event.Header);
    }
    Ok(gone)
}

fn unlist(maps: &mut BTreeMap<usize, Arc<SharedMap>>, map: &SharedMap) {
    maps.remove(&map.key());
    let section = map.section();
    section.DataSectionObject.set(std::ptr::null_mut());
    section.SharedCacheMap.set(std::ptr::null_mut());
}

/// Gives all views of an unlisted map up. Nothing of it is dirty.
fn free_views(map: &SharedMap) -> Result<(), Raise> {
    for index in map.views_between(0, u64::MAX) {
        loop {
            let Some(mut locked) = view::find(map, index) else { break };
            if (locked.pages.reading | locked.pages.writing) != 0 {
                locked.wait()?;
                continue;
            }
            let (owner, backed) = (locked.pages.owner, locked.pages.backed);
            *locked.pages = view::Pages { owner, index, backed, ..view::Pages::default() };
            locked.release_if_empty(map);
            break;
        }
    }
    Ok(())
}

/// Takes a map apart that nobody needs any more, and lets go of its file object: CLOSE may follow.
///
/// IRQL:  PASSIVE_LEVEL
/// Locks: none held
pub fn take_apart(map: &Arc<SharedMap>) -> Result<bool, Raise> {
    {
        let mut maps = cc().maps.lock();
        if !maps.contains_key(&map.key()) || !map.may_go() {
            return Ok(false);
        }
        unlist(&mut maps, map);
    }
    free_views(map)?;
    nt_ob::ob_dereference(std::ptr::from_ref(map.file()) as usize)?;
    Ok(true)
}
