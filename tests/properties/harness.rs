//! Replays the corpus, generates inputs, and counts their outcomes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Mutex;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A property test over generated inputs.
pub struct Property {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Number of inputs in one round.
    pub cases: u32,
    /// Outcomes that every round must reach; otherwise the property has lost its purpose.
    pub reaches: &'static [&'static str],
}

impl Property {
    /// Runs `check` on every input of the corpus and on `cases` generated ones. It returns the outcome or panics.
    pub fn run<S>(&self, inputs: &S, check: impl Fn(S::Value) -> String)
    where
        S: Strategy,
        S::Value: Clone + Debug + Serialize + DeserializeOwned,
    {
        self.run_all(inputs, |input| vec![check(input)]);
    }

    /// The same for inputs with several outcomes each.
    pub fn run_all<S>(&self, inputs: &S, check: impl Fn(S::Value) -> Vec<String>)
    where
        S: Strategy,
        S::Value: Clone + Debug + Serialize + DeserializeOwned,
    {
        let outcomes = Mutex::new(BTreeMap::<String, u32>::new());
        let count = |input: S::Value| {
            for outcome in check(input) {
                *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
            }
        };
        for (file, input) in self.corpus::<S::Value>() {
            println!("{}: {file}", self.name);
            count(input);
        }
        for seed in 0..rounds() {
            let config = Config {
                cases: self.cases,
                failure_persistence: None,
                rng_seed: RngSeed::Fixed(seed),
                ..Config::default()
            };
            let run = TestRunner::new(config).run(inputs, |input| {
                count(input);
                Ok::<(), TestCaseError>(())
            });
            if let Err(error) = run {
                let TestError::Fail(why, input) = error else { panic!("{}: {error}", self.name) };
                let kept = serde_json::to_string(&input).unwrap();
                panic!("{}, seed {seed}: {why}\nto be kept in corpus/{0}/: {kept}", self.name);
            }
        }
        let outcomes = outcomes.into_inner().unwrap();
        println!("{}: {} outcomes", self.name, outcomes.len());
        for (outcome, count) in &outcomes {
            println!("{count:8}  {outcome}");
        }
        for outcome in self.reaches {
            assert!(outcomes.contains_key(*outcome), "{} never came to `{outcome}`", self.name);
        }
    }

    fn corpus<T: DeserializeOwned>(&self) -> Vec<(String, T)> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("properties/corpus").join(self.name);
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let read = |file: PathBuf| {
            let text = std::fs::read_to_string(&file).unwrap();
            let input =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            (file.display().to_string(), input)
        };
        files.into_iter().map(read).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "how long to run is no setting of the product")]
fn rounds() -> u64 {
    std::env::var("PROPERTY_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}
