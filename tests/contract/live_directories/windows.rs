//! What Windows answers and Samba does not, and what only a broken server or network does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::adapters::directories::ldap::{ActiveDirectory, TimeLimits};
use shared::adapters::system::SystemClock;
use shared::domain::account::{AccountId, AccountState};
use shared::domain::directory::{BindResult, Entry, EntryStanding, PublishedPolicy};
use shared::domain::directory_config::{DirectoryConfig, HistoryRule};
use shared::domain::password::Violation;
use shared::domain::time::Timestamp;
use shared::ports::{ChangeError, LiveDirectory as _, LivePasswordDirectory as _, SyncError};

use super::double::{Answer, Controller, FINE_GRAINED, GUID, NEW_HINTS, OLD_HINTS, Paging, Running};
use super::{NEW, Principal, gather, new_password, servers, service_password};

const LIMIT: Duration = Duration::from_millis(1500);
const REFUSED: &str = "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n";

fn config(servers_in_order: &[(&str, &Running)]) -> DirectoryConfig {
    let document = serde_json::json!({
        "name": "uni",
        "kind": "active-directory",
        "servers": servers_in_order.iter().map(|(host, server)| format!("ldaps://{host}:{}", server.port)).collect::<Vec<_>>(),
        "ca": servers::pem("ca.pem"),
        "bases": ["OU=People,DC=uni,DC=test"],
        "service_accounts": { "read": "svc-read@uni.test", "write": "svc-write@uni.test", "sync": "svc-sync@uni.test" },
    });
    DirectoryConfig::from_json(&document.to_string()).unwrap()
}

fn directory(config: &DirectoryConfig) -> ActiveDirectory {
    let limits = TimeLimits { connect: LIMIT, establish: 3 * LIMIT, operation: LIMIT, page: LIMIT };
    let account = &config.service_accounts.write;
    ActiveDirectory::new(config, account, service_password(), Arc::new(SystemClock), limits).unwrap()
}

async fn aisyah(directory: &ActiveDirectory) -> Entry {
    let id = AccountId::from_directory(format!("uni:{GUID}")).unwrap();
    directory.entry(&id).await.unwrap().unwrap()
}

/// Sets a password on one controller.
async fn set_on(server: &Running, history: HistoryRule, password: &str) -> Result<(), ChangeError> {
    let config = DirectoryConfig { history, ..config(&[("127.0.0.1", server)]) };
    let directory = directory(&config);
    let found = aisyah(&directory).await;
    directory.set_password(&found, &new_password(password)).await
}

async fn start(controller: Controller) -> Running {
    controller.start("127.0.0.1", 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_is_one_request_with_history_and_unlock() {
    let server = start(Controller { controls: &[OLD_HINTS, NEW_HINTS], ..Controller::default() }).await;
    set_on(&server, HistoryRule::Required, NEW).await.unwrap();
    let changes = server.received.changes.lock().unwrap().clone();
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(change.dn, format!("<GUID={GUID}>"));
    assert_eq!(
        change.attributes,
        [("unicodePwd".to_owned(), super::quoted(NEW)), ("lockoutTime".to_owned(), b"0".to_vec()),]
    );
    // The sequence of the number 1: the history counts.
    assert_eq!(change.controls, [(NEW_HINTS.to_owned(), true, vec![0x30, 3, 2, 1, 1])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_reset_is_rejected_whatever_its_result_code() {
    for code in [19, 53] {
        let server = start(Controller { change: Answer::Code(code, REFUSED), ..Controller::default() }).await;
        for (password, expected) in
            [(NEW, Violation::RefusedByDirectory), ("Wau-57!", Violation::TooShort { min: 12 })]
        {
            let set = set_on(&server, HistoryRule::IfPossible, password).await;
            let Err(ChangeError::Rejected(violations)) = set else { panic!("{code}: {set:?}") };
            assert_eq!(violations, [expected]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_not_permitted() {
    for (code, text) in [
        (50, "00000005: SecErr: DSID-031A11ED, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n"),
        (50, "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n"),
        (32, "00002030: NameErr: DSID-03100213, problem 2001 (NO_OBJECT), data 0\n"),
    ] {
        let server = start(Controller { change: Answer::Code(code, text), ..Controller::default() }).await;
        let set = set_on(&server, HistoryRule::IfPossible, NEW).await;
        assert!(matches!(set, Err(ChangeError::NotPermitted)), "{text}: {set:?}");
    }
    // Without TLS, or in the middle of a shutdown: nothing was changed.
    let text = "0000001F: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n";
    let server = start(Controller { change: Answer::Code(53, text), ..Controller::default() }).await;
    let set = set_on(&server, HistoryRule::IfPossible, NEW).await;
    assert!(matches!(set, Err(ChangeError::NotApplied(_))), "{set:?}");
}

/// Controls: C-151.
#[tokio::test(flavor = "multi_thread")]
async fn history_rule_decides_without_the_control() {
    for (controls, refused_control, used) in [
        ([NEW_HINTS, OLD_HINTS].as_slice(), None, Some(NEW_HINTS)),
        (&[OLD_HINTS], None, Some(OLD_HINTS)),
        (&[NEW_HINTS, OLD_HINTS], Some(NEW_HINTS), Some(OLD_HINTS)),
        (&[], None, None),
        (&[NEW_HINTS], Some(NEW_HINTS), None),
    ] {
        for history in [HistoryRule::IfPossible, HistoryRule::Required] {
            let server = start(Controller { controls, refused_control, ..Controller::default() }).await;
            let set = set_on(&server, history, NEW).await;
            let what = format!("{controls:?} {refused_control:?} {history:?}: {set:?}");
            let last = server.received.changes.lock().unwrap().last().cloned();
            let last = last.and_then(|change| change.controls.first().map(|(oid, _, _)| oid.clone()));
            if history == HistoryRule::Required && used.is_none() {
                assert!(matches!(set, Err(ChangeError::NotApplied(_))), "{what}");
                assert_eq!(last.as_deref(), refused_control, "{what}");
            } else {
                assert!(set.is_ok(), "{what}");
                assert_eq!(last.as_deref(), used, "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_controller_is_followed_by_the_next() {
    let read_only = start(Controller { change: Answer::Referral, ..Controller::default() }).await;
    let writable = start(Controller::default()).await;
    let directory = directory(&config(&[("127.0.0.1", &read_only), ("127.0.0.1", &writable)]));
    let found = aisyah(&directory).await;
    directory.set_password(&found, &new_password(NEW)).await.unwrap();
    assert_eq!(read_only.received.changes.lock().unwrap().len(), 1);
    assert_eq!(writable.received.changes.lock().unwrap().len(), 1);
    let set = set_on(&read_only, HistoryRule::IfPossible, NEW).await;
    assert!(matches!(set, Err(ChangeError::NotApplied(_))), "{set:?}");
}

/// Controls: C-092, C-152.
#[tokio::test(flavor = "multi_thread")]
async fn change_without_readable_answer_is_unknown() {
    for change in [Answer::Drop, Answer::Hang, Answer::Malformed, Answer::Code(52, "")] {
        let server = start(Controller { change, ..Controller::default() }).await;
        let begun = started();
        let set = set_on(&server, HistoryRule::IfPossible, NEW).await;
        assert!(matches!(set, Err(ChangeError::Unknown(_))), "{set:?}");
        assert!(!format!("{set:?}").contains(NEW));
        // It was sent once: sent again, it could undo a later change.
        assert_eq!(server.received.changes.lock().unwrap().len(), 1);
        assert!(begun.elapsed() < 5 * LIMIT);
    }
}

/// Controls: C-152.
#[tokio::test(flavor = "multi_thread")]
async fn change_that_was_not_sent_is_not_applied() {
    let server = start(Controller::default()).await;
    let found = aisyah(&directory(&config(&[("127.0.0.1", &server)]))).await;
    let gone = Running { port: 1, received: Arc::default() };
    let set = directory(&config(&[("127.0.0.1", &gone)])).set_password(&found, &new_password(NEW)).await;
    assert!(matches!(set, Err(ChangeError::NotApplied(_))), "{set:?}");
}

/// Controls: C-153.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_answer_ends_one_call_only() {
    let malformed = start(Controller { malformed_entry: true, ..Controller::default() }).await;
    let directory = directory(&config(&[("127.0.0.1", &malformed)]));
    let id = AccountId::from_directory(format!("uni:{GUID}")).unwrap();
    for _ in 0..2 {
        assert!(directory.entry(&id).await.is_err());
        assert!(directory.policy().await.is_ok());
    }
}

/// Controls: C-154.
#[tokio::test(flavor = "multi_thread")]
async fn server_that_hangs_is_left_in_time() {
    // It accepts connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Running { port: silent.local_addr().unwrap().port(), received: Arc::default() };
    let slow = start(Controller { bind_delay: 10 * LIMIT, ..Controller::default() }).await;
    let good = start(Controller::default()).await;
    for bad in [&silent, &slow] {
        let begun = started();
        aisyah(&directory(&config(&[("127.0.0.1", bad), ("127.0.0.1", &good)]))).await;
        assert!(directory(&config(&[("127.0.0.1", bad)])).policy().await.is_err());
        assert!(begun.elapsed() < 6 * LIMIT, "{:?}", begun.elapsed());
    }
}

/// Each further bind with a wrong password would count towards a lock of the service account.
#[tokio::test(flavor = "multi_thread")]
async fn refused_service_account_is_not_tried_elsewhere() {
    let text = "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 52e, v4563";
    let refusing = start(Controller { service_bind: Answer::Code(49, text), ..Controller::default() }).await;
    let other = start(Controller::default()).await;
    let directory = directory(&config(&[("127.0.0.1", &refusing), ("127.0.0.1", &other)]));
    let error = directory.policy().await.unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(why, "bind of the service account: result code 49, 80090308, data 52e");
    assert!(other.received.binds.lock().unwrap().is_empty());
}

/// It alone counts the wrong passwords of all controllers.
/// Controls: C-145.
#[tokio::test(flavor = "multi_thread")]
async fn primary_controller_is_preferred_where_reachable() {
    let primary = ("DC2", "127.0.0.2");
    let other = start(Controller { primary, ..Controller::default() }).await;
    let second = Controller { name: "DC2", primary, bad_passwords: "3", ..Controller::default() };
    let second = second.start("127.0.0.2", other.port).await;
    let first_only = config(&[("127.0.0.1", &other)]);
    let found = directory(&first_only);
    assert_eq!(aisyah(&found).await.attempts_left, Some(2), "the primary's count");
    found.set_password(&aisyah(&found).await, &new_password(NEW)).await.unwrap();
    assert_eq!(second.received.changes.lock().unwrap().len(), 1);
    assert!(other.received.changes.lock().unwrap().is_empty());
    // Once known, it is asked at once.
    let before = other.received.binds.lock().unwrap().len();
    aisyah(&found).await;
    assert_eq!(other.received.binds.lock().unwrap().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_primary_controller_is_left_out() {
    let server = start(Controller { primary: ("DC2", "127.0.0.2"), ..Controller::default() }).await;
    let directory = directory(&config(&[("127.0.0.1", &server)]));
    assert_eq!(aisyah(&directory).await.attempts_left, Some(5));
    assert_eq!(aisyah(&directory).await.attempts_left, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn bind_follows_the_data_code() {
    for (data, expected) in [
        ("52e", BindResult::Refused),
        ("775", BindResult::Refused),
        ("533", BindResult::Refused),
        ("701", BindResult::Refused),
        ("773", BindResult::MustChange),
        ("532", BindResult::MustChange),
    ] {
        let text = format!(
            "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data {data}, v4563"
        );
        let bind = Answer::Code(49, text.leak());
        let server = start(Controller { bind, ..Controller::default() }).await;
        let directory = directory(&config(&[("127.0.0.1", &server)]));
        let found = aisyah(&directory).await;
        assert_eq!(directory.bind(Principal::Entry(&found), NEW).await.unwrap(), expected, "{data}");
        let bound = server.received.binds.lock().unwrap().last().cloned();
        assert_eq!(bound.as_deref(), Some("CN=Aisyah,OU=People,DC=uni,DC=test"));
    }
}

/// An entry and nobody take the same calls.
/// Controls: C-144.
#[tokio::test(flavor = "multi_thread")]
async fn absent_entry_takes_the_same_calls() {
    let server = start(Controller::default()).await;
    let directory = directory(&config(&[("127.0.0.1", &server)]));
    let calls = async |id: &str| {
        server.received.searches.lock().unwrap().clear();
        server.received.binds.lock().unwrap().clear();
        let found = directory.entry(&AccountId::from_directory(id).unwrap()).await.unwrap();
        let principal = found.as_ref().map_or(Principal::Nobody, Principal::Entry);
        directory.bind(principal, NEW).await.unwrap();
        let (searches, binds) =
            (server.received.searches.lock().unwrap(), server.received.binds.lock().unwrap());
        (found.is_some(), searches.len(), binds.len())
    };
    let (is_there, searches, binds) = calls(&format!("uni:{GUID}")).await;
    assert!(is_there);
    for absent in ["uni:0b2fa3f0-5f0f-4c8e-9d3e-0f7c1d2b3a49", "elsewhere:aisyah"] {
        assert_eq!(calls(absent).await, (false, searches, binds), "{absent}");
    }
}

/// Entries as Windows has them, by the values of its own documents.
/// Controls: C-142.
#[tokio::test(flavor = "multi_thread")]
async fn standing_decides_before_windows_is_asked() {
    use EntryStanding::{Disabled, Eligible, Expired, OutOfScope, Privileged};
    for (person, expected) in [
        ([].as_slice(), Eligible),
        // A password that never expires, and one that was asked to change.
        (&[("userAccountControl", "66048"), ("pwdLastSet", "0")], Eligible),
        (&[("accountExpires", "9223372036854775807")], Eligible),
        (&[("accountExpires", "0"), ("adminCount", "0")], Eligible),
        (&[("userAccountControl", "514")], Disabled),
        (&[("accountExpires", "130000000000000000")], Expired),
        (&[("adminCount", "1")], Privileged),
        (&[("isCriticalSystemObject", "TRUE")], Privileged),
        // A disabled administrator stays an administrator.
        (&[("userAccountControl", "514"), ("adminCount", "1")], Privileged),
        // A computer, and the trust of another domain.
        (&[("userAccountControl", "4096")], OutOfScope),
        (&[("userAccountControl", "2080")], OutOfScope),
    ] {
        let server = start(Controller { person, ..Controller::default() }).await;
        let found = aisyah(&directory(&config(&[("127.0.0.1", &server)]))).await;
        assert_eq!(found.standing, expected, "{person:?}");
        let set = set_on(&server, HistoryRule::IfPossible, NEW).await;
        let unlock = directory(&config(&[("127.0.0.1", &server)])).unlock(&found).await;
        let changes = server.received.changes.lock().unwrap().len();
        if expected == Eligible {
            assert!(set.is_ok() && unlock.is_ok() && changes == 1, "{person:?}");
        } else {
            let refused = |result| matches!(result, Err(ChangeError::NotPermitted));
            assert!(refused(set) && refused(unlock) && changes == 0, "{person:?}");
        }
    }
}

/// The server computes the lock, and whether a password has expired.
#[tokio::test(flavor = "multi_thread")]
async fn computed_bits_tell_lock_and_expiry() {
    for (person, expected) in [
        ([].as_slice(), (false, false)),
        (
            &[("msDS-User-Account-Control-Computed", "16"), ("lockoutTime", "134345408000000000")],
            (true, false),
        ),
        // A lock whose time is over: the attribute stays until the next sign-in.
        (&[("lockoutTime", "134345408000000000")], (false, false)),
        (&[("msDS-User-Account-Control-Computed", "8388608")], (false, true)),
        (&[("pwdLastSet", "0")], (false, true)),
    ] {
        let server = start(Controller { person, ..Controller::default() }).await;
        let found = aisyah(&directory(&config(&[("127.0.0.1", &server)]))).await;
        assert_eq!((found.is_locked, found.must_change), expected, "{person:?}");
        assert_eq!(found.attempts_left, Some(if expected.0 { 0 } else { 5 }), "{person:?}");
    }
}

/// An unlock changes no password, so no history counts.
#[tokio::test(flavor = "multi_thread")]
async fn unlock_is_one_request_without_the_control() {
    let person = &[("msDS-User-Account-Control-Computed", "16"), ("lockoutTime", "134345408000000000")];
    let server = start(Controller { person, ..Controller::default() }).await;
    let config = DirectoryConfig { history: HistoryRule::Required, ..config(&[("127.0.0.1", &server)]) };
    let directory = directory(&config);
    let found = aisyah(&directory).await;
    directory.unlock(&found).await.unwrap();
    let changes = server.received.changes.lock().unwrap().clone();
    let [change] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(change.attributes, [("lockoutTime".to_owned(), b"0".to_vec())]);
    assert!(change.controls.is_empty());
}

/// A domain without fine-grained policies, or whose service account may not read them, has its own rules for everybody.
/// Controls: C-145, C-181.
#[tokio::test(flavor = "multi_thread")]
async fn fine_grained_policy_holds_where_it_is_named_and_readable() {
    let domain = PublishedPolicy {
        min_length: Some(12),
        complexity: true,
        history: 24,
        lockout_threshold: Some(5),
        max_age_days: None,
    };
    let staff = PublishedPolicy { min_length: Some(16), history: 3, lockout_threshold: Some(3), ..domain };
    let staff = PublishedPolicy { max_age_days: Some(90), ..staff };
    let fine_grained = &[
        ("msDS-MinimumPasswordLength", "16"),
        ("msDS-PasswordComplexityEnabled", "TRUE"),
        ("msDS-PasswordHistoryLength", "3"),
        ("msDS-LockoutThreshold", "3"),
        ("msDS-LockoutObservationWindow", "-18000000000"),
        ("msDS-MaximumPasswordAge", "-77760000000000"),
    ];
    let named = &[("msDS-ResultantPSO", FINE_GRAINED)];
    for (person, fine_grained, expected, attempts) in [
        ([].as_slice(), [].as_slice(), domain, Some(5)),
        (&[], fine_grained, domain, Some(5)),
        (named, fine_grained, staff, Some(3)),
        // It exists, and the account can't read it. The next attempt may lock.
        (named, &[], domain, Some(0)),
        // Samba shows it, and none of its rules.
        (named, &[("cn", "Staff")], domain, Some(0)),
    ] {
        let server = start(Controller { person, fine_grained, ..Controller::default() }).await;
        let directory = directory(&config(&[("127.0.0.1", &server)]));
        let (pages, _) = gather(&directory, None).await.unwrap();
        for found in pages.iter().flatten() {
            assert_eq!(found.password_policy, Some(expected), "{person:?} {fine_grained:?}");
        }
        assert_eq!(directory.policy().await.unwrap(), domain);
        assert_eq!(aisyah(&directory).await.attempts_left, attempts, "{person:?} {fine_grained:?}");
    }
}

/// Warnings rely on the time that the domain controller computes.
/// Controls: C-177.
#[tokio::test(flavor = "multi_thread")]
async fn expiry_of_people_is_the_computed_one() {
    for (computed, expected) in [
        ("134345408000000000", Some(Timestamp::from_seconds(1_790_067_200))),
        // A password that never expires, and one that must be changed at the next sign-in.
        ("9223372036854775807", None),
        ("0", None),
    ] {
        let person: &'static [_] = Box::leak(Box::new([("msDS-UserPasswordExpiryTimeComputed", computed)]));
        let server = start(Controller { person, ..Controller::default() }).await;
        let (pages, _) = gather(&directory(&config(&[("127.0.0.1", &server)])), None).await.unwrap();
        assert!(pages.iter().flatten().all(|found| found.password_expires_at == expected), "{computed}");
    }
}

/// The copy has the states by which everybody before the last page is treated.
/// Controls: C-174.
#[tokio::test(flavor = "multi_thread")]
async fn people_have_the_states_of_their_attributes() {
    for (person, expected) in [
        ([].as_slice(), AccountState::Active),
        (&[("userAccountControl", "514")], AccountState::Disabled),
        (&[("accountExpires", "130000000000000000")], AccountState::Disabled),
        (&[("adminCount", "1")], AccountState::Excluded),
        (&[("userAccountControl", "4096")], AccountState::Excluded),
        // The domain names no duration here, so the lock lasts until an administrator ends it.
        (&[("lockoutTime", "134345408000000000")], AccountState::Locked),
        (&[("lockoutTime", "0")], AccountState::Active),
    ] {
        let server = start(Controller { person, ..Controller::default() }).await;
        let (pages, _) = gather(&directory(&config(&[("127.0.0.1", &server)])), None).await.unwrap();
        let states: Vec<AccountState> = pages.into_iter().flatten().map(|found| found.state).collect();
        assert_eq!(states, [expected; 2], "{person:?}");
    }
}

/// Controls: C-150.
#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_cut_off_are_an_error() {
    for (paging, read) in [(Paging::LimitExceeded, 1), (Paging::Ignored, 1)] {
        let server = start(Controller { paging, ..Controller::default() }).await;
        let result = gather(&directory(&config(&[("127.0.0.1", &server)])), None).await;
        let Err(SyncError::SizeLimit(people)) = result else { panic!("{result:?}") };
        assert_eq!(people, read);
    }
    let server = start(Controller::default()).await;
    let (pages, cursor) = gather(&directory(&config(&[("127.0.0.1", &server)])), None).await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(cursor.position, "4711");
    assert_eq!(cursor.server, "33323130-3534-3736-3839-616263646566");
}

#[expect(clippy::disallowed_methods, reason = "the test is about how long a call takes")]
fn started() -> Instant {
    Instant::now()
}
