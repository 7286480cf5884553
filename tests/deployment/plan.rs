//! The resources that `rekey plan` counts with are those of template.yaml.

use std::{env, fs};

use rekey_local::template::Template;
use serde_json::{Value, json};

/// Without a directory of the organisation's own, as most of the price list assumes.
#[test]
fn plan_counts_the_resources_of_the_template() {
    let template = Template::from_project().unwrap().document;
    let standing = |kind: &str| {
        let all = template.of_type(kind).into_values();
        all.filter(|resource| resource.get("Condition").is_none_or(|when| when != "HasDirectory")).count()
    };
    let counted = json!({
        "alarms": standing("AWS::CloudWatch::Alarm"),
        "dashboards": standing("AWS::CloudWatch::Dashboard"),
        "secrets": standing("AWS::SecretsManager::Secret"),
    });
    let file = crate::root().join("infra/admin/data/resources.json");
    if env::var_os("REKEY_TEST_UPDATE").is_some() {
        fs::write(&file, format!("{counted:#}\n")).unwrap();
    }
    let planned: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(
        planned, counted,
        "after a review, run REKEY_TEST_UPDATE=1 cargo nextest run --workspace --test deployment plan::"
    );
}
