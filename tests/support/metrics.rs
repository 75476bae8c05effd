//! `/metrics`, read by a parser that is not ours.

use prometheus_parse::{Scrape, Value};

use super::{Server, raw};

/// The samples of `/metrics`.
pub struct Metrics(pub Scrape);

impl Metrics {
    pub fn of(server: &Server) -> Metrics {
        let response = raw::request(server, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert_eq!(response.status, 200);
        Metrics::read(&response.body)
    }

    pub fn read(text: &str) -> Metrics {
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        Metrics(Scrape::parse(lines).expect("the text can be parsed"))
    }

    /// The value of the sample with these labels; 0 if it is not there yet.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let is_it = |sample: &&prometheus_parse::Sample| {
            sample.metric == name && labels.iter().all(|(label, text)| sample.labels.get(label) == Some(text))
        };
        self.0.samples.iter().filter(is_it).map(|sample| number(&sample.value)).sum()
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Counter(number) | Value::Gauge(number) => *number,
        other => panic!("neither counter nor gauge: {other:?}"),
    }
}
