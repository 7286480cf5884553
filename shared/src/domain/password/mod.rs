//! Choosing a new password: what may be typed, and what is asked of it.
//!
//! [`NewPassword`] is what a person typed, in the one form in which it is checked, hashed and written.
//! [`PasswordPolicy`] lists what it asks ([`Criterion`]) and names everything that a password lacks at once
//! ([`Violation`]). Sentences are not made here: both carry a stable id and the numbers that a sentence needs.
//!
//! # The same rules in a browser
//!
//! A page ticks the simple criteria as one types. So that a script and the server agree, both work on code points after
//! NFC, `[...typed.normalize("NFC")]`, and a script needs no more than this:
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
//! For `name`, fold the typed text like the parts: `normalize("NFKD")`, lower case, `normalize("NFKD")` again, without
//! U+0300 to U+036F. Look-alikes (`4` for `a`) are better left to the server: a hint may be incomplete, never wrong.

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

pub use candidate::{NewPassword, PasswordError};
pub use classes::{CharacterClass, UnknownClass};
pub use common::CommonPasswords;
pub use names::Person;
pub use own_words::{OwnWords, OwnWordsError};
pub use policy::{Criterion, PasswordPolicy, PolicyError, Violation};
pub use rules::PasswordRules;
