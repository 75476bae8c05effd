//! The comparison's table, as Markdown and as HTML.

use super::super::escape;
use super::rounds::{Contestant, Round};
use crate::summary::time;

const HEAD: [&str; 9] = [
    "Server",
    "Messages/s",
    "CPU per message",
    "p50",
    "p99",
    "Peak memory",
    "Bytes per connection",
    "Relative",
    "Result",
];

pub struct Table {
    rows: Vec<[String; 9]>,
    pub note: String,
}

impl Table {
    pub fn new(contestants: &[Contestant]) -> Self {
        let base = contestants.first();
        let rows = contestants.iter().map(|one| row(one, base.unwrap_or(one))).collect();
        let rounds = contestants.iter().map(|one| one.rounds.len()).max().unwrap_or(0);
        let plural = if rounds == 1 { "" } else { "s" };
        let base = base.map_or("", |base| &base.name);
        let note = format!(
            "Median of {rounds} round{plural}. Relative: the server's CPU per message beside that of {base} in the same \
             round. Plots show the round with the middle rate of messages."
        );
        Self { rows, note }
    }

    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
        let head: String = line(&HEAD.map(str::to_owned));
        let rule = "|---|--:|--:|--:|--:|--:|--:|--:|---|\n";
        let escaped = |row: &[String; 9]| line(&row.clone().map(|cell| cell.replace('|', "\\|")));
        let rows: String = self.rows.iter().map(escaped).collect();
        format!("{head}{rule}{rows}\n{}\n", self.note)
    }

    pub fn html(&self) -> String {
        let line = |tag: &str, cells: &[String]| {
            let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let rows: String = self.rows.iter().map(|row| line("td", row)).collect();
        format!("<table>\n{}{rows}</table>\n", line("th", &HEAD.map(str::to_owned)))
    }
}

fn row(one: &Contestant, base: &Contestant) -> [String; 9] {
    let cpu = |round: &Round| round.server_cpu_us_per_message;
    let cell = |value: Option<f64>, show: fn(f64) -> String| value.map_or("-".to_owned(), show);
    let quantile = |p: fn(&crate::summary::Quantiles) -> f64| {
        cell(one.median(|round| round.round_trip_us.as_ref().map(p)), time)
    };
    [
        one.name.clone(),
        cell(one.median(|round| Some(round.messages_per_second)), |speed| format!("{speed:.0}")),
        cell(one.median(cpu), |micros| format!("{micros:.2} us")),
        quantile(|q| q.p50),
        quantile(|q| q.p99),
        cell(one.median(|round| round.server_peak_memory_bytes), |bytes| {
            format!("{:.1} MiB", bytes / f64::from(1 << 20))
        }),
        cell(one.median(|round| round.server_bytes_per_connection), |bytes| format!("{bytes:.0}")),
        cell(one.median_ratio(base, cpu), |ratio| format!("{ratio:.2}")),
        result(one),
    ]
}

fn result(one: &Contestant) -> String {
    let failures: Vec<_> = one.rounds.iter().filter_map(|round| round.failure.as_deref()).collect();
    match failures.first() {
        None => "ok".to_owned(),
        Some(first) if failures.len() == one.rounds.len() => format!("failed: {first}"),
        Some(first) => format!("{} of {} rounds failed: {first}", failures.len(), one.rounds.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contestant(name: &str, cpu: &[Option<f64>]) -> Contestant {
        let round = |cpu: &Option<f64>| Round {
            failure: cpu.is_none().then(|| "cut | short".to_owned()),
            server_cpu_us_per_message: *cpu,
            ..Round::default()
        };
        Contestant { name: name.into(), rounds: cpu.iter().map(round).collect() }
    }

    #[test]
    fn rows_say_how_they_stand_and_what_failed() {
        let ours = contestant("ours", &[Some(5.0), Some(7.0)]);
        let slow = contestant("slow", &[Some(10.0), None]);
        let gone = contestant("gone", &[None, None]);
        let text = Table::new(&[ours, slow, gone]).markdown();
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(rows[0], "| ours | 0 | 6.00 us | - | - | - | - | 1.00 | ok |");
        assert!(rows[1].ends_with("| 2.00 | 1 of 2 rounds failed: cut \\| short |"), "{}", rows[1]);
        assert_eq!(rows[2], "| gone | - | - | - | - | - | - | - | failed: cut \\| short |");
    }
}
