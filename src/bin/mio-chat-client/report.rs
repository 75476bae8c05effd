//! The HTML report: one file with the summary and its plots, which needs nothing else to be read.

mod plot;

use std::fs;
use std::path::Path;

use crate::driver::Outcome;
use crate::process::Usage;
use crate::stats::{Sample, Times};
use crate::summary::Summary;
use plot::{Axis, Plot, Series};

/// Points that a plot can show; longer runs are thinned out to them.
const POINTS: usize = 400;

const STYLE: &str = "\
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; \
color: #1c1c1e; background: #fff; }
@media (prefers-color-scheme: dark) { body { color: #e6e6e9; background: #17171a; } }
svg { width: 100%; height: auto; }
pre { overflow-x: auto; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 0; }";

/// Writes the report.
///
/// # Errors
/// A line that says why it could not be drawn or written.
pub fn write(path: &Path, summary: &Summary, outcome: &Outcome) -> Result<(), String> {
    let page = page(summary, outcome).map_err(|e| format!("the report: {e}"))?;
    fs::write(path, page).map_err(|e| format!("{}: {e}", path.display()))
}

fn page(summary: &Summary, outcome: &Outcome) -> Result<String, String> {
    let result = summary.failure.as_deref().unwrap_or("Every student was served, nothing unexpected came.");
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>mio-chat-client</title><style>{STYLE}</style></head><body>\n\
         <h1>{} on {}</h1>\n<p>{}</p>\n<pre>{}</pre>\n",
        summary.mode,
        escape(&summary.url),
        escape(result),
        escape(&summary.to_text()),
    );
    for plot in plots(outcome) {
        page.push_str(&format!("<h2>{}</h2>\n", plot.title));
        if plot.series.iter().all(|series| series.points.is_empty()) {
            page.push_str("<p>Nothing was measured.</p>\n");
        } else {
            page.push_str(&plot.svg()?);
        }
    }
    page.push_str("</body></html>\n");
    Ok(page)
}

fn plots(outcome: &Outcome) -> Vec<Plot> {
    let samples = thin(&outcome.stats.samples, POINTS);
    let server = |sample: &Sample| sample.server;
    let client = |sample: &Sample| sample.client;
    vec![
        Plot::over_time(
            "Messages a second",
            vec![Series::new("relayed", rates(&samples, |s| Some(s.messages as f64)))],
        ),
        Plot::over_time(
            "Round trip over time, milliseconds",
            vec![
                Series::new("p50", values(&samples, |s| millis(s.p50))),
                Series::new("p99", values(&samples, |s| millis(s.p99))),
            ],
        ),
        Plot {
            title: "Round trip by percentile, milliseconds",
            x: Axis::Percentile,
            series: vec![Series::new("round trip", percentiles(&outcome.stats.round_trip))],
        },
        Plot::over_time(
            "CPU, percent of one core",
            vec![
                Series::new("server", rates(&samples, |s| server(s).map(percent))),
                Series::new("client", rates(&samples, |s| client(s).map(percent))),
            ],
        ),
        Plot::over_time(
            "Resident memory, MiB",
            vec![
                Series::new("server", values(&samples, |s| server(s).map(mebibytes))),
                Series::new("client", values(&samples, |s| client(s).map(mebibytes))),
            ],
        ),
    ]
}

/// CPU time in percent-seconds, whose rate is a percentage.
fn percent(usage: Usage) -> f64 {
    usage.cpu.as_secs_f64() * 100.0
}

fn mebibytes(usage: Usage) -> f64 {
    usage.resident as f64 / f64::from(1 << 20)
}

fn millis(nanos: u64) -> Option<f64> {
    (nanos > 0).then_some(nanos as f64 / 1e6)
}

fn values(samples: &[Sample], value: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, f64)> {
    samples.iter().filter_map(|sample| Some((sample.at, value(sample)?))).collect()
}

/// How fast a running total grows, between each two samples.
fn rates(samples: &[Sample], total: impl Fn(&Sample) -> Option<f64>) -> Vec<(f64, f64)> {
    let rate = |pair: &[Sample]| {
        let [from, to] = pair else { return None };
        let seconds = to.at - from.at;
        // The last interval may be a sliver, in which a total's grain looks like a peak.
        let grown = total(to)? - total(from)?;
        (seconds > 0.02).then(|| (to.at, grown / seconds))
    };
    samples.windows(2).filter_map(rate).collect()
}

/// Round trips by percentile, on an axis where each step is one more nine.
fn percentiles(times: &Times) -> Vec<(f64, f64)> {
    if times.is_empty() {
        return Vec::new();
    }
    // Beyond one in all of them there is only the maximum.
    let nines = (times.len() as f64).log10().clamp(1.0, 6.0);
    let steps = 100;
    (0..=steps)
        .map(|step| {
            let x = nines * f64::from(step) / f64::from(steps);
            let quantile = 1.0 - 10f64.powf(-x);
            (x, times.value_at_quantile(quantile) as f64 / 1e6)
        })
        .collect()
}

/// At most about `points` samples: each kept one shows its group's worst p99, and totals need no merging.
fn thin(samples: &[Sample], points: usize) -> Vec<Sample> {
    let group = samples.len().div_ceil(points).max(1);
    let merge = |group: &[Sample]| {
        let last = group.last().cloned().unwrap_or_default();
        let p99 = group.iter().map(|sample| sample.p99).max().unwrap_or_default();
        Sample { p99, ..last }
    };
    samples.chunks(group).map(merge).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sample(at: f64, messages: u64, p99: u64) -> Sample {
        Sample { at, messages, p99, ..Sample::default() }
    }

    #[test]
    fn rates_are_differences_over_time() {
        let samples = [sample(0.0, 0, 0), sample(0.5, 100, 0), sample(0.501, 200, 0)];
        let points = rates(&samples, |sample| Some(sample.messages as f64));
        assert_eq!(points, [(0.5, 200.0)]);
    }

    #[test]
    fn thinning_keeps_the_worst() {
        let samples: Vec<_> = (0..10).map(|i| sample(f64::from(i), i as u64, 100 - i as u64)).collect();
        let thinned = thin(&samples, 5);
        assert_eq!(thinned.len(), 5);
        assert_eq!((thinned[0].at, thinned[0].messages, thinned[0].p99), (1.0, 1, 100));
    }

    #[test]
    fn percentiles_rise_to_the_last_nine() {
        let mut times = crate::stats::times();
        for micros in 1..=1000 {
            crate::stats::record(&mut times, Duration::from_micros(micros));
        }
        let points = percentiles(&times);
        assert_eq!(points.last().map(|point| point.0), Some(3.0));
        assert!(points.is_sorted_by(|a, b| a.1 <= b.1));
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a&b>"), "&lt;a&amp;b&gt;");
    }
}
