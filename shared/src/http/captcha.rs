//! The CAPTCHA as handlers use it: made, kept while nothing was looked at, and checked once.

use super::failure::Outcome;
use super::fields::Fields;
use super::view::{Captcha, Work};
use crate::domain::captcha::{CaptchaError, Challenge, DIFFICULTY, DIFFICULTY_HARDER, Solution, Verdict};
use crate::domain::keys::Keyring;
use crate::domain::name::NameRef;
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;
use crate::ports::{BudgetStore, Entropy, EntropyExt as _};

/// What challenges are made of and spent in.
pub struct Captchas<'a> {
    /// The keys of challenges.
    pub keys: &'a Keyring,
    /// The list of challenges that are spent.
    pub budgets: &'a dyn BudgetStore,
    /// Chance.
    pub entropy: &'a dyn Entropy,
    /// The time of the request.
    pub now: Timestamp,
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Checked {
    /// It was solved; whether it was the harder kind.
    Solved {
        /// Characters and work for one name.
        harder: bool,
    },
    /// It was not, or it is none of ours, has expired or was used.
    Wrong {
        /// Whether it was the harder kind.
        harder: bool,
    },
}

/// The fields of a form that belong to its CAPTCHA.
pub struct Typed {
    /// Which challenge.
    pub token: Option<String>,
    answer: Option<String>,
    work: Option<String>,
}

impl Typed {
    /// Takes them from a body.
    pub fn take(fields: &mut Fields) -> Self {
        let mut take = |name| fields.take(name).as_deref().map(ToString::to_string);
        Self { token: take("captcha_token"), answer: take("captcha_answer"), work: take("captcha_work") }
    }

    /// What was brought for the challenge.
    ///
    /// # Errors
    /// [`CaptchaError`] when it can't be read; that spends nothing.
    pub fn solution(&self) -> Result<Solution, CaptchaError> {
        Solution::parse(self.answer.as_deref(), self.work.as_deref())
    }
}

impl Captchas<'_> {
    /// A new challenge, which costs no write. `bound_to` makes it the harder kind, good for that name alone.
    ///
    /// # Errors
    /// When the keys can't seal.
    pub fn challenge(&self, bound_to: Option<NameRef>) -> Outcome<Captcha> {
        let difficulty = if bound_to.is_some() { DIFFICULTY_HARDER } else { DIFFICULTY };
        let challenge = Challenge::generate(self.entropy.bytes(), self.now, difficulty, bound_to);
        let token = challenge.seal(self.keys, self.entropy.bytes())?;
        Ok(view_of(&token, &challenge))
    }

    /// The challenge of a page that was not looked at: it keeps it, malformed input spends nothing.
    pub fn unspent(&self, token: Option<&str>) -> Option<Captcha> {
        let token = token?;
        Some(view_of(token, &Challenge::open(token, self.keys, self.now).ok()?))
    }

    /// Spends a challenge, then compares: of any number of answers to one, one is looked at.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn check(&self, token: &str, solution: &Solution, name: &NameRef) -> Outcome<Checked> {
        let Ok(challenge) = Challenge::open(token, self.keys, self.now) else {
            return Ok(Checked::Wrong { harder: false });
        };
        let harder = challenge.is_harder();
        let once = RateLimit::Captcha { spend_id: challenge.spend_id(), expires_at: challenge.expires_at() };
        let unspent = self.budgets.take(&once, 1, self.now).await?;
        let solved = unspent && matches!(challenge.check(solution, name), Verdict::Passed);
        Ok(if solved { Checked::Solved { harder } } else { Checked::Wrong { harder } })
    }
}

fn view_of(token: &str, challenge: &Challenge) -> Captcha {
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
