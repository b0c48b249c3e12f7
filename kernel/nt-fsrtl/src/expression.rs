//! Matching of one name against an expression with wildcards.
//!
//! The expression is a small automaton whose states are its positions. All positions that a prefix of the
//! name can reach are kept as a bit set, so the cost is name times expression, whatever the wildcards are.
//!
//! Refuses: paths. Both arguments are single components.

/// `<`: any characters, but not the last dot of the name.
pub const DOS_STAR: u16 = b'<' as u16;
/// `>`: one character, or nothing in front of a dot and at the end of the name.
pub const DOS_QM: u16 = b'>' as u16;
/// `"`: a dot, or nothing at the end of the name.
pub const DOS_DOT: u16 = b'"' as u16;
const STAR: u16 = b'*' as u16;
const QM: u16 = b'?' as u16;
const DOT: u16 = b'.' as u16;

/// Positions of an expression, as a set.
struct Positions(Vec<u64>);

impl Positions {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }
    fn insert(&mut self, position: usize) {
        self.0[position / 64] |= 1 << (position % 64);
    }
    fn contains(&self, position: usize) -> bool {
        self.0[position / 64] & (1 << (position % 64)) != 0
    }
    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// Adds the positions that are reached without taking a character when `next` comes next (`None`: the end).
fn pass_over(positions: &mut Positions, expression: &[u16], next: Option<u16>) {
    for (position, symbol) in expression.iter().enumerate() {
        if !positions.contains(position) {
            continue;
        }
        let passes = match *symbol {
            STAR | DOS_STAR => true,
            DOS_QM => next.is_none_or(|c| c == DOT),
            DOS_DOT => next.is_none(),
            _ => false,
        };
        if passes {
            positions.insert(position + 1);
        }
    }
}

/// Whether `name` matches `expression`.
///
/// Source:  FsRtlIsNameInExpression
/// IRQL:    <= APC_LEVEL
/// Shape:   with `upcase` the expression is in upper case already; the name need not be
/// Returns: an empty name matches the empty expression only
pub fn name_in_expression(expression: &[u16], name: &[u16], upcase: Option<&dyn Fn(u16) -> u16>) -> bool {
    if expression.is_empty() || name.is_empty() {
        return expression.is_empty() && name.is_empty();
    }
    if expression == [STAR] {
        return true;
    }
    let last_dot = name.iter().rposition(|c| *c == DOT);
    let mut positions = Positions::new(expression.len() + 1);
    positions.insert(0);
    for (index, unit) in name.iter().enumerate() {
        let unit = upcase.map_or(*unit, |upcase| upcase(*unit));
        pass_over(&mut positions, expression, Some(unit));
        let mut after = Positions::new(expression.len() + 1);
        for (position, symbol) in expression.iter().enumerate() {
            if !positions.contains(position) {
                continue;
            }
            match *symbol {
                STAR => after.insert(position),
                DOS_STAR if last_dot != Some(index) => after.insert(position),
                DOS_STAR => {}
                QM => after.insert(position + 1),
                DOS_QM if unit != DOT => after.insert(position + 1),
                DOS_QM => {}
                DOS_DOT if unit == DOT => after.insert(position + 1),
                DOS_DOT => {}
                literal if literal == unit => after.insert(position + 1),
                _ => {}
            }
        }
        if after.is_empty() {
            return false;
        }
        positions = after;
    }
    pass_over(&mut positions, expression, None);
    positions.contains(expression.len())
}

/// Whether `name` holds one of `* ? < > "`. Source: FsRtlDoesNameContainWildCards.
pub fn does_name_contain_wild_cards(name: &[u16]) -> bool {
    name.iter().any(|c| matches!(*c, STAR | QM | DOS_STAR | DOS_QM | DOS_DOT))
}

#[cfg(test)]
mod name_in_expression_of_wildcards {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn matches(expression: &str, name: &str) -> bool {
        name_in_expression(&units(expression), &units(name), None)
    }

    #[test]
    fn star_takes_any_run_of_characters() {
        assert!(matches("*", "a"));
        assert!(matches("a*c", "ac"));
        assert!(matches("a*c", "abbbc"));
        assert!(matches("*.txt", "a.b.txt"));
        assert!(!matches("*.txt", "a.tx"));
        assert!(!matches("a*c", "acd"));
    }

    #[test]
    fn question_mark_takes_exactly_one() {
        assert!(matches("a?c", "a.c"));
        assert!(!matches("a?", "a"));
        assert!(!matches("?", "ab"));
    }

    #[test]
    fn dos_star_stops_at_the_last_dot() {
        assert!(matches("<", "readme"));
        assert!(!matches("<", "readme.txt"));
        assert!(matches("<.txt", "a.b.txt"));
        assert!(matches("<.", "a.b."));
        assert!(!matches("a<c.d", "abc.cd"));
    }

    #[test]
    fn dos_question_marks_vanish_before_a_dot_and_at_the_end() {
        assert!(matches("a>>>.txt", "a.txt"));
        assert!(matches("a>>>.txt", "abcd.txt"));
        assert!(!matches("a>>>.txt", "abcde.txt"));
        assert!(matches("abc>>", "abc"));
    }

    #[test]
    fn dos_dot_is_a_dot_or_the_end() {
        assert!(matches("a\"", "a"));
        assert!(matches("a\"", "a."));
        assert!(matches("a\"txt", "a.txt"));
        assert!(!matches("a\"txt", "atxt"));
        assert!(matches("<\"*", "noextension"));
    }

    #[test]
    fn the_name_is_compared_in_upper_case_when_case_is_ignored() {
        let upcase = |c: u16| if (0x61..=0x7A).contains(&c) { c - 32 } else { c };
        assert!(name_in_expression(&units("A*.TXT"), &units("abc.txt"), Some(&upcase)));
        assert!(!name_in_expression(&units("A*.TXT"), &units("abc.txt"), None));
    }

    #[test]
    fn many_stars_stay_cheap() {
        let expression = "*a".repeat(60) + "b";
        assert!(!matches(&expression, &"a".repeat(255)));
        assert!(matches(&("*a".repeat(60)), &"a".repeat(255)));
    }

    #[test]
    fn an_empty_name_matches_only_the_empty_expression() {
        assert!(matches("", ""));
        assert!(!matches("*", ""));
        assert!(!matches("", "a"));
    }

    #[test]
    fn expressions_longer_than_a_word_of_bits_work() {
        let long = "x".repeat(200);
        assert!(matches(&long, &long));
        assert!(!matches(&long, &"x".repeat(199)));
    }

    #[test]
    fn wildcards_are_the_five() {
        for wild in ["a*", "?", "<", ">", "\""] {
            assert!(does_name_contain_wild_cards(&units(wild)));
        }
        assert!(!does_name_contain_wild_cards(&units("plain.name")));
    }
}
