//! Properties of every type: a value reads back as it was written; what is cut short is refused; no octets panic, and octets that are
//! accepted are the only ones of their value.

use proptest::prelude::*;
use sigillo_sample::{Sample, Source};
use sigillo_types::{alg::*, attributes::*, buffers::*, constants::*, handles::*, structures::*, *};
use std::fmt::Debug;

/// A value reads back, and a part of it or more than it does not.
fn reads_back<T: Sample + Marshal + Unmarshal + PartialEq + Debug>(entropy: &[u8]) {
    let value = T::sample(&mut Source::new(entropy));
    let octets = value.to_bytes();
    assert_eq!(T::from_bytes(&octets).as_ref(), Ok(&value));
    for end in cuts(octets.len()) {
        assert!(T::from_bytes(&octets[..end]).is_err(), "{end} of {octets:02x?}");
    }
    let longer = [octets.as_slice(), &[0]].concat();
    assert_eq!(T::from_bytes(&longer), Err(rc::SIZE));
}

/// Where to cut: everywhere near the front, where sizes and selectors stand, and here and there behind it.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |end| *end < 96 || end % 61 == 0 || end + 3 > length)
}

/// Octets that differ a little from a value's, and any octets at all: refused, or read as a value with just these octets.
fn any_octets_are_safe<T: Sample + Marshal + Unmarshal>(entropy: &[u8], place: usize, octet: u8) {
    let mut octets = T::sample(&mut Source::new(entropy)).to_bytes();
    let place = place % octets.len().max(1);
    if let Some(changed) = octets.get_mut(place) {
        *changed = octet;
    }
    for octets in [octets.as_slice(), entropy] {
        if let Ok(value) = T::from_bytes(octets) {
            assert_eq!(value.to_bytes(), octets);
        }
    }
}

macro_rules! properties {
    ($($test:ident: $type:ty,)+) => {
        mod a_value_reads_back_and_a_part_of_it_does_not {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(200))]
                $(#[test]
                fn $test(entropy in prop::collection::vec(any::<u8>(), 0..200)) {
                    reads_back::<$type>(&entropy);
                })+
            }
        }

        mod octets_are_refused_or_are_the_only_ones_of_their_value {
            use super::*;
            proptest! {
                #![proptest_config(ProptestConfig::with_cases(200))]
                $(#[test]
                fn $test(
                    entropy in prop::collection::vec(any::<u8>(), 0..200),
                    place in any::<usize>(),
                    octet in any::<u8>(),
                ) {
                    any_octets_are_safe::<$type>(&entropy, place, octet);
                })+
            }
        }
    };
}

sigillo_sample::every_type!(properties);
