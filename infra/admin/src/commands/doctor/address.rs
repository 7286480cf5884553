//! The public address, its certificate, and the clock of this machine.

use serde_json::Value;
use shared::adapters::system::SystemClock;
use shared::adapters::web::{WebAnswer, WebClient};
use shared::domain::time::{Seconds, Timestamp};
use shared::ports::Clock as _;
use shared::settings::PUBLIC_URL;

use super::{Context, not_local, unknown};
use crate::checks::{Checks, Verdict};

const GROUP: &str = "Address";
/// The days before its end when a certificate should have been renewed: Certificate Manager does it 60 days before.
const CERTIFICATE_DAYS: i64 = 30;
/// The difference of clocks from which on codes of apps fail, which last for half a minute.
const CLOCK_SECONDS: u64 = 20;

pub(super) async fn checks(context: &Context<'_>) -> Checks {
    let mut checks = Checks::default();
    let Some(url) = context.found.variables.get(PUBLIC_URL).filter(|url| !url.is_empty()) else {
        let says = "the deployment has no REKEY_PUBLIC_URL";
        checks.add(Verdict::Bad, GROUP, "page", says, "Set RekeyPublicUrl, and deploy");
        return checks;
    };
    let client = WebClient::new(url.trim_end_matches('/').to_owned());
    let (answer, ()) = tokio::join!(
        client.send("GET", "/", &[("accept", "application/json")], &[]),
        certificate(context, &mut checks)
    );
    let next = format!("curl -sS -D - -o /dev/null {url}/");
    match answer {
        Err(error) => {
            checks.add(Verdict::Bad, GROUP, "page", format!("{url} does not answer: {error}"), next);
            checks.add(
                Verdict::Unknown,
                GROUP,
                "clock",
                "no answer to compare with",
                "Correct the address first",
            );
        }
        Ok(answer) => {
            page(url, &answer, next, &mut checks);
            clock(&answer, &mut checks);
        }
    }
    checks
}

fn page(url: &str, answer: &WebAnswer, next: String, checks: &mut Checks) {
    let read: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == 200 && read["page"] == "identify" {
        return checks.good(GROUP, "page", format!("{url} shows page 1"));
    }
    let (says, next) = match answer.status {
        403 => (
            "403: the request did not come through the proxy that RekeyTrustedProxy names".to_owned(),
            "Follow \"CloudFront\" in infra/guides/deploying.md, which rotates the secret of the proxy"
                .to_owned(),
        ),
        404 => ("404: another program, or a host that no API is mapped to".to_owned(), next),
        200 => ("the answer is not Rekey's".to_owned(), next),
        status => (format!("status {status} instead of page 1"), next),
    };
    checks.add(Verdict::Bad, GROUP, "page", format!("{url}: {says}"), next);
}

fn clock(answer: &WebAnswer, checks: &mut Checks) {
    let date = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let Some(date) = date.map(|date| date.timestamp().as_second()) else {
        let next = "Check that the address is Rekey's";
        return checks.add(Verdict::Unknown, GROUP, "clock", "the answer has no date", next);
    };
    let seconds = SystemClock.now().as_seconds().abs_diff(date);
    if seconds <= CLOCK_SECONDS {
        checks.good(GROUP, "clock", format!("{seconds} s between this machine and the deployment"));
    } else {
        let says =
            format!("{seconds} s between this machine and the deployment; AWS refuses calls from 300 s on");
        checks.add(Verdict::Attention, GROUP, "clock", says, "sudo timedatectl set-ntp true");
    }
}

async fn certificate(context: &Context<'_>, checks: &mut Checks) {
    const NAME: &str = "certificate";
    let Some(parts) = context.stack() else { return not_local(GROUP, &[NAME, "endpoint"], checks) };
    let Some(domain) = parts.resources.get("Domain") else {
        if context.settings.is_some_and(|settings| settings.trusted_proxy.is_some()) {
            checks.skip(GROUP, NAME, "the proxy has it");
        } else {
            let says = "the stack has the address of its API only; passkeys are lost when it gets its own";
            checks.add(
                Verdict::Attention,
                GROUP,
                NAME,
                says,
                "Follow \"Address\" in infra/guides/deploying.md before people enrol passkeys",
            );
        }
        return;
    };
    if let Some(api) = parts.resources.get("Api") {
        match context.inspection.is_default_endpoint_shut(api).await {
            Ok(true) => checks.good(GROUP, "endpoint", "the API's own address is shut"),
            Ok(false) => checks.add(
                Verdict::Attention,
                GROUP,
                "endpoint",
                "the API's own address is open, too",
                format!("aws apigatewayv2 update-api --api-id {api} --disable-execute-api-endpoint"),
            ),
            Err(error) => unknown(GROUP, "endpoint", &error, checks),
        }
    }
    let found = match context.inspection.domain(domain).await {
        Ok(found) => found,
        Err(error) => return unknown(GROUP, NAME, &error, checks),
    };
    let certificate = match context.inspection.certificate(&found.certificate).await {
        Ok(certificate) => certificate,
        Err(error) => return unknown(GROUP, NAME, &error, checks),
    };
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
    let until = Timestamp::from_seconds(certificate.not_after.unwrap_or_default() as i64);
    let days = (until.as_seconds() - SystemClock.now().as_seconds()) / i64::from(Seconds::DAY.0);
    let describe = format!("aws acm describe-certificate --certificate-arn {}", found.certificate);
    if certificate.status != "ISSUED" || days < 0 {
        let says = format!("of {domain}: {}, until {until}", certificate.status);
        checks.add(Verdict::Bad, GROUP, NAME, says, describe);
    } else if found.status != "AVAILABLE" {
        let says = format!("{domain} is {}", found.status);
        let next = format!("aws apigatewayv2 get-domain-name --domain-name {domain}");
        checks.add(Verdict::Bad, GROUP, NAME, says, next);
    } else if days < CERTIFICATE_DAYS {
        let says = format!("of {domain}: until {until}, and not renewed");
        checks.add(Verdict::Attention, GROUP, NAME, says, describe);
    } else {
        checks.good(GROUP, NAME, format!("of {domain}: until {until}"));
    }
}
