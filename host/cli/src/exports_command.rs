//! `altimeter exports`: what drivers may import, and what of it a driver misses.

use std::path::Path;

use altimeter::exports;
use pe::{Image, ImportSymbol};

use crate::arguments::ExportsArguments;
use crate::outcome::{Exit, Usage};
use crate::output;

/// Prints the table, or what `--check` finds missing.
pub fn run(arguments: &ExportsArguments) -> Result<Exit, Usage> {
    match &arguments.check {
        Some(path) => check(path),
        None => {
            output::standard(&table())?;
            Ok(Exit::Clean)
        }
    }
}

fn table() -> String {
    let functions = exports::table().iter().map(|row| {
        let state = if row.done { "done" } else { "partial" };
        format!("{}\t{}\t{state}\t{}\t{}\n", row.image, row.name, row.home, row.note)
    });
    let variables = exports::data::DATA
        .iter()
        .map(|(name, note)| format!("ntoskrnl.exe\t{name}\tdone\texports\tvariable: {note}\n"));
    functions.chain(variables).collect()
}

fn check(path: &Path) -> Result<Exit, Usage> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Usage(format!("{shown}: cannot be read: {error}; check the path and its permissions"))
    })?;
    let image = Image::parse(&bytes).map_err(|error| Usage(format!("{shown}: {error}")))?;
    let mut missing = String::new();
    let mut imports = 0usize;
    for module in &image.imports {
        for import in &module.entries {
            imports += 1;
            let name = match &import.symbol {
                ImportSymbol::Name { name, .. } if exports::is_exported(&module.name, name) => continue,
                ImportSymbol::Name { name, .. } => name.clone(),
                ImportSymbol::Ordinal(ordinal) => format!("#{ordinal}"),
            };
            missing.push_str(&format!("{}\t{name}\n", module.name));
        }
    }
    output::standard(&missing)?;
    if missing.is_empty() {
        eprintln!("{shown}: all {imports} imports are there");
        return Ok(Exit::Clean);
    }
    eprintln!(
        "{shown}: {} of {imports} imports are not there; the driver loads, and calling one is a bug check",
        missing.lines().count()
    );
    Ok(Exit::Findings)
}
