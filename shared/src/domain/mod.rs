//! The rules of a password reset, pure: no input or output, no clock, no randomness of its own. Time and
//! entropy come in as parameters, so that every rule can be tested at any moment and with any luck.

pub mod account;
pub mod approval;
pub mod budget;
pub mod captcha;
pub mod challenge;
pub mod client;
pub mod code;
pub mod contact;
pub mod cookie;
pub mod decoy;
pub mod device;
pub mod event;
pub mod factor;
pub mod flow;
pub mod holder;
pub mod import;
pub mod keys;
pub mod language;
pub mod message;
pub mod method;
pub mod name;
pub mod notice;
pub mod pairing;
pub mod passkey;
pub mod password;
pub mod policy;
pub mod push;
pub mod rate_limit;
pub mod recovery_code;
pub mod return_url;
pub mod security_info;
pub mod session;
pub mod slow_hash;
pub mod time;
pub mod totp;
