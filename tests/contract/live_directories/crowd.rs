//! Many people, for more than one page.

use super::Live;

/// As `serve.py` makes in the Samba domain, and this file in slapd.
pub const SIZE: usize = 1200;

/// Returns a base with [`SIZE`] people.
pub async fn base(live: &Live) -> String {
    if live.is_ad() {
        return "OU=Crowd,OU=Elsewhere,DC=uni,DC=test".to_owned();
    }
    let name = format!("crowd {}", super::unique_login());
    let base = format!("ou={name},ou=elsewhere,dc=uni,dc=test");
    let mut admin = live.admin().await;
    let value = |value: &str| [value.as_bytes().to_vec()].into();
    let entry = vec![(b"objectClass".to_vec(), value("organizationalUnit")), (b"ou".to_vec(), value(&name))];
    admin.add(&base, entry).await.unwrap().success().unwrap();
    for number in 0..SIZE {
        let login = format!("crowd{number}");
        let entry = vec![
            (b"objectClass".to_vec(), value("inetOrgPerson")),
            (b"uid".to_vec(), value(&login)),
            (b"cn".to_vec(), value(&format!("Person {number} of the crowd"))),
            (b"sn".to_vec(), value(&login)),
        ];
        admin.add(&format!("uid={login},{base}"), entry).await.unwrap().success().unwrap();
    }
    base
}
