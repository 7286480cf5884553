//! The facts of a report, from people and from audit events.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use shared::domain::account::{Account, Registration};
use shared::domain::audit::flows::{FlowStory, flows};
use shared::domain::audit::{Fields, FlowEnd, text_of, time_of};
use shared::domain::policy::Readiness;
use shared::domain::time::{Seconds, Timestamp};
use shared::settings::Settings;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What one message costs, in US dollars.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Prices {
    pub sms: f64,
    pub voice: f64,
    pub email: f64,
}

/// Who could reset today, and how.
#[derive(Debug, Default, Serialize)]
pub struct People {
    pub total: usize,
    /// Can reset.
    pub capable: usize,
    /// Have some methods, but fewer than a reset needs.
    pub partly: usize,
    /// Have none, or may not reset.
    pub none: usize,
    /// People by method that a reset offers them.
    pub methods: BTreeMap<&'static str, usize>,
}

impl People {
    pub fn count(&mut self, settings: &Settings, account: &Account, registration: &Registration) {
        self.total += 1;
        match settings.readiness(account, registration) {
            Readiness::Capable => self.capable += 1,
            Readiness::Partly => self.partly += 1,
            Readiness::None => self.none += 1,
        }
        let evidence = registration.clone().as_evidence_for(account, &settings.login_domains);
        for offer in settings.offers(&evidence) {
            *self.methods.entry(offer.method.as_str()).or_default() += 1;
        }
    }
}

/// The flows that were opened within some days.
#[derive(Debug, Default, Serialize)]
pub struct Window {
    pub days: u32,
    /// By people with a usable account.
    pub opened: usize,
    /// For logins without one.
    pub without_account: usize,
    pub resets: usize,
    pub unlocks: usize,
    /// End states of people's flows, by name.
    pub ends: BTreeMap<&'static str, usize>,
    /// Resets and unlocks by method, each flow once for each method.
    pub by_method: BTreeMap<String, Changes>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Changes {
    pub resets: usize,
    pub unlocks: usize,
}

/// A method in the flows of the whole time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Use {
    /// Challenges that were sent.
    pub asked: usize,
    /// Steps that were verified.
    pub verified: usize,
}

/// The messages of a channel.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Messages {
    pub sent: usize,
    pub refused: usize,
    pub usd: f64,
}

/// Mail that SES told of after it had taken it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MailFailures {
    /// Came back for good.
    pub bounced: usize,
    /// Reported as spam.
    pub complained: usize,
}

/// A day of the chart.
#[derive(Debug, Default, Serialize)]
pub struct Day {
    pub date: String,
    pub resets: usize,
    pub unlocks: usize,
    pub others: usize,
}

/// All facts of a report.
#[derive(Debug, Serialize)]
pub struct Facts {
    pub organisation: String,
    pub since: String,
    pub until: String,
    pub people: People,
    pub windows: Vec<Window>,
    pub days: Vec<Day>,
    pub methods: BTreeMap<String, Use>,
    /// Where people without success stopped.
    pub stopped: BTreeMap<&'static str, usize>,
    /// Refusals by event and reason.
    pub refusals: BTreeMap<String, usize>,
    pub messages: BTreeMap<String, Messages>,
    pub usd: f64,
    pub mail_failures: MailFailures,
    /// Acts of the help desk, by event.
    pub help_desk: BTreeMap<String, usize>,
}

/// What a report is made from.
pub struct Source<'a> {
    pub settings: &'a Settings,
    pub people: People,
    pub lines: &'a [Fields],
    pub days: u32,
    pub prices: Prices,
    pub now: Timestamp,
}

impl Facts {
    pub fn from_source(source: Source<'_>) -> Self {
        let Source { settings, people, lines, days, prices, now } = source;
        let since = ago(now, days);
        let stories: Vec<FlowStory> = flows(lines).into_values().collect();
        let lifetime = settings.flow.lifetime;
        let mut spans = vec![1, 7, days];
        spans.sort_unstable();
        spans.dedup();
        spans.retain(|span| *span <= days);
        let within: Vec<&Fields> =
            lines.iter().filter(|line| time_of(line).is_some_and(|at| at >= since)).collect();
        let (messages, usd) = messages(&within, prices);
        let ours = || stories.iter().filter(|story| is_person_since(story, since));
        let mut facts = Self {
            organisation: settings.organisation.clone(),
            since: since.to_string(),
            until: now.to_string(),
            people,
            windows: spans.into_iter().map(|span| window(&stories, span, now, lifetime)).collect(),
            days: chart(&stories, days, now, lifetime),
            methods: BTreeMap::new(),
            stopped: BTreeMap::new(),
            refusals: BTreeMap::new(),
            messages,
            usd,
            mail_failures: MailFailures::default(),
            help_desk: BTreeMap::new(),
        };
        for story in ours() {
            for method in &story.asked {
                facts.methods.entry(method.clone()).or_default().asked += 1;
            }
            for method in &story.verified {
                facts.methods.entry(method.clone()).or_default().verified += 1;
            }
            if let Some(end) = story.end_at(now, lifetime).filter(|end| *end != FlowEnd::Succeeded) {
                *facts.stopped.entry(place(story, end)).or_default() += 1;
            }
        }
        for line in within {
            let Some(event) = text_of(line, "event") else { continue };
            if text_of(line, "outcome") == Some("refused") && event != "message.processed" {
                let reason =
                    text_of(line, "reason").map_or_else(|| event.to_owned(), |why| format!("{event}: {why}"));
                *facts.refusals.entry(reason).or_default() += 1;
            }
            match event {
                "mail.bounced" => facts.mail_failures.bounced += 1,
                "mail.complained" => facts.mail_failures.complained += 1,
                _ => {}
            }
            if is_of_help_desk(event) {
                *facts.help_desk.entry(event.to_owned()).or_default() += 1;
            }
        }
        facts
    }
}

fn is_of_help_desk(event: &str) -> bool {
    [
        "activation_pass.issued",
        "caller.checked",
        "limits.lifted",
        "lock.removed",
        "method.removed",
        "pass.issued",
        "person.shown",
    ]
    .contains(&event)
}

fn ago(now: Timestamp, days: u32) -> Timestamp {
    Timestamp::from_seconds(now.as_seconds() - i64::from(days) * DAY)
}

fn is_person_since(story: &FlowStory, since: Timestamp) -> bool {
    !story.is_decoy && story.started_at.is_some_and(|at| at >= since)
}

fn window(stories: &[FlowStory], days: u32, now: Timestamp, lifetime: Seconds) -> Window {
    let since = ago(now, days);
    let mut window = Window { days, ..Window::default() };
    for story in stories.iter().filter(|story| story.started_at.is_some_and(|at| at >= since)) {
        if story.is_decoy {
            window.without_account += 1;
            continue;
        }
        window.opened += 1;
        let Some(end) = story.end_at(now, lifetime) else { continue };
        *window.ends.entry(end.as_str()).or_default() += 1;
        if end != FlowEnd::Succeeded {
            continue;
        }
        let is_unlock = is_unlock(story);
        *(if is_unlock { &mut window.unlocks } else { &mut window.resets }) += 1;
        let mut methods = story.verified.clone();
        methods.sort_unstable();
        methods.dedup();
        for method in methods {
            let changes = window.by_method.entry(method).or_default();
            *(if is_unlock { &mut changes.unlocks } else { &mut changes.resets }) += 1;
        }
    }
    window
}

fn is_unlock(story: &FlowStory) -> bool {
    story.end.as_ref().is_some_and(|(_, reason, _)| reason == "unlock")
}

/// Counts the flows of each day, the earliest first, as UTC has days.
fn chart(stories: &[FlowStory], days: u32, now: Timestamp, lifetime: Seconds) -> Vec<Day> {
    let date = |at: Timestamp| at.to_string().get(..10).unwrap_or_default().to_owned();
    let dates = (0..days).rev().map(|back| Day { date: date(ago(now, back)), ..Day::default() });
    let mut chart: Vec<Day> = dates.collect();
    for story in stories.iter().filter(|story| !story.is_decoy) {
        let (Some(started), Some(end)) = (story.started_at, story.end_at(now, lifetime)) else { continue };
        let Some(day) = chart.iter_mut().find(|day| day.date == date(started)) else { continue };
        match end {
            FlowEnd::Succeeded if is_unlock(story) => day.unlocks += 1,
            FlowEnd::Succeeded => day.resets += 1,
            _ => day.others += 1,
        }
    }
    chart
}

/// Returns where a flow without success stopped, in words.
fn place(story: &FlowStory, end: FlowEnd) -> &'static str {
    match (end, story.last_event.as_str()) {
        (FlowEnd::Blocked, _) => "blocked after wrong codes or a denied approval",
        (FlowEnd::Failed, _) => "the directory did not make the change",
        (_, "flow.started") => "left before the reason",
        (_, "flow.reason_selected") => "never chose a method",
        (_, "code.sent") => "a code was sent, none came back",
        (_, "approval.requested") => "an approval was asked for, none came",
        (_, "passkey.requested") => "a passkey was asked for, none came",
        (_, "code.send_rejected") => "wrong number, or a limit of messages",
        (_, "code.rejected") => "left after a wrong code",
        (_, event) if event.starts_with("password_change") || event == "request.failed" => {
            "the directory or a service failed"
        }
        (_, "step.verified" | "pass.redeemed") if story.step == Some(1) => "left after the first step",
        (_, "step.verified" | "pass.redeemed") => "left on the last page",
        _ => "elsewhere",
    }
}

/// Counts messages by channel, with their cost.
#[expect(clippy::cast_precision_loss, reason = "a count of messages, for an estimate of money")]
fn messages(lines: &[&Fields], prices: Prices) -> (BTreeMap<String, Messages>, f64) {
    let mut channels: BTreeMap<String, Messages> = BTreeMap::new();
    for line in lines.iter().filter(|line| text_of(line, "event") == Some("message.processed")) {
        let Some(channel) = text_of(line, "channel").filter(|channel| *channel != "none") else { continue };
        let messages = channels.entry(channel.to_owned()).or_default();
        match line.get("outcome").and_then(Value::as_str) {
            Some("sent") => messages.sent += 1,
            Some("refused") => messages.refused += 1,
            _ => {}
        }
    }
    for (channel, messages) in &mut channels {
        let price = match channel.as_str() {
            "sms" => prices.sms,
            "voice" => prices.voice,
            "email" => prices.email,
            _ => 0.0,
        };
        messages.usd = messages.sent as f64 * price;
    }
    let usd = channels.values().map(|messages| messages.usd).sum();
    (channels, usd)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::domain::account::{AccountId, AccountState};
    use shared::domain::contact::{EmailAddress, PhoneNumber};

    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn line(hours_ago: i64, event: &str, more: &Value) -> Fields {
        let at = Timestamp::from_seconds(NOW - hours_ago * 3_600);
        let mut line = json!({ "timestamp": at.to_string(), "event": event });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.as_object().unwrap().clone()
    }

    fn flow(name: &str, hours_ago: i64, decoy: bool, rest: &[(&str, Value)]) -> Vec<Fields> {
        let with = |more: &Value| {
            let mut fields = more.clone();
            fields["flow"] = name.into();
            fields
        };
        let first = line(hours_ago, "flow.started", &with(&json!({ "decoy": decoy })));
        std::iter::once(first)
            .chain(rest.iter().map(|(event, more)| line(hours_ago, event, &with(more))))
            .collect()
    }

    fn facts(lines: &[Fields]) -> Facts {
        let settings =
            Settings::from_pairs([("REKEY_PUBLIC_URL".to_owned(), "https://x.example".to_owned())]).unwrap();
        let prices = Prices { sms: 0.05, voice: 0.1, email: 0.0001 };
        let now = Timestamp::from_seconds(NOW);
        Facts::from_source(Source {
            settings: &settings,
            people: People::default(),
            lines,
            days: 30,
            prices,
            now,
        })
    }

    #[test]
    fn flows_are_counted_by_window_method_and_place() {
        let verified =
            |method: &str| ("step.verified", json!({ "method": method, "step": 1, "outcome": "done" }));
        let ended =
            |outcome: &str, reason: &str| ("flow.ended", json!({ "outcome": outcome, "reason": reason }));
        let lines = [
            flow("a", 2, false, &[verified("sms"), verified("email"), ended("succeeded", "reset")]),
            flow("b", 50, false, &[verified("sms"), ended("succeeded", "unlock")]),
            flow("c", 400, false, &[("code.sent", json!({ "method": "sms" }))]),
            flow("d", 3, true, &[("code.sent", json!({ "method": "sms" }))]),
            flow("e", 3, false, &[ended("blocked", "attempts")]),
            flow("f", 0, false, &[]),
        ]
        .concat();
        let facts = facts(&lines);
        let opened: Vec<(u32, usize, usize, usize, usize)> = facts
            .windows
            .iter()
            .map(|w| (w.days, w.opened, w.without_account, w.resets, w.unlocks))
            .collect();
        assert_eq!(opened, [(1, 3, 1, 1, 0), (7, 4, 1, 1, 1), (30, 5, 1, 1, 1)]);
        let sms = facts.windows[2].by_method["sms"];
        assert_eq!((sms.resets, sms.unlocks), (1, 1));
        let stopped: Vec<(&str, usize)> = facts.stopped.iter().map(|(place, n)| (*place, *n)).collect();
        assert_eq!(
            stopped,
            [("a code was sent, none came back", 1), ("blocked after wrong codes or a denied approval", 1)]
        );
        assert_eq!(facts.days.len(), 30);
        assert_eq!(facts.days.iter().map(|day| day.resets + day.unlocks + day.others).sum::<usize>(), 4);
    }

    #[test]
    fn messages_cost_only_where_they_were_sent() {
        let message = |channel: &str, outcome: &str| {
            line(1, "message.processed", &json!({ "channel": channel, "outcome": outcome, "kind": "code" }))
        };
        let lines = [
            message("sms", "sent"),
            message("sms", "sent"),
            message("sms", "refused"),
            message("none", "dropped"),
        ];
        let facts = facts(&lines);
        assert_eq!((facts.messages["sms"].sent, facts.messages["sms"].refused), (2, 1));
        assert!((facts.usd - 0.1).abs() < 1e-9 && facts.messages.len() == 1);
        assert!(facts.refusals.is_empty(), "a refusal of a provider is none of a person");
    }

    #[test]
    fn refusals_are_counted_by_reason() {
        let refused = json!({ "outcome": "refused", "reason": "code-wrong" });
        let lines = [
            line(1, "code.rejected", &refused),
            line(2, "code.rejected", &refused),
            line(900, "code.rejected", &refused),
        ];
        assert_eq!(facts(&lines).refusals, BTreeMap::from([("code.rejected: code-wrong".to_owned(), 2)]));
    }

    fn account(login: &str, state: AccountState) -> Account {
        Account {
            id: AccountId::from_directory(login).unwrap(),
            name: login.to_owned(),
            logins: vec![login.to_owned()],
            email: None,
            language: None,
            state,
            password_policy: None,
        }
    }

    #[test]
    fn people_are_counted_by_readiness_and_method() {
        let pairs = [("REKEY_PUBLIC_URL", "https://x.example"), ("REKEY_METHODS", "email,sms,mobile_call")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::from_pairs(pairs).unwrap();
        let email = || Some(EmailAddress::from_stored("a@mail.example".into()));
        let mobile = || Some(PhoneNumber::from_stored("+60123456798".into()));
        let both = Registration { alternate_email: email(), mobile: mobile(), ..Registration::default() };
        let one = Registration { mobile: mobile(), ..Registration::default() };
        let mut people = People::default();
        for (state, registration) in [
            (AccountState::Active, &both),
            (AccountState::Locked, &both),
            (AccountState::Disabled, &both),
            (AccountState::Active, &one),
            (AccountState::Active, &Registration::default()),
        ] {
            people.count(&settings, &account("a", state), registration);
        }
        assert_eq!((people.total, people.capable, people.partly, people.none), (5, 2, 1, 2));
        let methods: Vec<_> = people.methods.into_iter().filter(|(_, count)| *count > 0).collect();
        assert!(methods.contains(&("email", 3)) && methods.contains(&("sms", 4)), "{methods:?}");
    }

    #[test]
    fn every_place_where_a_flow_stops_has_its_words() {
        let step = |step: u8| json!({ "method": "sms", "step": step });
        let none = || json!({});
        let cases = [
            (vec![], "left before the reason"),
            (vec![("flow.reason_selected", json!({ "reason": "Forgotten" }))], "never chose a method"),
            (vec![("code.sent", step(1))], "a code was sent, none came back"),
            (vec![("approval.requested", none())], "an approval was asked for, none came"),
            (vec![("passkey.requested", none())], "a passkey was asked for, none came"),
            (vec![("code.send_rejected", none())], "wrong number, or a limit of messages"),
            (vec![("code.rejected", step(1))], "left after a wrong code"),
            (vec![("password_change.unconfirmed", none())], "the directory or a service failed"),
            (vec![("request.failed", none())], "the directory or a service failed"),
            (vec![("step.verified", step(1))], "left after the first step"),
            (vec![("step.verified", step(2))], "left on the last page"),
            (vec![("pass.redeemed", json!({ "step": 2 }))], "left on the last page"),
            (vec![("known_device.added", none())], "elsewhere"),
            (vec![("code.sent", step(1)), ("message.processed", none())], "a code was sent, none came back"),
            (
                vec![("flow.ended", json!({ "outcome": "failed", "reason": "not_permitted" }))],
                "the directory did not make the change",
            ),
        ];
        for (events, words) in cases {
            // A message is processed a while after the person's act.
            let mut lines = flow("a", 5, false, &events);
            for (line, minute) in lines.iter_mut().zip(0..) {
                let at = Timestamp::from_seconds(NOW - 5 * 3_600 + minute * 60);
                line.insert("timestamp".to_owned(), at.to_string().into());
            }
            assert_eq!(facts(&lines).stopped, BTreeMap::from([(words, 1)]), "{events:?}");
        }
    }

    #[test]
    fn flow_that_still_runs_has_neither_stopped_nor_ended() {
        let facts = facts(&flow("a", 0, false, &[("code.sent", json!({ "method": "sms", "step": 1 }))]));
        assert_eq!((facts.windows[0].opened, facts.windows[0].ends.len(), facts.stopped.len()), (1, 0, 0));
        assert_eq!((facts.methods["sms"].asked, facts.methods["sms"].verified), (1, 0));
        assert_eq!(facts.days.iter().map(|day| day.others).sum::<usize>(), 0);
    }

    #[test]
    fn methods_are_counted_once_a_flow_and_by_what_they_did() {
        let verified = |method: &str| ("step.verified", json!({ "method": method }));
        let ended = |reason: &str| ("flow.ended", json!({ "outcome": "succeeded", "reason": reason }));
        let lines = [
            flow("a", 1, false, &[verified("sms"), verified("sms"), ended("unlock")]),
            flow("b", 1, false, &[verified("sms"), verified("totp"), ended("reset")]),
            flow("c", 1, true, &[verified("sms"), ended("reset")]),
        ]
        .concat();
        let facts = facts(&lines);
        let day = &facts.windows[0];
        assert_eq!((day.resets, day.unlocks, day.without_account), (1, 1, 1));
        assert_eq!(day.ends, BTreeMap::from([("succeeded", 2)]));
        assert_eq!((day.by_method["sms"].resets, day.by_method["sms"].unlocks), (1, 1));
        assert_eq!((day.by_method["totp"].resets, day.by_method["totp"].unlocks), (1, 0));
        assert_eq!(facts.methods["sms"].verified, 3, "steps, of people only");
        let today = facts
            .days
            .iter()
            .map(|day| (day.resets, day.unlocks))
            .fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
        assert_eq!(today, (1, 1));
    }

    #[test]
    fn days_of_chart_are_those_of_utc() {
        // 2026-09-21T14:13:20Z.
        let facts = facts(
            &[flow("a", 14, false, &[]), flow("b", 15, false, &[]), flow("c", 24 * 40, false, &[])].concat(),
        );
        let busy: Vec<(&str, usize)> = facts
            .days
            .iter()
            .filter(|day| day.others > 0)
            .map(|day| (day.date.as_str(), day.others))
            .collect();
        assert_eq!(busy, [("2026-09-20", 1), ("2026-09-21", 1)]);
        let (first, last) = (&facts.days[0], &facts.days[29]);
        assert_eq!((first.date.as_str(), last.date.as_str()), ("2026-08-23", "2026-09-21"));
    }

    #[test]
    fn windows_are_as_long_as_the_report_at_most() {
        let settings =
            Settings::from_pairs([("REKEY_PUBLIC_URL".to_owned(), "https://x.example".to_owned())]).unwrap();
        for (days, expected) in [(1, vec![1]), (3, vec![1, 3]), (7, vec![1, 7]), (90, vec![1, 7, 90])] {
            let facts = Facts::from_source(Source {
                settings: &settings,
                people: People::default(),
                lines: &[],
                days,
                prices: Prices { sms: 0.0, voice: 0.0, email: 0.0 },
                now: Timestamp::from_seconds(NOW),
            });
            assert_eq!(facts.windows.iter().map(|window| window.days).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn help_desk_and_mail_failures_are_counted_within_the_report() {
        let none = json!({});
        let lines = [
            line(1, "pass.issued", &none),
            line(2, "pass.issued", &none),
            line(3, "caller.checked", &none),
            line(24 * 31, "pass.issued", &none),
            line(1, "help.refused", &json!({ "outcome": "refused", "reason": "not-checked" })),
            line(1, "mail.bounced", &none),
            line(2, "mail.bounced", &none),
            line(2, "mail.complained", &none),
            line(24 * 31, "mail.bounced", &none),
        ];
        let facts = facts(&lines);
        let expected = [("caller.checked".to_owned(), 1), ("pass.issued".to_owned(), 2)];
        assert_eq!(facts.help_desk, BTreeMap::from(expected));
        assert_eq!(facts.refusals, BTreeMap::from([("help.refused: not-checked".to_owned(), 1)]));
        assert_eq!((facts.mail_failures.bounced, facts.mail_failures.complained), (2, 1));
    }

    #[test]
    fn each_channel_has_its_price() {
        let sent = |channel: &str| {
            line(1, "message.processed", &json!({ "channel": channel, "outcome": "sent", "kind": "notice" }))
        };
        let facts = facts(&[sent("sms"), sent("voice"), sent("email"), sent("push")]);
        let usd = |channel: &str| facts.messages[channel].usd;
        for (channel, price) in [("sms", 0.05), ("voice", 0.1), ("email", 0.0001), ("push", 0.0)] {
            assert!((usd(channel) - price).abs() < 1e-9, "{channel}");
        }
        assert!((facts.usd - 0.1501).abs() < 1e-9);
    }
}
