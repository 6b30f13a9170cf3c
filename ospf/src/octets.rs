//! Octets as hexadecimal digits, for `#[serde(with = "ospf::octets")]`: packets and bodies of LSAs in traces.

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::Serializer;

/// Writes two digits for each octet.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(octets: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&digits(octets.as_ref()))
}

/// Reads what [`serialize`] writes; digits may also be capital letters.
///
/// # Errors
/// If there is another character than a digit, or half an octet.
pub fn deserialize<'de, T: From<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    octets(&String::deserialize(deserializer)?).map(T::from).map_err(D::Error::custom)
}

/// Octets that may be absent.
pub mod optional {
    use super::{Deserialize, Deserializer, Serializer, digits, octets};
    use serde::de::Error as _;

    /// Writes two digits for each octet, or that there are no octets.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: AsRef<[u8]>, S: Serializer>(found: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match found {
            Some(found) => serializer.serialize_some(&digits(found.as_ref())),
            None => serializer.serialize_none(),
        }
    }

    /// Reads what [`serialize`] writes.
    ///
    /// # Errors
    /// If there is another character than a digit, or half an octet.
    pub fn deserialize<'de, T: From<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        let found = Option::<String>::deserialize(deserializer)?;
        found.map(|digits| octets(&digits).map(T::from).map_err(D::Error::custom)).transpose()
    }
}

fn digits(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(*octet)]).collect()
}

fn octets(digits: &str) -> Result<Vec<u8>, &'static str> {
    let value = |digit: u8| char::from(digit).to_digit(16).ok_or("not a hexadecimal digit");
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err("half an octet");
    }
    pairs.iter().map(|[high, low]| Ok((value(*high)? << 4 | value(*low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(transparent)]
    struct Octets(#[serde(with = "super")] Vec<u8>);

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(transparent)]
    struct Perhaps(#[serde(with = "super::optional")] Option<Vec<u8>>);

    #[test]
    fn octets_are_written_as_digits_and_half_an_octet_is_refused() {
        assert_eq!(serde_json::to_string(&Octets(vec![0, 0xa5, 255])).unwrap(), "\"00a5ff\"");
        assert_eq!(serde_json::from_str::<Octets>("\"00a5fF\"").unwrap(), Octets(vec![0, 0xa5, 255]));
        for text in ["\"0\"", "\"0g\"", "\"é\"", "7", "null"] {
            assert!(serde_json::from_str::<Octets>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_octets_and_absent_octets_are_different() {
        for (octets, text) in [(None, "null"), (Some(vec![]), "\"\""), (Some(vec![1]), "\"01\"")] {
            assert_eq!(serde_json::to_string(&Perhaps(octets.clone())).unwrap(), text);
            assert_eq!(serde_json::from_str::<Perhaps>(text).unwrap(), Perhaps(octets));
        }
        assert!(serde_json::from_str::<Perhaps>("\"0\"").is_err());
    }
}
