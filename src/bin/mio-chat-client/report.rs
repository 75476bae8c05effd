//! HTML reports: one file with figures and plots, which needs nothing else to be read.

pub mod comparison;
mod plot;

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::curves::Curves;
use crate::summary::Summary;
use plot::{Axis, Plot, Series};

const STYLE: &str = "\
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; \
color: #1c1c1e; background: #fff; }
@media (prefers-color-scheme: dark) { body { color: #e6e6e9; background: #17171a; } }
svg { width: 100%; height: auto; }
pre { overflow-x: auto; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8886; }
td:not(:last-child) { white-space: nowrap; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 0; }";

/// Writes the report of one run.
///
/// # Errors
/// A line that says why it could not be drawn or written.
pub fn write(path: &Path, summary: &Summary, curves: &Curves) -> Result<(), String> {
    let result = summary.failure.as_deref().unwrap_or("Every student was served, nothing unexpected came.");
    let title = format!("{} on {}", summary.mode, summary.url);
    let body = format!("<p>{}</p>\n<pre>{}</pre>\n", escape(result), escape(&summary.to_text()));
    save(path, &page(&title, &body, &plots(curves))?)
}

/// Writes the figures and the curves of one run, for `compare` to read.
///
/// # Errors
/// A line that says why it could not be written.
pub fn write_json(path: &Path, summary: &Summary, curves: &Curves) -> Result<(), String> {
    #[derive(Serialize)]
    struct Saved<'a> {
        #[serde(flatten)]
        summary: &'a Summary,
        curves: &'a Curves,
    }
    let json = serde_json::to_string(&Saved { summary, curves }).map_err(|e| e.to_string())?;
    save(path, &(json + "\n"))
}

fn save(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

fn page(title: &str, body: &str, plots: &[Plot]) -> Result<String, String> {
    let title = escape(title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n{body}"
    );
    for plot in plots {
        page.push_str(&format!("<h2>{}</h2>\n", plot.title));
        if plot.series.iter().all(|series| series.points.is_empty()) {
            page.push_str("<p>Nothing was measured.</p>\n");
        } else {
            page.push_str(&plot.svg().map_err(|e| format!("the report: {e}"))?);
        }
    }
    page.push_str("</body></html>\n");
    Ok(page)
}

fn plots(curves: &Curves) -> Vec<Plot> {
    let relayed = Series::new("relayed", &curves.messages_per_second);
    let p50 = Series::new("p50", &curves.round_trip_p50_ms);
    let p99 = Series::new("p99", &curves.round_trip_p99_ms);
    let round_trip = Series::new("round trip", &curves.round_trip_ms_by_nines);
    let cpu = [("server", &curves.server_cpu_percent), ("client", &curves.client_cpu_percent)];
    let memory = [("server", &curves.server_mebibytes), ("client", &curves.client_mebibytes)];
    let both = |pair: [(&str, &Vec<_>); 2]| pair.map(|(name, curve)| Series::new(name, curve)).into();
    vec![
        Plot::over_time("Messages a second", vec![relayed]),
        Plot::over_time("Round trip over time, milliseconds", vec![p50, p99]),
        Plot {
            title: "Round trip by percentile, milliseconds",
            x: Axis::Percentile,
            series: vec![round_trip],
        },
        Plot::over_time("CPU, percent of one core", both(cpu)),
        Plot::over_time("Resident memory, MiB", both(memory)),
    ]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a&b>"), "&lt;a&amp;b&gt;");
    }
}
