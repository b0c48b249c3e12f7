//! What the sources and headers of a project include.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How many steps are followed from a folder to the folders that its files name.
const STEPS: usize = 4;

/// The texts of the sources and headers in these folders.
pub(crate) fn texts(folders: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let mut texts = BTreeMap::new();
    for entry in folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten() {
        let path = entry.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if matches!(&extension[..], "c" | "cc" | "cpp" | "cxx" | "h" | "hpp" | "hxx" | "ini" | "tpl")
            && let Ok(bytes) = std::fs::read(&path)
        {
            texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    texts
}

/// Names in `#include` lines, with slashes.
pub(crate) fn included(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?.trim_start();
        Some(rest.strip_prefix(['"', '<'])?.split(['"', '>']).next()?.replace('\\', "/"))
    })
}

/// These folders, and those that their files reach with names such as `"..\Shared\x.h"`.
pub(crate) fn reached(folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut known: BTreeSet<PathBuf> =
        folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let mut fresh: Vec<PathBuf> = known.iter().cloned().collect();
    for _ in 0..STEPS {
        let mut next = BTreeSet::new();
        for text in texts(&fresh).values() {
            for name in included(text).filter(|name| name.contains('/')) {
                let way = Path::new(&name).parent().unwrap_or(Path::new(""));
                next.extend(known.iter().filter_map(|folder| follow(folder, way)).collect::<Vec<_>>());
            }
        }
        fresh = next.into_iter().filter(|folder| known.insert(folder.clone())).collect();
    }
    known.into_iter().collect()
}

/// The folder that `way` leads to, whatever the case of its parts.
fn follow(folder: &Path, way: &Path) -> Option<PathBuf> {
    let mut place = folder.to_path_buf();
    for part in way.components() {
        let exact = place.join(part);
        place = if exact.is_dir() {
            exact.canonicalize().ok()?
        } else {
            let entries = std::fs::read_dir(&place).ok()?.flatten();
            let same = |name: &std::ffi::OsStr| name.eq_ignore_ascii_case(part.as_os_str());
            entries
                .map(|entry| entry.path())
                .find(|path| path.file_name().is_some_and(same) && path.is_dir())?
        };
    }
    Some(place)
}

#[cfg(test)]
mod project_files {
    use super::*;

    #[test]
    fn names_are_found_however_the_line_is_written() {
        let text = "#include \"a.h\"\n#  include <Sub\\B.H>\n// #include \"no.h\"\nint include;\n";
        assert_eq!(included(text).collect::<Vec<_>>(), ["a.h", "Sub/B.H"]);
    }

    #[test]
    fn folders_are_reached_through_names_in_another_case() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("src"), root.path().join("Shared"));
        std::fs::create_dir_all(&from).unwrap();
        std::fs::create_dir_all(&to).unwrap();
        std::fs::write(from.join("x.c"), "#include \"..\\shared\\Y.h\"\n").unwrap();
        let reached = reached(vec![from.clone()]);
        assert_eq!(reached, [to.canonicalize().unwrap(), from.canonicalize().unwrap()]);
    }
}
