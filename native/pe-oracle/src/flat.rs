//! Comparison of the directories, which `object` reads from the laid-out image as if it were one section at 0.

use object::LittleEndian as LE;
use object::pe as raw;
use object::pod;
use object::read::pe::{ExportTable, ImageThunkData, ImportTable, PeFile64, RelocationBlockIterator};
use pe::{ExportTarget, Image, ImportSymbol, RelocationKind, RuntimeFunction};

use crate::same;

pub(crate) fn all(image: &Image, oracle: &PeFile64<'_>, laid_out: &[u8]) -> Result<(), String> {
    let directory = |index| {
        let (rva, bytes) = oracle.data_directory(index)?.address_range();
        (rva != 0 && bytes != 0).then_some((rva as usize, bytes as usize))
    };
    let bytes = |index| {
        let (rva, bytes) = directory(index)?;
        laid_out.get(rva..rva.checked_add(bytes)?)
    };
    imports(image, directory(raw::IMAGE_DIRECTORY_ENTRY_IMPORT), laid_out)?;
    exports(image, directory(raw::IMAGE_DIRECTORY_ENTRY_EXPORT), laid_out)?;
    let relocation_directory = directory(raw::IMAGE_DIRECTORY_ENTRY_BASERELOC);
    same("has relocations", image.has_relocations, relocation_directory.is_some())?;
    relocations(image, bytes(raw::IMAGE_DIRECTORY_ENTRY_BASERELOC))?;
    functions(image, bytes(raw::IMAGE_DIRECTORY_ENTRY_EXCEPTION))?;
    load_config(image, directory(raw::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG), laid_out)
}

fn imports(image: &Image, directory: Option<(usize, usize)>, laid_out: &[u8]) -> Result<(), String> {
    let Some((rva, _)) = directory else {
        return same("imported modules without a directory", image.imports.len(), 0);
    };
    let object = |error| format!("imports: object says {error}");
    let table = ImportTable::new(laid_out, 0, rva as u32);
    let mut descriptors = table.descriptors().map_err(object)?;
    for module in &image.imports {
        let Some(descriptor) = descriptors.next().map_err(object)? else {
            return Err(format!("object does not see imports from {}", module.name));
        };
        let name = table.name(descriptor.name.get(LE)).map_err(object)?;
        same("imported module", module.name.as_str(), &String::from_utf8_lossy(name))?;
        let first_thunk = descriptor.first_thunk.get(LE);
        let lookup = match descriptor.original_first_thunk.get(LE) {
            0 => first_thunk,
            lookup => lookup,
        };
        // By index: object's own end of a list is a thunk whose lower 31 bits are 0, which ordinal 0 has too.
        let thunks = table.thunks(lookup).map_err(object)?;
        for (index, entry) in module.entries.iter().enumerate() {
            same("place of an import", entry.iat_rva, first_thunk + 8 * index as u32)?;
            let thunk = thunks.get::<raw::ImageNtHeaders64>(index).map_err(object)?;
            same("end of the imports from a module", false, thunk.raw() == 0)?;
            let symbol = match table.import::<raw::ImageNtHeaders64>(thunk).map_err(object)? {
                object::read::pe::Import::Ordinal(ordinal) => ImportSymbol::Ordinal(ordinal),
                object::read::pe::Import::Name(hint, name) => {
                    ImportSymbol::Name { hint, name: String::from_utf8_lossy(name).into_owned() }
                }
            };
            same("import", &entry.symbol, &symbol)?;
        }
        let end = thunks.get::<raw::ImageNtHeaders64>(module.entries.len()).map_err(object)?;
        same("thunk after the last", 0, end.raw())?;
    }
    // Windows, and so pe, ends at a row without a name or without an address table; object at a row of zeros or no name.
    match descriptors.next() {
        Ok(Some(row)) if row.name.get(LE) != 0 && row.first_thunk.get(LE) != 0 => {
            Err("object sees another imported module".into())
        }
        _ => Ok(()),
    }
}

fn exports(image: &Image, directory: Option<(usize, usize)>, laid_out: &[u8]) -> Result<(), String> {
    let Some((rva, bytes)) = directory else {
        return same("exports without a directory", image.exports.len(), 0);
    };
    // Its size only says which targets are forwarders: it may reach over the image's end.
    let Some(bytes) = laid_out.get(rva..rva + bytes) else { return Ok(()) };
    // An error: a table lies outside the directory, where object does not look.
    let Ok(table) = ExportTable::parse(bytes, rva as u32) else { return Ok(()) };
    if table.addresses().is_empty() {
        return same("named exports without addresses", image.exports.len(), 0);
    }
    same("number of exports", image.exports.len(), table.name_iter().count())?;
    for (ours, (pointer, index)) in image.exports.iter().zip(table.name_iter()) {
        if let Ok(name) = table.name_from_pointer(pointer) {
            same("exported name", ours.name.as_str(), &String::from_utf8_lossy(name))?;
        }
        // object keeps the lower 16 bits of the number.
        if let Ok(ordinal) = table.ordinal_from_index(index) {
            same("number of an export", ours.ordinal as u16, ordinal.0)?;
        }
        let address =
            table.address_by_index(index).map_err(|error| format!("exports: object says {error}"))?;
        match (&ours.target, table.forward_string(address)) {
            (ExportTarget::Rva(rva), Ok(None)) => same("place of an export", *rva, address)?,
            (ExportTarget::Forwarder(text), Ok(Some(theirs))) => {
                same("forwarder", text.as_str(), &String::from_utf8_lossy(theirs))?;
            }
            // The text runs over the end of the directory.
            (ExportTarget::Forwarder(_), Err(_)) => {}
            (target, theirs) => {
                return Err(format!("export {}: {target:?}, object says {theirs:?}", ours.name));
            }
        }
    }
    Ok(())
}

fn relocations(image: &Image, directory: Option<&[u8]>) -> Result<(), String> {
    let Some(bytes) = directory else {
        return same("relocations without a directory", image.relocations.len(), 0);
    };
    let high_adj = |kind| matches!(kind, RelocationKind::HighAdj { .. });
    if image.relocations.iter().any(|relocation| high_adj(relocation.kind)) {
        // object takes the second half of such an entry for an entry.
        return Ok(());
    }
    let mut ours = image.relocations.iter();
    let mut blocks = RelocationBlockIterator::new(bytes);
    loop {
        let block = match blocks.next() {
            Ok(Some(block)) => block,
            Ok(None) => return same("relocations after the last", ours.len(), 0),
            Err(_) => return Ok(()),
        };
        if block.virtual_address() == 0 && block.size() == 0 {
            return same("relocations after the end", ours.len(), 0);
        }
        for theirs in block.filter(|relocation| relocation.typ.0 != 0) {
            let Some(relocation) = ours.next() else {
                return Err(format!("object sees a relocation at {:#x}", theirs.virtual_address));
            };
            same("place of a relocation", relocation.rva, theirs.virtual_address)?;
            let kind = match relocation.kind {
                RelocationKind::High => 1,
                RelocationKind::Low => 2,
                RelocationKind::HighLow => 3,
                RelocationKind::HighAdj { .. } => 4,
                RelocationKind::Dir64 => 10,
            };
            same("type of a relocation", kind, theirs.typ.0)?;
        }
    }
}

fn functions(image: &Image, directory: Option<&[u8]>) -> Result<(), String> {
    let bytes = directory.unwrap_or_default();
    let whole = bytes.len() / 12;
    let (rows, _) = pod::slice_from_bytes::<raw::ImageRuntimeFunctionEntry>(bytes, whole)
        .map_err(|()| "object cannot read the exception directory".to_owned())?;
    let mut theirs: Vec<RuntimeFunction> = rows
        .iter()
        .map(|row| RuntimeFunction {
            begin: row.begin_address.get(LE),
            end: row.end_address.get(LE),
            unwind: row.unwind_info_address_or_data.get(LE),
        })
        .filter(|row| row.begin != 0 || row.end != 0)
        .collect();
    theirs.sort_by_key(|row| row.begin);
    same("functions", &image.runtime_functions, &theirs)?;
    for function in &theirs {
        let found = image.runtime_function_at(function.begin);
        same("function at its own begin", found.map(|found| found.begin), Some(function.begin))?;
    }
    Ok(())
}

fn load_config(image: &Image, directory: Option<(usize, usize)>, laid_out: &[u8]) -> Result<(), String> {
    let row = directory.and_then(|(rva, _)| {
        let (row, _) = pod::from_bytes::<raw::ImageLoadConfigDirectory64>(laid_out.get(rva..)?).ok()?;
        (row.size.get(LE) as usize >= size_of::<raw::ImageLoadConfigDirectory64>()).then_some(row)
    });
    let Some(row) = row else { return Ok(()) };
    let rva = |address: u64| (address != 0).then(|| address.wrapping_sub(image.image_base) as u32);
    same("security cookie", image.security_cookie_rva, rva(row.security_cookie.get(LE)))?;
    let check = rva(row.guard_cf_check_function_pointer.get(LE));
    same("flow guard check", image.guard_cf_check_function_pointer_rva, check)?;
    let dispatch = rva(row.guard_cf_dispatch_function_pointer.get(LE));
    same("flow guard dispatch", image.guard_cf_dispatch_function_pointer_rva, dispatch)?;
    same("flow guard flags", image.guard_flags, row.guard_flags.get(LE).0)
}
