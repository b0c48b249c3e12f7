//! Altitudes: decimals of unlimited precision, and the load order groups that share them out.
//!
//! Owns: parsing, order and equality of altitude strings. Refuses: floating point, signs, blanks, a point
//! without a digit on either side. Statements: ALT-01 to ALT-04, ALT-07.

use std::cmp::Ordering;
use std::fmt;

use nt_abi::NtStatus;

/// A decimal number as the registry spells it: digits and at most one point.
///
/// Two spellings of one number are equal: `03333` and `3333`, `325000.30` and `325000.3`.
#[derive(Clone)]
pub struct Altitude {
    text: String,
    whole: (usize, usize),
    fraction: (usize, usize),
}

impl Altitude {
    /// Reads an altitude.
    ///
    /// Source:  FltAttachVolumeAtAltitude; ALT-01
    /// Errors:  INVALID_PARAMETER (anything but digits with at most one point between them)
    pub fn parse(text: &str) -> Result<Self, NtStatus> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || fraction.is_some_and(|f| !digits(f)) {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let first = whole.len() - whole.trim_start_matches('0').len();
        let fraction = fraction.map_or((text.len(), text.len()), |f| {
            let start = whole.len() + 1;
            (start, start + f.trim_end_matches('0').len())
        });
        Ok(Self { whole: (first, whole.len()), fraction, text: text.to_owned() })
    }

    /// Reads an altitude from UTF-16.
    pub fn parse_wide(text: &[u16]) -> Result<Self, NtStatus> {
        Self::parse(&String::from_utf16(text).map_err(|_| NtStatus::INVALID_PARAMETER)?)
    }

    /// The altitude as it was spelt.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn whole(&self) -> &str {
        &self.text[self.whole.0..self.whole.1]
    }

    fn fraction(&self) -> &str {
        &self.text[self.fraction.0..self.fraction.1]
    }

    /// The load order group that the number belongs to, `None` between the ranges. Source: ALT-07.
    pub fn group(&self) -> Option<&'static str> {
        let whole: u32 = if self.whole().is_empty() { 0 } else { self.whole().parse().ok()? };
        // Bounds are inclusive integers, so a fraction above the upper bound is outside.
        GROUPS
            .iter()
            .find(|(low, high, _)| {
                whole >= *low && (whole < *high || (whole == *high && self.fraction().is_empty()))
            })
            .map(|g| g.2)
    }
}

/// Lower bound, upper bound, name; both bounds included.
const GROUPS: [(u32, u32, &str); 23] = [
    (420_000, 429_999, "Filter"),
    (400_000, 409_999, "FSFilter Top"),
    (360_000, 389_999, "FSFilter Activity Monitor"),
    (340_000, 349_999, "FSFilter Undelete"),
    (320_000, 329_999, "FSFilter Anti-Virus"),
    (300_000, 309_999, "FSFilter Replication"),
    (280_000, 289_999, "FSFilter Continuous Backup"),
    (260_000, 269_999, "FSFilter Content Screener"),
    (240_000, 249_999, "FSFilter Quota Management"),
    (220_000, 229_999, "FSFilter System Recovery"),
    (200_000, 209_999, "FSFilter Cluster File System"),
    (180_000, 189_999, "FSFilter HSM"),
    (170_000, 175_000, "FSFilter Imaging"),
    (160_000, 169_999, "FSFilter Compression"),
    (140_000, 149_999, "FSFilter Encryption"),
    (130_000, 139_999, "FSFilter Virtualization"),
    (120_000, 129_999, "FSFilter Physical Quota Management"),
    (100_000, 109_999, "FSFilter Open File"),
    (80_000, 89_999, "FSFilter Security Enhancer"),
    (60_000, 69_999, "FSFilter Copy Protection"),
    (40_000, 49_999, "FSFilter Bottom"),
    (20_000, 29_999, "FSFilter System"),
    (0, 19_999, "FSFilter Infrastructure"),
];

impl Ord for Altitude {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.whole(), other.whole());
        // More digits without leading zeros is the greater number; fractions compare as text does, where a
        // prefix is smaller.
        a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then_with(|| self.fraction().cmp(other.fraction()))
    }
}

impl PartialOrd for Altitude {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Altitude {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Altitude {}

impl fmt::Display for Altitude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Altitude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Altitude({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn altitude(text: &str) -> Altitude {
        Altitude::parse(text).expect("a valid altitude")
    }

    #[test]
    fn only_digits_with_one_inner_point_are_altitudes() {
        // spec: ALT-01, ATT-04
        for good in ["0", "370030", "325000.3", "03333", "100.123456"] {
            assert!(Altitude::parse(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "1.", ".5", "1.2.3", "+1", "-1", " 1", "1 ", "1e5", "12a", "\u{0661}"] {
            assert_eq!(Altitude::parse(bad).err(), Some(NtStatus::INVALID_PARAMETER), "{bad}");
        }
    }

    #[test]
    fn zeros_that_do_not_change_the_number_are_ignored() {
        // spec: ALT-01, ALT-04, OBJ-10
        assert_eq!(altitude("325000.30"), altitude("325000.3"));
        assert_eq!(altitude("0370030"), altitude("370030.000"));
        assert_eq!(altitude("000"), altitude("0.0"));
        assert!(altitude("03333") > altitude("100.123456"));
    }

    #[test]
    fn the_spelling_is_kept() {
        let spelt = altitude("0325000.30");
        assert_eq!((spelt.as_str(), spelt.to_string().as_str()), ("0325000.30", "0325000.30"));
        assert_eq!(format!("{spelt:?}"), "Altitude(0325000.30)");
        let wide: Vec<u16> = "0325000.30".encode_utf16().collect();
        assert_eq!(Altitude::parse_wide(&wide).map(|altitude| altitude == spelt), Ok(true));
        assert_eq!(Altitude::parse_wide(&[0xD800]).err(), Some(NtStatus::INVALID_PARAMETER));
    }

    #[test]
    fn order_is_numeric_at_any_length() {
        // spec: ALT-02, ALT-03
        let order = ["325000", "325000.3", "325000.7", "325001"];
        assert!(order.windows(2).all(|w| altitude(w[0]) < altitude(w[1])));
        assert!(altitude("325000.10") < altitude("325000.2"));
        assert!(altitude("99999") < altitude("100000"));
        let long = "4".repeat(60);
        assert!(altitude(&format!("1.{long}4")) < altitude(&format!("1.{long}5")));
        assert!(altitude(&format!("{long}4")) < altitude(&format!("{long}5")));
    }

    #[test]
    fn groups_have_inclusive_bounds_and_gaps_between_them() {
        // spec: ALT-07
        assert_eq!(altitude("320000").group(), Some("FSFilter Anti-Virus"));
        assert_eq!(altitude("329999").group(), Some("FSFilter Anti-Virus"));
        assert_eq!(altitude("330000").group(), None);
        assert_eq!(altitude("389999").group(), Some("FSFilter Activity Monitor"));
        assert_eq!(altitude("175000").group(), Some("FSFilter Imaging"));
        assert_eq!(altitude("175001").group(), None);
        assert_eq!(altitude("19999.5").group(), None);
        assert_eq!(altitude("5").group(), Some("FSFilter Infrastructure"));
        assert_eq!(altitude("430000").group(), None);
        assert_eq!(altitude(&"9".repeat(40)).group(), None);
    }
}
