//! Binding imports.

use pe::{Image, ImportSymbol};

use crate::Resolver;
use crate::error::What;
use crate::map::put_u64;
use crate::stubs::Stubs;

/// Writes the address of every import into the image's import address table.
pub(crate) fn bind(image: &Image, base: usize, resolver: &dyn Resolver, stubs: &Stubs) -> Result<(), What> {
    for module in &image.imports {
        for import in &module.entries {
            let found = match &import.symbol {
                ImportSymbol::Name { name, .. } => resolver.resolve(&module.name, name),
                ImportSymbol::Ordinal(ordinal) => resolver.resolve_ordinal(&module.name, *ordinal),
            };
            let address = match found {
                Some(address) => address,
                None => stubs.trap(shown(&module.name, &import.symbol))?,
            };
            put_u64(base, import.iat_rva, address as u64)?;
        }
    }
    Ok(())
}

fn shown(module: &str, symbol: &ImportSymbol) -> String {
    match symbol {
        ImportSymbol::Name { name, .. } => format!("{name} of {module}"),
        ImportSymbol::Ordinal(ordinal) => format!("ordinal {ordinal} of {module}"),
    }
}
