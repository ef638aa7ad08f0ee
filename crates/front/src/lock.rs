//! How a mutex is locked in here.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Nobody panics with the lock in hand; if somebody does, what is in there is still whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
