//! Altitudes on the command line: decimals of any length, compared without rounding.

use std::cmp::Ordering;

/// Accepts digits with at most one point between them.
///
/// Errors: what is wrong and what an altitude looks like
pub fn parse(text: &str) -> Result<String, String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let right = match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    };
    if right {
        Ok(text.to_owned())
    } else {
        Err("an altitude is digits with at most one point between them, such as 370030 or 325000.5".into())
    }
}

/// Numerical order of two altitudes, without limit of precision.
pub fn compare(left: &str, right: &str) -> Ordering {
    let parts = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole = whole.trim_start_matches('0').to_owned();
        (whole.len(), whole, fraction.trim_end_matches('0').to_owned())
    };
    parts(left).cmp(&parts(right))
}

#[cfg(test)]
mod altitudes {
    use super::*;

    #[test]
    fn only_decimals_are_accepted() {
        for right in ["0", "370030", "0325000.50", "99999999999999999999999999.1"] {
            assert_eq!(parse(right).as_deref(), Ok(right));
        }
        for wrong in ["", "abc", "-1", "+1", "1.", ".1", "1.2.3", "1e5", " 1", "1,5"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn order_is_numerical() {
        assert_eq!(compare("9", "10"), Ordering::Less);
        assert_eq!(compare("0010.50", "10.5"), Ordering::Equal);
        assert_eq!(compare("325000.10", "325000.9"), Ordering::Less);
        assert_eq!(compare("100000000000000000000001", "100000000000000000000000.9"), Ordering::Greater);
    }
}
