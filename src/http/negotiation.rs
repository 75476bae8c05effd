//! Which of its two forms a resource is asked for in (RFC 9110, 12.5.1).

use super::request::Request;

const PAGE: &str = "text/html";
const DATA: &str = "application/json";

/// Whether a request asks for a page by its name, and not rather for JSON. Browsers name it; a client that
/// takes just anything gets JSON.
pub fn prefers_page(request: &Request<'_>) -> bool {
    let mut best = ("", 0.0);
    for range in request.tokens("accept") {
        let (name, weight) = weighted(range);
        let is_offered = [PAGE, DATA].iter().any(|offered| offered.eq_ignore_ascii_case(name));
        // Of equals the first one counts.
        if is_offered && weight > best.1 {
            best = (name, weight);
        }
    }
    best.0.eq_ignore_ascii_case(PAGE)
}

/// A media range without its parameters, and its weight, which is 1 unless it says.
fn weighted(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}
