//! The price list: what one unit costs, where, and where the price was read.

use serde::{Deserialize, Serialize};

use crate::outcome::Problem;

/// The list. Prices change, so each has its source and the day on which it was read there.
const LIST: &str = include_str!("../../../data/prices.json");

/// A price.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::commands) struct Price {
    /// Names it in `--price`.
    pub(super) name: String,
    pub(super) what: String,
    pub(super) usd: f64,
    /// The units that cost `usd`.
    pub(super) per: u32,
    pub(super) region: String,
    /// A page, or who gave it.
    pub(super) source: String,
    pub(super) read_on: String,
    /// Whether no page states it: it is of the right size, no more.
    pub(super) is_planning_value: bool,
}

#[derive(Deserialize)]
struct List {
    prices: Vec<Price>,
}

/// All prices, in US dollars.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(in crate::commands) struct Prices(Vec<Price>);

impl Prices {
    /// Reads the list.
    pub(in crate::commands) fn listed() -> Result<Self, Problem> {
        let list: List = serde_json::from_str(LIST)
            .map_err(|error| Problem::failed(format!("the price list of this build is damaged: {error}")))?;
        Ok(Self(list.prices))
    }

    /// Puts a price of the command line in the place of the listed one. It is for as many units as the list says.
    pub(super) fn set(&mut self, given: &str) -> Result<(), Problem> {
        let names = || self.0.iter().map(|price| price.name.as_str()).collect::<Vec<_>>().join(", ");
        let wrong = || Problem::usage(format!("--price {given}: give NAME=USD with a name of: {}", names()));
        let (name, usd) = given.split_once('=').ok_or_else(wrong)?;
        let usd = usd.parse::<f64>().ok().filter(|usd| usd.is_finite() && *usd >= 0.0).ok_or_else(wrong)?;
        let at = self.0.iter().position(|price| price.name == name).ok_or_else(wrong)?;
        if let Some(price) = self.0.get_mut(at) {
            price.usd = usd;
            "--price".clone_into(&mut price.source);
            price.is_planning_value = false;
        }
        Ok(())
    }

    /// Returns what one unit costs.
    pub(in crate::commands) fn of(&self, name: &str) -> Result<f64, Problem> {
        let found = self.0.iter().find(|price| price.name == name);
        let price = found.ok_or_else(|| Problem::failed(format!("the price list has no `{name}`")))?;
        Ok(price.usd / f64::from(price.per))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Price> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_price_has_source_region_and_day() {
        let prices = Prices::listed().unwrap();
        for price in prices.iter() {
            assert!(price.usd > 0.0 && price.per > 0, "{price:?}");
            assert!(price.source.contains("https://") && !price.region.is_empty(), "{price:?}");
            assert!(price.read_on.parse::<jiff::civil::Date>().is_ok(), "{price:?}");
        }
    }

    #[test]
    fn price_of_the_command_line_replaces_the_listed_one() {
        let mut prices = Prices::listed().unwrap();
        prices.set("text=0.02").unwrap();
        prices.set("write=1.25").unwrap();
        let is = |name: &str, usd: f64| (prices.of(name).unwrap() - usd).abs() < 1e-12;
        assert!(is("text", 0.02) && is("write", 1.25e-6) && is("read", 0.125e-6));
        for wrong in ["text", "text=", "text=-1", "text=NaN", "text=inf", "telegram=1", "=1"] {
            assert!(prices.set(wrong).is_err(), "{wrong}");
        }
    }
}
