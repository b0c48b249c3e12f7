//! Header names without regard to case, as on Windows.
//!
//! clang is given a virtual file system that it asks only for names that do not exist as they are written; there each
//! file of the listed folders can be found in any case. Files that are spelled right are never redirected.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::Failure;

/// How deep below a folder files are listed: enough for `<sys/types.h>` and `"inc/../x.h"`.
const DEPTH: usize = 3;

/// How many files are listed at most: a source may lie in a folder that holds much else.
const MOST: usize = 20_000;

/// Writes the description of the virtual file system over `folders`. Folders that are not there are left out.
pub(crate) fn write(folders: &[PathBuf], file: &Path) -> Result<(), Failure> {
    let mut roots = String::new();
    let mut left = MOST;
    for folder in folders {
        if let Ok(folder) = folder.canonicalize() {
            list(&folder, DEPTH, &mut left, &mut roots);
        }
    }
    let text = format!(
        "{{\"version\":0,\"case-sensitive\":false,\"redirecting-with\":\"fallback\",\"roots\":[\n{roots}]}}\n"
    );
    std::fs::write(file, text).map_err(|error| Failure::file(file, &error))
}

fn list(folder: &Path, depth: usize, left: &mut usize, roots: &mut String) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut files = String::new();
    for path in &paths {
        let (Some(name), Some(whole)) = (path.file_name().and_then(|name| name.to_str()), path.to_str())
        else {
            continue;
        };
        if path.is_file() && *left > 0 {
            *left -= 1;
            let (name, whole) = (quoted(name), quoted(whole));
            writeln!(files, "{{\"type\":\"file\",\"name\":{name},\"external-contents\":{whole}}},")
                .expect("a string takes all");
        }
    }
    if let (Some(name), false) = (folder.to_str(), files.is_empty()) {
        let name = quoted(name);
        writeln!(roots, "{{\"type\":\"directory\",\"name\":{name},\"contents\":[\n{files}]}},")
            .expect("a string takes all");
    }
    if depth > 1 {
        for path in paths.iter().filter(|path| path.is_dir() && !path.ends_with(".git")) {
            list(path, depth - 1, left, roots);
        }
    }
}

/// A string of JSON, which YAML reads as well.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
