//! Binding imports.

use pe::{Image, ImportSymbol};

use crate::Resolver;
use crate::error::What;
use crate::helpers::Helpers;
use crate::map::put_u64;

/// Writes the address of every import into the image's import address table.
pub(crate) fn bind(
    image: &Image,
    base: usize,
    resolver: &dyn Resolver,
    helpers: &Helpers,
) -> Result<(), What> {
    for module in &image.imports {
        for import in &module.entries {
            let (found, shown) = match &import.symbol {
                ImportSymbol::Name { name, .. } => {
                    (resolver.resolve(&module.name, name), format!("{name} of {}", module.name))
                }
                ImportSymbol::Ordinal(ordinal) => (None, format!("ordinal {ordinal} of {}", module.name)),
            };
            let address = match found {
                Some(address) => address,
                None => helpers.trap(shown)?,
            };
            put_u64(base, import.iat_rva, address as u64);
        }
    }
    Ok(())
}
