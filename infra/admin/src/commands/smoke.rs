//! `rekey smoke`: a whole reset through the public address, as a person makes it.
//!
//! It has no rights of its own: it solves the CAPTCHA's work, gets codes by messages, and sets a password that nobody
//! knows afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use rekey_people::failure::with_causes;
use serde_json::{Value, json};
use shared::adapters::system::{SystemClock, SystemEntropy, SystemTimer};
use shared::adapters::web::WebClient;
use shared::domain::captcha;
use shared::domain::contact::{EmailAddress, PhoneNumber};
use shared::domain::method::Method;
use shared::ports::{Clock as _, EntropyExt as _, Timer as _};
use shared::settings::PUBLIC_URL;
use zeroize::Zeroizing;

use crate::cli::{Global, Smoke};
use crate::deployment::{self, Deployment, Found, PEOPLE};
use crate::find;
use crate::outcome::{Outcome, Problem};
use crate::output::Output;

/// The methods that a program can answer, the most usual first.
const USABLE: [Method; 5] =
    [Method::Email, Method::Sms, Method::Totp, Method::MobileCall, Method::OfficeCall];
/// The longest wait for a message in a dev inbox, in polls.
const POLLS: u32 = 240;
const POLL: Duration = Duration::from_millis(250);
/// The most work that is done: a thousand times the least.
const DIFFICULTY_MAX: u64 = 24;
/// How often a challenge is solved, and a mistyped code asked again.
const ATTEMPTS: usize = 3;

pub(super) async fn run(global: &Global, options: &Smoke, output: &Output) -> Result<Outcome, Problem> {
    let login = &options.login;
    let found = deployment::find(global).await?;
    let Some(url) = found.variables.get(PUBLIC_URL).filter(|url| !url.is_empty()) else {
        return Err(Problem::failed("the deployment has no REKEY_PUBLIC_URL. Set it, and deploy"));
    };
    let url = url.trim_end_matches('/').to_owned();
    if options.sign_in && found.variables.get("REKEY_SIGN_IN").is_some_and(|by| by == "oidc") {
        return Err(Problem::usage("people sign in at the identity provider here. Leave --sign-in out"));
    }
    if !options.yes {
        let question = format!(
            "Reset the password of {login} at {url}? Nobody knows the new one, and every contact is notified."
        );
        super::confirm(login, &question, "not confirmed, so nothing was done")?;
    }
    output.note(format!("{login} at {url}"));
    let mut reset = Reset {
        contacts: Contacts::of(&found, login).await?,
        visitor: Visitor::new(&url),
        steps: Vec::new(),
        output,
    };
    let ended = reset.run(options).await;
    Ok(reset.write(ended.as_ref().err()))
}

/// A reset, and what was done of it.
struct Reset<'a> {
    contacts: Contacts,
    visitor: Visitor,
    steps: Vec<Step>,
    output: &'a Output,
}

/// A step that is done.
struct Step {
    name: String,
    milliseconds: u128,
}

/// The reason why a reset ends before its end.
struct Stopped {
    step: String,
    says: String,
    next: String,
}

impl Stopped {
    fn new(step: &str, says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { step: step.to_owned(), says: says.into(), next: next.into() }
    }
}

impl Reset<'_> {
    async fn run(&mut self, options: &Smoke) -> Result<(), Stopped> {
        let login = options.login.as_str();
        let mut page = self.identify(login).await?;
        if page["page"] == "reason" {
            page = self.post("reason", "/reason", json!({ "reason": "forgotten" })).await?;
        }
        let mut chosen = options.by.iter();
        let mut used: Vec<Method> = Vec::new();
        while page["page"] == "method" {
            let wanted = chosen.next().map(String::as_str);
            let method = choose(&page, wanted, &used)?;
            used.push(method);
            page = self.verify(method, &page).await?;
        }
        if page["page"] != "password" {
            let next = "Run the command with an account whose password Rekey may set";
            return Err(Stopped::new("password", format!("page {} instead", page["page"]), next));
        }
        let random: [u8; 16] = SystemEntropy.bytes();
        let password = Zeroizing::new(format!("Zq7-{:032x}", u128::from_be_bytes(random)));
        let body = json!({ "password": password.as_str(), "confirmation": password.as_str() });
        let done = self.post("password", "/password", body).await?;
        if done["result"] != "reset" {
            let next = "Read the log of password-set";
            return Err(Stopped::new("password", format!("the result is {}", done["result"]), next));
        }
        if options.sign_in {
            // A browser of its own: the reset is over.
            self.visitor.cookies.clear();
            let body = json!({ "login": login, "password": password.as_str() });
            let page = self.post("sign-in", "/security-info/sign-in", body).await?;
            if !["second-step", "security-info"].contains(&page["page"].as_str().unwrap_or_default()) {
                let next = "Read the log of enrolment";
                return Err(Stopped::new("sign-in", format!("page {} instead", page["page"]), next));
            }
        }
        Ok(())
    }

    /// Submits page 1. Over a rate limit the answer has another challenge, with more work.
    async fn identify(&mut self, login: &str) -> Result<Value, Stopped> {
        let mut page = self.get("page 1", "/").await?;
        for _ in 0..ATTEMPTS {
            let challenge = page["captcha"].clone();
            let work = self.work(&challenge).await?;
            let body = json!({ "login": login, "captcha_token": challenge["token"], "captcha_work": work });
            let began = SystemTimer::default();
            let (status, answer) =
                self.visitor.send("POST", "/", Some(&body)).await.map_err(unreachable("login"))?;
            if status == 200 {
                self.done("login", &began);
                return Ok(answer);
            }
            if !answer["captcha"].is_object() {
                return Err(problem("login", status, &answer));
            }
            page = answer;
        }
        Err(Stopped::new("login", "the CAPTCHA gets harder each time", "Run the command again in an hour"))
    }

    async fn work(&mut self, challenge: &Value) -> Result<String, Stopped> {
        let began = SystemTimer::default();
        let work = &challenge["work"];
        let number = |name: &str| work[name].as_u64();
        let (Some(text), Some(difficulty), Some(puzzles)) =
            (work["challenge"].as_str(), number("difficulty"), number("puzzles"))
        else {
            let next = "Compare the version of rekey with that of the deployment";
            return Err(Stopped::new("work", "page 1 has no challenge", next));
        };
        let (Ok(least), Ok(puzzles), true) =
            (u8::try_from(difficulty), u8::try_from(puzzles), difficulty <= DIFFICULTY_MAX)
        else {
            return Err(Stopped::new(
                "work",
                "the challenge is too hard",
                "Run the command again in an hour",
            ));
        };
        let text = text.to_owned();
        let solved = tokio::task::spawn_blocking(move || captcha::solve(&text, least, puzzles)).await;
        let solved =
            solved.map_err(|error| Stopped::new("work", error.to_string(), "Run the command again"))?;
        self.done("work", &began);
        Ok(solved)
    }

    /// Verifies a step by a method.
    async fn verify(&mut self, method: Method, page: &Value) -> Result<Value, Stopped> {
        let name = method.as_str();
        if !method.is_sent() {
            return self.code(method, name, &[], name.to_owned()).await;
        }
        let listed = page["methods"].as_array().into_iter().flatten();
        let mask = listed
            .into_iter()
            .find(|one| one["method"] == name)
            .map_or("", |one| one["masked"].as_str().unwrap_or_default());
        self.contacts.require(method)?;
        let before = self.contacts.messages(name).await?;
        let mut body = json!({ "method": name });
        if method.is_phone() {
            body["contact"] = json!(self.contacts.number(method, mask).as_str());
        }
        self.post(&format!("send {name}"), "/code/send", body).await?;
        self.code(method, name, &before, mask.to_owned()).await
    }

    /// Gets the code of a method, and submits it. A person at a terminal may mistype it.
    async fn code(
        &mut self,
        method: Method,
        name: &str,
        before: &[String],
        mask: String,
    ) -> Result<Value, Stopped> {
        let mut attempt = 1;
        loop {
            let began = SystemTimer::default();
            let code = self.contacts.code(method, before, &mask).await?;
            self.done(&format!("code {name}"), &began);
            let body = if method.is_sent() {
                json!({ "code": code.as_str() })
            } else {
                json!({ "method": name, "code": code.as_str() })
            };
            match self.post(&format!("verify {name}"), "/code", body).await {
                Err(stopped) if attempt < ATTEMPTS && self.contacts.is_typed(method) => {
                    attempt += 1;
                    self.output.note(format!("{}. Type it again.", stopped.says));
                }
                ended => return ended,
            }
        }
    }

    async fn get(&mut self, step: &str, path: &str) -> Result<Value, Stopped> {
        self.request(step, "GET", path, None).await
    }

    async fn post(&mut self, step: &str, path: &str, body: Value) -> Result<Value, Stopped> {
        self.request(step, "POST", path, Some(&body)).await
    }

    async fn request(
        &mut self,
        step: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Stopped> {
        let began = SystemTimer::default();
        let (status, answer) = self.visitor.send(method, path, body).await.map_err(unreachable(step))?;
        if status != 200 {
            return Err(problem(step, status, &answer));
        }
        self.done(step, &began);
        Ok(answer)
    }

    fn done(&mut self, name: &str, began: &SystemTimer) {
        let milliseconds = began.elapsed().as_millis();
        if !self.output.is_json() {
            self.output.line(format!("  ✔ ok      {name:<20}{milliseconds:>7} ms"));
        }
        self.steps.push(Step { name: name.to_owned(), milliseconds });
    }

    fn write(&self, stopped: Option<&Stopped>) -> Outcome {
        let total: u128 = self.steps.iter().map(|step| step.milliseconds).sum();
        if self.output.is_json() {
            self.output.json(&json!({
                "at": SystemClock.now().to_string(),
                "steps": self.steps.iter().map(|step| json!({
                    "name": step.name, "milliseconds": step.milliseconds,
                })).collect::<Vec<_>>(),
                "milliseconds": total,
                "done": stopped.is_none(),
                "failed": stopped.map(|stopped| json!({
                    "step": stopped.step, "says": stopped.says, "next": stopped.next,
                })),
            }));
        } else if let Some(stopped) = stopped {
            self.output.line(format!("  ✘ failed  {:<20}{}", stopped.step, stopped.says));
            self.output.line(format!("                                → {}", stopped.next));
        } else {
            self.output.line(format!("\n  The password was reset in {total} ms."));
        }
        if stopped.is_some() { Outcome::Incomplete } else { Outcome::Done }
    }
}

/// Returns the method of a step: the wanted one, or the first that a program can answer and that was not used.
fn choose(page: &Value, wanted: Option<&str>, used: &[Method]) -> Result<Method, Stopped> {
    let listed: Vec<&str> =
        page["methods"].as_array().into_iter().flatten().filter_map(|one| one["method"].as_str()).collect();
    let is_possible = |method: &Method| listed.contains(&method.as_str()) && !used.contains(method);
    let found = match wanted {
        Some(wanted) => USABLE.into_iter().find(|method| method.as_str() == wanted && is_possible(method)),
        None => USABLE.into_iter().find(is_possible),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = USABLE.iter().map(|method| method.as_str()).collect();
        let says = format!(
            "the page offers {}",
            if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") }
        );
        let next = format!("Use a test account with two of {}, and name them with --by", names.join(", "));
        Stopped::new("method", says, next)
    })
}

fn problem(step: &str, status: u16, answer: &Value) -> Stopped {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let (code, title) = (text("code"), text("title"));
    let says = if code.is_empty() { format!("status {status}") } else { format!("{status} {code}: {title}") };
    Stopped::new(step, says, "Run rekey doctor, and read the log of the function that answers this page")
}

fn unreachable<E: std::error::Error + 'static>(step: &str) -> impl FnOnce(E) -> Stopped {
    let step = step.to_owned();
    move |error| Stopped::new(&step, with_causes(&error), "Run rekey doctor, which checks the address")
}

/// A browser without pages: it keeps cookies.
struct Visitor {
    client: WebClient,
    cookies: BTreeMap<String, Zeroizing<String>>,
}

impl Visitor {
    fn new(url: &str) -> Self {
        Self { client: WebClient::new(url.to_owned()), cookies: BTreeMap::new() }
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), shared::adapters::aws::CallError> {
        let jar: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={}", value.as_str())).collect();
        let jar = Zeroizing::new(jar.join("; "));
        let mut headers = vec![("accept", "application/json")];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        if !jar.is_empty() {
            headers.push(("cookie", jar.as_str()));
        }
        let body = Zeroizing::new(body.map(Value::to_string).unwrap_or_default());
        let answer = self.client.send(method, path, &headers, body.as_bytes()).await?;
        for (name, line) in &answer.headers {
            let pair = line.split(';').next().and_then(|pair| pair.split_once('='));
            let Some((cookie, value)) = pair.filter(|_| name.eq_ignore_ascii_case("set-cookie")) else {
                continue;
            };
            if value.is_empty() {
                self.cookies.remove(cookie);
            } else {
                self.cookies.insert(cookie.to_owned(), Zeroizing::new(value.to_owned()));
            }
        }
        Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()))
    }
}

/// Where codes arrive, and the person's contacts.
enum Contacts {
    /// The operator reads codes, and types them.
    Typed,
    /// A dev inbox has them.
    DevInbox {
        inbox: WebClient,
        email: Option<EmailAddress>,
        mobile: Option<PhoneNumber>,
        office_phone: Option<PhoneNumber>,
    },
}

impl Contacts {
    async fn of(found: &Found, login: &str) -> Result<Self, Problem> {
        if found.stack.is_some() {
            return Ok(Self::Typed);
        }
        let deployment = Deployment::of(found.clone(), &[PEOPLE]).await?;
        let person = find::person(&deployment, login).await?;
        let info =
            deployment.process.security_info().map_err(|error| Problem::failed(with_causes(&error)))?;
        let registration = info.registration(&person.account.id, SystemClock.now()).await;
        let registration = registration.map_err(|error| super::failed(&error))?;
        Ok(Self::DevInbox {
            inbox: WebClient::new(found.name.clone()),
            email: registration.alternate_email,
            mobile: registration.mobile,
            office_phone: registration.office_phone,
        })
    }

    /// Returns whether a person types the codes of this method.
    fn is_typed(&self, method: Method) -> bool {
        matches!(self, Self::Typed) || !method.is_sent()
    }

    /// Returns the contact that a method's code is sent to, as far as it is known here.
    fn contact(&self, method: Method) -> Option<&str> {
        let Self::DevInbox { email, mobile, office_phone, .. } = self else { return None };
        match method {
            Method::Email => email.as_ref().map(EmailAddress::expose),
            Method::OfficeCall => office_phone.as_ref().map(PhoneNumber::expose),
            _ => mobile.as_ref().map(PhoneNumber::expose),
        }
    }

    /// Returns whether a code can arrive, as far as it is known here.
    fn require(&self, method: Method) -> Result<(), Stopped> {
        if matches!(self, Self::Typed) || self.contact(method).is_some() {
            return Ok(());
        }
        let next = "Use an account of an imported person with this contact";
        let says = "the person has no such contact, so the page shows a decoy's";
        Err(Stopped::new(method.as_str(), says, next))
    }

    /// Returns the number that the page asks for before it sends.
    fn number(&self, method: Method, mask: &str) -> Zeroizing<String> {
        let asked = || super::asked(&format!("The whole number of {mask}: ")).trim().to_owned();
        Zeroizing::new(self.contact(method).map_or_else(asked, str::to_owned))
    }

    /// Returns the ids of the messages that arrived so far.
    async fn messages(&self, step: &str) -> Result<Vec<String>, Stopped> {
        let Self::DevInbox { inbox, .. } = self else { return Ok(Vec::new()) };
        let all = received(inbox, step).await?;
        Ok(all.iter().filter_map(|message| message["id"].as_str().map(str::to_owned)).collect())
    }

    /// Returns the code of a method: from the first message that is not among those `before`, or as it is typed.
    async fn code(
        &self,
        method: Method,
        before: &[String],
        mask: &str,
    ) -> Result<Zeroizing<String>, Stopped> {
        let name = method.as_str();
        let Self::DevInbox { inbox, .. } = self else { return Ok(typed(method, mask)) };
        if !method.is_sent() {
            return Ok(typed(method, mask));
        }
        let to = self.contact(method).unwrap_or_default();
        for _ in 0..POLLS {
            for message in received(inbox, name).await? {
                let is_new = message["id"].as_str().is_some_and(|id| before.iter().all(|other| other != id));
                if let Some(code) = message["code"].as_str().filter(|_| is_new && message["to"] == to) {
                    return Ok(Zeroizing::new(code.to_owned()));
                }
            }
            tokio::time::sleep(POLL).await;
        }
        let next = "Look into the dev inbox, and at the log of delivery";
        Err(Stopped::new(name, "no message arrived within a minute", next))
    }
}

fn typed(method: Method, mask: &str) -> Zeroizing<String> {
    let question = if method.is_sent() {
        format!("The code that was sent to {mask}: ")
    } else {
        "The code of the app: ".to_owned()
    };
    Zeroizing::new(super::asked(&question).trim().to_owned())
}

/// Returns the messages of a dev inbox.
async fn received(inbox: &WebClient, step: &str) -> Result<Vec<Value>, Stopped> {
    let answer = inbox.send("GET", "/messages", &[("accept", "application/json")], &[]).await;
    let answer = answer.map_err(unreachable(step))?;
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}
