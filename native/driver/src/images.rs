//! The table of images: which driver an address belongs to.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::symbols::Symbols;

/// An image that is, or was, loaded.
pub(crate) struct LoadedImage {
    /// Service name.
    pub(crate) driver: String,
    /// File name as it is shown: `guard.sys`.
    pub(crate) module: String,
    pub(crate) range: Range<usize>,
    pub(crate) image: pe::Image,
    pub(crate) file: Arc<Vec<u8>>,
    pub(crate) path: String,
    pub(crate) symbols: OnceLock<Symbols>,
}

/// Where an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Service name of the driver.
    pub driver: String,
    /// Image file.
    pub module: String,
    /// Offset in the image.
    pub offset: usize,
    /// `Function+0x12 at file.c:34`, as far as known; empty without symbols.
    pub symbol: String,
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

    /// Service name of the driver that `address` belongs to.
    pub fn driver_of(&self, address: usize) -> Option<String> {
        self.at(address).map(|image| image.driver.clone())
    }

    /// Where `address` is, with symbols when there are any.
    pub fn resolve(&self, address: usize) -> Option<Place> {
        let image = self.at(address)?;
        let offset = address - image.range.start;
        let symbols = image.symbols.get_or_init(|| Symbols::of(&image));
        Some(Place {
            driver: image.driver.clone(),
            module: image.module.clone(),
            offset,
            symbol: symbols.name(&image, offset as u32),
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
