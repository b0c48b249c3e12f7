//! Symbols from a PDB file.

use std::collections::BTreeMap;
use std::path::Path;

use pdb2::{FallibleIterator, SymbolData};
use pe::CodeView;

use crate::symbols::Symbol;

struct Function {
    begin: u32,
    /// `None` where only the public name is known.
    end: Option<u32>,
    name: String,
}

struct Line {
    begin: u32,
    end: Option<u32>,
    file: usize,
    line: u32,
}

/// Functions and lines by offset.
pub(crate) struct Pdb {
    functions: Vec<Function>,
    lines: Vec<Line>,
    files: Vec<String>,
}

impl Pdb {
    /// Reads the file at `path` if it is the PDB of the image with this CodeView record: names of another build
    /// would mislead.
    pub(crate) fn open(path: &Path, identity: Option<&CodeView>) -> Option<Self> {
        let mut pdb = pdb2::PDB::open(std::fs::File::open(path).ok()?).ok()?;
        if let Some(identity) = identity {
            let found = pdb.pdb_information().ok()?.guid;
            // The record holds the first three fields in little-endian order.
            if found.to_bytes_le() != identity.guid {
                return None;
            }
        }
        let mut read = Self { functions: Vec::new(), lines: Vec::new(), files: Vec::new() };
        let map = pdb.address_map().ok()?;
        read.modules(&mut pdb, &map);
        read.publics(&mut pdb, &map);
        read.functions.sort_by_key(|function| function.begin);
        // The procedure of a module says where it ends; the public name of the same function is dropped.
        read.functions.dedup_by(|later, first| {
            let same = later.begin == first.begin;
            if same && first.end.is_none() {
                std::mem::swap(later, first);
            }
            same
        });
        read.lines.sort_by_key(|line| line.begin);
        Some(read)
    }

    /// Procedures (static ones too) and lines. A module that cannot be read is left out.
    fn modules<'s, S: pdb2::Source<'s> + 's>(
        &mut self,
        pdb: &mut pdb2::PDB<'s, S>,
        map: &pdb2::AddressMap<'s>,
    ) {
        let Ok(information) = pdb.debug_information() else { return };
        let names = pdb.string_table().ok();
        let Ok(mut modules) = information.modules() else { return };
        let mut known = BTreeMap::new();
        while let Ok(Some(module)) = modules.next() {
            let Ok(Some(module)) = pdb.module_info(&module) else { continue };
            if let Ok(mut symbols) = module.symbols() {
                while let Ok(Some(symbol)) = symbols.next() {
                    if let Ok(SymbolData::Procedure(procedure)) = symbol.parse()
                        && let Some(begin) = procedure.offset.to_rva(map)
                    {
                        self.functions.push(Function {
                            begin: begin.0,
                            end: Some(begin.0.saturating_add(procedure.len)),
                            name: procedure.name.to_string().into_owned(),
                        });
                    }
                }
            }
            let (Ok(program), Some(names)) = (module.line_program(), &names) else { continue };
            let mut lines = program.lines();
            while let Ok(Some(line)) = lines.next() {
                let Some(begin) = line.offset.to_rva(map) else { continue };
                let Ok(file) = program.get_file_info(line.file_index) else { continue };
                let Ok(name) = file.name.to_string_lossy(names) else { continue };
                let files = &mut self.files;
                let file = *known.entry(name.clone().into_owned()).or_insert_with(|| {
                    files.push(name.into_owned());
                    files.len() - 1
                });
                let end = line.length.map(|length| begin.0.saturating_add(length));
                self.lines.push(Line { begin: begin.0, end, file, line: line.line_start });
            }
        }
    }

    /// Public functions: all that a stripped PDB has.
    fn publics<'s, S: pdb2::Source<'s> + 's>(
        &mut self,
        pdb: &mut pdb2::PDB<'s, S>,
        map: &pdb2::AddressMap<'s>,
    ) {
        let Ok(symbols) = pdb.global_symbols() else { return };
        let mut symbols = symbols.iter();
        while let Ok(Some(symbol)) = symbols.next() {
            if let Ok(SymbolData::Public(public)) = symbol.parse()
                && public.function
                && let Some(begin) = public.offset.to_rva(map)
            {
                let name = public.name.to_string().into_owned();
                self.functions.push(Function { begin: begin.0, end: None, name });
            }
        }
    }

    /// What stands at `rva`.
    pub(crate) fn at(&self, rva: u32) -> Option<Symbol> {
        let after = self.functions.partition_point(|function| function.begin <= rva);
        let function = self.functions.get(after.checked_sub(1)?)?;
        if function.end.is_some_and(|end| rva >= end) {
            return None;
        }
        let symbol = Symbol::new(&function.name, Some(rva - function.begin));
        let after = self.lines.partition_point(|line| line.begin <= rva);
        let line = after.checked_sub(1).and_then(|at| self.lines.get(at)).filter(|line| {
            line.begin >= function.begin && line.end.is_none_or(|end| rva < end) && line.line < 0x00F0_0000
        });
        Some(match line {
            Some(line) => symbol.at_line(&self.files[line.file], line.line),
            None => symbol,
        })
    }
}
