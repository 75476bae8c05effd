//! What the rounds' files say.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::curves::Curves;
use crate::summary::Quantiles;

/// One run's file, as far as a comparison reads it. A run that never began is a file with a failure only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Round {
    pub failure: Option<String>,
    pub messages_per_second: f64,
    pub round_trip_us: Option<Quantiles>,
    pub server_cpu_us_per_message: Option<f64>,
    pub server_peak_memory_bytes: Option<f64>,
    pub server_bytes_per_connection: Option<f64>,
    pub curves: Curves,
}

/// A server and its rounds, in their order.
#[derive(Debug)]
pub struct Contestant {
    pub name: String,
    pub rounds: Vec<Round>,
}

impl Contestant {
    /// The rounds that did not fail.
    pub fn good(&self) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(|round| round.failure.is_none())
    }

    /// The median of a figure over the good rounds that have it.
    pub fn median(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        median(self.good().filter_map(figure).collect())
    }

    /// The median of a figure's ratios to another server's, of the same round each: what disturbed the machine
    /// disturbed both.
    pub fn median_ratio(&self, base: &Self, figure: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        let of = |round: &Round| if round.failure.is_none() { figure(round) } else { None };
        let pairs = self.rounds.iter().zip(&base.rounds);
        let ratio = |(own, base)| Some(of(own)? / of(base).filter(|base| *base > 0.0)?);
        median(pairs.filter_map(ratio).collect())
    }

    /// The round to draw: the middle one by messages a second; of failed ones only, the last.
    pub fn typical(&self) -> Option<&Round> {
        let mut good: Vec<_> = self.good().collect();
        good.sort_by(|a, b| a.messages_per_second.total_cmp(&b.messages_per_second));
        good.get(good.len().saturating_sub(1) / 2).copied().or(self.rounds.last())
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}

/// Reads the files, grouped by name.
pub fn read(files: &[(String, PathBuf)]) -> Result<Vec<Contestant>, String> {
    let mut contestants: Vec<Contestant> = Vec::new();
    for (name, path) in files {
        let round = read_one(path).map_err(|e| format!("{}: {e}", path.display()))?;
        match contestants.iter_mut().find(|one| one.name == *name) {
            Some(one) => one.rounds.push(round),
            None => contestants.push(Contestant { name: name.clone(), rounds: vec![round] }),
        }
    }
    Ok(contestants)
}

fn read_one(path: &Path) -> Result<Round, String> {
    let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
    serde_json::from_str(&text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contestant(speeds: &[Option<f64>]) -> Contestant {
        let round = |speed: &Option<f64>| Round {
            failure: speed.is_none().then(|| "no".to_owned()),
            messages_per_second: speed.unwrap_or_default(),
            ..Round::default()
        };
        Contestant { name: "a".into(), rounds: speeds.iter().map(round).collect() }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn failed_rounds_count_for_nothing_but_keep_their_place() {
        let speed = |round: &Round| Some(round.messages_per_second);
        let base = contestant(&[Some(1.0), Some(10.0), Some(100.0)]);
        let peer = contestant(&[None, Some(20.0), Some(300.0)]);
        assert_eq!(peer.median(speed), Some(160.0));
        assert_eq!(peer.median_ratio(&base, speed), Some(2.5));
        assert_eq!(peer.typical().map(|round| round.messages_per_second), Some(20.0));
        let failed = contestant(&[None]);
        assert_eq!(failed.median_ratio(&base, speed), None);
        assert!(failed.typical().is_some());
    }
}
