//! A set of a few elements.

use std::ops::Deref;

/// A set of a few elements, in ascending order and in one allocation of exactly their size. A table may have one such set per route: a
/// [`std::collections::BTreeSet`] of one element has room for eleven.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Few<T>(Box<[T]>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let mut elements: Vec<T> = elements.into_iter().collect();
        elements.sort_unstable();
        elements.dedup();
        Self(elements.into_boxed_slice())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Few<T> {
    fn from(elements: [T; N]) -> Self {
        elements.into_iter().collect()
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_are_in_order_and_there_once() {
        let set = Few::from([3, 1, 2, 1]);
        assert_eq!(*set, [1, 2, 3]);
        assert_eq!(set, [2, 3, 1].into_iter().collect());
        assert_eq!(set.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(Few::<u8>::default(), [].into());
    }
}
