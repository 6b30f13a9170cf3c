//! Look-ups that cannot fail: of what has been found before, within the same input, and has not been removed since.
//!
//! An interface is removed only by a new configuration. A neighbour is removed when it goes down, which can also be a consequence of an LSA
//! that is installed: it may end helping a neighbour that has been silent for RouterDeadInterval.

/// Returns what was looked up. Its absence is an error of the engine: it fails in debug builds, at the place of the caller; others go on
/// without it.
#[track_caller]
pub(crate) fn established<T>(found: Option<T>) -> Option<T> {
    debug_assert!(found.is_some(), "a {} is absent that was found before", std::any::type_name::<T>());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_returned() {
        assert_eq!(established(Some(7)), Some(7));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "a u8 is absent that was found before")]
    fn absence_fails_in_debug_builds() {
        established(None::<u8>);
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn absence_is_passed_on_in_other_builds() {
        assert_eq!(established(None::<u8>), None);
    }
}
