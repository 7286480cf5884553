//! Output for people and for programs.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use shared::ports::Clock as _;

use crate::outcome::Problem;

/// Seconds between two lines of progress where there is no terminal.
const LINE_EVERY: i64 = 2;

const RED: Style = AnsiColor::Red.on_default().bold();

/// Writes results to standard output, and everything else to standard error. A closed output ends nothing.
#[derive(Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Returns the output, for programs with `json`.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Returns whether a program reads the output.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Writes the result for programs.
    pub fn json(&self, value: &Value) {
        let _ = writeln!(io::stdout().lock(), "{value:#}");
    }

    /// Writes a line of the result for people.
    pub fn line(&self, text: impl AsRef<str>) {
        let _ = writeln!(anstream::stdout().lock(), "{}", text.as_ref());
    }

    /// Writes a line about what happens.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.json {
            let _ = writeln!(anstream::stderr().lock(), "{}", text.as_ref());
        }
    }

    /// Writes rows in columns. Wide letters count as wide as terminals draw them.
    pub fn table(&self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        self.line(table(header, rows));
    }

    /// Writes why a command was not carried out.
    pub fn problem(&self, problem: &Problem) {
        if self.json {
            self.json(&problem.to_json());
            return;
        }
        let mut err = anstream::stderr().lock();
        for line in problem.lines() {
            let _ = writeln!(err, "{RED}error:{RED:#} {line}");
        }
    }

    /// Returns the progress of something with `total` parts: a bar on a terminal, else a line every few seconds.
    pub fn progress(&self, what: &str, total: usize) -> Progress {
        let is_hidden = self.json || !io::stderr().is_terminal();
        let target = if is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(u64::try_from(total).unwrap_or(u64::MAX)), target);
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos} / {len}  {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        let lines = (is_hidden && !self.json).then(|| Mutex::new(now()));
        Progress { bar, what: what.to_owned(), total, done: AtomicUsize::new(0), lines }
    }
}

/// How far something has come.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    what: String,
    total: usize,
    done: AtomicUsize,
    /// The time of the last line, where lines are written.
    lines: Option<Mutex<i64>>,
}

impl Progress {
    /// Adds parts that are done.
    pub fn add(&self, parts: usize) {
        let done = self.done.fetch_add(parts, Ordering::Relaxed) + parts;
        self.bar.inc(u64::try_from(parts).unwrap_or_default());
        let Some(lines) = &self.lines else { return };
        let (Ok(mut last), now) = (lines.lock(), now()) else { return };
        if *last + LINE_EVERY <= now {
            *last = now;
            let _ = writeln!(io::stderr().lock(), "{}: {done} of {}", self.what, self.total);
        }
    }

    /// Returns the parts that are done.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn now() -> i64 {
    shared::adapters::system::SystemClock.now().as_seconds()
}

/// Returns rows in columns.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_count_twice_in_columns() {
        let rows = [vec!["陈美玲".to_owned(), "x".to_owned()], vec!["abcdef".to_owned(), "y".to_owned()]];
        let text = table(&["Name", "State"], rows);
        let lines: Vec<&str> = text.lines().collect();
        let before = |line: &str, mark: char| line.split(mark).next().unwrap_or_default().to_owned();
        assert_eq!(
            before(lines[1], 'x').chars().count() + 3,
            before(lines[2], 'y').chars().count(),
            "{text}"
        );
    }
}
