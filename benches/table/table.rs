//! Medians, and the table of them.

use std::fmt;
use std::time::Duration;

/// The rows measured so far; each is also printed when it is there.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<String>,
}

impl Table {
    /// A row of times.
    pub(crate) fn times(&mut self, what: &str, ours: &[Duration], theirs: &[Duration]) {
        let (us, them) = (median(ours), median(theirs));
        let ratio = us.as_secs_f64() / them.as_secs_f64();
        let n = format!("{}, {}", ours.len(), theirs.len());
        self.push(format!("| {what} | {} | {} | {ratio:.3} | {n} |", shown(us), shown(them)));
    }

    /// A row of something else, without a peer.
    pub(crate) fn value(&mut self, what: &str, ours: &str) {
        self.push(format!("| {what} | {ours} | – | – | 1 |"));
    }

    fn push(&mut self, row: String) {
        println!("{row}");
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | ours | git | ours / git | n |\n|---|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(2) {
        format!("{:.2} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}
