//! A client as rate limits and other people see it: its address block, and the browser and system that a
//! request names. This is enough for a person to recognise their own browser.

// `core` has the plain address types; `std` would also bring sockets.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::num::NonZeroU16;

use super::keys::Keyring;

/// A client's address as rate limits count it: one IPv4 address, or the /64 of an IPv6 customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressBlock(Option<IpAddr>);

impl AddressBlock {
    /// Returns the block of an address. All clients without a known address share one block.
    pub fn from_address(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        }))
    }

    /// Returns the network around the block: the /24 of an IPv4 address, the /48 of an IPv6 site. A stranger gets
    /// many addresses of one network for nothing, and few networks.
    #[must_use]
    pub fn network(self) -> Self {
        Self(self.0.map(|address| match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        }))
    }
}

impl AddressBlock {
    /// Returns the tag that stands for the network in limit logs, keyed so that no address is stored and
    /// nobody can look for two networks with one tag. It uses the oldest key, so key rotation doesn't change
    /// it.
    pub fn network_tag(self, flows: &Keyring) -> NetworkTag {
        let network = self.network().to_string();
        let tag = flows.tag(flows.oldest(), "rekey/network", &[network.as_bytes()]);
        let [high, low, ..] = tag.map_or([0; 32], |tag| *tag.as_bytes());
        NetworkTag(NonZeroU16::new(u16::from_be_bytes([high, low])).unwrap_or(NonZeroU16::MAX))
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("unknown"),
        }
    }
}

/// A short keyed tag of a network. Of two networks, one in 65,535 pairs shares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkTag(NonZeroU16);

impl NetworkTag {
    /// Takes a stored tag; 0 is none.
    pub fn from_stored(tag: u16) -> Option<Self> {
        NonZeroU16::new(tag).map(Self)
    }

    /// Returns the tag to store; never 0.
    pub const fn stored(self) -> u16 {
        self.0.get()
    }
}

/// Browsers by a word in `User-Agent` that identifies them. The order matters: Edge and Opera also contain
/// Chrome, and nearly all contain Safari.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems by a word in `User-Agent`. The order matters: Android also contains Linux.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Returns the family and system of a browser by its `User-Agent`, from fixed lists: nobody sees text that a
/// client wrote. Empty for an unknown browser.
pub fn browser(user_agent: &str) -> String {
    let find = |list: &[(&str, &'static str)]| {
        list.iter().find(|(word, _)| user_agent.contains(word)).map(|(_, name)| *name)
    };
    [find(&BROWSERS), find(&SYSTEMS)].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-101, C-121.
    #[test]
    fn addresses_of_one_site_share_network() {
        let network = |address: &str| AddressBlock::from_address(address.parse().ok()).network().to_string();
        assert_eq!(network("203.0.113.7"), "203.0.113.0");
        assert_eq!(network("::ffff:203.0.113.250"), "203.0.113.0");
        assert_eq!(network("2001:db8:1:2:3::4"), "2001:db8:1::");
        assert_eq!(AddressBlock::from_address(None).network().to_string(), "unknown");
        let keys = Keyring::from_secret(r#"{"current":"1","1":"0123456789abcdef0123456789abcdef"}"#).unwrap();
        let tag = |address: &str| AddressBlock::from_address(address.parse().ok()).network_tag(&keys);
        assert_eq!(tag("203.0.113.7"), tag("203.0.113.250"));
        assert_ne!(tag("203.0.113.7"), tag("203.0.114.7"));
        assert_ne!(tag("none"), tag("203.0.113.7"));
    }

    #[test]
    fn user_agent_maps_to_browser_and_system() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
                "Chrome, Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge, Windows",
            ),
            ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15", "Safari, macOS"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit CriOS/140.0 Mobile Safari/604.1",
                "Chrome, iPhone",
            ),
            ("Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox, Android"),
            ("curl/8.0 <script>", ""),
        ] {
            assert_eq!(browser(agent), name);
        }
    }
}
