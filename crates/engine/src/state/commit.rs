//! The counts of split operations. Part 1, 44.2.2 and 34.4.4.

use crate::secret::Secret;
use minicbor::{Decode, Encode};
use sigillo_types::{Fmt1, rc};

/// Bits in the array that tells which keys wait: a power of two. TPM_PT_SPLIT_MAX.
pub(crate) const WAITING_BITS: u16 = 128;

/// Which ephemeral keys of split operations were made, and which of them wait for their use.
#[derive(Clone, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Commits {
    /// commitCount: how many were made.
    #[n(0)]
    pub(crate) count: u64,
    /// commitRandom: what they are derived from; empty until the first is made.
    #[n(1)]
    pub(crate) secret: Secret,
    /// The array A: one bit for the count with the same low bits.
    #[cbor(n(2), with = "minicbor::bytes")]
    waiting: [u8; WAITING_BITS as usize / 8],
}

impl Commits {
    fn bit(&mut self, counter: u16) -> Option<(&mut u8, u8)> {
        let index = counter % WAITING_BITS;
        self.waiting.get_mut(usize::from(index / 8)).map(|octet| (octet, 1 << (index % 8)))
    }

    fn low(count: u64) -> u16 {
        u16::try_from(count & 0xFFFF).unwrap_or(0)
    }

    /// Gives out the next count; its low bits are the counter.
    pub(crate) fn begin(&mut self) -> u16 {
        let counter = Self::low(self.count);
        self.count = self.count.wrapping_add(1);
        if let Some((octet, mask)) = self.bit(counter) {
            *octet |= mask;
        }
        counter
    }

    /// The count of a counter whose key waits.
    ///
    /// # Errors
    /// - `RANGE` if it is not one of the last.
    /// - `VALUE` if its key was used.
    pub(crate) fn waiting(&self, counter: u16) -> Result<u64, Fmt1> {
        let ago = Self::low(self.count).wrapping_sub(counter);
        if ago == 0 || ago >= WAITING_BITS {
            return Err(rc::RANGE);
        }
        let count = self.count.checked_sub(ago.into()).ok_or(rc::RANGE)?;
        let index = counter % WAITING_BITS;
        let octet = self.waiting.get(usize::from(index / 8)).ok_or(rc::RANGE)?;
        if octet & (1 << (index % 8)) == 0 { Err(rc::VALUE) } else { Ok(count) }
    }

    /// Notes that the key of a counter was used.
    pub(crate) fn end(&mut self, counter: u16) {
        if let Some((octet, mask)) = self.bit(counter) {
            *octet &= !mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_used_once_and_only_while_it_is_one_of_the_last() {
        let mut commits = Commits { count: 0xFFFE, ..Commits::default() };
        let counters: [u16; 4] = core::array::from_fn(|_| commits.begin());
        assert_eq!(counters, [0xFFFE, 0xFFFF, 0, 1]);
        assert_eq!(commits.waiting(0xFFFF), Ok(0xFFFF));
        assert_eq!(commits.waiting(1), Ok(0x1_0001));
        commits.end(0xFFFF);
        assert_eq!(commits.waiting(0xFFFF), Err(rc::VALUE));
        assert_eq!(commits.waiting(0xFFFD), Err(rc::VALUE));
        assert_eq!(commits.waiting(2), Err(rc::RANGE));
        for _ in 0..124 {
            commits.begin();
        }
        assert_eq!(commits.waiting(0xFFFE), Err(rc::RANGE));
        assert_eq!(commits.waiting(0), Ok(0x1_0000));
    }

    #[test]
    fn before_the_first_no_counter_is_in_range() {
        assert_eq!(Commits::default().waiting(0xFFFF), Err(rc::RANGE));
        assert_eq!(Commits::default().waiting(0), Err(rc::RANGE));
    }
}
