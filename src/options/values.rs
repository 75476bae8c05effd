//! What the value of an option may be. The errors say what was expected.

use std::time::Duration;

/// The parts of a list with commas.
pub fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

/// A name or an address to listen on.
pub fn host(value: &str) -> Result<String, String> {
    if value.is_empty() { Err("'' is not a host".into()) } else { Ok(value.into()) }
}

/// A number that is not 0.
pub fn at_least_one(value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("'{value}' is not a number from 1 up"))
}

/// Refuses zero where it would refuse every client.
pub fn more_than_none<T: Default + PartialEq>(value: T) -> Result<T, String> {
    if value == T::default() { Err("must be more than 0".into()) } else { Ok(value) }
}

/// The digits of a value, and the unit behind them.
fn split_unit(value: &str) -> (&str, &str) {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    (&value[..digits], value[digits..].trim())
}

/// A number with a unit of time behind it, or in the unit that it has otherwise; a day at the most.
pub fn duration(value: &str, default_unit: &str) -> Result<Duration, String> {
    let (digits, unit) = split_unit(value);
    let millis: u64 = match if unit.is_empty() { default_unit } else { unit } {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => 0,
    };
    let day = 24 * 60 * 60 * 1000;
    let total = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(millis));
    let total = total.filter(|&total| millis > 0 && total <= day);
    total
        .map(Duration::from_millis)
        .ok_or_else(|| format!("'{value}' is not a duration such as 50ms, 60s or 2m"))
}

/// A number of bytes, or of KiB, MiB or GiB; 1 TiB at the most.
pub fn size(value: &str) -> Result<usize, String> {
    let (digits, unit) = split_unit(value);
    let bytes: usize = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => 0,
    };
    let total = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(bytes));
    let total = total.filter(|&total| bytes > 0 && total <= 1 << 40);
    total.ok_or_else(|| format!("'{value}' is not a size such as 65536 or 64KiB, up to 1024GiB"))
}
