//! `altimeter cc`: a driver image from its sources.

use std::path::Path;

use driver_build::{Failure, Prepared, Recipe, Symbols, Tools};

use crate::arguments::CcArguments;
use crate::outcome::{Exit, Usage};

/// Builds the image, or writes the CMake toolchain file. What clang and the linker print goes to stderr as it is.
pub fn run(arguments: &CcArguments) -> Result<Exit, Usage> {
    let prepared = Tools::find().and_then(Prepared::embedded).map_err(usage)?;
    if let Some(file) = &arguments.cmake_toolchain {
        return write_toolchain(&prepared, file);
    }
    let recipe = Recipe {
        sources: arguments.sources.clone(),
        output: arguments.output.clone().unwrap_or_default(),
        flags: arguments.flags.clone(),
        debug: arguments.debug,
        symbols: if arguments.pdb { Symbols::Pdb } else { Symbols::Dwarf },
        verbose: arguments.verbose,
    };
    match recipe.build(&prepared) {
        Ok(messages) => {
            eprint!("{messages}");
            Ok(Exit::Clean)
        }
        Err(Failure::Tool(messages)) => {
            eprint!("{messages}");
            Ok(Exit::Unusable)
        }
        Err(other) => Err(usage(other)),
    }
}

fn write_toolchain(prepared: &Prepared, file: &Path) -> Result<Exit, Usage> {
    std::fs::write(file, driver_build::toolchain_file(prepared))
        .map_err(|error| Usage(format!("{}: cannot be written: {error}", file.display())))?;
    eprintln!(
        "{}: give it to cmake with -DCMAKE_TOOLCHAIN_FILE; each executable becomes a .sys",
        file.display()
    );
    Ok(Exit::Clean)
}

fn usage(failure: Failure) -> Usage {
    Usage(failure.to_string())
}
