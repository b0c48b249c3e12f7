//! Calendar fields of a time. Units: 100 ns since 1601, UTC; years 1601 to 30827.

use nt_abi::TIME_FIELDS;

const SECOND: i64 = 10_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days from 1601-01-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 134_774;

/// Days since 1601 of a date in the proleptic Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    // Counted in eras of 400 years that begin on the first of March.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468 + DAYS_TO_1970
}

/// Year, month and day of a number of days since 1601.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days - DAYS_TO_1970 + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// Splits a time. Source: RtlTimeToTimeFields.
pub fn to_fields(time: i64, fields: &TIME_FIELDS) {
    let (days, rest) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (year, month, day) = date_of(days);
    fields.Year.set(year as i16);
    fields.Month.set(month as i16);
    fields.Day.set(day as i16);
    fields.Hour.set((rest / (3600 * SECOND)) as i16);
    fields.Minute.set((rest / (60 * SECOND) % 60) as i16);
    fields.Second.set((rest / SECOND % 60) as i16);
    fields.Milliseconds.set((rest / 10_000 % 1000) as i16);
    // The first of January 1601 was a Monday.
    fields.Weekday.set((days + 1).rem_euclid(7) as i16);
}

/// Joins fields; the weekday is ignored. `None` when a field is out of range. Source: RtlTimeFieldsToTime.
pub fn from_fields(fields: &TIME_FIELDS) -> Option<i64> {
    let get = |field: &std::cell::Cell<i16>| i64::from(field.get());
    let (year, month, day) = (get(&fields.Year), get(&fields.Month), get(&fields.Day));
    let (hour, minute, second) = (get(&fields.Hour), get(&fields.Minute), get(&fields.Second));
    let milliseconds = get(&fields.Milliseconds);
    let in_range = (1601..=30827).contains(&year)
        && (1..=12).contains(&month)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..60).contains(&second)
        && (0..1000).contains(&milliseconds);
    if !in_range {
        return None;
    }
    let days = days_of(year, month, day);
    (date_of(days) == (year, month, day))
        .then_some(days * DAY + ((hour * 60 + minute) * 60 + second) * SECOND + milliseconds * 10_000)
}

/// Seconds since 1970, if they fit. Source: RtlTimeToSecondsSince1970.
pub fn to_seconds_since_1970(time: i64) -> Option<u32> {
    u32::try_from(time.div_euclid(SECOND) - DAYS_TO_1970 * 86_400).ok()
}

/// Time of seconds since 1970. Source: RtlSecondsSince1970ToTime.
pub fn from_seconds_since_1970(seconds: u32) -> i64 {
    (i64::from(seconds) + DAYS_TO_1970 * 86_400) * SECOND
}

/// Days (in `Day`), hours and smaller fields of a duration. Source: RtlTimeToElapsedTimeFields
pub fn to_elapsed_fields(duration: i64, fields: &TIME_FIELDS) {
    let (days, rest) = (duration / DAY, duration % DAY);
    for field in [&fields.Year, &fields.Month, &fields.Weekday] {
        field.set(0);
    }
    fields.Day.set(days as i16);
    fields.Hour.set((rest / (3600 * SECOND)) as i16);
    fields.Minute.set((rest / (60 * SECOND) % 60) as i16);
    fields.Second.set((rest / SECOND % 60) as i16);
    fields.Milliseconds.set((rest / 10_000 % 1000) as i16);
}
