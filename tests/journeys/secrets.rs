//! What is stored tells no code and no secret.

use rekey_tests::World;
use rekey_tests::people::{Person, SEED};

#[tokio::test]
async fn tables_and_queue_hold_no_code_password_seed_or_cookie() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.open("aisyah", "forgotten").await;
    let mut secrets = vec![SEED.to_owned(), Person::PASSWORD.to_owned(), "Kancil-Lompat-42!".to_owned()];
    let id = |cookie: &Option<String>| cookie.as_ref().unwrap().split('.').nth(2).unwrap().to_owned();
    secrets.push(id(&browser.cookie));
    browser.send_email().await;
    secrets.push(world.last_code());
    let mut dumps = world.dump().await;
    browser.code(&world.last_code()).await;
    browser.send_phone("sms", "0123456798").await;
    secrets.push(world.last_code());
    dumps.push_str(&world.dump().await);
    browser.code(&world.last_code()).await;
    browser.password("Kancil-Lompat-42!").await;
    dumps.push_str(&world.dump().await);
    dumps.push_str(
        &serde_json::to_string(&world.envelopes().iter().map(|(e, _)| e).collect::<Vec<_>>()).unwrap(),
    );
    for secret in &secrets {
        assert!(!dumps.contains(secret.as_str()), "{secret} is stored in the clear");
    }
    assert!(dumps.contains("$argon2id$v=19$m=19456,t=2,p=1$"));
}

#[tokio::test]
async fn a_stored_flow_stays_below_one_kilobyte() {
    let world = World::new().await;
    let mut browser = world.browser();
    browser.prove_both("forgotten").await;
    let size = async || {
        let items = world.client.scan().table_name("FlowsTable").send().await.unwrap().items.unwrap();
        let item = &items[0];
        item.iter()
            .map(|(name, value)| {
                let value = value
                    .as_s()
                    .map(String::len)
                    .or_else(|_| value.as_n().map(String::len))
                    .or_else(|_| value.as_b().map(|b| b.as_ref().len()))
                    .unwrap_or(1);
                name.len() + value
            })
            .sum::<usize>()
    };
    assert!(size().await < 1_024, "{} bytes", size().await);
    browser.password("Kancil-Lompat-42!").await;
    assert!(size().await < 1_024, "{} bytes", size().await);
}
