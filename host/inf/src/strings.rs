//! `%token%` substitution from `[Strings]`, then from `[Strings.0409]`, then from any other language.

use std::collections::HashMap;

use crate::line::{Content, Line};

/// The defined tokens, by lower-case name.
#[derive(Default)]
pub(crate) struct Strings(HashMap<String, String>);

impl Strings {
    pub(crate) fn collect(lines: &[Line]) -> Strings {
        let mut found: Vec<(u8, String, String)> = Vec::new();
        let mut rank = None;
        for line in lines {
            match &line.content {
                Content::Section(name) => rank = section_rank(name),
                Content::Entry { key: Some(key), values } => {
                    if let Some(rank) = rank {
                        let value = values.first().cloned().unwrap_or_default();
                        found.push((rank, key.to_lowercase(), value));
                    }
                }
                Content::Entry { .. } => {}
            }
        }
        found.sort_by_key(|(rank, ..)| *rank);
        let mut strings = HashMap::new();
        for (_, key, value) in found {
            strings.entry(key).or_insert(value);
        }
        Strings(strings)
    }

    /// Replaces the tokens. `%%` is a percent; numbers (directory IDs) and unknown tokens stay as they are.
    pub(crate) fn substitute(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('%') {
            out.push_str(&rest[..start]);
            let after = &rest[start + 1..];
            let Some(end) = after.find('%') else {
                out.push_str(&rest[start..]);
                return out;
            };
            let token = &after[..end];
            if token.is_empty() {
                out.push('%');
            } else if let Some(value) = self.0.get(&token.to_lowercase()) {
                out.push_str(value);
            } else {
                out.push_str(&rest[start..start + end + 2]);
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        out
    }
}

fn section_rank(name: &str) -> Option<u8> {
    let name = name.to_lowercase();
    match name.strip_prefix("strings")? {
        "" => Some(0),
        ".0409" => Some(1),
        language if language.starts_with('.') => Some(2),
        _ => None,
    }
}

/// Whether a name still holds a `%token%` other than a directory ID.
pub(crate) fn has_unknown_token(text: &str) -> bool {
    let mut parts = text.split('%');
    parts.next();
    while let (Some(token), Some(_)) = (parts.next(), parts.next()) {
        if !token.is_empty() && !token.bytes().all(|byte| byte.is_ascii_digit()) {
            return true;
        }
    }
    false
}
