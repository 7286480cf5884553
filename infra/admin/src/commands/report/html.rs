//! The report as one page without scripts and without anything from elsewhere: tables, and charts as inline SVG. A chart
//! has a title and a description; its numbers stand in a table as well.

use std::fmt::Write as _;

use super::facts::{Day, Facts};
use super::table::{Section, period, sections};

/// The height of the chart of days, in units of the picture.
const HEIGHT: usize = 160;
/// The width of a day, with its gap.
const STEP: usize = 22;
/// The longest bar of a list, in units of the picture.
const BAR: usize = 400;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1b1f;--paper:#fff;--line:#767680;--a:#0b57d0;--b:#0f766e;--c:#a3a3ad}
@media (prefers-color-scheme:dark){:root{--ink:#ececf1;--paper:#16161a;--line:#8f8f99;--a:#8ab4f8;--b:#5eead4;--c:#6b6b76}}
body{margin:0 auto;max-width:60rem;padding:1.5rem;font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse}
th,td{padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line);text-align:end;font-variant-numeric:tabular-nums}
th:first-child{text-align:start;font-weight:400}thead th{font-weight:600;vertical-align:bottom}
svg{max-width:100%;height:auto;font:12px system-ui,sans-serif;fill:var(--ink)}
.a{fill:var(--a)}.b{fill:var(--b)}.c{fill:var(--c)}
@media print{.scroll{overflow:visible}}
@media (forced-colors:active){.a,.b,.c{fill:CanvasText;stroke:Canvas}}
";

/// Returns the page.
pub(super) fn page(facts: &Facts) -> String {
    let mut out = String::new();
    let title = format!("Self-service password reset: {}", escaped(&facts.organisation));
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{} people. {}.</p>\n",
        facts.people.total,
        escaped(&period(facts)),
    );
    for section in sections(facts) {
        let _ = writeln!(out, "<h2>{}</h2>", section.title);
        match section.title {
            "Resets and unlocks" => out.push_str(&days(&facts.days)),
            "People" | "Where people stopped" | "Refusals" => out.push_str(&bars(&section)),
            _ => {}
        }
        out.push_str(&table(&section));
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Returns a list of counts as bars.
fn bars(section: &Section) -> String {
    let counts: Vec<(&str, usize)> = section
        .rows
        .iter()
        .filter_map(|row| Some((row.first()?.as_str(), row.get(1)?.parse().ok()?)))
        .collect();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    if most == 0 {
        return String::new();
    }
    let id = section.title.to_lowercase().replace(' ', "-");
    let height = counts.len() * 26;
    let mut out = format!(
        "<svg role=\"img\" aria-labelledby=\"{id}-t {id}-d\" viewBox=\"0 0 760 {height}\" width=\"760\">\n\
         <title id=\"{id}-t\">{}</title>\n<desc id=\"{id}-d\">Bars; the table below has the numbers.</desc>\n",
        section.title
    );
    for (place, (what, count)) in counts.iter().enumerate() {
        let (y, width) = (place * 26, count * BAR / most);
        let _ = writeln!(
            out,
            "<text x=\"0\" y=\"{}\">{}</text><rect class=\"a\" x=\"290\" y=\"{}\" width=\"{width}\" height=\"18\" rx=\"2\"/>\
             <text x=\"{}\" y=\"{}\">{count}</text>",
            y + 14,
            escaped(what),
            y,
            290 + width + 6,
            y + 14,
        );
    }
    out.push_str("</svg>\n");
    out
}

/// Returns the days as stacked bars.
fn days(days: &[Day]) -> String {
    let most = days.iter().map(|day| day.resets + day.unlocks + day.others).max().unwrap_or_default();
    if most == 0 {
        return String::new();
    }
    let width = days.len() * STEP;
    let sum = |of: fn(&Day) -> usize| days.iter().map(of).sum::<usize>();
    let (resets, unlocks, others) = (sum(|day| day.resets), sum(|day| day.unlocks), sum(|day| day.others));
    let mut out = format!(
        "<svg role=\"img\" aria-labelledby=\"days-t days-d\" viewBox=\"0 0 {width} {}\" width=\"{width}\">\n\
         <title id=\"days-t\">Flows of each day</title>\n<desc id=\"days-d\">Stacked bars: {resets} resets below, {unlocks} unlocks \
         above them, {others} without success on top; at most {most} in a day.</desc>\n",
        HEIGHT + 20
    );
    for (place, day) in days.iter().enumerate() {
        let mut top = HEIGHT;
        for (class, count) in [("a", day.resets), ("b", day.unlocks), ("c", day.others)] {
            let height = count * HEIGHT / most;
            top -= height;
            if height > 0 {
                let _ = write!(
                    out,
                    "<rect class=\"{class}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{height}\"/>",
                    place * STEP,
                    STEP - 4
                );
            }
        }
    }
    let label = |place: usize, anchor: &str, day: &Day| {
        format!("<text x=\"{place}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>", HEIGHT + 16, day.date)
    };
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        out.push_str(&label(0, "start", first));
        if days.len() > 1 {
            out.push_str(&label(width, "end", last));
        }
    }
    out.push_str("\n</svg>\n");
    out
}

fn table(section: &Section) -> String {
    if section.rows.is_empty() {
        return "<p>None.</p>\n".to_owned();
    }
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><thead><tr>",
        section.title
    );
    for (place, column) in section.columns.iter().enumerate() {
        let column = if place == 0 { section.title } else { column };
        let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(column));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &section.rows {
        out.push_str("<tr>");
        for (place, value) in row.iter().enumerate() {
            let (open, close) = if place == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
            let _ = write!(out, "{open}{}{close}", escaped(value));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// Escapes text for HTML: some of it, such as reasons, comes from the log.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
