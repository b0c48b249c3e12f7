//! `cargo xtask headers`: declarations that mingw-w64's headers lack, from Microsoft's published metadata.
//!
//! The metadata (`Windows.Wdk.winmd`, `Windows.Win32.winmd`) lies inside the crate windows-bindgen, which xtask names for
//! a platform that does not exist, so that cargo downloads it and never compiles it. Written are `include/generated/*.h`
//! and the import list `include/def/generated.def`; `--check` compares them.
//!
//! The metadata does not tell LARGE_INTEGER from LONGLONG, nor alignment that a structure asks for: structures that
//! mingw-w64 or `include/` already has are never taken from it, and `layout.csv` stays the judge of those.

mod emit;
mod known;
mod metadata;

use crate::process::{Failure, Outcome, cargo, root, target};
use driver_build::{Kit, Prepared, Tools};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// Compare with the committed files instead of writing them
    #[arg(long)]
    check: bool,
}

/// One generated header: what is included before it, and so known to it.
struct Layer {
    file: &'static str,
    after: &'static str,
}

const LAYERS: &[Layer] = &[
    Layer { file: "generated/ntddk.h", after: "#include <ntddk.h>\n" },
    Layer { file: "generated/ntifs.h", after: "#include <ntifs.h>\n" },
    Layer { file: "generated/fltKernel.h", after: "#include <fltKernel.h>\n" },
];

const LIST: &str = "def/generated.def";

/// Headers whose names are left alone everywhere.
const ALL: &str = "\
#include <fltKernel.h>
#include <ntstrsafe.h>
#include <ntintsafe.h>
#include <ntdddisk.h>
#include <ntddstor.h>
#include <ntddvol.h>
#include <ntddscsi.h>
#include <mountdev.h>
#include <mountmgr.h>
#include <wdmguid.h>
#include <wdmsec.h>
#include <bcrypt.h>
#include <ntimage.h>
#include <scsi.h>
#include <ks.h>
";

pub fn run(arguments: &Arguments) -> Outcome {
    let files = generate()?;
    let mut different = Vec::new();
    for (name, text) in files {
        let path = root().join("include").join(&name);
        if std::fs::read_to_string(&path).ok().as_deref() == Some(&text) {
            continue;
        }
        if arguments.check {
            different.push(name);
        } else {
            std::fs::create_dir_all(path.parent().expect("it lies in include/"))?;
            std::fs::write(&path, text)?;
            println!("wrote include/{name}");
        }
    }
    if different.is_empty() {
        println!("include/generated holds what the metadata gives");
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} differ from the metadata; run `cargo xtask headers` and commit",
        different.join(", ")
    )))
}

/// Checks the committed files.
pub fn check() -> Outcome {
    run(&Arguments { check: true })
}

fn generate() -> Outcome<Vec<(String, String)>> {
    let folder = metadata_folder()?;
    let model = metadata::read(&folder)?;
    let work = target().join("xtask-headers");
    let prepared = Prepared::headers(Tools::exactly(19)?, Kit::at("include"), &work, &root())?;
    let known = |includes: &str| -> Outcome<known::Names> {
        Ok(known::Names::of(&prepared.preprocess(&format!("#define ALTIMETER_NO_GENERATED\n{includes}"))?))
    };
    let everywhere = known(ALL)?;
    let mut emitter = emit::Emitter::new(&model, everywhere);
    let mut files = Vec::new();
    for (number, layer) in LAYERS.iter().enumerate() {
        files.push((layer.file.to_owned(), emitter.layer(number, known(layer.after)?)));
    }
    files.push((LIST.to_owned(), emitter.import_list()));
    eprintln!("xtask: {}", emitter.summary());
    Ok(files)
}

/// The folder of the crate that carries the metadata.
fn metadata_folder() -> Outcome<PathBuf> {
    let output = cargo(&["metadata", "--format-version", "1", "--locked"]).output()?;
    let graph: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        Failure::new(format!("cargo metadata: {error}\n{}", String::from_utf8_lossy(&output.stderr)))
    })?;
    let packages = graph["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .filter(|package| package["name"] == "windows-bindgen")
        .find_map(|package| package["manifest_path"].as_str())
        .ok_or_else(|| Failure::new("cargo metadata does not name windows-bindgen"))?;
    Ok(Path::new(manifest).with_file_name("default"))
}
