//! Maps and sets of states by their hashes, shared by all threads of a search.

#![allow(clippy::disallowed_types, reason = "nothing iterates over these maps, and a tree takes twice the time")]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of parts; each has its own lock.
const PARTS: usize = 64;

/// A hasher that returns its input, because the keys are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
}

type Part<V> = HashMap<u128, V, BuildHasherDefault<AsItIs>>;

/// A map whose keys are hashes of states.
#[derive(Debug)]
pub(super) struct Visited<V>(Vec<Mutex<Part<V>>>);

impl<V: Copy> Visited<V> {
    pub(super) fn new() -> Self {
        Self((0..PARTS).map(|_| Mutex::new(Part::default())).collect())
    }

    pub(super) fn get(&self, print: u128) -> Option<V> {
        self.part(print).get(&print).copied()
    }

    /// Sets a value, and returns the previous one.
    pub(super) fn insert(&self, print: u128, value: V) -> Option<V> {
        self.part(print).insert(print, value)
    }

    fn part(&self, print: u128) -> MutexGuard<'_, Part<V>> {
        // A map is consistent even if a thread panicked while it had the lock.
        self.0[(print >> 100) as usize % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
