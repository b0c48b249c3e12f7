//! The ledgers: tables of statements in `spec/*.md`.

use crate::process::{Failure, Outcome, read};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// One row of a ledger.
pub struct Statement {
    pub id: String,
    pub text: String,
    /// One of its cells after the statement says `gap`.
    pub gap: bool,
}

impl Statement {
    pub fn section(&self) -> &str {
        section(&self.id).expect("a statement's ID has a section")
    }
}

/// All rows, in the order of the files.
#[derive(Default)]
pub struct Ledger {
    pub statements: Vec<Statement>,
    places: HashMap<String, usize>,
}

impl Ledger {
    pub fn read(folder: &Path) -> Outcome<Self> {
        let mut paths: Vec<_> = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        let mut ledger = Self::default();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "md")) {
            ledger.add(&read(path)?)?;
        }
        Ok(ledger)
    }

    fn add(&mut self, text: &str) -> Outcome {
        for statement in text.lines().filter_map(statement) {
            let place = self.statements.len();
            if self.places.insert(statement.id.clone(), place).is_some() {
                return Err(Failure::new(format!("two statements are called {}", statement.id)));
            }
            self.statements.push(statement);
        }
        Ok(())
    }

    pub fn find(&self, id: &str) -> Option<&Statement> {
        self.places.get(id).map(|&place| &self.statements[place])
    }

    pub fn sections(&self) -> BTreeSet<&str> {
        self.statements.iter().map(Statement::section).collect()
    }
}

/// What stands before the number of an ID; `None` when it is no ID.
pub fn section(id: &str) -> Option<&str> {
    let (section, number) = id.rsplit_once('-')?;
    let upper =
        section.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
    let starts = section.starts_with(|first: char| first.is_ascii_uppercase());
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (upper && starts && numbered).then_some(section)
}

fn statement(line: &str) -> Option<Statement> {
    let cells: Vec<&str> = line.strip_prefix('|')?.trim_end().trim_end_matches('|').split('|').collect();
    let id = cells.first()?.trim();
    section(id)?;
    let gap = cells.iter().skip(2).any(|cell| cell.trim() == "gap");
    Some(Statement { id: id.into(), text: cells.get(1)?.trim().into(), gap })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_an_id_is_a_statement_and_a_heading_is_not() {
        let found = statement("| SEED-IOPB-36 | Two pages differ. | gap | Test it. |").unwrap();
        assert_eq!((found.id.as_str(), found.section(), found.gap), ("SEED-IOPB-36", "SEED-IOPB", true));
        assert!(statement("| ID | Statement | Kind | Source |").is_none());
        assert!(statement("|---|---|---|---|").is_none());
        assert!(statement("PRE-01 is a statement").is_none());
    }

    #[test]
    fn the_word_gap_within_a_statement_does_not_make_it_one() {
        assert!(!statement("| PRE-01 | gap | must | page |").unwrap().gap);
    }

    #[test]
    fn the_same_id_twice_is_refused() {
        let mut ledger = Ledger::default();
        ledger.add("| PRE-01 | one | must |").unwrap();
        assert!(ledger.add("| PRE-01 | other | must |").is_err());
    }
}
