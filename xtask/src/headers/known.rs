//! Names that headers already use.

use std::collections::HashSet;

/// Every identifier of a preprocessed text and of its macro definitions.
pub struct Names(HashSet<String>);

impl Names {
    /// `text`: what `clang -E -dD` writes.
    pub fn of(text: &str) -> Self {
        let mut names = HashSet::new();
        for line in text.lines() {
            // Of a macro only the name counts: its body declares nothing.
            if let Some(rest) = line.strip_prefix("#define ") {
                names.extend(words(rest).next().map(str::to_owned));
            } else if !line.starts_with('#') {
                names.extend(words(line).map(str::to_owned));
            }
        }
        Self(names)
    }

    pub fn holds(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}
