//! `rekey plan`, which needs no deployment.

use std::process::{Command, Stdio};

use serde_json::Value;

fn plan(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekey"));
    command.arg("plan").args(arguments).env_remove("REKEY_STACK").env_remove("AWS_REGION");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(arguments: &[&str]) -> Value {
    let (status, out, err) = plan(&[arguments, &["--json"]].concat());
    assert_eq!(status, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn plan_has_first_enrolment_and_year_with_prices() {
    let (status, out, err) = plan(&["--people", "50000"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    for part in [
        "Once: 50 000 people enrol",
        "Each year: 25 000 resets and unlocks",
        "write units",
        "us-east-1",
        "a planning value",
        "--price NAME=USD",
    ] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
    let plan = json(&["--people", "50000"]);
    let line = |part: &str, what: &str| {
        let lines = plan["plan"][part]["lines"].as_array().unwrap();
        lines.iter().find(|line| line["what"] == what).unwrap().clone()
    };
    assert!(line("first_enrolment", "texts")["count"].as_f64().unwrap() >= 50_000.0);
    assert!(line("each_year", "texts")["usd"].as_f64().unwrap() > 0.0);
    let prices = plan["prices"].as_array().unwrap();
    assert!(prices.iter().all(|price| price["source"].is_string() && price["read_on"].is_string()));
}

#[test]
fn each_price_can_be_set() {
    let listed = json(&["--people", "1000", "--resets", "1"]);
    for price in listed["prices"].as_array().unwrap() {
        let (name, usd) = (price["name"].as_str().unwrap(), price["usd"].as_f64().unwrap());
        let set = format!("{name}={}", usd * 10.0);
        let dearer = json(&["--people", "1000", "--resets", "1", "--price", &set]);
        let of = |plan: &Value| plan["plan"]["each_year"]["usd"].as_f64().unwrap();
        assert!(of(&dearer) > of(&listed), "{name}");
    }
    let (status, _, err) = plan(&["--people", "1000", "--price", "telegram=1"]);
    assert!(status == 2 && err.contains("text, call, mail"), "{err}");
}
