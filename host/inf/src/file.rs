//! The file as sections of entries.

use std::collections::HashMap;

use crate::line::{self, Content};
use crate::strings::Strings;
use crate::{InfError, InfErrorKind, decode};

/// A parsed INF file, strings substituted.
#[derive(Debug, Clone)]
pub struct Inf {
    name: String,
    sections: Vec<Section>,
    index: HashMap<String, usize>,
}

/// A section; sections of the same name are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name as first written.
    pub name: String,
    /// Entries in order.
    pub entries: Vec<Entry>,
}

/// One logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What stands before `=`; `None` for a line without.
    pub key: Option<String>,
    /// Values, unquoted.
    pub values: Vec<String>,
    /// First line, from 1.
    pub line: u32,
}

impl Entry {
    /// The value at `index`, from 0; empty when the line is shorter.
    pub fn value(&self, index: usize) -> &str {
        self.values.get(index).map_or("", String::as_str)
    }

    fn has_key(&self, key: &str) -> bool {
        self.key.as_deref().is_some_and(|own| same_name(own, key))
    }
}

impl Section {
    /// The first entry with that key, whatever its case.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.has_key(key))
    }

    /// All entries with that key, whatever its case.
    pub fn entries_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.has_key(key))
    }
}

impl Inf {
    /// Parses a file; `name` is how errors call it.
    ///
    /// Errors: unreadable text, an unclosed quote, a damaged section header, no section
    pub fn parse(bytes: &[u8], name: &str) -> Result<Inf, InfError> {
        let error = |line, kind| InfError { file: name.to_owned(), line, kind };
        let text = decode::decode(bytes).map_err(|kind| error(None, kind))?;
        let lines = line::split(&text).map_err(|(line, kind)| error(Some(line), kind))?;
        let strings = Strings::collect(&lines);
        let mut inf = Inf { name: name.to_owned(), sections: Vec::new(), index: HashMap::new() };
        let mut current = None;
        for line in lines {
            match line.content {
                Content::Section(section) => current = Some(inf.open_section(strings.substitute(&section))),
                Content::Entry { key, values } => {
                    let Some(section) = current.and_then(|index: usize| inf.sections.get_mut(index)) else {
                        continue;
                    };
                    section.entries.push(Entry {
                        key: key.map(|key| strings.substitute(&key)),
                        values: values.iter().map(|value| strings.substitute(value)).collect(),
                        line: line.number,
                    });
                }
            }
        }
        if inf.sections.is_empty() {
            return Err(error(None, InfErrorKind::Empty));
        }
        Ok(inf)
    }

    /// The name given to [`Inf::parse`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A section by name, whatever its case.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.index.get(&name.to_lowercase()).and_then(|index| self.sections.get(*index))
    }

    /// All sections in order of first appearance.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(crate) fn error(&self, line: Option<u32>, kind: InfErrorKind) -> InfError {
        InfError { file: self.name.clone(), line, kind }
    }

    fn open_section(&mut self, name: String) -> usize {
        let next = self.sections.len();
        let index = *self.index.entry(name.to_lowercase()).or_insert(next);
        if index == next {
            self.sections.push(Section { name, entries: Vec::new() });
        }
        index
    }
}

pub(crate) fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right) || left.to_lowercase() == right.to_lowercase()
}
