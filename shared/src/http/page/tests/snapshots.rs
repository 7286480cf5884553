//! Snapshots of every page: the view model as JSON, which is the contract's response, and the page as HTML.
//!
//! `snapshots` has one file per page, with its typical states. It holds the content of `<main>`; only
//! `layout.snap` and `layout_ms.snap` hold whole documents. Asset names are without their hashes.

use super::*;

/// Compares a text with `snapshots/{name}.snap`.
fn assert_snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::new();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// A state of a page, with the problem that a request got there.
struct Sample {
    title: &'static str,
    view: View,
    problem: Option<Problem>,
}

fn sample(title: &'static str, view: View) -> Sample {
    Sample { title, view, problem: None }
}

fn refused(title: &'static str, view: View, problem: Problem) -> Sample {
    Sample { title, view, problem: Some(problem) }
}

/// Compares all states of a page. The file has the page's name in the contract.
fn assert_page(samples: &[Sample]) {
    let mut names = BTreeSet::new();
    let mut text = String::new();
    for Sample { title, view, problem } in samples {
        let json = serde_json::to_value(view).unwrap();
        names.insert(json["page"].as_str().unwrap().to_owned());
        let page = render(view, &context_of(view), problem.as_ref());
        // The same page as JSON. With a problem, programs get only the problem.
        let json = match problem {
            None => serde_json::to_string_pretty(view),
            Some(problem) => {
                serde_json::to_string_pretty(&document(problem, Language::English, Some("7KQ-4M2")))
            }
        };
        let json = json.unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        let members = serde_json::to_string_pretty(&parsed).unwrap();
        assert_eq!(members.lines().count(), json.lines().count(), "{title}: a member is there twice");
        text.push_str(&section(title, &json, &page));
    }
    assert_eq!(names.len(), 1, "one file per page");
    assert_snapshot(&names.into_iter().next().unwrap(), &text);
}

/// Returns a page's title, response as JSON, and the content of `<main>`.
fn section(title: &str, json: &str, page: &str) -> String {
    let between = |start: &str, end: &str| {
        let (_, rest) = page.split_once(start).unwrap();
        rest.split_once(end).unwrap().0.trim().to_owned()
    };
    let (heading, main) =
        (between("<title>", "</title>"), between("<main id=\"main\" tabindex=\"-1\">", "</main>"));
    let text = format!("## {title}\n\n{json}\n\n<title>{heading}</title>\n{}\n\n", without_hashes(&main));
    // A real token is this long, but adds nothing to read.
    text.replace(&captcha(false).token, "[token]")
}

/// Replaces the hash in each asset's name, which changes with the asset.
fn without_hashes(page: &str) -> String {
    let mut parts = page.split("/assets/");
    let first = parts.next().unwrap_or_default().to_owned();
    let redacted = parts.map(|part| {
        let (file, rest) = part.split_once('"').unwrap();
        let [name, _, extension] = file.split('.').collect::<Vec<_>>()[..] else { panic!("{file}") };
        format!("/assets/{name}.[hash].{extension}\"{rest}")
    });
    std::iter::once(first).chain(redacted).collect::<Vec<_>>().concat()
}

/// Returns the context of a request for the page. A flow or session has a hidden field `at` in its forms.
fn context_of(view: &View) -> PageContext<'static> {
    let has_none = matches!(
        view,
        View::Identify(_) | View::Done(_) | View::Ended(_) | View::SignIn(_) | View::SignedIn(_)
    );
    let at = if has_none { None } else { Some("flow.1") };
    PageContext { at, ..context(Language::English) }
}

fn offers_of(methods: &[Method]) -> Vec<Offer> {
    let masked = |method| match method {
        Method::Email => "a*****@*****",
        Method::Sms | Method::MobileCall => "*****98",
        Method::OfficeCall => "*****21",
        _ => "",
    };
    methods.iter().map(|&method| Offer { method, masked: masked(method).into(), young: false }).collect()
}

fn identify(harder: bool, login: &str) -> View {
    View::Identify(Identify { captcha: captcha(harder), login: login.into(), resume: None })
}

fn request_options() -> PasskeyOptions {
    PasskeyOptions {
        challenge: "AAAA".into(),
        timeout: 300_000,
        rp_id: "reset.contoh.example".into(),
        allow_credentials: [],
        user_verification: "required",
    }
}

fn passkey() -> View {
    View::Passkey(PasskeyEntry {
        step: 2,
        steps: 2,
        options: request_options(),
        expires_at: "2026-11-24T04:20:00Z".into(),
        outcome: Outcome::Unlocked,
    })
}

fn password() -> View {
    let criteria = criteria(Language::English);
    password_entry(criteria)
}

fn sign_in_with(login: &str, back: Option<&str>, captcha: Option<Captcha>) -> View {
    View::SignIn(SignIn {
        login: login.into(),
        back: back.map(str::to_owned),
        captcha,
        start: None,
        changes_password: false,
    })
}

fn step_up(sent: Option<SentCode>, number: Option<&str>, selected: Method, again: bool) -> View {
    View::SecondStep(SecondStep {
        methods: offers_of(&[Method::Sms, Method::OfficeCall, Method::Push, Method::Totp]),
        sent,
        options: None,
        number: number.map(str::to_owned),
        selected: Some(selected),
        again,
    })
}

/// Returns the state of an account without entries, which each sample changes.
fn empty_list() -> SecurityInfo {
    SecurityInfo {
        methods: Vec::new(),
        registered: false,
        capable: false,
        due: false,
        known_device: false,
        recent_events: Vec::new(),
        may_remember: true,
        kinds: Kind::ALL.map(|kind| (kind, false)).to_vec(),
        mobile_is_called: true,
        needed: 2,
        factors: 0,
        may_lift: false,
        selected: None,
        value: String::new(),
        back: None,
    }
}

fn entry(kind: Kind, id: &str, masked: &str) -> EntryView {
    EntryView {
        id: id.into(),
        kind,
        masked: masked.into(),
        added_at: "2026-09-01T08:00:00Z".into(),
        last_used_at: None,
        usable_from: "2026-09-04T08:00:00Z".into(),
        predecessor: None,
        counts: true,
        whole: None,
        mail_failure: None,
    }
}

/// Returns one entry of each kind. One was used, one is waiting, and one will replace an active contact.
fn typical_entries() -> Vec<EntryView> {
    let waiting = |entry| EntryView {
        added_at: "2026-11-24T04:00:00Z".into(),
        usable_from: "2026-11-27T04:00:00Z".into(),
        counts: false,
        ..entry
    };
    vec![
        EntryView {
            last_used_at: Some("2026-11-20T10:30:00Z".into()),
            ..entry(Kind::AlternateEmail, "alternate_email", "a*****@*****")
        },
        waiting(EntryView {
            predecessor: Some("*****98".into()),
            ..entry(Kind::Mobile, "mobile", "*****21")
        }),
        entry(Kind::OfficePhone, "office_phone", "*****72"),
        waiting(entry(Kind::Totp, "totp", "")),
        entry(Kind::Authenticator, "authenticator.00112233aabbccdd", "Chrome, Android"),
        entry(Kind::Passkey, "passkey.44556677eeff0011", "Firefox, Linux"),
        entry(Kind::RecoveryCodes, "recovery_codes", "7"),
    ]
}

fn confirm_entry(id: &str, kind: Kind, masked: &str, needs: Needs) -> View {
    View::Confirm(Confirm {
        id: id.into(),
        kind,
        masked: masked.into(),
        needs,
        attempts_left: 5,
        login: Some("aisyah".into()),
        at: "2026-11-24T04:15:09Z".into(),
    })
}

fn sent_to(method: Method, masked: &str) -> Needs {
    Needs::Code(SentCode { masked: masked.into(), ..sent(method) })
}

#[test]
fn layout_matches_snapshot() {
    let view = View::Unlock(Unlock { steps: 2 });
    let whole = |context: &PageContext| without_hashes(&render(&view, context, None));
    let plain = PageContext {
        logo_url: None,
        help_desk_url: None,
        colour: None,
        languages: &[Language::English, Language::Malay],
        ..context(Language::English)
    };
    assert_snapshot("layout", &whole(&context(Language::English)));
    assert_snapshot("layout_plain", &whole(&plain));
    assert_snapshot("layout_ms", &whole(&context(Language::Malay)));
}

#[test]
fn identify_page_matches_snapshot() {
    let wrong = |title, why| {
        refused(title, identify(false, "aisyah"), Problem::CaptchaWrong(why, Box::new(captcha(false))))
    };
    let begun =
        View::Identify(Identify { captcha: captcha(false), login: String::new(), resume: Some("/method") });
    assert_page(&[
        sample("First visit", identify(false, "")),
        sample("A browser that has begun a flow", begun),
        sample("Rate limit exceeded: work is required", identify(true, "aisyah")),
        wrong("Wrong CAPTCHA", CaptchaFailure::Wrong),
        wrong("Expired CAPTCHA", CaptchaFailure::Expired),
        wrong("Used CAPTCHA", CaptchaFailure::Used),
        wrong("A letter that is in no picture", CaptchaFailure::NotDrawn),
        wrong("A CAPTCHA for another login", CaptchaFailure::OtherName),
        wrong("Wrong work", CaptchaFailure::WrongWork),
        refused("No login", identify(false, ""), Problem::malformed("login")),
    ]);
}

#[test]
fn reason_page_matches_snapshot() {
    let view = || View::Reason(Reason {});
    assert_page(&[sample("Choice", view()), refused("Nothing chosen", view(), Problem::malformed("reason"))]);
}

#[test]
fn method_page_matches_snapshot() {
    let unlock = MethodChoice {
        step: 2,
        steps: 2,
        methods: offers_of(&[Method::Passkey, Method::RecoveryCode]),
        selected: None,
        outcome: Outcome::Unlocked,
    };
    let phones = || offers_of(&[Method::Sms, Method::MobileCall, Method::OfficeCall]);
    let mismatch = Problem::ContactMismatch;
    let wrong = Problem::CodeWrong { attempts_left: Some(3) };
    assert_page(&[
        sample(
            "Step 1 with email and text message",
            method(1, 2, None, offers_of(&[Method::Email, Method::Sms])),
        ),
        sample("Step 1 with every method", method(1, 2, None, offers_of(&Method::ALL))),
        sample("Step 2 of an unlock", View::Method(unlock)),
        sample("The only step", method(1, 1, None, offers_of(&[Method::Push, Method::Totp]))),
        sample("No method", method(1, 2, None, Vec::new())),
        refused("Another phone number", method(1, 2, Some(Method::MobileCall), phones()), mismatch),
        refused("Wrong TOTP code", method(2, 2, Some(Method::Totp), offers_of(&[Method::Totp])), wrong),
    ]);
}

#[test]
fn code_page_matches_snapshot() {
    let mail = |resend_in, may_resend| match code(Method::Email, resend_in, may_resend) {
        View::Code(entry) => View::Code(CodeEntry { masked: "a*****@*****".into(), ..entry }),
        other => other,
    };
    let over = |attempts_left, may_resend| match mail(0, may_resend) {
        View::Code(entry) => View::Code(CodeEntry { is_over: true, attempts_left, ..entry }),
        other => other,
    };
    assert_page(&[
        sample("Email", mail(30, true)),
        sample("Text message", code(Method::Sms, 30, true)),
        sample("Call to the mobile phone", code(Method::MobileCall, 0, true)),
        sample("Call to the office phone, no resend left", code(Method::OfficeCall, 0, false)),
        refused("Wrong code", mail(0, true), Problem::CodeWrong { attempts_left: Some(3) }),
        sample("Expired code", over(3, true)),
        refused("Code spent by wrong attempts", over(0, false), Problem::CodeSpent),
        refused("Resend too early", mail(17, true), Problem::SlowDown(Seconds(17))),
    ]);
}

#[test]
fn approval_page_matches_snapshot() {
    assert_page(&[
        sample("Pending", approval(ApprovalStatus::Pending, true)),
        sample("Approved", approval(ApprovalStatus::Approved, true)),
        sample("Ended, another request is possible", approval(ApprovalStatus::Ended, true)),
        sample("Ended, no request left", approval(ApprovalStatus::Ended, false)),
    ]);
}

#[test]
fn passkey_page_matches_snapshot() {
    assert_page(&[
        sample("Step 2 of an unlock", passkey()),
        refused("Wrong assertion", passkey(), Problem::CodeWrong { attempts_left: None }),
    ]);
}

#[test]
fn password_page_matches_snapshot() {
    let violated = criteria(Language::English).split_off(6);
    assert_page(&[
        sample("Every criterion", password()),
        refused("Rejected password", password(), Problem::PasswordRejected(violated)),
        refused("Different confirmation", password(), Problem::ConfirmationDiffers),
    ]);
}

#[test]
fn unlock_page_matches_snapshot() {
    assert_page(&[sample("One step", View::Unlock(Unlock { steps: 1 }))]);
}

#[test]
fn done_page_matches_snapshot() {
    assert_page(&[sample("Reset", done(Outcome::Reset)), sample("Unlock", done(Outcome::Unlocked))]);
}

#[test]
fn ended_page_matches_snapshot() {
    assert_page(&[sample("Cancelled", View::Ended(Ended { why: Why::Cancelled }))]);
}

#[test]
fn sign_in_page_matches_snapshot() {
    let harder = || Some(captcha(true));
    let wrong = Problem::SignInWrong(harder().map(Box::new));
    let portal = Some("https://portal.example/?a=1&b=2");
    let to_change = SignIn { changes_password: true, ..SignIn::default() };
    let elsewhere = |start: &str| View::SignIn(SignIn { start: Some(start.into()), ..SignIn::default() });
    assert_page(&[
        sample("First visit", sign_in_with("", None, None)),
        sample("From a portal", sign_in_with("", portal, None)),
        sample("To change the password", View::SignIn(to_change)),
        refused("Wrong password", sign_in_with("aisyah", None, None), Problem::SignInWrong(None)),
        refused("Rate limit exceeded", sign_in_with("aisyah", None, harder()), wrong),
        sample("With the identity provider", elsewhere("/security-info/oidc/start")),
        sample(
            "The same from a portal",
            elsewhere("/security-info/oidc/start?return=https%3A%2F%2Fportal.example%2F"),
        ),
        refused("Cancelled there", elsewhere("/security-info/oidc/start"), Problem::SignInCancelled),
    ]);
}

#[test]
fn signed_in_page_matches_snapshot() {
    let view = View::SignedIn(SignedIn { next: "/security-info/verify" });
    assert_page(&[sample("Back from the identity provider", view)]);
}

#[test]
fn step_up_page_matches_snapshot() {
    let code = || Some(sent(Method::Sms));
    let wrong = || Problem::CodeWrong { attempts_left: Some(4) };
    let every = SecondStep {
        methods: offers_of(&Method::ALL),
        sent: None,
        options: Some(request_options()),
        number: None,
        selected: Some(Method::Email),
        again: false,
    };
    let called = SentCode { masked: "*****21".into(), resend_in: 0, ..sent(Method::OfficeCall) };
    assert_page(&[
        sample("Sign-in with every method", View::SecondStep(every)),
        sample("Code by text message", step_up(code(), None, Method::Sms, false)),
        sample("Code by call", step_up(Some(called), None, Method::OfficeCall, true)),
        sample("Approval", step_up(None, Some("42"), Method::Push, false)),
        refused("Wrong code by text message", step_up(code(), None, Method::Sms, false), wrong()),
        refused("Wrong TOTP code", step_up(None, None, Method::Totp, true), wrong()),
    ]);
}

#[test]
fn security_info_page_matches_snapshot() {
    let kinds = || Kind::ALL.map(|kind| (kind, kind.limit() == 1)).to_vec();
    let typical = || SecurityInfo {
        methods: typical_entries(),
        registered: true,
        capable: true,
        kinds: kinds(),
        recent_events: vec![recent(RecentKind::Reset, "203.0.113.x"), recent(RecentKind::PassIssued, "")],
        factors: 7,
        back: Some("https://portal.example/?a=1&registered=true&capable=true&due=false".into()),
        ..empty_list()
    };
    let waiting = SecurityInfo {
        methods: typical_entries().split_off(1).into_iter().filter(|entry| !entry.counts).collect(),
        registered: true,
        due: true,
        known_device: false,
        may_remember: true,
        kinds: vec![(Kind::Passkey, false), (Kind::RecoveryCodes, true)],
        factors: 2,
        may_lift: true,
        ..empty_list()
    };
    let refused_number = SecurityInfo {
        kinds: vec![(Kind::Mobile, false), (Kind::OfficePhone, false)],
        selected: Some(Kind::Mobile),
        value: "012-345".into(),
        ..empty_list()
    };
    assert_page(&[
        sample("No entry", View::SecurityInfo(empty_list())),
        sample("An entry of each kind", View::SecurityInfo(typical())),
        sample("Waiting entries", View::SecurityInfo(waiting)),
        refused("Refused number", View::SecurityInfo(refused_number), Problem::ContactRefused),
    ]);
}

#[test]
fn change_password_page_matches_snapshot() {
    assert_page(&[
        sample("After a step-up", View::ChangePassword(ChangePassword { ready: true })),
        sample("Without a method", View::ChangePassword(ChangePassword { ready: false })),
    ]);
}

#[test]
fn confirm_page_matches_snapshot() {
    let mail = || {
        let needs = sent_to(Method::Email, "a*****@*****");
        confirm_entry("alternate_email", Kind::AlternateEmail, "a*****@*****", needs)
    };
    let codes = (0..10).map(|number| format!("ABCD-EFGH-JKMN-{number}")).collect();
    let options = Box::new(creation_options());
    assert_page(&[
        sample("Alternate email", mail()),
        sample(
            "Mobile by text",
            confirm_entry("mobile", Kind::Mobile, "*****21", sent_to(Method::Sms, "*****21")),
        ),
        sample(
            "Mobile by call",
            confirm_entry("mobile", Kind::Mobile, "*****21", sent_to(Method::MobileCall, "*****21")),
        ),
        sample(
            "Office phone",
            confirm_entry(
                "office_phone",
                Kind::OfficePhone,
                "*****72",
                sent_to(Method::OfficeCall, "*****72"),
            ),
        ),
        sample("TOTP", confirm_entry("totp", Kind::Totp, "", totp())),
        sample(
            "Pairing of a device",
            confirm_entry("authenticator.00112233aabbccdd", Kind::Authenticator, "", pairing()),
        ),
        sample(
            "Passkey",
            confirm_entry("passkey.44556677eeff0011", Kind::Passkey, "", Needs::Passkey { options }),
        ),
        sample(
            "Recovery codes",
            confirm_entry("recovery_codes", Kind::RecoveryCodes, "", Needs::RecoveryCodes { codes }),
        ),
        refused("Wrong code", mail(), Problem::CodeWrong { attempts_left: Some(4) }),
    ]);
}

#[test]
fn authenticator_page_matches_snapshot() {
    let page = |language| without_hashes(&authenticator(&context(language), "BPushKey"));
    assert_snapshot("authenticator", &page(Language::English));
}

#[test]
fn problem_pages_match_snapshot() {
    let context = PageContext { at: None, ..context(Language::English) };
    let text: String = Code::ALL
        .into_iter()
        .map(|code| {
            let problem = problem(code, Language::English);
            let json = serde_json::to_string_pretty(&document(&problem, Language::English, Some("7KQ-4M2")))
                .unwrap();
            section(code.as_str(), &json, &render_problem(&problem, &context))
        })
        .collect();
    assert_snapshot("problems", &text);
}

/// A page that was removed would leave its file behind.
#[test]
fn every_snapshot_file_has_a_page() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/page/tests/snapshots");
    let found =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> =
        found.filter_map(|file| file.strip_suffix(".snap").map(str::to_owned)).collect();
    let mut expected: BTreeSet<String> =
        ["authenticator", "layout", "layout_ms", "layout_plain", "problems"].map(str::to_owned).into();
    let page = |view: &View| serde_json::to_value(view).unwrap()["page"].as_str().unwrap().to_owned();
    expected.extend(views(Language::English).iter().map(page));
    assert!(found.is_subset(&expected), "{:?}", found.difference(&expected));
}
