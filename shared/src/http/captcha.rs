//! CAPTCHAs for handlers: creates a challenge, keeps an unspent one, and checks one once.

use super::form_fields::FormFields;
use super::handler_error::HandlerResult;
use super::view::{Captcha, Work};
use crate::domain::captcha::{
    CaptchaChallenge, CaptchaError, DIFFICULTY, DIFFICULTY_HARDER, Solution, Verdict,
};
use crate::domain::keys::Keyring;
use crate::domain::name::NameRef;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;
use crate::ports::{Entropy, EntropyExt as _, RateLimitStore};

/// The dependencies of creating and spending challenges.
pub struct Captchas<'a> {
    /// The keyring that seals tokens.
    pub keys: &'a Keyring,
    /// Records spent challenges.
    pub rate_limits: &'a dyn RateLimitStore,
    /// The source of the challenges' nonces.
    pub entropy: &'a dyn Entropy,
    /// The time of the request; a challenge expires relative to it.
    pub now: Timestamp,
}

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum CaptchaResult {
    /// The solution was right.
    Solved {
        /// Whether the challenge required characters and work for one name.
        harder: bool,
    },
    /// The solution was wrong, or the challenge is invalid, expired or used.
    Wrong {
        /// Whether the challenge was of the harder kind.
        harder: bool,
    },
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
    /// Returns a new challenge, without a write. `bound_to` makes it the harder kind, valid for that name
    /// only.
    ///
    /// # Errors
    /// When the keys can't seal.
    pub fn challenge(&self, bound_to: Option<NameRef>) -> HandlerResult<Captcha> {
        let difficulty = if bound_to.is_some() { DIFFICULTY_HARDER } else { DIFFICULTY };
        let challenge = CaptchaChallenge::generate(self.entropy.bytes(), self.now, difficulty, bound_to);
        let token = challenge.seal(self.keys, self.entropy.bytes())?;
        Ok(view_of(&token, &challenge))
    }

    /// Returns the challenge of a form that was not checked: malformed input does not spend it.
    pub fn unspent(&self, token: Option<&str>) -> Option<Captcha> {
        let token = token?;
        Some(view_of(token, &CaptchaChallenge::open(token, self.keys, self.now).ok()?))
    }

    /// Spends a challenge, then compares: of concurrent answers to one challenge, one is compared.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn check(
        &self,
        token: &str,
        solution: &Solution,
        name: &NameRef,
    ) -> HandlerResult<CaptchaResult> {
        let Ok(challenge) = CaptchaChallenge::open(token, self.keys, self.now) else {
            return Ok(CaptchaResult::Wrong { harder: false });
        };
        let harder = challenge.is_harder();
        let once = RateLimit::Captcha { spend_id: challenge.spend_id(), expires_at: challenge.expires_at() };
        let unspent = self.rate_limits.try_acquire(&once, 1, self.now).await?;
        let solved = unspent && matches!(challenge.check(solution, name), Verdict::Passed);
        Ok(if solved { CaptchaResult::Solved { harder } } else { CaptchaResult::Wrong { harder } })
    }
}

fn view_of(token: &str, challenge: &CaptchaChallenge) -> Captcha {
    Captcha {
        picture: format!("/captcha/{token}/picture.png"),
        sound: format!("/captcha/{token}/sound.wav"),
        token: token.to_owned(),
        work: Work {
            challenge: challenge.work_challenge(),
            difficulty: challenge.difficulty(),
            alone: challenge.difficulty_alone(),
        },
        harder: challenge.is_harder(),
    }
}
