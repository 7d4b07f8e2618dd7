//! A small subnet that nobody uses.

use std::net::Ipv4Addr;

/// Where private networks come from: outside the engine's default pools (172.17.0.0/12 and 192.168.0.0/16), seldom used.
const POOL: u32 = u32::from_be_bytes([10, 231, 0, 0]);
/// A /26 holds sixty containers.
const SIZE: u32 = 64;
const COUNT: u32 = 65_536 / SIZE;

/// A free /26 of 10.231.0.0/16, starting the search at a place that depends on `seed`; `None` when none is free.
pub fn free(seed: &str, used: &[String]) -> Option<String> {
    let used: Vec<(u32, u32)> = used.iter().filter_map(|subnet| range(subnet)).collect();
    let start =
        seed.bytes().fold(17_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % COUNT;
    (0..COUNT).map(|offset| POOL + ((start + offset) % COUNT) * SIZE).find_map(|first| {
        let last = first + (SIZE - 1);
        let clear = used.iter().all(|(from, to)| last < *from || first > *to);
        clear.then(|| format!("{}/26", Ipv4Addr::from(first)))
    })
}

/// The first and last address of a CIDR (IPv4).
fn range(subnet: &str) -> Option<(u32, u32)> {
    let (address, bits) = subnet.split_once('/')?;
    let (address, bits): (Ipv4Addr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
    let first = u32::from(address) & mask;
    Some((first, first | !mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avoids_what_is_used() {
        let first = free("convertik", &[]).unwrap();
        let second = free("convertik", std::slice::from_ref(&first)).unwrap();
        assert_ne!(first, second);
        assert!(first.starts_with("10.231.") && first.ends_with("/26"));
        assert_eq!(free("convertik", &["10.0.0.0/8".to_owned()]), None);
        assert!(free("convertik", &["fd00::/64".to_owned(), "172.17.0.0/16".to_owned()]).is_some());
    }
}
