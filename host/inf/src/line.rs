//! Logical lines: comments, quoting, continuation, `key = value, value`.

use crate::InfErrorKind;

/// One logical line, quotes resolved, strings not yet substituted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Line of its first character, from 1.
    pub(crate) number: u32,
    pub(crate) content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Section(String),
    Entry { key: Option<String>, values: Vec<String> },
}

/// A field while it is read: white space outside quotes at its ends does not count.
#[derive(Default)]
struct Field {
    text: String,
    kept: usize,
    quoted: bool,
}

impl Field {
    fn push(&mut self, character: char, in_quotes: bool) {
        if !in_quotes && character.is_whitespace() && self.kept == 0 && !self.quoted {
            return;
        }
        self.text.push(character);
        if in_quotes || !character.is_whitespace() {
            self.kept = self.text.len();
        }
    }

    fn take(&mut self) -> String {
        let mut text = std::mem::take(self);
        text.text.truncate(text.kept);
        text.text
    }

    fn is_blank(&self) -> bool {
        self.kept == 0 && !self.quoted
    }
}

pub(crate) fn split(text: &str) -> Result<Vec<Line>, (u32, InfErrorKind)> {
    let mut lines = Vec::new();
    // Files in use start with notes that are no INF comments: what stands before the first section does not count.
    let mut in_section = false;
    // An old end-of-file mark ends the text.
    let text = text.split('\u{1A}').next().unwrap_or("");
    let mut physical = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).zip(1u32..);
    while let Some((first, number)) = physical.next() {
        let trimmed = first.trim_start();
        if trimmed.starts_with('[') {
            lines.push(Line { number, content: section_header(trimmed).map_err(|kind| (number, kind))? });
            in_section = true;
            continue;
        }
        if !in_section {
            continue;
        }
        let mut entry = EntryReader::default();
        let mut current = first;
        while entry.read(current).map_err(|kind| (number, kind))? {
            match physical.next() {
                Some((next, _)) => current = next,
                None => break,
            }
        }
        if let Some(content) = entry.finish() {
            lines.push(Line { number, content });
        }
    }
    Ok(lines)
}

fn section_header(line: &str) -> Result<Content, InfErrorKind> {
    let (name, rest) = line[1..].split_once(']').ok_or(InfErrorKind::BadSectionHeader)?;
    let rest = rest.trim();
    if !rest.is_empty() && !rest.starts_with(';') {
        return Err(InfErrorKind::BadSectionHeader);
    }
    Ok(Content::Section(name.trim().trim_matches('"').to_owned()))
}

/// Gathers one entry over its physical lines.
#[derive(Default)]
struct EntryReader {
    key: Option<String>,
    values: Vec<String>,
    field: Field,
}

impl EntryReader {
    /// Reads one physical line; `true` when the next one belongs to the entry too.
    fn read(&mut self, line: &str) -> Result<bool, InfErrorKind> {
        let mut in_quotes = false;
        let mut characters = line.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' if in_quotes && matches!(characters.peek(), Some((_, '"'))) => {
                    characters.next();
                    self.field.push('"', true);
                }
                '"' => {
                    in_quotes = !in_quotes;
                    self.field.quoted = true;
                }
                _ if in_quotes => self.field.push(character, true),
                ';' => return Ok(false),
                '\\' if ends_line(&line[at + 1..]) => return Ok(true),
                ',' => {
                    let value = self.field.take();
                    self.values.push(value);
                }
                '=' if self.key.is_none() && self.values.is_empty() => self.key = Some(self.field.take()),
                _ => self.field.push(character, false),
            }
        }
        if in_quotes { Err(InfErrorKind::UnclosedQuote) } else { Ok(false) }
    }

    /// `None` for a line of white space and comments.
    fn finish(mut self) -> Option<Content> {
        if !self.field.is_blank() || !self.values.is_empty() {
            let last = self.field.take();
            self.values.push(last);
        }
        if self.key.is_none() && self.values.is_empty() {
            return None;
        }
        Some(Content::Entry { key: self.key, values: self.values })
    }
}

/// Whether only white space or a comment follows a backslash: then it continues the line.
fn ends_line(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with(';')
}
