//! The unmarshalling of every type and of every command's areas.

use sigillo_sample::{Random, Sample, Source, commands::shapes};
use sigillo_types::{
    Marshal, Unmarshal, alg::*, attributes::*, buffers::*, constants::*, handles::*, structures::*,
};

/// One type: how it is read, and how a value of it is made.
struct Type {
    read: fn(&[u8]),
    make: fn(&mut Source<'_>) -> Vec<u8>,
}

/// Octets are refused, or they are the only ones of their value.
fn read<T: Marshal + Unmarshal>(octets: &[u8]) {
    if let Ok(value) = T::from_bytes(octets) {
        assert!(value.to_bytes() == octets, "read as a value with other octets");
    }
}

macro_rules! types {
    ($($name:ident: $type:ty,)+) => {
        const TYPES: &[Type] = &[$(Type { read: read::<$type>, make: |s| <$type>::sample(s).to_bytes() }),+];
    };
}
sigillo_sample::every_type!(types);

/// Any type: the first octet says which.
pub fn structures(data: &[u8]) {
    if let Some((which, octets)) = data.split_first()
        && let Some(of) = TYPES.get(usize::from(*which) % TYPES.len())
    {
        (of.read)(octets);
    }
}

/// The handle and parameter areas of any command: the first octet says which.
pub fn areas(data: &[u8]) {
    let shapes = shapes();
    let Some((which, octets)) = data.split_first() else { return };
    let Some(shape) = shapes.get(usize::from(*which) % shapes.len()) else { return };
    let Some((handles, parameters)) = octets.split_at_checked(4 * shape.spec.handles.len()) else { return };
    let raw: Vec<u32> = handles.as_chunks::<4>().0.iter().map(|handle| u32::from_be_bytes(*handle)).collect();
    if let Ok(again) = (shape.read)(&raw, parameters) {
        assert!(again == (raw, parameters.to_vec()), "read as a command with other areas");
    }
}

/// Values of each type, each behind its number.
pub(crate) fn structure_seeds() -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let mut seeds = Vec::new();
    for (number, of) in (0_u8..=u8::MAX).zip(TYPES) {
        for _ in 0..3 {
            let mut seed = vec![number];
            seed.extend((of.make)(&mut Source::new(&random.octets(60))));
            seeds.push(seed);
        }
    }
    seeds
}

/// The areas of each command, behind its number.
pub(crate) fn area_seeds() -> Vec<Vec<u8>> {
    let mut random = Random::new(2);
    let numbered = (0_u8..=u8::MAX).zip(shapes());
    numbered
        .map(|(number, shape)| {
            let (handles, parameters) = (shape.make)(&mut Source::new(&random.octets(100)));
            let handles: Vec<u8> = handles.into_iter().flat_map(u32::to_be_bytes).collect();
            [&[number], handles.as_slice(), &parameters].concat()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_octet_names_every_type_and_every_command() {
        assert!(TYPES.len() <= 256 && shapes().len() <= 256);
        assert_eq!((structure_seeds().len(), area_seeds().len()), (3 * TYPES.len(), shapes().len()));
    }
}
