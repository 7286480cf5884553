//! The sender's name with receivers of mail: its DMARC record, and how much of its mail comes back.

use shared::domain::time::Seconds;

use super::{Context, not_local, unknown};
use crate::checks::{Checks, Verdict};
use crate::dns;

const MAIL: &str = "Mail";
/// The days that are counted.
const DAYS: u32 = 14;
/// With fewer mails a rate says little, and stops nothing.
const FEW: f64 = 100.0;
/// The shares of bounces and complaints from which SES reviews an account, and from which it stops all of its mail.
const BOUNCES: (f64, f64) = (0.05, 0.10);
const COMPLAINTS: (f64, f64) = (0.001, 0.005);

pub(super) async fn checks(context: &Context<'_>) -> Checks {
    let mut checks = Checks::default();
    if context.stack().is_none() {
        not_local(MAIL, &["dmarc", "bounces"], &mut checks);
        return checks;
    }
    let from = context.found.variables.get("REKEY_MAIL_FROM").map_or("", String::as_str);
    dmarc(context, from.rsplit('@').next().unwrap_or_default(), &mut checks).await;
    bounces(context, &mut checks).await;
    checks
}

/// Checks the policy of the domain, or of the nearest domain above that has one (RFC 7489 §6.6.3).
async fn dmarc(context: &Context<'_>, domain: &str, checks: &mut Checks) {
    const NAME: &str = "dmarc";
    for name in holders(domain) {
        let record = format!("_dmarc.{name}");
        let texts = match dns::texts(&context.resolvers, &record).await {
            Ok(texts) => texts,
            Err(reason) => {
                let says = format!("could not be checked: {reason}");
                return checks.add(Verdict::Unknown, MAIL, NAME, says, format!("dig +short TXT {record}"));
            }
        };
        let found: Vec<String> = texts.into_iter().filter(|text| is_policy(text)).collect();
        match found.as_slice() {
            [] => {}
            [one] => return policy(domain, name, one, checks),
            several => {
                let says = format!("{record} has {} records, so receivers heed none", several.len());
                let next = format!("Remove all but one of the DNS records TXT of {record}");
                return checks.add(Verdict::Attention, MAIL, NAME, says, next);
            }
        }
    }
    checks.add(
        Verdict::Attention,
        MAIL,
        NAME,
        format!(
            "neither {domain} nor a domain above it has a policy, so large providers may refuse mail from it"
        ),
        format!("Add to the DNS: _dmarc.{domain} TXT \"v=DMARC1; p=none; rua=mailto:dmarc@{domain}\""),
    );
}

/// Returns the domains that may have the policy of a domain: itself, and those above up to the second label.
fn holders(domain: &str) -> impl Iterator<Item = &str> {
    let above = domain.match_indices('.').map(|(dot, _)| &domain[dot + 1..]);
    std::iter::once(domain).chain(above).filter(|name| name.contains('.'))
}

fn is_policy(text: &str) -> bool {
    text.split(';').next().is_some_and(|version| version.replace(' ', "") == "v=DMARC1")
}

/// Returns the value of a tag of a record.
fn tag<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = record.split(';').filter_map(|pair| pair.split_once('='));
    pairs.find(|(tag, _)| tag.trim() == name).map(|(_, value)| value.trim())
}

fn policy(domain: &str, name: &str, record: &str, checks: &mut Checks) {
    const NAME: &str = "dmarc";
    // A domain above may have a policy of its own for those below it.
    let own = tag(record, "p");
    let holds = if name == domain { own } else { tag(record, "sp").or(own) };
    match holds.map(str::to_ascii_lowercase).as_deref() {
        Some(strict @ ("reject" | "quarantine")) => {
            checks.good(MAIL, NAME, format!("p={strict} at _dmarc.{name}"));
        }
        Some("none") => checks.add(
            Verdict::Attention,
            MAIL,
            NAME,
            format!("p=none at _dmarc.{name}: receivers deliver mail that others forge in the name of {domain}"),
            format!("Once the reports show no mail of your own that fails, set in the DNS: _dmarc.{name} TXT \"v=DMARC1; p=quarantine; rua=mailto:dmarc@{name}\""),
        ),
        _ => checks.add(
            Verdict::Attention,
            MAIL,
            NAME,
            format!("the record of _dmarc.{name} has no policy that receivers know"),
            format!("Correct in the DNS: _dmarc.{name} TXT \"v=DMARC1; p=none; rua=mailto:dmarc@{name}\""),
        ),
    }
}

/// Checks how much of the account's mail came back or was reported as spam.
async fn bounces(context: &Context<'_>, checks: &mut Checks) {
    const NAME: &str = "bounces";
    let span = Seconds(DAYS * Seconds::DAY.0);
    let sum = |metric: &'static str| context.senders.metric_sum("AWS/SES", metric, span);
    let (sent, bounced, complained) = tokio::join!(sum("Send"), sum("Bounce"), sum("Complaint"));
    let (sent, bounced, complained) = match (sent, bounced, complained) {
        (Ok(sent), Ok(bounced), Ok(complained)) => (sent, bounced, complained),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
            return unknown(MAIL, NAME, &error, checks);
        }
    };
    if sent == 0.0 {
        return checks.good(MAIL, NAME, format!("no mail was sent in {DAYS} days"));
    }
    let says = format!(
        "{:.1} % of {sent:.0} mails came back in {DAYS} days, {:.2} % were reported as spam",
        bounced * 100.0 / sent,
        complained * 100.0 / sent
    );
    let is_above = |limits: fn((f64, f64)) -> f64| {
        bounced / sent >= limits(BOUNCES) || complained / sent >= limits(COMPLAINTS)
    };
    let verdict = if is_above(|limits| limits.1) && sent >= FEW {
        Verdict::Bad
    } else if is_above(|limits| limits.0) {
        Verdict::Attention
    } else {
        return checks.good(MAIL, NAME, says);
    };
    let next = "aws sesv2 list-suppressed-destinations --reasons BOUNCE COMPLAINT   # then \"Reputation and spending\" in \
                infra/security/runbooks.md";
    checks.add(verdict, MAIL, NAME, says, next);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(domain: &str, name: &str, record: &str) -> Vec<Verdict> {
        let mut checks = Checks::default();
        policy(domain, name, record, &mut checks);
        [Verdict::Good, Verdict::Attention].into_iter().filter(|verdict| checks.count(*verdict) > 0).collect()
    }

    #[test]
    fn policy_of_a_domain_above_holds_by_its_own_tag() {
        let (domain, above) = ("mail.contoh.example", "contoh.example");
        for (name, record, expected) in [
            (domain, "v=DMARC1; p=reject", Verdict::Good),
            (domain, "v=DMARC1;p=Quarantine;sp=none", Verdict::Good),
            (domain, "v=DMARC1; p=none; sp=reject", Verdict::Attention),
            (above, "v=DMARC1; p=none; sp=reject", Verdict::Good),
            (above, "v=DMARC1; p=reject; sp=none", Verdict::Attention),
            (above, "v=DMARC1; p=reject", Verdict::Good),
            (domain, "v=DMARC1; rua=mailto:x@contoh.example", Verdict::Attention),
            (domain, "v=DMARC1; p=maybe", Verdict::Attention),
        ] {
            assert_eq!(verdict(domain, name, record), [expected], "{record} at {name}");
        }
    }

    #[test]
    fn policy_is_looked_for_from_the_domain_up() {
        let found: Vec<&str> = holders("reset.contoh.edu.my").collect();
        assert_eq!(found, ["reset.contoh.edu.my", "contoh.edu.my", "edu.my"]);
        assert_eq!(holders("my").count(), 0);
    }

    #[test]
    fn other_texts_are_no_policy() {
        for text in ["v=spf1 -all", "", "p=reject; v=DMARC1", "v=DMARC10; p=none"] {
            assert!(!is_policy(text), "{text}");
        }
        assert!(is_policy("v=DMARC1") && is_policy("v = DMARC1; p=none"));
    }
}
