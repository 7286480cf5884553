//! The meaning of Active Directory's codes. Servers differ in the result code, not in the leading one of Windows.

use super::super::connection::{Answer, Failure, not_applied};
use crate::domain::directory::BindResult;
use crate::domain::password::Violation;
use crate::ports::ChangeError;

/// Error codes of Windows (MS-ERREF §2.2).
const ACCESS_DENIED: u32 = 0x5;
const PASSWORD_RESTRICTION: u32 = 0x52d;
const NO_SUCH_OBJECT: u32 = 0x2030;
const INSUFFICIENT_ACCESS: u32 = 0x2098;
/// Reasons of a refused bind: a right password that has expired, or must be changed.
const PASSWORD_EXPIRED: u32 = 0x532;
const MUST_CHANGE: u32 = 0x773;

/// Result codes (RFC 4511 §4.1.9) after which a change may have been made all the same: `timeLimitExceeded`,
/// `unavailable` and `other`, which proxies answer for a server behind them.
const UNCERTAIN: [u32; 3] = [3, 52, 80];

/// Returns whether the password policy refused the change.
pub(super) fn is_policy(answer: Answer) -> bool {
    answer.windows == Some(PASSWORD_RESTRICTION) || (answer.code == 19 && answer.windows.is_none())
}

/// Returns the error for a refused change; `violation` is the rule that a password breaks.
pub(super) fn change_error(answer: Answer, violation: Option<Violation>) -> ChangeError {
    match (answer.windows, answer.code) {
        _ if is_policy(answer) => {
            ChangeError::Rejected(vec![violation.unwrap_or(Violation::RefusedByDirectory)])
        }
        (Some(ACCESS_DENIED | INSUFFICIENT_ACCESS | NO_SUCH_OBJECT), _) | (_, 32 | 50) => {
            ChangeError::NotPermitted
        }
        (_, code) if UNCERTAIN.contains(&code) => ChangeError::Unknown(Box::new(answer.failed("modify"))),
        _ => not_applied(answer.failed("modify")),
    }
}

/// Returns the result of a bind.
pub(super) fn bind_result(answer: Answer) -> Result<BindResult, Failure> {
    match (answer.code, answer.data) {
        (0, _) => Ok(BindResult::Accepted),
        (49, Some(PASSWORD_EXPIRED | MUST_CHANGE)) => Ok(BindResult::MustChange),
        (49, _) => Ok(BindResult::Refused),
        _ => Err(answer.failed("bind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u32, windows: Option<u32>) -> Answer {
        Answer { code, windows, ..Answer::default() }
    }

    #[test]
    fn answers_of_a_change_map_to_errors() {
        for code in [19, 53] {
            let rejected = change_error(answer(code, Some(0x52d)), None);
            let ChangeError::Rejected(violations) = rejected else { panic!("{rejected:?}") };
            assert_eq!(violations, [Violation::RefusedByDirectory]);
        }
        for (code, windows) in
            [(50, None), (50, Some(0x5)), (50, Some(0x2098)), (32, Some(0x2030)), (53, Some(0x5))]
        {
            let error = change_error(answer(code, windows), None);
            assert!(matches!(error, ChangeError::NotPermitted), "{code}: {error:?}");
        }
        for (code, windows) in
            [(53, Some(0x1f)), (19, Some(0x56)), (19, Some(0x775)), (12, Some(0x57)), (51, None), (1, None)]
        {
            let error = change_error(answer(code, windows), None);
            assert!(matches!(error, ChangeError::NotApplied(_)), "{code}: {error:?}");
        }
        for code in UNCERTAIN {
            let error = change_error(answer(code, None), None);
            assert!(matches!(error, ChangeError::Unknown(_)), "{code}: {error:?}");
        }
    }

    #[test]
    fn bind_result_follows_the_data_code() {
        let bind = |code, data| bind_result(Answer { code, data, ..Answer::default() });
        assert_eq!(bind(0, None).unwrap(), BindResult::Accepted);
        for data in [0x532, 0x773] {
            assert_eq!(bind(49, Some(data)).unwrap(), BindResult::MustChange);
        }
        for data in [0x52e, 0x533, 0x701, 0x775, 0x525, 0x530] {
            assert_eq!(bind(49, Some(data)).unwrap(), BindResult::Refused);
        }
        assert!(bind(8, None).is_err() && bind(51, None).is_err());
    }
}
