//! The little of DER that certificates need: reading what a caller sent, octet by octet, and writing. X.690, 8 and 10.

use alloc::vec::Vec;

/// Tags, with the bit that says whether there are elements inside.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const SEQUENCE: u8 = 0x30;

    /// `[number]` around another element.
    pub(crate) const fn explicit(number: u8) -> u8 {
        0xA0 | number
    }
}

/// It is not DER, or not what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotDer;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
    /// With its tag and length.
    pub(crate) whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The contents, if it has the tag.
    pub(crate) fn expect(self, tag: u8) -> Result<&'a [u8], NotDer> {
        if self.tag == tag { Ok(self.contents) } else { Err(NotDer) }
    }
}

/// The elements in some octets, one after the other. After the first that is not DER there are no more.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
}

/// The elements in `bytes`.
pub(crate) const fn elements(bytes: &[u8]) -> Elements<'_> {
    Elements { rest: bytes }
}

/// The one element that is all of `bytes`.
pub(crate) fn only(bytes: &[u8]) -> Result<Element<'_>, NotDer> {
    let mut all = elements(bytes);
    let first = all.next().ok_or(NotDer)??;
    if all.rest.is_empty() { Ok(first) } else { Err(NotDer) }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, NotDer>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = split(self.rest);
        self.rest = element.map_or(&[], |(_, rest)| rest);
        Some(element.map(|(element, _)| element).ok_or(NotDer))
    }
}

/// The first element and what comes behind it. A length is in its shortest form and has at most two octets: nothing a TPM is sent is longer.
fn split(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    // A number above 30 would go on in more octets.
    if tag & 0x1F == 0x1F {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(*first), rest),
        0x81 => {
            let (octet, rest) = rest.split_first()?;
            (usize::from(*octet).checked_sub(0x80)? + 0x80, rest)
        }
        0x82 => {
            let (octets, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*octets)).checked_sub(0x100)? + 0x100, rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    let whole = bytes.get(..bytes.len() - rest.len())?;
    Some((Element { tag: *tag, contents, whole }, rest))
}

/// The bits of a BIT STRING, the first as the most significant: at most 32, none in its padding.
pub(crate) fn bits(contents: &[u8]) -> Result<u32, NotDer> {
    let (unused, octets) = contents.split_first().ok_or(NotDer)?;
    if *unused > 7 || octets.len() > 4 || (octets.is_empty() && *unused != 0) {
        return Err(NotDer);
    }
    let mut padded = [0; 4];
    for (to, from) in padded.iter_mut().zip(octets) {
        *to = *from;
    }
    let padding = octets.last().map_or(0, |last| last & ((1 << unused) - 1));
    if padding == 0 { Ok(u32::from_be_bytes(padded)) } else { Err(NotDer) }
}

/// An element made of its parts.
///
/// A length above 65535 cannot come from the bounded parts there are; it is written as the largest.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 4);
    out.push(tag);
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    match (high, low) {
        (0, 0..=0x7F) => out.push(low),
        (0, _) => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// A number that is not negative, from big-endian octets.
pub(crate) fn unsigned(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = octets.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if octets.first().is_none_or(|first| first & 0x80 != 0) { &[0] } else { &[] };
    element(tag::INTEGER, &[sign, octets])
}

/// A BIT STRING of whole octets.
pub(crate) fn bit_string(octets: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<&[u8]> = core::iter::once(&[0][..]).chain(octets.iter().copied()).collect();
    element(tag::BIT_STRING, &parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x1000] {
            let contents = vec![7; length];
            let written = element(tag::OCTET_STRING, &[&contents]);
            assert_eq!(only(&written).unwrap().expect(tag::OCTET_STRING), Ok(&contents[..]));
            assert_eq!(only(&written).unwrap().whole, written);
            for short in 0..written.len().min(300) {
                assert_eq!(only(&written[..short]), Err(NotDer));
            }
            assert_eq!(only(&[&written[..], &[0]].concat()), Err(NotDer));
        }
    }

    #[test]
    fn other_forms_than_the_shortest_are_refused() {
        for bytes in [
            &[0x04, 0x80, 0, 0][..],
            &[0x04, 0x81, 0x01, 7],
            &[0x04, 0x82, 0x00, 0x01, 7],
            &[0x04, 0x83, 0, 0, 1, 7],
            &[0x04, 0xFF, 7],
            &[0x1F, 0x01, 7],
        ] {
            assert_eq!(only(bytes), Err(NotDer), "{bytes:?}");
        }
    }

    #[test]
    fn nothing_is_read_behind_what_is_not_der() {
        let bytes = [0x04, 0x01, 7, 0x04, 0x05, 7, 0x04, 0x00];
        let found: Vec<_> = elements(&bytes).map(|element| element.is_ok()).collect();
        assert_eq!(found, [true, false]);
    }

    #[test]
    fn bits_begin_with_the_most_significant() {
        assert_eq!(bits(&[7, 0x80]), Ok(0x8000_0000));
        assert_eq!(bits(&[7, 0, 0x80]), Ok(0x0080_0000));
        assert_eq!(bits(&[0]), Ok(0));
        for wrong in [&[][..], &[8, 0], &[1], &[1, 1], &[0, 1, 2, 3, 4, 5]] {
            assert_eq!(bits(wrong), Err(NotDer), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_are_not_negative_and_have_no_needless_zeros() {
        assert_eq!(unsigned(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(unsigned(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0, 0]), [2, 1, 0]);
    }
}
