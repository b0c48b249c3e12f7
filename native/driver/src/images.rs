//! The table of images: which driver an address belongs to.
//!
//! UNSAFETY: lends entries without counting them, since the table never lets go of one.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use nt_abi::CONTEXT;

use crate::symbols::Symbols;
use crate::unwind::{self, Frame, RSP};
use crate::{exception, walk};

/// An image that is, or was, loaded.
pub(crate) struct LoadedImage {
    /// Service name.
    pub(crate) driver: String,
    /// File name as it is shown: `guard.sys`.
    pub(crate) module: String,
    pub(crate) range: Range<usize>,
    pub(crate) image: pe::Image,
    /// The bytes of the file.
    pub(crate) file: Vec<u8>,
    /// The same, laid out as in memory, up to the last byte that the file has.
    pub(crate) layout: Vec<u8>,
    /// Functions that were looked up, by some bits of the address: their places in the list.
    pub(crate) looked_up: [AtomicU32; 64],
    /// Where the file is, as it was given.
    pub(crate) path: String,
    pub(crate) symbols: OnceLock<Symbols>,
}

impl LoadedImage {
    /// `bytes` bytes at an offset as the file holds them: good whatever the driver did to its memory, and after it
    /// has gone.
    #[inline]
    pub(crate) fn bytes(&self, rva: u32, bytes: usize) -> Option<&[u8]> {
        let begin = rva as usize;
        self.layout.get(begin..begin.checked_add(bytes)?)
    }

    /// The function that holds an offset.
    #[inline]
    pub(crate) fn function_at(&self, rva: u32) -> Option<&pe::RuntimeFunction> {
        let functions = &self.image.runtime_functions;
        let kept = &self.looked_up[(rva >> 4) as usize % 64];
        if let Some(function) = functions.get(kept.load(Ordering::Relaxed) as usize)
            && (function.begin..function.end).contains(&rva)
        {
            return Some(function);
        }
        let after = functions.partition_point(|function| function.begin <= rva);
        let place = after.checked_sub(1)?;
        let function = functions.get(place).filter(|function| rva < function.end)?;
        kept.store(place as u32, Ordering::Relaxed);
        Some(function)
    }

    /// The sections of a file where they belong.
    pub(crate) fn lay_out(image: &pe::Image, file: &[u8]) -> Vec<u8> {
        let placed = || {
            image.sections.iter().filter_map(|section| {
                let raw = file.get(section.file_range.start as usize..section.file_range.end as usize)?;
                let kept = raw.len().min(image.size_of_image.saturating_sub(section.rva) as usize);
                Some((section.rva as usize, &raw[..kept]))
            })
        };
        let end = placed().map(|(rva, raw)| rva + raw.len()).max().unwrap_or(0);
        let mut layout = vec![0; end];
        for (rva, raw) in placed() {
            layout[rva..rva + raw.len()].copy_from_slice(raw);
        }
        layout
    }

    /// A number at an offset.
    pub(crate) fn u16(&self, rva: u32) -> Option<u16> {
        self.bytes(rva, 2)?.try_into().ok().map(u16::from_le_bytes)
    }

    /// A number at an offset.
    pub(crate) fn u32(&self, rva: u32) -> Option<u32> {
        self.bytes(rva, 4)?.try_into().ok().map(u32::from_le_bytes)
    }
}

/// Where an address is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Service name of the driver.
    pub driver: String,
    /// Image file.
    pub module: String,
    /// Offset in the image.
    pub offset: usize,
    /// `Function at file.c:34`, or `Function+0x12` where the line is not known; empty without symbols.
    pub symbol: String,
    /// Name of the innermost function (inlined ones too), `sub_1234` without symbols, or empty.
    pub function: String,
    /// Offset from the function's first byte, where that is known.
    pub function_offset: Option<usize>,
    /// Source file without its folders, or empty.
    pub file: String,
    /// Line in it; 0 if not known.
    pub line: u32,
}

/// What [`Images::virtual_unwind`] found of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VirtualFrame {
    /// What names the frame.
    pub establisher: u64,
    /// Its handler, 0 for none.
    pub handler: u64,
    /// The handler's data.
    pub data: u64,
}

/// All images of a machine.
#[derive(Default)]
pub struct Images {
    table: RwLock<Vec<Arc<LoadedImage>>>,
}

impl Images {
    pub(crate) fn add(&self, image: LoadedImage) -> Arc<LoadedImage> {
        let image = Arc::new(image);
        self.table.write().push(Arc::clone(&image));
        image
    }

    /// The image around `address`.
    pub(crate) fn at(&self, address: usize) -> Option<Arc<LoadedImage>> {
        self.table.read().iter().find(|image| image.range.contains(&address)).cloned()
    }

    /// The same, borrowed: images stay in the table as long as it lives.
    pub(crate) fn find(&self, address: usize) -> Option<&LoadedImage> {
        let table = self.table.read();
        let found = table.iter().find(|image| image.range.contains(&address))?;
        // SAFETY: the table only grows, and each entry is counted by it.
        Some(unsafe { &*Arc::as_ptr(found) })
    }

    /// Service name of the driver that `address` belongs to.
    pub fn driver_of(&self, address: usize) -> Option<String> {
        self.at(address).map(|image| image.driver.clone())
    }

    /// Name of the image around `address`, and the offset in it.
    pub fn offset_of(&self, address: usize) -> Option<(&str, usize)> {
        self.find(address).map(|image| (image.module.as_str(), address - image.range.start))
    }

    /// Base of the image around `address`.
    pub fn base_of(&self, address: usize) -> Option<usize> {
        self.find(address).map(|image| image.range.start)
    }

    /// Base of the image around `address`, and the address of its function's entry in the exception directory.
    pub fn function_entry(&self, address: usize) -> Option<(usize, usize)> {
        let image = self.find(address)?;
        Some((image.range.start, exception::function_entry(image, address as u64)?))
    }

    /// Return addresses of the current thread in drivers, innermost first.
    pub fn walk_current(&self) -> Vec<usize> {
        walk::walk(self, None)
    }

    /// Turns a context into its caller's.
    ///
    /// Source: RtlVirtualUnwind; `kind` 0 wants no handler, 1 one for exceptions, 2 one for unwinding
    pub fn virtual_unwind(&self, kind: u32, pc: u64, context: &CONTEXT) -> VirtualFrame {
        let mut frame = Frame::of_context(context, true);
        frame.rip = pc;
        let mut found = VirtualFrame { establisher: frame.registers[RSP], ..VirtualFrame::default() };
        let Some(image) = self.find(pc as usize) else { return found };
        let entry = unwind::entry(image, &frame);
        if let Some(establisher) = entry.and_then(|entry| unwind::establisher(image, &entry, &frame)) {
            found.establisher = establisher;
        }
        let base = image.range.start as u64;
        if let Some(handler) =
            entry.and_then(|entry| unwind::handler(image, &entry, &frame, &exception::read))
            && handler.flags & kind != 0
        {
            found.handler = base + u64::from(handler.routine);
            found.data = base + u64::from(handler.data);
        }
        if unwind::step(image, &mut frame, &exception::read).is_some() {
            frame.restore_to(context, false);
        }
        found
    }

    /// Where `address` is, with symbols when there are any.
    pub fn resolve(&self, address: usize) -> Option<Place> {
        let image = self.at(address)?;
        let offset = address - image.range.start;
        let symbols = image.symbols.get_or_init(|| Symbols::of(&image));
        let symbol = symbols.at(&image, offset as u32);
        Some(Place {
            driver: image.driver.clone(),
            module: image.module.clone(),
            offset,
            symbol: symbol.to_string(),
            function: symbol.function,
            function_offset: symbol.offset.map(|offset| offset as usize),
            file: symbol.file,
            line: symbol.line,
        })
    }

    /// An address as people read it: `guard.sys+0x1234 (PreCreate+0x10 at guard.c:120)`.
    pub fn describe(&self, address: usize) -> String {
        match self.resolve(address) {
            Some(place) if place.symbol.is_empty() => format!("{}+{:#x}", place.module, place.offset),
            Some(place) => format!("{}+{:#x} ({})", place.module, place.offset, place.symbol),
            None => format!("{address:#x}"),
        }
    }
}
