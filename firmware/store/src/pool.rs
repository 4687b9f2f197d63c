//! A few of what is dear to make, for whoever needs one next.

use crate::disk::lock;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, PoisonError};

/// At most so many at a time; who wants one more waits until one comes back.
pub struct Pool<T> {
    most: usize,
    state: Mutex<State<T>>,
    back: Condvar,
}

struct State<T> {
    idle: Vec<T>,
    made: usize,
}

impl<T> Pool<T> {
    /// Of at most so many.
    pub fn new(most: usize) -> Pool<T> {
        Pool { most, state: Mutex::new(State { idle: Vec::new(), made: 0 }), back: Condvar::new() }
    }

    /// One that nobody else has; `None` if it cannot be made.
    pub fn take(&self, make: impl FnOnce() -> Option<T>) -> Option<Taken<'_, T>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(one) = state.idle.pop() {
                return Some(Taken { pool: self, one: Some(one) });
            }
            if state.made < self.most {
                state.made += 1;
                drop(state);
                // if it cannot be made, the place is given back with it
                let taken = Taken { pool: self, one: make() };
                return taken.one.is_some().then_some(taken);
            }
            state = self.back.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Goes back when it is dropped.
pub struct Taken<'a, T> {
    pool: &'a Pool<T>,
    one: Option<T>,
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        match self.one.take() {
            Some(one) => state.idle.push(one),
            None => state.made -= 1,
        }
        drop(state);
        self.pool.back.notify_one();
    }
}

impl<T> Deref for Taken<'_, T> {
    type Target = Option<T>;
    fn deref(&self) -> &Option<T> {
        &self.one
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut Option<T> {
        &mut self.one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[test]
    fn no_more_are_made_than_may_be() {
        let (pool, made, out) = (Pool::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let one = pool.take(|| Some(made.fetch_add(1, SeqCst)));
                        assert!(one.is_some());
                        assert!(out.fetch_add(1, SeqCst) < 2);
                        out.fetch_sub(1, SeqCst);
                    }
                });
            }
        });
        assert!(made.load(SeqCst) <= 2);
    }

    #[test]
    fn one_that_cannot_be_made_takes_no_place() {
        let pool = Pool::<u8>::new(1);
        assert!(pool.take(|| None).is_none());
        assert_eq!(*pool.take(|| Some(1)).unwrap(), Some(1));
        assert_eq!(*pool.take(|| None).unwrap(), Some(1));
    }
}
