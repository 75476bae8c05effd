//! A run's course as lines that a plot can show.

use serde::{Deserialize, Serialize};

use crate::stats::{Sample, Stats, Times};
use mio_chat_server::process::Usage;

/// Points that a plot can show; longer runs are thinned out to them.
const POINTS: usize = 400;

/// Points by their x; over seconds, unless it is by nines.
pub type Curve = Vec<(f64, f64)>;

/// Empty where nothing was measured.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Curves {
    pub messages_per_second: Curve,
    pub round_trip_p50_ms: Curve,
    pub round_trip_p99_ms: Curve,
    /// Each step of x is one more nine: 1 is 90 %, 2 is 99 %.
    pub round_trip_ms_by_nines: Curve,
    pub server_cpu_percent: Curve,
    pub client_cpu_percent: Curve,
    pub server_mebibytes: Curve,
    pub client_mebibytes: Curve,
}

impl Curves {
    pub fn new(stats: &Stats) -> Self {
        let samples = thin(&stats.samples, POINTS);
        let server = |sample: &Sample| sample.server;
        let client = |sample: &Sample| sample.client;
        Self {
            messages_per_second: rates(&samples, |s| Some(s.messages as f64)),
            round_trip_p50_ms: values(&samples, |s| millis(s.p50)),
            round_trip_p99_ms: values(&samples, |s| millis(s.p99)),
            round_trip_ms_by_nines: percentiles(&stats.round_trip),
            server_cpu_percent: rates(&samples, |s| server(s).map(percent)),
            client_cpu_percent: rates(&samples, |s| client(s).map(percent)),
            server_mebibytes: values(&samples, |s| server(s).map(mebibytes)),
            client_mebibytes: values(&samples, |s| client(s).map(mebibytes)),
        }
    }
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
}
