//! The new password: its form, and the policy that it must meet.
//!
//! [`NewPassword`] is the typed text, in the single form in which it is checked, hashed and written.
//! [`PasswordPolicy`] lists its criteria ([`Criterion`]) and all violations of a password at once ([`Violation`]).
//! Sentences are made elsewhere: both types have a stable id and the numbers for a sentence.
//!
//! # Rules in the browser
//!
//! The page's script checks the simple criteria during typing. Script and server must agree, so both work on code
//! points after NFC, `[...typed.normalize("NFC")]`. The script needs only these rules:
//!
//! | criterion | met when |
//! |---|---|
//! | `length` | there are `min` to `max` code points |
//! | `upper` | one matches `/\p{Uppercase}/u` |
//! | `lower` | one matches `/\p{Lowercase}/u` |
//! | `digit` | one matches `/[0-9]/` |
//! | `symbol` | one matches `/[^\p{Alphabetic}\p{N}\p{M}]/u`: punctuation, symbols, emoji, the space |
//! | `name` | no part of the name or login is in it ([`Person::parts`]) |
//!
//! For `name`, the script folds the typed text like the parts: `normalize("NFKD")`, lower case,
//! `normalize("NFKD")` again, without U+0300 to U+036F. Only the server checks look-alikes (`4` for `a`): a hint
//! may be incomplete, but never wrong.

mod blocklist;
mod candidate;
mod classes;
mod common;
mod names;
mod own_words;
mod policy;
#[cfg(test)]
mod properties;
mod rules;
mod skeleton;

pub use blocklist::{Blocklist, BlocklistError};
pub use candidate::{NewPassword, PasswordError};
pub use classes::{CharacterClass, UnknownClass};
pub use common::{BlocklistFileError, CommonPasswords, passwords_of};
pub use names::Person;
pub use own_words::{OwnWords, OwnWordsError};
pub use policy::{Criterion, PasswordPolicy, PolicyError, Violation};
pub use rules::PasswordRules;
