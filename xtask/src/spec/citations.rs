//! Who cites which statement: `// spec: ID, ID` in Rust tests and in the C drivers.
//!
//! Rust files are read line by line. A test function ends at the closing brace that stands at the indentation
//! of its `fn`, which rustfmt guarantees; nothing is parsed.

use crate::process::{Outcome, read};
use std::collections::HashSet;
use std::path::Path;

pub struct Citation {
    pub id: String,
    /// File and line.
    pub place: String,
}

/// All citations of the project.
#[derive(Default)]
pub struct Citations {
    pub all: Vec<Citation>,
    covered: HashSet<String>,
}

impl Citations {
    pub fn read(root: &Path) -> Outcome<Self> {
        let mut citations = Self::default();
        citations.walk(root, root)?;
        Ok(citations)
    }

    pub fn covers(&self, id: &str) -> bool {
        self.covered.contains(id)
    }

    fn walk(&mut self, root: &Path, folder: &Path) -> Outcome {
        let mut entries: Vec<_> = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    self.walk(root, &path)?;
                }
                continue;
            }
            let place = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            match path.extension().and_then(|end| end.to_str()) {
                Some("rs") => self.add(&place, rust(&read(&path)?)),
                Some("c" | "h") if place.starts_with("drivers") => self.add(&place, c(&read(&path)?)),
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, file: &str, found: Vec<(usize, String, bool)>) {
        for (line, id, counts) in found {
            if counts {
                self.covered.insert(id.clone());
            }
            self.all.push(Citation { id, place: format!("{file}:{line}") });
        }
    }
}

/// Line, ID, and whether it stands in a test that is not ignored.
fn rust(text: &str) -> Vec<(usize, String, bool)> {
    let mut found = Vec::new();
    let (mut test, mut ignored) = (false, false);
    // Indentation of the test function that we are in, and whether it runs.
    let mut inside: Option<(usize, bool)> = None;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let indentation = line.len() - trimmed.len();
        if let Some((function, runs)) = inside {
            found.extend(ids(trimmed, "//").map(|id| (number + 1, id, runs)));
            if indentation == function && trimmed.starts_with('}') {
                inside = None;
            }
            continue;
        }
        found.extend(ids(trimmed, "//").map(|id| (number + 1, id, false)));
        if trimmed.starts_with("#[") {
            test |= trimmed.starts_with("#[test]");
            ignored |= trimmed.starts_with("#[ignore");
        } else if test && (trimmed.starts_with("fn ") || trimmed.starts_with("pub fn ")) {
            if !trimmed.trim_end().ends_with('}') {
                inside = Some((indentation, !ignored));
            }
            (test, ignored) = (false, false);
        } else if !trimmed.is_empty() && !trimmed.starts_with("//") {
            (test, ignored) = (false, false);
        }
    }
    found
}

fn c(text: &str) -> Vec<(usize, String, bool)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let block = trimmed.strip_suffix("*/").unwrap_or(trimmed);
        found.extend(ids(trimmed, "//").map(|id| (number + 1, id, true)));
        found.extend(ids(block, "/*").map(|id| (number + 1, id, true)));
    }
    found
}

/// The IDs of a comment line that begins with `spec:`.
fn ids<'a>(line: &'a str, comment: &str) -> impl Iterator<Item = String> + use<'a> {
    let list = line.strip_prefix(comment).and_then(|rest| rest.trim_start().strip_prefix("spec:"));
    list.unwrap_or("").split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_test(attributes: &str) -> Vec<(usize, String, bool)> {
        rust(&format!("{attributes}\nfn it_works() {{\n    // spec: PRE-01, PRE-02\n    call();\n}}\n"))
    }

    #[test]
    fn a_test_that_runs_covers_what_it_cites() {
        let found = of_test("#[test]");
        assert_eq!(found, [(3, "PRE-01".to_owned(), true), (3, "PRE-02".to_owned(), true)]);
    }

    #[test]
    fn an_ignored_test_covers_nothing() {
        assert!(of_test("#[test]\n#[ignore = \"no fast I/O yet\"]").iter().all(|(_, _, counts)| !counts));
    }

    #[test]
    fn a_function_that_is_no_test_covers_nothing() {
        assert!(of_test("#[inline]").iter().all(|(_, _, counts)| !counts));
    }

    #[test]
    fn what_follows_a_test_is_outside_of_it() {
        let text = "#[test]\nfn a() {\n    if x {\n    }\n}\n// spec: PRE-03\nfn b() {}\n";
        assert_eq!(rust(text), [(6, "PRE-03".to_owned(), false)]);
    }

    #[test]
    fn both_comments_of_c_are_read() {
        let text = "    /* spec: POST-01 */\n    // spec: POST-02\n    /* specification */\n";
        let found: Vec<String> = c(text).into_iter().map(|(_, id, _)| id).collect();
        assert_eq!(found, ["POST-01", "POST-02"]);
    }
}
