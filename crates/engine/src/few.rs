//! A few values in place: a command has at most three handles and three sessions, and none of them is worth an allocation.

use core::ops::{Deref, DerefMut};

/// At most `N` values.
#[derive(Clone, Debug)]
pub(crate) struct Few<T, const N: usize> {
    values: [T; N],
    count: usize,
}

impl<T, const N: usize> Few<T, N> {
    /// Appends a value; says whether there was room for it.
    #[must_use]
    pub(crate) fn push(&mut self, value: T) -> bool {
        let Some(place) = self.values.get_mut(self.count) else { return false };
        *place = value;
        self.count += 1;
        true
    }
}

impl<T: Default, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self { values: core::array::from_fn(|_| T::default()), count: 0 }
    }
}

impl<T, const N: usize> Deref for Few<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.values.get(..self.count).unwrap_or_default()
    }
}

impl<T, const N: usize> DerefMut for Few<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.values.get_mut(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_as_it_says_and_no_more() {
        let mut few = Few::<u32, 2>::default();
        assert!(few.is_empty());
        assert!(few.push(1) && few.push(2) && !few.push(3));
        few[0] = 7;
        assert_eq!(*few, [7, 2]);
    }
}
