//! Sign-in to `/security-info` with the university's identity provider (`REKEY_SIGN_IN=oidc`).

use std::sync::Arc;

use http::Method;
use rekey_tests::fixtures::{AISYAH, NEWCOMER, Person};
use rekey_tests::identity_provider::CLIENT_ID;
use rekey_tests::world::{OIDC_ARN, OIDC_SECRET};
use rekey_tests::{Answer, Browser, IdentityProvider, World};
use serde_json::{Value, json};
use shared::domain::account::{Account, AccountId};

use crate::decoys::calls_since;
use crate::log::Lines;

const START: &str = "/security-info/oidc/start";
const PORTAL: &str = "https://portal.contoh.example/";

/// A world whose people sign in with an identity provider.
struct University {
    world: Arc<World>,
    provider: IdentityProvider,
}

impl University {
    async fn new() -> Self {
        Self::with(&[("REKEY_OIDC_SECRET", OIDC_ARN)]).await
    }

    async fn with(parameters: &[(&str, &str)]) -> Self {
        let provider = IdentityProvider::start().await;
        let own = [
            ("REKEY_SIGN_IN", "oidc"),
            ("REKEY_OIDC_ISSUER", provider.issuer.as_str()),
            ("REKEY_OIDC_CLIENT_ID", CLIENT_ID),
            ("REKEY_RETURN_URLS", PORTAL),
        ];
        Self { world: World::with(&[&own[..], parameters].concat()).await, provider }
    }

    /// Begins a sign-in, and returns the address of the provider's page.
    async fn start(&self, browser: &mut Browser) -> String {
        let answer = browser.get(START).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("location").unwrap().to_owned()
    }

    /// Signs in at the provider, and returns the path of the callback.
    async fn authorize(&self, browser: &mut Browser, claims: &Value) -> String {
        let location = self.start(browser).await;
        let mut all = json!({ "preferred_username": "aisyah" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        format!("/security-info/oidc?{}", self.provider.authorize(&location, &all, self.world.now()))
    }

    /// Walks the whole sign-in.
    async fn sign_in(&self, browser: &mut Browser, claims: &Value) -> Answer {
        let callback = self.authorize(browser, claims).await;
        browser.get(&callback).await
    }
}

fn code(answer: &Answer) -> (u16, String) {
    answer.problem()
}

fn invalid() -> (u16, String) {
    (422, "sign-in-invalid".into())
}

/// Controls: C-190, C-191.
#[tokio::test]
async fn provider_sign_in_begins_a_session() {
    let university = University::new().await;
    let mut browser = university.world.browser();
    let page = browser.get("/security-info").await;
    assert_eq!((page.page().as_str(), &page.json()["start"]), ("sign-in", &json!(START)));
    let answer = university.sign_in(&mut browser, &json!({})).await;
    assert_eq!(answer.page(), "second-step");
    assert!(browser.session.is_some() && browser.pending.is_none());
    assert_eq!(browser.second_step(&university.world.app_code(0)).await.page(), "security-info");

    university.world.register(&NEWCOMER).await;
    let mut newcomer = university.world.browser();
    let name = json!({ "preferred_username": "Newcomer@Student.contoh.example" });
    assert_eq!(university.sign_in(&mut newcomer, &name).await.page(), "security-info");
}

/// Strict cookies don't come with a request that another site caused, so a redirect would lose the session.
/// Controls: C-190.
#[tokio::test]
async fn browser_leaves_the_callback_by_a_page() {
    let university = University::new().await;
    let mut browser = university.world.browser();
    let callback = university.authorize(&mut browser, &json!({})).await;
    let mut request = browser.request(Method::GET, &callback).body(String::new()).unwrap();
    request.headers_mut().insert("accept", "text/html".parse().unwrap());
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    let answer = browser.send(request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("refresh")),
        (200, Some("0; url=/security-info/verify"))
    );
    let cookies: Vec<_> =
        answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(
        cookies[0].starts_with("__Host-rekey-session=") && cookies[0].contains("SameSite=Strict"),
        "{cookies:?}"
    );
    assert!(cookies[1].starts_with("__Host-rekey-oidc=;") && cookies[1].contains("Max-Age=0"), "{cookies:?}");
    let text = answer.text();
    assert!(text.contains("href=\"/security-info/verify\"") && !text.contains("code-"), "{text}");
    assert_eq!(browser.get("/security-info").await.page(), "second-step");
}

/// Controls: C-190.
#[tokio::test]
async fn pending_cookie_is_lax_and_lives_ten_minutes() {
    let university = University::new().await;
    let answer = university.world.browser().get(START).await;
    let cookie = answer.header("set-cookie").unwrap();
    let attributes = cookie.split_once(';').unwrap().1;
    assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600");
    assert!(cookie.starts_with("__Host-rekey-oidc=") && answer.header("cache-control") == Some("no-store"));
}

/// None of these reaches the token endpoint.
/// Controls: C-190.
#[tokio::test]
async fn answer_of_another_sign_in_is_rejected() {
    let university = University::new().await;
    let (world, mut browser) = (&university.world, university.world.browser());
    let callback = university.authorize(&mut browser, &json!({})).await;
    let mut stranger = world.browser();
    assert_eq!(code(&stranger.get(&callback).await), invalid(), "a browser that began none");
    university.start(&mut stranger).await;
    assert_eq!(code(&stranger.get(&callback).await), invalid(), "a browser that began another");
    let kept = browser.pending.clone();
    for changed in [
        callback.replace("state=", "state=A"),
        callback.replace("state=", "x="),
        format!("{callback}&state=1"),
    ] {
        browser.pending.clone_from(&kept);
        assert_eq!(code(&browser.get(&changed).await), invalid(), "{changed}");
        assert!(browser.pending.is_none(), "{changed}");
    }
    world.clock.advance(600);
    browser.pending.clone_from(&kept);
    assert_eq!(code(&browser.get(&callback).await), invalid(), "ten minutes later");
    assert_eq!(university.provider.requests("token"), 0);
    assert!(browser.session.is_none() && stranger.session.is_none());
}

/// Controls: C-190.
#[tokio::test]
async fn answer_serves_once() {
    let university = University::new().await;
    let mut browser = university.world.browser();
    let callback = university.authorize(&mut browser, &json!({})).await;
    let mut again = browser.clone();
    assert_eq!(browser.get(&callback).await.page(), "second-step");
    assert_eq!(code(&again.get(&callback).await), invalid());
    assert_eq!(university.provider.requests("token"), 1);
}

/// A code of another sign-in was made for another verifier.
/// Controls: C-191.
#[tokio::test]
async fn injected_code_is_rejected() {
    let university = University::new().await;
    let (mut victim, mut attacker) = (university.world.browser(), university.world.browser());
    let of_victim = university.authorize(&mut victim, &json!({ "sub": "1" })).await;
    let of_attacker = university.authorize(&mut attacker, &json!({ "sub": "2" })).await;
    let value = |callback: &str| callback.split(['=', '&']).nth(1).unwrap().to_owned();
    let injected = of_victim.replace(&value(&of_victim), &value(&of_attacker));
    assert_ne!(injected, of_victim);
    assert_eq!(code(&victim.get(&injected).await), invalid());
    assert_eq!(university.provider.requests("token"), 1);
}

/// Each check of the token, through the whole product. The reason is logged, and nothing of the token.
/// Controls: C-192, C-193, C-196, C-198.
#[tokio::test]
async fn invalid_token_begins_no_session() {
    let university = University::new().await;
    let lines = Lines::default();
    let _guard = lines.keep();
    let mut reasons = Vec::new();
    let now = university.world.now().as_seconds();
    for (claims, reason) in [
        (json!({ "iss": "https://evil.example" }), "issuer"),
        (json!({ "aud": "portal" }), "audience"),
        (json!({ "aud": [CLIENT_ID, "portal"] }), "audience"),
        (json!({ "azp": "portal" }), "audience"),
        (json!({ "exp": now - 60 }), "expired"),
        (json!({ "iat": now - 61 }), "time of issue"),
        (json!({ "nonce": "another" }), "nonce"),
        (json!({ "auth_time": now - 400 }), "age of the sign-in"),
        (json!({ "auth_time": null }), "age of the sign-in"),
        (json!({ "preferred_username": null }), "claim of the account"),
        (json!({ "exp": "soon" }), "malformed token"),
    ] {
        let mut browser = university.world.browser();
        assert_eq!(code(&university.sign_in(&mut browser, &claims).await), invalid(), "{claims}");
        assert!(browser.session.is_none() && browser.pending.is_none(), "{claims}");
        reasons.push(reason);
    }
    for (header, reason) in [
        (json!({ "alg": "none" }), "algorithm"),
        (json!({ "alg": "HS256" }), "algorithm"),
        (json!({ "typ": "at+jwt" }), "kind of token"),
        (json!({ "alg": "RS256" }), "unknown key"),
        (json!({ "kid": "9" }), "unknown key"),
    ] {
        university.provider.sign_with(header.clone());
        let answer = university.sign_in(&mut university.world.browser(), &json!({})).await;
        assert_eq!(code(&answer), invalid(), "{header}");
        reasons.push(reason);
    }
    assert_eq!(lines.field("sign_in.failed", "reason"), reasons);
    assert!(university.provider.tokens().iter().all(|token| !lines.text().contains(token)));
}

/// Controls: C-192.
#[tokio::test]
async fn forged_signature_is_rejected() {
    let university = University::new().await;
    let lines = Lines::default();
    let _guard = lines.keep();
    university.provider.rotate(false);
    university.provider.sign_with(json!({ "kid": "1" }));
    let answer = university.sign_in(&mut university.world.browser(), &json!({})).await;
    assert_eq!(code(&answer), invalid());
    assert_eq!(lines.field("sign_in.failed", "reason"), ["signature"]);
}

/// Controls: C-192.
#[tokio::test]
async fn new_key_is_fetched_at_most_once_a_minute() {
    let university = University::new().await;
    let (world, provider) = (&university.world, &university.provider);
    assert_eq!(university.sign_in(&mut world.browser(), &json!({})).await.page(), "second-step");
    assert_eq!((provider.requests("keys"), provider.requests("discovery")), (1, 1));
    world.clock.advance(61);
    provider.rotate(true);
    assert_eq!(university.sign_in(&mut world.browser(), &json!({})).await.page(), "second-step");
    assert_eq!(provider.requests("keys"), 2);
    provider.rotate(false);
    for _ in 0..3 {
        assert_eq!(code(&university.sign_in(&mut world.browser(), &json!({})).await), invalid());
    }
    assert_eq!(provider.requests("keys"), 2, "within the minute");
    world.clock.advance(60);
    assert_eq!(code(&university.sign_in(&mut world.browser(), &json!({})).await), invalid());
    assert_eq!((provider.requests("keys"), provider.requests("discovery")), (3, 1));
}

/// Controls: C-197.
#[tokio::test]
async fn unusable_accounts_get_one_answer() {
    let university = University::new().await;
    let lines = Lines::default();
    let _guard = lines.keep();
    let mut seen = Vec::new();
    for name in
        ["nobody", "daniel", "registrar", "aisyah@mail.example", "CONTOH\\aisyah", "x <aisyah>", "ａisyah"]
    {
        let mut browser = university.world.browser();
        let answer = university.sign_in(&mut browser, &json!({ "preferred_username": name })).await;
        assert!(browser.session.is_none() && browser.pending.is_none(), "{name}");
        let code = answer.json()["support_code"].as_str().unwrap().to_owned();
        seen.push((answer.status, answer.text().replace(&code, "")));
    }
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
    assert_eq!(seen[0].0, 403);
    assert!(seen[0].1.contains("\"sign-in-no-account\""));
    assert_eq!(lines.of("sign_in.rejected").len(), seen.len());
    for name in ["nobody", "daniel", "aisyah"] {
        assert!(!lines.text().contains(name), "{name} is logged");
    }
}

/// A login that is given to another person is another `sub`.
/// Controls: C-197.
#[tokio::test]
async fn subject_names_an_account_by_id() {
    let university = University::with(&[("REKEY_OIDC_CLAIM", "sub"), ("REKEY_OIDC_SECRET", OIDC_ARN)]).await;
    let id = AccountId::from_directory("Uni:24-8289").unwrap();
    let account = Account { id, logins: vec!["farah".into()], ..AISYAH.account() };
    university.world.put_account(&account, None).await;
    let of =
        async |sub: &str| university.sign_in(&mut university.world.browser(), &json!({ "sub": sub })).await;
    assert_eq!(of("Uni:24-8289").await.page(), "security-info");
    for other in ["farah", "uni:24-8289", "~0123456789abcdef0123456789abcdef"] {
        assert_eq!(code(&of(other).await), (403, "sign-in-no-account".into()), "{other}");
    }
}

/// Controls: C-190.
#[tokio::test]
async fn password_is_not_read_with_provider() {
    let university = University::new().await;
    let before = university.world.emulator.calls();
    let answer = university.world.browser().sign_in_with("aisyah", Person::PASSWORD).await;
    assert_eq!(code(&answer), (422, "sign-in-elsewhere".into()));
    assert!(calls_since(&university.world, &before).is_empty());
    let page = university.world.browser().html("/security-info").await;
    assert!(!page.contains("password\"") && page.contains(&format!("href=\"{START}\"")), "{page}");
}

#[tokio::test]
async fn provider_routes_are_absent_with_passwords() {
    let world = World::new().await;
    for path in [START, "/security-info/oidc?code=1&state=2"] {
        assert_eq!(code(&world.browser().get(path).await), (404, "not-found".into()), "{path}");
    }
    assert!(world.browser().get("/security-info").await.json().get("start").is_none());
}

/// A link or picture of another site must not replace the session of a person.
/// Controls: C-190.
#[tokio::test]
async fn other_site_starts_no_sign_in() {
    let university = University::new().await;
    for site in ["cross-site", "same-site"] {
        let mut browser = university.world.browser();
        let request = browser.request(Method::GET, START).header("sec-fetch-site", site);
        let answer = browser.send(request.body(String::new()).unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (303, Some("/security-info")),
            "{site}"
        );
        assert!(browser.pending.is_none());
    }
}

/// Controls: C-195.
#[tokio::test]
async fn answer_of_another_issuer_is_rejected() {
    let university = University::new().await;
    university.provider.announce(json!({ "authorization_response_iss_parameter_supported": true }));
    for iss in ["", "&iss=https%3A%2F%2Fevil.example"] {
        let mut browser = university.world.browser();
        let callback = university.authorize(&mut browser, &json!({})).await;
        assert_eq!(code(&browser.get(&format!("{callback}{iss}")).await), invalid(), "{iss}");
    }
    assert_eq!(university.provider.requests("token"), 0);
    let mut browser = university.world.browser();
    let callback = university.authorize(&mut browser, &json!({})).await;
    let own = form_urlencoded::byte_serialize(university.provider.issuer.as_bytes()).collect::<String>();
    assert_eq!(browser.get(&format!("{callback}&iss={own}")).await.page(), "second-step");
}

/// Controls: C-190.
#[tokio::test]
async fn error_at_provider_loses_nothing() {
    let university = University::new().await;
    for (error, expected) in [
        ("access_denied", (422, "sign-in-cancelled")),
        ("login_required", (422, "sign-in-cancelled")),
        ("anything", (422, "sign-in-cancelled")),
        ("server_error", (503, "provider-unavailable")),
        ("temporarily_unavailable", (503, "provider-unavailable")),
        ("invalid_scope", (503, "provider-unavailable")),
    ] {
        let mut browser = university.world.browser();
        let url = format!("{START}?return={PORTAL}");
        let location = browser.get(&url).await.header("location").unwrap().to_owned();
        let state = location.split(['?', '&']).find_map(|part| part.strip_prefix("state=")).unwrap();
        let path = format!("/security-info/oidc?error={error}&error_description=x&state={state}");
        let mut page = browser.request(Method::GET, &path).body(String::new()).unwrap();
        page.headers_mut().insert("accept", "text/html".parse().unwrap());
        let mut other = browser.clone();
        let text = other.send(page).await.text();
        let again = format!("href=\"{START}?return=https%3A%2F%2Fportal.contoh.example%2F\"");
        assert!(text.contains(&again) && !text.contains(state), "{text}");
        assert!(other.pending.is_none());
        university.start(&mut browser).await;
        let location = university.start(&mut browser).await;
        let state = location.split(['?', '&']).find_map(|part| part.strip_prefix("state=")).unwrap();
        let answer = browser.get(&format!("/security-info/oidc?error={error}&state={state}")).await;
        assert_eq!(code(&answer), (expected.0, expected.1.into()), "{error}");
    }
    assert_eq!(university.provider.requests("token"), 0);
    assert_eq!(university.sign_in(&mut university.world.browser(), &json!({})).await.page(), "second-step");
}

/// Controls: C-194, C-198.
#[tokio::test]
async fn failing_provider_is_reported_and_recovers() {
    let university = University::new().await;
    let lines = Lines::default();
    let _guard = lines.keep();
    let unavailable = (503, "provider-unavailable".to_owned());
    let large = format!("{{\"id_token\":\"{}\"}}", "a".repeat(64 * 1024));
    let mut causes = Vec::new();
    for (endpoint, status, body, cause) in [
        ("discovery", 500, "", "discovery: status 500"),
        ("discovery", 302, "", "discovery: status 302"),
        ("discovery", 200, "{}", "discovery: not the document of REKEY_OIDC_ISSUER"),
        ("token", 503, "code-1", "token endpoint: status 503"),
        ("token", 401, "{\"error\":\"invalid_client\"}", "token endpoint: invalid_client"),
        ("token", 200, "{\"access_token\":\"code-1\"}", "token endpoint: no ID token"),
        ("token", 200, &large, "token endpoint: more than 65536 bytes"),
        ("keys", 404, "", "key set: status 404"),
        ("keys", 200, "[]", "key set: no JWK Set"),
    ] {
        university.provider.break_endpoint(endpoint, status, body);
        let mut browser = university.world.browser();
        let answer = browser.get(START).await;
        let answer =
            if endpoint == "discovery" { answer } else { university.sign_in(&mut browser, &json!({})).await };
        assert_eq!(code(&answer), unavailable, "{endpoint} {cause}");
        assert!(browser.session.is_none(), "{cause}");
        university.provider.repair();
        causes.push(cause);
    }
    assert_eq!(lines.field("request.failed", "causes"), causes);
    assert!(!lines.text().contains("code-"));
    assert_eq!(university.sign_in(&mut university.world.browser(), &json!({})).await.page(), "second-step");
}

#[tokio::test]
async fn client_authenticates_as_the_provider_requires() {
    let university = University::new().await;
    let sign_in =
        async |university: &University| university.sign_in(&mut university.world.browser(), &json!({})).await;
    assert_eq!(sign_in(&university).await.page(), "second-step");

    let posting = University::new().await;
    posting.provider.announce(json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] }));
    posting.provider.require(Some("client_secret_post"));
    assert_eq!(sign_in(&posting).await.page(), "second-step");

    let public = University::with(&[]).await;
    public.provider.require(None);
    assert_eq!(sign_in(&public).await.page(), "second-step");
    let verifier = &public.provider.form()["code_verifier"];
    assert_eq!(verifier.len(), 43);
}

/// Controls: C-198.
#[tokio::test]
async fn client_secret_is_read_by_enrolment_only() {
    let university = University::new().await;
    let reads = |resource: &Option<String>| resource.as_deref() == Some("RekeyOidcSecret");
    let calls = university.world.emulator.calls().into_keys().filter(|call| reads(&call.resource));
    let mut readers: Vec<String> = calls.map(|call| call.principal).filter(|name| name != "local").collect();
    readers.dedup();
    assert_eq!(readers, ["enrolment"]);
}

/// Controls: C-088, C-198.
#[tokio::test]
async fn codes_tokens_and_secrets_are_neither_logged_nor_stored() {
    let lines = Lines::default();
    let _guard = lines.keep();
    let university = University::new().await;
    let mut browser = university.world.browser();
    let callback = university.authorize(&mut browser, &json!({})).await;
    let pending = browser.pending.clone().unwrap();
    assert_eq!(browser.get(&callback).await.page(), "second-step");
    let mut secrets: Vec<String> = callback.split(['?', '&', '=']).map(str::to_owned).collect();
    secrets.retain(|part| part.len() > 13 && !part.starts_with('/'));
    assert_eq!(secrets.len(), 2, "code and state");
    secrets.extend([university.provider.form()["code_verifier"].clone(), OIDC_SECRET.to_owned(), pending]);
    secrets.extend(university.provider.tokens());
    let (log, stored) = (lines.text(), university.world.dump().await);
    assert!(log.contains("session.started"));
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} is logged: {log}");
        assert!(!stored.contains(secret.as_str()), "{secret} is stored");
    }
}

/// The callback comes without the cookies of session and device, so the sealed cookie has them.
/// Controls: C-037, C-102.
#[tokio::test]
async fn callback_knows_former_session_and_device() {
    let university = University::new().await;
    let mut browser = university.world.browser();
    university.sign_in(&mut browser, &json!({})).await;
    browser.second_step(&university.world.app_code(0)).await;
    assert_eq!(
        browser.post("/security-info/remember", json!({ "remember": "device" })).await.page(),
        "security-info"
    );
    let former = browser.clone();
    let callback = university.authorize(&mut browser, &json!({})).await;
    let (session, device) = (browser.session.take(), browser.device.take());
    assert!(session.is_some() && device.is_some());
    assert_eq!(browser.get(&callback).await.page(), "second-step");
    assert_ne!(browser.session, session);
    assert_eq!(former.clone().get("/security-info").await.page(), "sign-in", "the former session has ended");
    university.world.clock.advance(30);
    assert_eq!(browser.second_step(&university.world.app_code(0)).await.json()["known_device"], true);
}

/// Controls: C-199.
#[tokio::test]
async fn provider_step_up_needs_configuration() {
    let mfa = json!({ "amr": ["pwd", "mfa"] });
    let plain = University::new().await;
    assert_eq!(plain.sign_in(&mut plain.world.browser(), &mfa).await.page(), "second-step");

    let university =
        University::with(&[("REKEY_OIDC_STEP_UP_AMR", "mfa"), ("REKEY_OIDC_SECRET", OIDC_ARN)]).await;
    let mut browser = university.world.browser();
    assert_eq!(university.sign_in(&mut browser, &json!({ "amr": ["pwd"] })).await.page(), "second-step");
    assert_eq!(university.sign_in(&mut browser, &mfa).await.page(), "security-info");
    let added = browser.add("alternate_email", "new@mail.example").await;
    assert_eq!(added.page(), "confirm");
    let list = browser.confirm("alternate_email", &university.world.last_code()).await.json();
    let entry = list["methods"].as_array().unwrap().iter().find(|entry| entry["predecessor"].is_string());
    assert!(entry.is_some(), "the new contact waits: {list}");
    university.world.clock.advance(601);
    let late = browser.post("/security-info/remove", json!({ "id": "totp" })).await;
    assert_eq!(code(&late), (409, "out-of-step".into()), "a change needs a fresh step-up");
}

/// Controls: C-196.
#[tokio::test]
async fn recent_sign_in_is_asked_for() {
    let university = University::new().await;
    let location = university.start(&mut university.world.browser()).await;
    assert!(location.contains("&max_age=300") && location.contains("&scope=openid+profile&"), "{location}");
    let lenient =
        University::with(&[("REKEY_OIDC_MAX_AGE_SECS", "0"), ("REKEY_OIDC_SECRET", OIDC_ARN)]).await;
    let location = lenient.start(&mut lenient.world.browser()).await;
    assert!(!location.contains("max_age"), "{location}");
    let old = json!({ "auth_time": null });
    assert_eq!(lenient.sign_in(&mut lenient.world.browser(), &old).await.page(), "second-step");
}
