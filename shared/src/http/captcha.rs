//! CAPTCHAs for handlers: creates a challenge, keeps an unspent one, and checks one once.

use super::form_fields::FormFields;
use super::handler_error::HandlerResult;
use super::problem::{CaptchaFailure, Problem};
use super::view::{Captcha, Work};
use crate::domain::captcha::{Answer, CaptchaChallenge, CaptchaError, Effort, Solution, Verdict};
use crate::domain::client::AddressBlock;
use crate::domain::keys::Keyring;
use crate::domain::language::Language;
use crate::domain::name::NameRef;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;
use crate::ports::{Entropy, EntropyExt as _, RateLimitStore};
use crate::settings::Settings;

/// The dependencies of creating and spending challenges.
pub struct Captchas<'a> {
    /// The keyring that seals tokens.
    pub keys: &'a Keyring,
    /// Records spent challenges.
    pub rate_limits: &'a dyn RateLimitStore,
    /// The source of the challenges' nonces.
    pub entropy: &'a dyn Entropy,
    /// The language of the page, which the sound speaks.
    pub language: Language,
    /// The time of the request; a challenge expires relative to it.
    pub now: Timestamp,
}

/// The page that asks for a solution.
#[derive(Clone, Copy)]
pub enum Door<'a> {
    /// Page 1 accepts work, and characters within their limits.
    FirstPage(CharacterLimits<'a>),
    /// The sign-in accepts only work for the name. A challenge after this one has so much of it.
    SignIn(Effort),
}

/// Bounds the answers by characters alone, right or wrong. A program reads every picture, so without a limit this
/// would be the cheapest way in.
#[derive(Clone, Copy)]
pub struct CharacterLimits<'a> {
    /// The limits of a network and of the deployment.
    pub settings: &'a Settings,
    /// The network of the client.
    pub network: AddressBlock,
    /// Whether the client is a known device of the account, which no limit holds for.
    pub known_device: bool,
}

/// The result of a check.
#[must_use]
pub enum CaptchaResult {
    /// The solution was right.
    Solved {
        /// The work of a challenge of the harder kind, for this name; `None` for any other.
        effort: Option<Effort>,
    },
    /// The solution was not accepted.
    Refused {
        /// Why, with the next challenge.
        problem: Problem,
        /// The challenge to show: the same one if it was not spent.
        next: Captcha,
    },
    /// The work is not in the form of this challenge, which stays unspent.
    Malformed,
}

/// The CAPTCHA fields of a form.
pub struct CaptchaFields {
    /// The challenge's token, as the page contained it.
    pub token: Option<String>,
    answer: Option<String>,
    work: Option<String>,
}

impl CaptchaFields {
    /// Takes the fields from a body.
    pub fn take(fields: &mut FormFields) -> Self {
        let mut take = |name| fields.take(name).as_deref().map(ToString::to_string);
        Self { token: take("captcha_token"), answer: take("captcha_answer"), work: take("captcha_work") }
    }

    /// Returns the solution in the fields.
    ///
    /// # Errors
    /// [`CaptchaError`] when it is malformed; the token stays unspent.
    pub fn solution(&self) -> Result<Solution, CaptchaError> {
        Solution::parse(self.answer.as_deref(), self.work.as_deref())
    }
}

impl Captchas<'_> {
    /// Returns a new challenge, without a write. One with a name is of the harder kind, valid for that name only.
    ///
    /// # Errors
    /// When the keys can't seal.
    pub fn challenge(&self, bound_to: Option<(&NameRef, Effort)>) -> HandlerResult<Captcha> {
        let (name, effort) = bound_to.map_or((None, Effort::BASE), |(name, effort)| (Some(*name), effort));
        let challenge = CaptchaChallenge::generate(self.entropy.bytes(), self.now, effort, name);
        let token = challenge.seal(self.keys, self.entropy.bytes())?;
        Ok(self.view_of(&token, &challenge))
    }

    /// Returns the challenge of a form that was not checked: malformed input does not spend it.
    pub fn unspent(&self, token: Option<&str>) -> Option<Captcha> {
        let token = token?;
        Some(self.view_of(token, &CaptchaChallenge::open(token, self.keys, self.now).ok()?))
    }

    /// Spends a challenge, then compares: of concurrent answers to one challenge, one is compared. A refusal
    /// before that spends neither the challenge nor any limit.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn check(
        &self,
        token: &str,
        solution: &Solution,
        name: &NameRef,
        door: Door<'_>,
    ) -> HandlerResult<CaptchaResult> {
        let least = match door {
            Door::FirstPage(_) => None,
            Door::SignIn(effort) => Some((name, effort)),
        };
        let Ok(challenge) = CaptchaChallenge::open(token, self.keys, self.now) else {
            return Ok(refused(CaptchaFailure::Expired, self.challenge(least)?));
        };
        // A person who corrects the name on a page with harder work starts again with the check of everybody: what made
        // it harder may not hold for the other name.
        if !challenge.is_for(name) {
            return Ok(refused(CaptchaFailure::OtherName, self.challenge(least)?));
        }
        let is_harder = challenge.is_harder();
        let suffices = |required: Effort| is_harder && challenge.effort().suffices(required);
        if least.is_some_and(|(_, required)| !suffices(required)) {
            return Ok(harder(self.challenge(least)?));
        }
        let answer = match challenge.fit(solution) {
            Ok(answer) => answer,
            Err(CaptchaError::NotDrawn) => {
                return Ok(refused(CaptchaFailure::NotDrawn, self.view_of(token, &challenge)));
            }
            Err(CaptchaError::WorkRequired) => {
                return Ok(harder(self.view_of(token, &challenge)));
            }
            Err(_) => return Ok(CaptchaResult::Malformed),
        };
        let limits = match (answer, door) {
            (Answer::Characters(_), Door::FirstPage(limits)) => Some(limits),
            _ => None,
        };
        if let Some(limits) = limits
            && !self.try_acquire_characters(limits).await?
        {
            return Ok(harder(self.challenge(Some((name, Effort::harder())))?));
        }
        let once = RateLimit::Captcha { spend_id: challenge.spend_id(), expires_at: challenge.expires_at() };
        let next = || self.challenge(least.or(is_harder.then_some((name, challenge.effort()))));
        if !self.rate_limits.try_acquire(&once, 1, self.now).await? {
            if let Some(limits) = limits {
                self.refund_characters(limits).await?;
            }
            return Ok(refused(CaptchaFailure::Used, next()?));
        }
        match challenge.check(answer, name) {
            Verdict::Passed => Ok(CaptchaResult::Solved { effort: is_harder.then_some(challenge.effort()) }),
            Verdict::Wrong if matches!(answer, Answer::Wrong) => {
                Ok(refused(CaptchaFailure::WrongWork, next()?))
            }
            Verdict::Wrong => Ok(refused(CaptchaFailure::Wrong, next()?)),
        }
    }

    /// Acquires one answer by characters, of the network first: one network alone can't use up the deployment's.
    async fn try_acquire_characters(&self, limits: CharacterLimits<'_>) -> HandlerResult<bool> {
        if limits.known_device {
            return Ok(true);
        }
        let network = RateLimit::CharactersOfNetwork(limits.network);
        let most = limits.settings.characters_per_network.into();
        if !self.rate_limits.try_acquire(&network, most, self.now).await? {
            return Ok(false);
        }
        let most = limits.settings.characters_per_hour.into();
        let acquired = self.rate_limits.try_acquire(&RateLimit::Characters, most, self.now).await?;
        if !acquired {
            self.rate_limits.refund(&network, self.now).await?;
        }
        Ok(acquired)
    }

    async fn refund_characters(&self, limits: CharacterLimits<'_>) -> HandlerResult<()> {
        if !limits.known_device {
            for limit in [RateLimit::CharactersOfNetwork(limits.network), RateLimit::Characters] {
                self.rate_limits.refund(&limit, self.now).await?;
            }
        }
        Ok(())
    }

    fn view_of(&self, token: &str, challenge: &CaptchaChallenge) -> Captcha {
        Captcha {
            picture: format!("/captcha/{token}/picture.png"),
            sound: format!("/captcha/{token}/sound.wav?lang={}", self.language.tag()),
            token: token.to_owned(),
            work: Work {
                challenge: challenge.work_challenge(),
                difficulty: challenge.effort().difficulty(),
                puzzles: challenge.effort().puzzles(),
            },
            expires_in: challenge.expires_at().seconds_after(self.now),
            harder: challenge.is_harder(),
        }
    }
}

fn refused(why: CaptchaFailure, next: Captcha) -> CaptchaResult {
    CaptchaResult::Refused { problem: Problem::CaptchaWrong(why, Box::new(next.clone())), next }
}

fn harder(next: Captcha) -> CaptchaResult {
    CaptchaResult::Refused { problem: Problem::CaptchaHarder(Box::new(next.clone())), next }
}
