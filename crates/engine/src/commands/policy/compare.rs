//! TPM_EO: comparing octet strings as numbers. Part 2, 6.8 and Part 3, 23.9.

use core::cmp::Ordering;
use sigillo_types::constants::Operation;

/// Whether `a operation b` holds. Both have the same number of octets, the most significant first; signed numbers are in two's complement.
pub(super) fn holds(operation: Operation, a: &[u8], b: &[u8]) -> bool {
    match operation {
        Operation::Eq => a == b,
        Operation::Neq => a != b,
        Operation::SignedGt => signed(a, b).is_gt(),
        Operation::UnsignedGt => a > b,
        Operation::SignedLt => signed(a, b).is_lt(),
        Operation::UnsignedLt => a < b,
        Operation::SignedGe => signed(a, b).is_ge(),
        Operation::UnsignedGe => a >= b,
        Operation::SignedLe => signed(a, b).is_le(),
        Operation::UnsignedLe => a <= b,
        Operation::BitSet => a.iter().zip(b).all(|(a, b)| a & b == *b),
        Operation::BitClear => a.iter().zip(b).all(|(a, b)| a & b == 0),
    }
}

/// In two's complement, numbers of the same sign and size are ordered as unsigned ones.
fn signed(a: &[u8], b: &[u8]) -> Ordering {
    let negative = |number: &[u8]| number.first().is_some_and(|octet| octet & 0x80 != 0);
    match (negative(a), negative(b)) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (true, true) | (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each operation as the machine's own numbers have it.
    fn expected(operation: Operation, a: [u8; 2], b: [u8; 2]) -> bool {
        let (sa, sb) = (i16::from_be_bytes(a), i16::from_be_bytes(b));
        let (ua, ub) = (u16::from_be_bytes(a), u16::from_be_bytes(b));
        match operation {
            Operation::Eq => ua == ub,
            Operation::Neq => ua != ub,
            Operation::SignedGt => sa > sb,
            Operation::UnsignedGt => ua > ub,
            Operation::SignedLt => sa < sb,
            Operation::UnsignedLt => ua < ub,
            Operation::SignedGe => sa >= sb,
            Operation::UnsignedGe => ua >= ub,
            Operation::SignedLe => sa <= sb,
            Operation::UnsignedLe => ua <= ub,
            Operation::BitSet => ua & ub == ub,
            Operation::BitClear => ua & ub == 0,
        }
    }

    #[test]
    fn every_operation_agrees_with_machine_numbers() {
        const ALL: [Operation; 12] = [
            Operation::Eq,
            Operation::Neq,
            Operation::SignedGt,
            Operation::UnsignedGt,
            Operation::SignedLt,
            Operation::UnsignedLt,
            Operation::SignedGe,
            Operation::UnsignedGe,
            Operation::SignedLe,
            Operation::UnsignedLe,
            Operation::BitSet,
            Operation::BitClear,
        ];
        let octets = [0x00, 0x01, 0x55, 0x7F, 0x80, 0x81, 0xAA, 0xFE, 0xFF];
        let numbers = octets
            .iter()
            .flat_map(|high| octets.iter().map(|low| [*high, *low]))
            .collect::<alloc::vec::Vec<_>>();
        for operation in ALL {
            for a in &numbers {
                for b in &numbers {
                    assert_eq!(
                        holds(operation, a, b),
                        expected(operation, *a, *b),
                        "{a:?} {operation:?} {b:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn empty_operands_are_equal() {
        assert!(holds(Operation::Eq, &[], &[]));
        assert!(holds(Operation::SignedGe, &[], &[]));
        assert!(!holds(Operation::UnsignedLt, &[], &[]));
    }
}
