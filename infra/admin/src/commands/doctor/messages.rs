//! Mail, texts and calls: whether AWS sends them, to whom, and for how much.

use shared::adapters::inspection::{InspectionError, MailIdentity, RentedNumber};
use shared::adapters::system::SystemClock;
use shared::domain::method::Method;
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::Clock as _;
use shared::settings::Settings;

use super::{Context, not_local, plain, unknown};
use crate::checks::{Checks, Verdict};

const MAIL: &str = "Mail";
const PHONES: &str = "Texts and calls";
/// The part of the day's texts that enrolment may use, and the days in which everybody should be able to enrol.
const ENROLMENT_SHARE: f64 = 0.6;
const ENROLMENT_DAYS: f64 = 30.0;

pub(super) async fn mail(context: &Context<'_>) -> Checks {
    let mut checks = Checks::default();
    if context.stack().is_none() {
        not_local(MAIL, &["sandbox", "sender"], &mut checks);
        return checks;
    }
    let from = context.found.variables.get("REKEY_MAIL_FROM").cloned().unwrap_or_default();
    let url = context.found.variables.get("REKEY_PUBLIC_URL").cloned().unwrap_or_default();
    match context.senders.mail_account().await {
        Err(error) => unknown(MAIL, "sandbox", &error, &mut checks),
        Ok(account) if !account.production_access_enabled => checks.add(
            Verdict::Bad,
            MAIL,
            "sandbox",
            "SES is in its sandbox: mail reaches verified addresses only",
            format!(
                "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url {url} \
                 --use-case-description 'Codes for password resets, which our members ask for; no other mail'"
            ),
        ),
        Ok(account) if !account.sending_enabled || account.enforcement_status == "SHUTDOWN" => checks.add(
            Verdict::Bad,
            MAIL,
            "sandbox",
            format!("SES has stopped this account's mail ({})", account.enforcement_status),
            "Answer the case of SES in the AWS Support Center",
        ),
        Ok(account) => {
            let (sent, most) = (account.send_quota.sent, account.send_quota.per_day);
            let says = format!("out of it; {} of {} mails were sent in a day", plain(sent), plain(most));
            if account.enforcement_status == "PROBATION" {
                let says = "SES reviews this account for bounces or complaints";
                let next = "Follow \"Reputation and spending\" in infra/security/runbooks.md";
                checks.add(Verdict::Attention, MAIL, "sandbox", says, next);
            } else if most > 0.0 && sent >= most * 0.8 {
                let next = "aws service-quotas request-service-quota-increase --service-code ses --quota-code L-804C8AE8 \
                            --desired-value 100000";
                checks.add(Verdict::Attention, MAIL, "sandbox", says, next);
            } else {
                checks.good(MAIL, "sandbox", says);
            }
        }
    }
    sender(context, &from, &mut checks).await;
    checks
}

/// Checks the identity that SES sends from: the address, its domain, or a domain above, whichever is verified.
async fn sender(context: &Context<'_>, from: &str, checks: &mut Checks) {
    const NAME: &str = "sender";
    let domain = from.rsplit('@').next().unwrap_or_default();
    let mut names = vec![from, domain];
    let above =
        domain.match_indices('.').map(|(dot, _)| &domain[dot + 1..]).filter(|name| name.contains('.'));
    names.extend(above);
    let mut known = None;
    for name in names {
        match context.senders.mail_identity(name).await {
            Ok(identity) if identity.verified_for_sending_status => {
                return signatures(from, name, &identity, checks);
            }
            Ok(_) => known = known.or(Some(name)),
            Err(InspectionError::NotFound(_)) => {}
            Err(error) => return unknown(MAIL, NAME, &error, checks),
        }
    }
    match known {
        Some(name) => checks.add(
            Verdict::Bad,
            MAIL,
            NAME,
            format!("{name} is not verified, so SES refuses all mail from {from}"),
            format!("aws sesv2 get-email-identity --email-identity {name} --query DkimAttributes.Tokens"),
        ),
        None => checks.add(
            Verdict::Bad,
            MAIL,
            NAME,
            format!("SES does not know {from} or its domain, so it refuses all mail"),
            format!("aws sesv2 create-email-identity --email-identity {domain}"),
        ),
    }
}

fn signatures(from: &str, name: &str, identity: &MailIdentity, checks: &mut Checks) {
    let dkim = &identity.dkim_attributes;
    if !dkim.signing_enabled || dkim.status != "SUCCESS" {
        let says =
            format!("{from} is verified by {name}, and its mail is not signed (DKIM: {})", dkim.status);
        let zone = dkim.signing_hosted_zone.as_deref().unwrap_or("dkim.amazonses.com");
        let records: Vec<String> = dkim
            .tokens
            .iter()
            .map(|token| format!("{token}._domainkey.{name} CNAME {token}.{zone}"))
            .collect();
        let next = if records.is_empty() {
            let domain = from.rsplit('@').next().unwrap_or_default();
            format!("aws sesv2 create-email-identity --email-identity {domain}")
        } else {
            format!("Add to the DNS: {}", records.join("; "))
        };
        return checks.add(Verdict::Attention, MAIL, "sender", says, next);
    }
    let envelope = &identity.mail_from_attributes;
    match &envelope.mail_from_domain {
        Some(domain) if envelope.mail_from_domain_status != "SUCCESS" => checks.add(
            Verdict::Attention,
            MAIL,
            "sender",
            format!("the MX record of the MAIL FROM domain {domain} is not found"),
            format!("aws sesv2 get-email-identity --email-identity {name} --query MailFromAttributes"),
        ),
        _ => checks.good(MAIL, "sender", format!("{from} is verified by {name}, and signed (DKIM)")),
    }
}

pub(super) async fn phones(context: &Context<'_>) -> Checks {
    let mut checks = Checks::default();
    if context.stack().is_none() {
        not_local(PHONES, &["texts", "text sender", "calls"], &mut checks);
        return checks;
    }
    let Some(settings) = context.settings(PHONES, "texts", &mut checks) else { return checks };
    let numbers = context.senders.numbers().await;
    texts(context, settings, &mut checks).await;
    text_sender(settings, &numbers, &mut checks);
    calls(context, settings, &numbers, &mut checks).await;
    checks
}

async fn texts(context: &Context<'_>, settings: &Settings, checks: &mut Checks) {
    const NAME: &str = "texts";
    // Notices are texts, too, but nobody waits for them.
    let stops = if settings.methods.contains(&Method::Sms) { Verdict::Bad } else { Verdict::Attention };
    let (sandbox, limit, spent) = tokio::join!(
        context.senders.are_texts_in_sandbox(),
        context.senders.text_spend_limit(),
        context.senders.metric("AWS/SNS", "SMSMonthToDateSpentUSD", this_month(SystemClock.now())),
    );
    let (is_in_sandbox, limit) = match (sandbox, limit) {
        (Ok(sandbox), Ok(limit)) => (sandbox, limit),
        (Err(error), _) | (_, Err(error)) => return unknown(PHONES, NAME, &error, checks),
    };
    if is_in_sandbox {
        let says = "SNS is in its sandbox: texts reach verified numbers only";
        let next = "Open https://console.aws.amazon.com/sns/v3/home#/mobile/text-messaging and choose \"Exit SMS sandbox\"";
        return checks.add(stops, PHONES, NAME, says, next);
    }
    let spent = spent.ok().flatten();
    let used = spent.map_or(String::new(), |spent| format!(", {} used this month", plain(spent)));
    let says = format!("out of the sandbox; {} USD a month{used}", plain(limit));
    let next = "Ask for a higher limit of SMS spending in the AWS Support Center, then: aws sns set-sms-attributes \
                --attributes MonthlySpendLimit=300";
    if limit <= 1.0 || spent.is_some_and(|spent| spent >= limit) {
        checks.add(stops, PHONES, NAME, format!("{says}: then no text is sent until the next month"), next);
    } else if spent.is_some_and(|spent| spent >= limit * 0.8) {
        checks.add(Verdict::Attention, PHONES, NAME, says, next);
    } else {
        checks.good(PHONES, NAME, says);
    }
}

/// Returns how much of the month has passed. SNS counts a month's spending from its first second in UTC.
fn this_month(now: Timestamp) -> Seconds {
    let of_day = now.as_seconds().rem_euclid(i64::from(Seconds::DAY.0));
    let at = jiff::Timestamp::from_second(now.as_seconds());
    let day = at.map_or(1, |at| jiff::tz::Offset::UTC.to_datetime(at).day());
    let seconds = i64::from(day - 1) * i64::from(Seconds::DAY.0) + of_day;
    Seconds(u32::try_from(seconds).unwrap_or_default().max(60))
}

fn text_sender(
    settings: &Settings,
    numbers: &Result<Vec<RentedNumber>, InspectionError>,
    checks: &mut Checks,
) {
    const NAME: &str = "text sender";
    let numbers = match numbers {
        Ok(numbers) => numbers,
        Err(error) => return unknown(PHONES, NAME, error, checks),
    };
    let own = numbers.iter().filter(|number| can(number, "SMS")).count();
    match (&settings.sms_sender_id, own) {
        (Some(id), _) => checks.good(PHONES, NAME, format!("the id {id}, in countries that show one")),
        (None, 0) => checks.add(
            Verdict::Attention,
            PHONES,
            NAME,
            "neither an id nor a number of your own: texts come from changing numbers, and some countries refuse them",
            "Set RekeySmsSenderId, or rent a number: aws pinpoint-sms-voice-v2 request-phone-number help",
        ),
        (None, own) => checks.good(PHONES, NAME, format!("{own} numbers of your own")),
    }
}

async fn calls(
    context: &Context<'_>,
    settings: &Settings,
    numbers: &Result<Vec<RentedNumber>, InspectionError>,
    checks: &mut Checks,
) {
    const NAME: &str = "calls";
    if !settings.without_origin.is_empty() {
        let methods: Vec<&str> = settings.without_origin.iter().map(|method| method.as_str()).collect();
        return checks.add(
            Verdict::Attention,
            PHONES,
            NAME,
            format!(
                "{} are in RekeyMethods and not offered, since RekeyVoiceOrigin is empty",
                methods.join(", ")
            ),
            "Rent a number for calls and set RekeyVoiceOrigin, or take the calls out of RekeyMethods",
        );
    }
    let Some(origin) =
        settings.voice_origin.as_deref().filter(|_| settings.methods.iter().any(|m| m.is_call()))
    else {
        return checks.skip(PHONES, NAME, "RekeyMethods has none");
    };
    let (sandbox, limit) =
        tokio::join!(context.senders.are_calls_in_sandbox(), context.senders.call_spend_limit());
    let (is_in_sandbox, limit, numbers) = match (sandbox, limit, numbers) {
        (Ok(sandbox), Ok(limit), Ok(numbers)) => (sandbox, limit, numbers),
        (Err(error), _, _) | (_, Err(error), _) => return unknown(PHONES, NAME, &error, checks),
        (_, _, Err(error)) => return unknown(PHONES, NAME, error, checks),
    };
    let id = origin.rsplit('/').next().unwrap_or(origin);
    let is_it = |number: &&RentedNumber| {
        [&number.phone_number, &number.phone_number_id].into_iter().any(|name| name == id)
            || number.phone_number_arn == origin
            || number.pool_id.as_deref() == Some(id)
    };
    let rings = numbers.iter().filter(is_it).any(|number| can(number, "VOICE"));
    if !rings {
        let says =
            format!("the account has no active number for calls that is {origin}: nobody's phone rings");
        let next = "aws pinpoint-sms-voice-v2 describe-phone-numbers --query \
                    'PhoneNumbers[].[PhoneNumber,Status,NumberCapabilities]'";
        checks.add(Verdict::Bad, PHONES, NAME, says, next);
    } else if is_in_sandbox {
        let says = "calls are in their sandbox: they reach verified numbers only";
        let next =
            "Open https://console.aws.amazon.com/sms-voice/home#/account and request production access";
        checks.add(Verdict::Bad, PHONES, NAME, says, next);
    } else if limit <= 1.0 {
        let says = format!("{} USD a month: then no phone rings until the next month", plain(limit));
        let next = "aws pinpoint-sms-voice-v2 set-voice-message-spend-limit-override --monthly-limit 50";
        checks.add(Verdict::Bad, PHONES, NAME, says, next);
    } else {
        checks.good(PHONES, NAME, format!("from {origin}; {} USD a month", plain(limit)));
    }
}

fn can(number: &RentedNumber, capability: &str) -> bool {
    number.status == "ACTIVE" && number.number_capabilities.iter().any(|one| one == capability)
}

/// Checks the day's texts against the people, if they could be counted.
pub(super) fn budget(context: &Context<'_>, people: Option<u32>) -> Checks {
    const NAME: &str = "budget";
    let mut checks = Checks::default();
    let Some(settings) = context.settings(PHONES, NAME, &mut checks) else { return checks };
    let per_day = settings.sms_per_day;
    let Some(people) = people else {
        let next = "Read what People says, and run the command again";
        checks.add(
            Verdict::Unknown,
            PHONES,
            NAME,
            format!("{per_day} a day, for nobody knows how many"),
            next,
        );
        return checks;
    };
    let days = f64::from(people) / (f64::from(per_day.max(1)) * ENROLMENT_SHARE);
    if days > ENROLMENT_DAYS {
        let wanted = (f64::from(people) / ENROLMENT_DAYS / ENROLMENT_SHARE).ceil();
        checks.add(
            Verdict::Attention,
            PHONES,
            NAME,
            format!(
                "{per_day} texts and calls a day; until all {people} people have enrolled a phone takes {} days",
                plain(days.ceil())
            ),
            format!("Set RekeySmsPerDay to {} while people enrol", plain(wanted)),
        );
    } else {
        checks.good(PHONES, NAME, format!("{per_day} texts and calls a day for {people} people"));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn month_begins_with_its_first_second() {
        let passed = |text| this_month(Timestamp::parse(text).unwrap()).0;
        assert_eq!(passed("2026-12-01T00:00:00Z"), 60);
        assert_eq!(passed("2026-12-02T01:00:00Z"), Seconds::DAY.0 + 3_600);
        assert_eq!(passed("2026-02-28T23:59:59Z"), 28 * Seconds::DAY.0 - 1);
    }
}
