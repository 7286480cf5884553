//! Tests of every page in every language: well formed, complete, consistent links, and escaped input.

mod snapshots;

use std::collections::BTreeSet;

use super::markup::{Element, elements};
use super::*;
use crate::domain::account::{AccountId, AccountState, Offer};
use crate::domain::audit::recent::RecentKind;
use crate::domain::contact::Country;
use crate::domain::help_desk::may_be_helped;
use crate::domain::help_desk_call::{AttemptEnd, HelpRefusal};
use crate::domain::keys::Keyring;
use crate::domain::passkey::{CreationOptions, Owner, RelyingParty, UserHandle};
use crate::domain::policy::Readiness;
use crate::domain::security_info::Kind;
use crate::domain::time::Seconds;
use crate::http::encoding::encode;
use crate::http::problem::{CaptchaFailure, Code, Place};
use crate::http::view::help_desk::{Attempt, Done as DeskDone, Enrolled, HelpDesk, HelpDeskSignIn, Person};
use crate::http::view::security_info::{
    ChangePassword, Confirm, EntryView, MailFailureView, RecentView, SecondStep, SentCode, SignIn, SignedIn,
};
use crate::http::view::{
    Approval, ApprovalStatus, Captcha, CodeEntry, Criterion, Done, Ended, Identify, PasskeyEntry,
    PasskeyOptions, PasswordEntry, Reason, Unlock, Work,
};
use crate::text::pages::criterion_text;

const TYPED: &str = "\"><script>alert(1)</script>";

fn password_entry(criteria: Vec<Criterion>) -> View {
    View::Password(PasswordEntry {
        criteria,
        steps: 2,
        length: (12, 128),
        rules: "minlength: 12; maxlength: 128; required: upper;".into(),
        login: Some("aisyah".into()),
        own_words: vec!["aisyah".into(), "nur".into()],
    })
}

fn kuala_lumpur() -> &'static TimeZone {
    static ZONE: std::sync::LazyLock<TimeZone> = std::sync::LazyLock::new(|| TimeZone::of(Country::MALAYSIA));
    &ZONE
}

fn context(language: Language) -> PageContext<'static> {
    PageContext {
        language,
        languages: &Language::ALL,
        organisation: "Universiti Contoh",
        logo_url: Some("https://www.contoh.example/logo.svg"),
        help_desk_url: Some("mailto:help@contoh.example"),
        help_desk_phone: Some("03-8921 5555"),
        help_desk_hours: Some("8:30-17:00"),
        login_domain: Some("student.contoh.example"),
        sign_in_url: Some("https://portal.contoh.example/login"),
        time_zone: kuala_lumpur(),
        colour: Some("#8a1538"),
        at: Some("flow.1"),
        support_code: Some("7KQ-4M2"),
        said: None,
        ends_in: Some(870),
        path: "/method",
    }
}

fn captcha(harder: bool) -> Captcha {
    let token = "v1.".to_owned() + &"Zm9vYmFy".repeat(20);
    let work = Work { challenge: "c0ffee".into(), difficulty: 14, puzzles: 64 };
    Captcha {
        picture: format!("/captcha/{token}/picture.png"),
        sound: format!("/captcha/{token}/sound.wav?lang=en"),
        token,
        work,
        expires_in: 600,
        harder,
    }
}

fn offers() -> Vec<Offer> {
    let masked = |method| match method {
        Method::Email => "ai*****@mail.example",
        Method::Totp => "",
        _ => "*****98",
    };
    Method::ALL.map(|method| Offer { method, masked: masked(method).into(), young: false }).to_vec()
}

fn criteria(language: Language) -> Vec<Criterion> {
    ["length", "upper", "lower", "digit", "symbol", "name", "common", "organisation", "previous"]
        .map(|id| Criterion { id: id.into(), text: criterion_text(language, id, 12, 128) })
        .to_vec()
}

fn code(method: Method, resend_in: u32, may_resend: bool) -> View {
    View::Code(CodeEntry {
        step: 1,
        steps: 2,
        method,
        masked: "*****98".into(),
        digits: 8,
        expires_at: "2026-11-24T04:20:00Z".into(),
        resend_at: "2026-11-24T04:10:30Z".into(),
        attempts_left: 5,
        resend_in,
        expires_in: 600,
        may_resend,
        is_over: false,
        minutes: 10,
        outcome: Outcome::Reset,
    })
}

fn method(step: u8, steps: u8, selected: Option<Method>, methods: Vec<Offer>) -> View {
    View::Method(MethodChoice { step, steps, methods, selected, outcome: Outcome::Reset })
}

fn done(result: Outcome) -> View {
    View::Done(Done {
        result,
        at: "2026-11-24T04:15:09Z".into(),
        known_device: false,
        may_remember: true,
        login: Some("aisyah".into()),
    })
}

fn approval(status: ApprovalStatus, may_ask_again: bool) -> View {
    View::Approval(Approval {
        step: 1,
        steps: 2,
        number: "42".into(),
        expires_at: "2026-11-24T04:12:00Z".into(),
        status,
        seconds_left: if status == ApprovalStatus::Ended { 0 } else { 90 },
        may_ask_again,
        outcome: Outcome::Reset,
    })
}

/// Returns every page in every state that changes its markup.
fn views(language: Language) -> Vec<View> {
    vec![
        View::Identify(Identify { captcha: captcha(false), login: TYPED.into(), resume: None }),
        View::Identify(Identify { captcha: captcha(true), login: "aisyah".into(), resume: None }),
        View::Identify(Identify { captcha: captcha(false), login: String::new(), resume: Some("/method") }),
        View::Reason(Reason {}),
        method(1, 2, None, offers()),
        method(2, 2, Some(Method::Totp), offers()),
        method(1, 1, Some(Method::Sms), offers()),
        method(1, 2, None, Vec::new()),
        code(Method::Sms, 30, true),
        code(Method::Email, 0, true),
        code(Method::OfficeCall, 0, false),
        approval(ApprovalStatus::Pending, true),
        approval(ApprovalStatus::Ended, true),
        View::Passkey(PasskeyEntry {
            step: 1,
            steps: 2,
            options: PasskeyOptions {
                challenge: "AAAA".into(),
                timeout: 300_000,
                rp_id: "reset.contoh.example".into(),
                allow_credentials: [],
                user_verification: "required",
            },
            expires_at: "2026-11-24T04:20:00Z".into(),
            outcome: Outcome::Reset,
        }),
        password_entry(criteria(language)),
        View::Unlock(Unlock { steps: 1 }),
        done(Outcome::Reset),
        done(Outcome::Unlocked),
        View::Ended(Ended { why: Why::Cancelled }),
        sign_in(None),
        sign_in(Some(captcha(true))),
        View::SignIn(SignIn {
            start: Some("/security-info/oidc/start?return=%22".into()),
            ..SignIn::default()
        }),
        View::SignedIn(SignedIn { next: "/security-info" }),
        second_step(None),
        second_step(Some(sent(Method::Sms))),
        list(Vec::new(), false),
        list(entries(), true),
        View::ChangePassword(ChangePassword { ready: true }),
        View::ChangePassword(ChangePassword { ready: false }),
        confirm(Kind::Mobile, Needs::Code(sent(Method::MobileCall))),
        confirm(Kind::Totp, totp()),
        confirm(Kind::Authenticator, pairing()),
        confirm(Kind::Passkey, Needs::Passkey { options: Box::new(creation_options()) }),
        confirm(Kind::RecoveryCodes, Needs::RecoveryCodes { codes: vec!["ABCD-EFGH-JKMN-P".into(); 10] }),
        View::HelpDeskSignIn(HelpDeskSignIn { start: "/help-desk/oidc/start" }),
        desk("show", None, None),
        desk("pass", Some(person(AccountState::Locked)), None),
        desk("check-code", Some(person(AccountState::Active)), Some(passed())),
        desk("", Some(person(AccountState::Disabled)), Some(DeskDone::Unconfirmed)),
    ]
}

fn desk(act: &str, person: Option<Person>, done: Option<DeskDone>) -> View {
    View::HelpDesk(HelpDesk {
        agent: "m.lim".into(),
        done,
        person: person.map(Box::new),
        typed: TYPED.into(),
        act: act.into(),
    })
}

fn passed() -> DeskDone {
    DeskDone::Passed { pass: "7K2M-90QX-ABCD-EFGH".into(), expires_at: AT.into(), notified: 4 }
}

fn person(state: AccountState) -> Person {
    let enrolled = |id: &str, kind, shown: &str| Enrolled {
        id: id.into(),
        kind,
        shown: shown.into(),
        added_at: AT.into(),
        last_used_at: (kind == Kind::Mobile).then(|| AT.into()),
        counts_from: AT.into(),
        old_from: AT.into(),
        mail_failure: mail_failure(kind),
    };
    Person {
        login: Some("aisyah".into()),
        name: "N… A… b… R…".into(),
        email: Some("a*****@*****".into()),
        state,
        group: Some("students".into()),
        readiness: Readiness::Capable,
        may_be_helped: may_be_helped(state),
        methods: vec![
            enrolled("alternate_email", Kind::AlternateEmail, "a*****@*****"),
            enrolled("mobile", Kind::Mobile, "*****98"),
            enrolled("totp", Kind::Totp, ""),
        ],
        checked_at: (state == AccountState::Active).then(|| AT.into()),
        attempt: (state == AccountState::Locked).then(|| Attempt {
            opened_at: AT.into(),
            reason: Some(crate::domain::flow::Reason::Forgotten),
            step: 2,
            steps: 2,
            verified: vec![Method::Email],
            awaited: Some(Method::Sms),
            wrong_answers: 3,
            end: AttemptEnd::Expired,
        }),
    }
}

fn sign_in(captcha: Option<Captcha>) -> View {
    let back = Some("https://portal.example/?a=1&b=2".into());
    View::SignIn(SignIn { login: TYPED.into(), back, captcha, start: None, changes_password: false })
}

const AT: &str = "2026-11-24T04:15:09Z";

fn sent(method: Method) -> SentCode {
    SentCode {
        method,
        masked: "*****98".into(),
        digits: 8,
        expires_at: AT.into(),
        resend_at: AT.into(),
        attempts_left: 5,
        resend_in: 20,
        minutes: 10,
    }
}

fn second_step(sent: Option<SentCode>) -> View {
    let again = sent.is_some();
    let (methods, selected) = (offers(), Some(Method::Totp));
    View::SecondStep(SecondStep { methods, sent, options: None, number: None, selected, again })
}

fn entries() -> Vec<EntryView> {
    let entry = |kind: Kind| EntryView {
        id: kind.as_str().into(),
        kind,
        masked: if kind.is_contact() { "*****98".into() } else { "7".into() },
        added_at: AT.into(),
        last_used_at: kind.is_contact().then(|| AT.to_owned()),
        usable_from: AT.into(),
        predecessor: (kind == Kind::Mobile).then(|| "*****97".to_owned()),
        counts: kind != Kind::Mobile,
        whole: None,
        mail_failure: mail_failure(kind),
    };
    Kind::ALL.map(entry).to_vec()
}

/// Mail to an address bounced.
fn mail_failure(kind: Kind) -> Option<MailFailureView> {
    (kind == Kind::AlternateEmail).then(|| MailFailureView { kind: "bounced", at: AT.into() })
}

/// Returns an event of the account, as a page lists it.
fn recent(kind: RecentKind, network: &str) -> RecentView {
    RecentView {
        at: AT.into(),
        event: kind.as_str(),
        network: network.into(),
        client: "Firefox, Linux".into(),
    }
}

fn list(methods: Vec<EntryView>, registered: bool) -> View {
    View::SecurityInfo(SecurityInfo {
        kinds: Kind::ALL.map(|kind| (kind, !methods.is_empty())).to_vec(),
        methods,
        registered,
        capable: false,
        due: registered,
        known_device: false,
        recent_events: RecentKind::ALL.map(|kind| recent(kind, "203.0.113.x")).to_vec(),
        may_remember: true,
        mobile_is_called: true,
        needed: 2,
        factors: if registered { 2 } else { 0 },
        may_lift: registered,
        selected: Some(Kind::Mobile),
        value: TYPED.into(),
        back: Some("https://portal.example/?a=1&b=2".into()),
    })
}

fn totp() -> Needs {
    Needs::Seed {
        secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".into(),
        otpauth: "otpauth://totp/Uni:aisyah?secret=JBSWY3DPEHPK3PXP&issuer=Uni".into(),
        qr: "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"></svg>".into(),
    }
}

fn pairing() -> Needs {
    let pairing = "https://reset.contoh.example/authenticator#pair=AAAABBBBCCCCDDDD".into();
    Needs::Authenticator { pairing, qr: "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>".into() }
}

fn creation_options() -> CreationOptions {
    let keyring = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
    let handle = UserHandle::of(&keyring, &AccountId::from_directory("aisyah").unwrap());
    let owner = Owner { handle: &handle, login: "aisyah", name: "Aisyah binti Rahman" };
    let party = RelyingParty {
        id: "reset.contoh.example".into(),
        origins: vec!["https://reset.contoh.example".into()],
    };
    CreationOptions::new(&party, "Universiti Contoh", owner, [7; 32], &[], Seconds(300))
}

fn confirm(kind: Kind, needs: Needs) -> View {
    View::Confirm(Confirm {
        id: kind.as_str().into(),
        kind,
        masked: "*****98".into(),
        needs,
        attempts_left: 9,
        login: Some("aisyah".into()),
        at: AT.into(),
    })
}

/// Returns a problem of each code, with all its data.
fn problem(code: Code, language: Language) -> Problem {
    let next = || Box::new(captcha(true));
    match code {
        Code::Malformed => Problem::Malformed(None),
        Code::CrossSite => Problem::CrossSite,
        Code::NotFound => Problem::NotFound,
        Code::MethodNotAllowed => Problem::MethodNotAllowed("POST"),
        Code::OutOfStep => Problem::OutOfStep(Place::SecondStep),
        Code::FlowEnded => Problem::FlowEnded,
        Code::TooLarge => Problem::TooLarge,
        Code::UnsupportedMediaType => Problem::UnsupportedMediaType,
        Code::CaptchaWrong => Problem::CaptchaWrong(CaptchaFailure::Wrong, next()),
        Code::CaptchaHarder => Problem::CaptchaHarder(next()),
        Code::ContactMismatch => Problem::ContactMismatch,
        Code::MethodUnavailable => Problem::MethodUnavailable("method"),
        Code::SignInWrong => Problem::SignInWrong(Some(next())),
        Code::SignInElsewhere => Problem::SignInElsewhere,
        Code::SignInCancelled => Problem::SignInCancelled,
        Code::SignInInvalid => Problem::SignInInvalid,
        Code::SignInNoAccount => Problem::SignInNoAccount,
        Code::ProviderUnavailable => Problem::ProviderUnavailable,
        Code::ContactRefused => Problem::ContactRefused,
        Code::LimitReached => Problem::LimitReached,
        Code::PasskeyRegistered => Problem::PasskeyRegistered,
        Code::CodeWrong => Problem::CodeWrong { attempts_left: Some(3) },
        Code::CodeSpent => Problem::CodeSpent,
        Code::PasswordRejected => Problem::PasswordRejected(criteria(language).split_off(6)),
        Code::ConfirmationDiffers => Problem::ConfirmationDiffers,
        Code::SlowDown => Problem::SlowDown(Seconds(17)),
        Code::SignInPaused => {
            Problem::SignInPaused { until: Timestamp::from_seconds(1_790_000_000), wait: Seconds(3_600) }
        }
        Code::NonceStale => Problem::NonceStale("k1.0.AAAA".into()),
        Code::DeviceUnknown => Problem::DeviceUnknown,
        Code::ChangeNotPermitted => Problem::ChangeNotPermitted,
        Code::ChangeUnconfirmed => Problem::ChangeUnconfirmed,
        Code::HelpRefused => Problem::HelpRefused(HelpRefusal::NotChecked),
        Code::Unavailable => Problem::Unavailable,
    }
}

/// Returns every page without and with every problem.
fn every_page() -> Vec<String> {
    let mut pages = Vec::new();
    for language in Language::ALL {
        let context = context(language);
        for view in views(language) {
            pages.push(render(&view, &context, None));
            for code in Code::ALL {
                pages.push(render(&view, &context, Some(&problem(code, language))));
            }
            for field in
                ["login", "captcha_answer", "reason", "method", "contact", "code", "password", "horoscope"]
            {
                pages.push(render(&view, &context, Some(&Problem::malformed(field))));
            }
        }
        pages.extend(Code::ALL.map(|code| render_problem(&problem(code, language), &context)));
    }
    pages
}

fn count(elements: &[Element], name: &str) -> usize {
    elements.iter().filter(|element| element.name == name).count()
}

/// Controls: C-079.
#[test]
fn every_page_is_well_formed_with_valid_references() {
    for page in every_page() {
        let elements = elements(&page);
        assert_eq!(count(&elements, "h1"), 1);
        assert_eq!(count(&elements, "main"), 1);
        let ids: Vec<&str> = elements.iter().filter_map(|element| element.get("id")).collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "an id twice: {ids:?}");
        for element in &elements {
            for attribute in ["for", "form", "aria-describedby", "aria-labelledby", "aria-controls"] {
                for id in element.get(attribute).unwrap_or_default().split_whitespace() {
                    assert!(unique.contains(id), "{attribute}={id} leads nowhere");
                }
            }
            if let Some(id) = element.get("href").and_then(|href| href.strip_prefix('#')) {
                assert!(unique.contains(id), "#{id} leads nowhere");
            }
            for attribute in ["src", "href"] {
                assert_ne!(element.get(attribute), Some(""), "an asset is missing");
            }
            assert!(!element.attributes.keys().any(|name| name.starts_with("on") || name == "style"));
        }
        // The scripts fill in these themselves, repeatedly.
        let filled = ["seconds", "minutes", "met", "all", "address"]
            .iter()
            .fold(page, |text, name| text.replace(&format!("{{{name}}}"), ""));
        let left = filled.split('{').skip(1).find(|rest| rest.starts_with(char::is_alphabetic));
        assert_eq!(left, None, "a placeholder is left");
    }
}

/// The script fills in the placeholders of the countdown and of the criteria.
#[test]
fn inputs_are_labelled_and_forms_follow_contract() {
    const FIELDS: [&str; 23] = [
        "login",
        "captcha_token",
        "captcha_answer",
        "captcha_work",
        "reason",
        "method",
        "contact",
        "code",
        "password",
        "confirmation",
        "return",
        "kind",
        "value",
        "id",
        "assertion",
        "at",
        "choice",
        "",
        "remember",
        "act",
        "document",
        "remark",
        "devices",
    ];
    for page in every_page() {
        let elements = elements(&page);
        for input in elements.iter().filter(|element| element.name == "input") {
            let name = input.get("name").unwrap_or_default();
            assert!(FIELDS.contains(&name), "{name}");
            assert_eq!(name == "choice", !input.within.iter().any(|outer| outer == "form"), "{name}");
            if input.get("type") != Some("hidden") {
                let label = elements.iter().find(|e| e.name == "label" && e.get("for") == input.get("id"));
                assert!(label.is_some_and(|label| !label.text.trim().is_empty()), "{name} has no label");
            }
        }
        for form in elements.iter().filter(|element| element.name == "form") {
            assert_eq!(form.get("method"), Some("post"));
            assert!(!form.within.iter().any(|outer| outer == "form"), "a form in a form");
        }
        for at in elements.iter().filter(|element| element.get("name") == Some("at")) {
            assert_eq!(at.get("value"), Some("flow.1"));
        }
    }
}

/// Controls: C-079.
#[test]
fn typed_text_is_escaped() {
    for language in Language::ALL {
        let view = View::Identify(Identify { captcha: captcha(false), login: TYPED.into(), resume: None });
        let page = render(&view, &context(language), Some(&problem(Code::CaptchaWrong, language)));
        assert!(!page.contains("<script>") && !page.contains("alert(1)</"), "{}", language.tag());
        assert_eq!(page.matches("alert(1)").count(), 1, "the login is kept");
    }
}

/// Controls: C-045.
#[test]
fn contact_mismatch_is_marked_in_open_panel() {
    let view = method(1, 2, Some(Method::OfficeCall), offers());
    let page = render(&view, &context(Language::Malay), Some(&Problem::ContactMismatch));
    let marked: Vec<_> = elements(&page).into_iter().filter(|e| e.get("aria-invalid").is_some()).collect();
    assert_eq!(marked.len(), 1);
    assert_eq!(marked[0].get("id"), Some("contact-office_call"));
}

/// Where a page can send another code, the error is marked on that button.
#[test]
fn error_is_marked_on_field_that_corrects_it() {
    let wrong = || Problem::CodeWrong { attempts_left: Some(3) };
    let selecting = |selected, sent| {
        View::SecondStep(SecondStep {
            methods: offers(),
            sent,
            options: None,
            number: None,
            selected: Some(selected),
            again: false,
        })
    };
    let sms = || selecting(Method::Sms, Some(sent(Method::Sms)));
    let totp = || method(1, 2, Some(Method::Totp), offers());
    let cases = [
        (sms(), wrong(), Some("code")),
        (sms(), Problem::CodeSpent, Some("method-sms")),
        (sms(), Problem::SlowDown(Seconds(9)), Some("method-sms")),
        (selecting(Method::Totp, None), wrong(), Some("code-totp")),
        (selecting(Method::Totp, None), Problem::MethodUnavailable("method"), Some("method-totp")),
        (list(Vec::new(), false), Problem::SlowDown(Seconds(9)), Some("value-mobile")),
        (list(Vec::new(), false), Problem::MethodUnavailable("method"), Some("value-mobile")),
        (totp(), Problem::MethodUnavailable("code"), Some("code-totp")),
        (totp(), Problem::MethodUnavailable("method"), Some("method-totp")),
        (code(Method::Sms, 9, true), Problem::CodeSpent, Some("code")),
        (code(Method::Sms, 9, true), Problem::SlowDown(Seconds(9)), None),
    ];
    for (view, problem, expected) in cases {
        let page = render(&view, &context(Language::English), Some(&problem));
        let marked: Vec<_> =
            elements(&page).into_iter().filter(|e| e.get("aria-invalid").is_some()).collect();
        let marked: Vec<_> = marked.iter().filter_map(|element| element.get("id")).collect();
        assert_eq!(marked, Vec::from_iter(expected), "{problem:?}");
    }
}

#[test]
fn last_page_names_account_and_leads_to_sign_in() {
    let page = render(&done(Outcome::Reset), &context(Language::English), None);
    assert!(page.contains("<strong><bdi>aisyah</bdi></strong>"), "{page}");
    assert!(page.contains("href=\"https://portal.contoh.example/login\""), "{page}");
    let without = PageContext { sign_in_url: None, ..context(Language::English) };
    assert!(!render(&done(Outcome::Reset), &without, None).contains("portal.contoh.example"));
}

#[test]
fn times_are_those_of_the_deployment() {
    for language in Language::ALL {
        let page = render(&done(Outcome::Reset), &context(language), None);
        assert!(page.contains("12:15</time>") && !page.contains("UTC"), "{page}");
    }
}

/// Agents compare the times of an attempt with those of methods, so none is on the clock of their browser.
#[test]
fn help_desk_shows_times_of_one_named_zone() {
    for language in Language::ALL {
        for state in [AccountState::Locked, AccountState::Active] {
            let page = render(&desk("show", Some(person(state)), None), &context(language), None);
            // Those of the methods, the notes of mails that came back, and the attempt.
            assert_eq!(page.matches("12:15").count(), 12, "{page}");
            assert!(!page.contains("<time") && page.contains("Asia/Kuala Lumpur"), "{page}");
        }
    }
}

/// The punctuation of Chinese is full-width and has no space after it.
#[test]
fn chinese_sentences_stand_without_spaces_between_them() {
    let pages: Vec<String> =
        views(Language::Chinese).iter().map(|view| render(view, &context(Language::Chinese), None)).collect();
    for (page, spaced) in
        pages.iter().flat_map(|page| ["。 ", "： <", "</time>."].map(|spaced| (page, spaced)))
    {
        assert!(!page.contains(spaced), "{spaced}: {page}");
    }
    assert!(pages.iter().any(|page| page.contains("。验证码有 8 位数字")));
}

#[test]
fn back_leads_to_the_page_that_lies_behind() {
    let back = |view: &View| {
        let page = render(view, &context(Language::English), None);
        let link = elements(&page).into_iter().find(|element| element.get("class") == Some("back"));
        link.and_then(|link| link.get("href").map(str::to_owned))
    };
    for (view, path) in [
        (View::Reason(Reason {}), Some("/")),
        (method(1, 2, None, offers()), Some("/reason")),
        (method(2, 2, None, offers()), None),
        (code(Method::Sms, 0, true), Some("/method")),
        (approval(ApprovalStatus::Pending, false), Some("/method")),
        (password_entry(Vec::new()), None),
        (done(Outcome::Reset), None),
        (View::ChangePassword(ChangePassword { ready: true }), Some("/security-info")),
    ] {
        assert_eq!(back(&view).as_deref(), path);
    }
}

/// The browser keeps the new password under this name, and makes one that the rules accept.
#[test]
fn password_page_names_account_to_password_managers() {
    let page = render(&password_entry(Vec::new()), &context(Language::English), None);
    let inputs: Vec<_> = elements(&page).into_iter().filter(|element| element.name == "input").collect();
    let account = inputs.iter().find(|input| input.get("autocomplete") == Some("username")).unwrap();
    assert_eq!((account.get("value"), account.get("name")), (Some("aisyah"), None));
    let new = inputs.iter().filter(|input| input.get("autocomplete") == Some("new-password"));
    let lengths: Vec<_> = new.map(|input| input.get("minlength")).collect();
    assert_eq!(lengths, [Some("12"); 2]);
    // HTML has no attribute for the rules; the script sets it.
    let form = elements(&page).into_iter().find(|element| element.get("id") == Some("new-password")).unwrap();
    assert_eq!(form.get("data-rules"), Some("minlength: 12; maxlength: 128; required: upper;"));
}

/// Logs may print a problem, so it must not print its nonce or CAPTCHA.
/// Controls: C-092.
#[test]
fn problem_debug_prints_code_and_field_only() {
    for code in Code::ALL {
        let problem = problem(code, Language::English);
        let printed = format!("{problem:?}");
        assert_eq!(printed, format!("Problem({}, {:?})", code.as_str(), problem.field()));
    }
}

#[test]
fn unmet_criteria_are_marked_in_their_list() {
    for language in Language::ALL {
        let all = criteria(language);
        let violations: Vec<_> =
            all.iter().filter(|one| ["digit", "common"].contains(&one.id.as_str())).cloned().collect();
        let extra = Criterion { id: "control-character".into(), text: "No tab.".into() };
        let rejected = Problem::PasswordRejected([violations.clone(), vec![extra]].concat());
        let page = render(&password_entry(all.clone()), &context(language), Some(&rejected));
        let items = elements(&page).into_iter().filter(|element| element.get("data-criterion").is_some());
        for item in items {
            let id = item.get("data-criterion").unwrap();
            let expected = if violations.iter().any(|one| one.id == id) { "failed" } else { "met" };
            assert_eq!(item.get("class"), Some(expected), "{id}");
        }
        let t = &Texts::of(language).password;
        for said in [t.rejected.as_str(), t.weak.as_str(), "No tab."] {
            assert_eq!(page.matches(said).count(), 2, "one line in the summary and at the field: {said}");
        }
        let fresh = render(&password_entry(all), &context(language), None);
        assert!(!fresh.contains("class=\"failed\"") && !fresh.contains("class=\"met\""), "{fresh}");
    }
}

/// A spent code can't be typed any more, so the page offers what helps.
#[test]
fn spent_code_page_offers_another_code_or_method() {
    let over = |attempts_left, may_resend| match code(Method::Sms, 0, may_resend) {
        View::Code(entry) => View::Code(CodeEntry { is_over: true, attempts_left, ..entry }),
        other => other,
    };
    for (view, said, action) in [
        (over(3, true), Texts::of(Language::English).code.expired, "/code/send"),
        (over(0, true), Texts::of(Language::English).code.spent, "/code/send"),
    ] {
        let wrong = (said == Texts::of(Language::English).code.spent)
            .then_some(Problem::CodeWrong { attempts_left: Some(0) });
        for problem in [None, Some(Problem::CodeSpent), wrong] {
            let page = render(&view, &context(Language::English), problem.as_ref());
            let all = elements(&page);
            assert!(page.contains(said.as_str()) && page.contains(action), "{page}");
            assert!(all.iter().all(|element| element.get("id") != Some("code")), "{page}");
            assert!(all.iter().all(|element| element.name != "details"), "nothing is folded away: {page}");
        }
    }
    let page = render(&over(0, false), &context(Language::English), None);
    assert!(
        !page.contains("action=\"/code/send\"") && page.contains("class=\"button\" href=\"/method\""),
        "{page}"
    );
}

/// The number was typed for the first code; asking for it again would fail 3.3.7 of WCAG 2.2.
#[test]
fn another_code_needs_no_number_again() {
    let page = render(&code(Method::Sms, 0, true), &context(Language::English), None);
    assert!(elements(&page).iter().all(|element| element.get("name") != Some("contact")), "{page}");
}

#[test]
fn page_says_what_the_last_request_did() {
    for language in Language::ALL {
        let said = &Texts::of(language).security_info.said;
        let name = Texts::of(language).security_info.kinds.of("mobile").name;
        let added = said.added.with("kind", name).to_string();
        let page = |said| render(&list(Vec::new(), false), &PageContext { said, ..context(language) }, None);
        let banner = |said| {
            let all = elements(&page(said));
            all.into_iter().find(|element| element.get("id") == Some("said"))
        };
        let added = (added, banner(Some(Said::Added(Kind::Mobile))).unwrap());
        assert!(
            added.1.text.contains(&added.0) && added.1.get("class") == Some("success"),
            "{}",
            added.1.text
        );
        assert!(added.1.get("tabindex") == Some("-1") && added.1.text.contains(said.notice.as_str()));
        let moved = banner(Some(Said::OutOfStep)).unwrap();
        assert_eq!(moved.get("class"), Some("notice"));
        assert!(banner(None).is_none());
    }
}

/// Two factors were verified, so the person can see what is asked about.
#[test]
fn whole_contact_is_shown_where_it_is_asked_about() {
    let entries = entries();
    let whole = |entry: EntryView| EntryView { whole: Some("+60123456798".into()), ..entry };
    let shown = render(
        &list(entries.clone().into_iter().map(whole).collect(), true),
        &context(Language::English),
        None,
    );
    assert!(shown.contains("+60123456798"));
    assert!(!render(&list(entries, true), &context(Language::English), None).contains("+60123456798"));
}

/// The sheet says whose it is, on paper and in the file.
#[test]
fn sheet_of_recovery_codes_names_its_account() {
    let needs = Needs::RecoveryCodes { codes: vec!["ABCD-EFGH-JKLM-NPQR".into()] };
    let page = render(&confirm(Kind::RecoveryCodes, needs), &context(Language::English), None);
    let all = elements(&page);
    let sheet = all.iter().find(|element| element.get("id") == Some("sheet")).unwrap();
    for said in ["Universiti Contoh", "aisyah", "2026", "ABCD-EFGH-JKLM-NPQR"] {
        assert!(sheet.text.contains(said), "{said}: {}", sheet.text);
    }
    for id in ["copy", "download", "print"] {
        assert!(
            all.iter().any(|element| element.get("id") == Some(id) && element.get("type") == Some("button"))
        );
    }
}

#[test]
fn page_headings_are_unique() {
    for language in Language::ALL {
        let texts = Texts::of(language);
        let headings: BTreeSet<String> = views(language).iter().map(|view| heading(view, texts)).collect();
        // Identify, reason, step 1, step 2, the only step, codes by mail, text and call, approval, passkey, password,
        // unlock, changed, unlocked, cancelled; sign-in, signed in, step-up, the list, the change of a
        // password, five kinds to confirm; the help desk and its sign-in.
        assert_eq!(headings.len(), 27, "{headings:?}");
    }
}

/// Controls: C-085.
#[test]
fn language_links_never_leave_site() {
    for (path, link) in
        [("/method", "/method?lang=ms"), ("//evil.example", "/?lang=ms"), ("/\\evil", "/?lang=ms")]
    {
        let page =
            render(&View::Reason(Reason {}), &PageContext { path, ..context(Language::English) }, None);
        assert!(elements(&page).iter().any(|e| e.get("href") == Some(link)), "{path}");
    }
}

/// Controls: C-081.
#[test]
fn problem_document_has_text_and_stable_type() {
    for language in Language::ALL {
        for code in Code::ALL {
            let problem = problem(code, language);
            assert_eq!(problem.code(), code);
            let document = document(&problem, language, None);
            assert_eq!(document.r#type, format!("urn:rekey:problem:{}", code.as_str()));
            assert!(!document.title.is_empty() && !document.detail.is_empty());
            assert!(!document.detail.contains('{'));
        }
    }
}

/// The size limits: 25 KB for the first page with its assets, and 6 KB for each later page. The picture takes
/// up to 8 KB of the first; the work's script and the sound are fetched on demand.
#[test]
fn page_sizes_stay_below_limits() {
    let sent = |page: String| encode("gzip", page.into_bytes()).1.len();
    let asset = |name| {
        let asset = assets::find(assets::path(name).trim_start_matches("/assets/")).unwrap();
        asset.body("br").1.len()
    };
    let assets: usize = ["app.css", "app.js", "icon.svg"].into_iter().map(asset).sum();
    // The only page with its own script.
    let with_script = |page: String| {
        let own = if page.contains(assets::path("passkey.js")) { asset("passkey.js") } else { 0 };
        sent(page) + own
    };
    for language in Language::ALL {
        let pages: Vec<usize> =
            views(language).iter().map(|view| with_script(render(view, &context(language), None))).collect();
        assert!(pages[0] + assets <= 17 * 1024, "{}: {} + {assets}", language.tag(), pages[0]);
        assert!(pages.iter().all(|&page| page <= 6 * 1024), "{}: {pages:?}", language.tag());
    }
}
