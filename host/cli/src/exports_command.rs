//! `altimeter exports`: what drivers may import, and what of it a driver misses.

use std::path::Path;

use altimeter::exports::EXPORTS;
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
    let mut rows: Vec<_> = EXPORTS.iter().collect();
    rows.sort_by_key(|row| (row.image, row.name));
    let line = |row: &&boundary::Export| {
        let state = if row.done { "done" } else { "partial" };
        format!("{}\t{}\t{state}\t{}\t{}\n", row.image, row.name, row.home, row.note)
    };
    rows.iter().map(line).collect()
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
                ImportSymbol::Name { name, .. } if is_there(&module.name, name) => continue,
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

/// Whether the table has `name` of `module`, whose spelling is the linker's.
fn is_there(module: &str, name: &str) -> bool {
    EXPORTS.iter().any(|row| row.name == name && row.image.eq_ignore_ascii_case(module))
}
