//! What an X.509 certificate says it is: as much of it as a listing of a TPM's EK certificates shows. The bytes are the guest's, so
//! nothing is believed of them, and no signature is checked. RFC 5280, 4.1.
use sigillo_messages::printable;
use std::fmt::Write as _;

/// The longest name or number that is shown, in bytes.
const LONGEST: usize = 512;

/// The fields that are shown. Text of others is made printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The serial number in hexadecimal.
    pub serial: String,
    /// Who signed it.
    pub issuer: String,
    /// Whom it is for; EK certificates may leave it empty and name the TPM in an extension.
    pub subject: String,
    /// From when on it is valid, as the certificate writes it.
    pub not_before: String,
    /// Until when it is valid.
    pub not_after: String,
    /// Bytes of the certificate; what follows it in an index is padding.
    pub len: usize,
}

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// The version, which version 1 leaves out.
const VERSION: u8 = 0xA0;

/// DER values one after the other. X.690, 8.1 and 10.1.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next value: its tag and its contents.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        // Tags of more than one octet do not come up in a certificate.
        if tag & 0x1F == 0x1F {
            return None;
        }
        let mut len = usize::from(*first);
        if len >= 0x80 {
            let octets = len & 0x7F;
            if octets == 0 || octets > 3 {
                return None;
            }
            let (number, after) = rest.split_at_checked(octets)?;
            len = number.iter().fold(0, |len, octet| len << 8 | usize::from(*octet));
            rest = after;
        }
        let (contents, after) = rest.split_at_checked(len)?;
        self.0 = after;
        Some((*tag, contents))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }
}

impl Certificate {
    /// Reads a certificate at the beginning of some bytes; `None` if there is none.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut outer = Reader(bytes);
        let mut certificate = Reader(outer.expect(SEQUENCE)?);
        let len = bytes.len() - outer.0.len();
        let mut tbs = Reader(certificate.expect(SEQUENCE)?);
        // The algorithm and the signature.
        certificate.expect(SEQUENCE)?;
        let (tag, contents) = tbs.next()?;
        let serial = match tag {
            VERSION => tbs.expect(INTEGER)?,
            INTEGER => contents,
            _ => return None,
        };
        tbs.expect(SEQUENCE)?;
        let issuer = name(tbs.expect(SEQUENCE)?)?;
        let mut validity = Reader(tbs.expect(SEQUENCE)?);
        let mut time = || validity.next().map(|(_, contents)| shown(contents));
        let (not_before, not_after) = (time()?, time()?);
        let subject = name(tbs.expect(SEQUENCE)?)?;
        // The public key: without one it is no certificate.
        tbs.expect(SEQUENCE)?;
        let serial = hex(serial.get(..LONGEST.min(serial.len())).unwrap_or_default());
        Some(Certificate { serial, issuer, subject, not_before, not_after, len })
    }
}

/// A distinguished name as `CN=..., O=...`. RFC 5280, 4.1.2.4.
fn name(bytes: &[u8]) -> Option<String> {
    let mut parts = Reader(bytes);
    let mut text = String::new();
    while !parts.0.is_empty() {
        let mut set = Reader(parts.expect(SET)?);
        while !set.0.is_empty() {
            let mut attribute = Reader(set.expect(SEQUENCE)?);
            let kind = attribute.expect(OBJECT_IDENTIFIER)?;
            let (_, value) = attribute.next()?;
            if text.len() < LONGEST {
                let comma = if text.is_empty() { "" } else { ", " };
                text += &format!("{comma}{}={}", attribute_name(kind), shown(value));
            }
        }
    }
    Some(text)
}

/// X.520's attributes and the TCG's by their usual names.
fn attribute_name(identifier: &[u8]) -> String {
    let known = match identifier {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x0A] => "O",
        [0x55, 0x04, 0x0B] => "OU",
        [0x67, 0x81, 0x05, 0x02, 0x01] => "TPMManufacturer",
        [0x67, 0x81, 0x05, 0x02, 0x02] => "TPMModel",
        [0x67, 0x81, 0x05, 0x02, 0x03] => "TPMVersion",
        other => return format!("0x{}", hex(other.get(..16.min(other.len())).unwrap_or_default())),
    };
    known.to_owned()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a String does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Not more of a text than is shown.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..LONGEST.min(bytes.len())).unwrap_or_default());
    printable(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A value of at most 127 octets.
    fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
        let contents = contents.concat();
        let len = u8::try_from(contents.len()).unwrap();
        let mut out = vec![tag];
        if len >= 0x80 {
            out.push(0x81);
        }
        out.push(len);
        out.extend(contents);
        out
    }

    fn named(text: &[u8]) -> Vec<u8> {
        let common_name = der(OBJECT_IDENTIFIER, &[&[0x55, 0x04, 0x03]]);
        der(SEQUENCE, &[&der(SET, &[&der(SEQUENCE, &[&common_name, &der(0x0C, &[text])])])])
    }

    fn certificate(issuer: &[u8]) -> Vec<u8> {
        let (algorithm, key) = (der(SEQUENCE, &[&[0x05, 0x00]]), der(SEQUENCE, &[&[0x03, 0x01, 0x00]]));
        let validity = der(SEQUENCE, &[&der(0x17, &[b"260101000000Z"]), &der(0x18, &[b"99991231235959Z"])]);
        let tbs = der(
            SEQUENCE,
            &[
                &der(VERSION, &[&[0x02, 0x01, 0x02]]),
                &der(INTEGER, &[&[0x0B, 0xEE]]),
                &algorithm,
                &named(issuer),
                &validity,
                &der(SEQUENCE, &[]),
                &key,
            ],
        );
        der(SEQUENCE, &[&tbs, &algorithm, &[0x03, 0x01, 0x00]])
    }

    #[test]
    fn a_certificate_names_its_issuer_and_its_end_and_padding_is_no_part_of_it() {
        let der = certificate(b"sigillo test CA");
        let mut padded = der.clone();
        padded.extend([0xFF; 50]);
        let found = Certificate::parse(&padded).unwrap();
        assert_eq!((&*found.serial, &*found.issuer, &*found.subject), ("0bee", "CN=sigillo test CA", ""));
        assert_eq!((&*found.not_before, &*found.not_after), ("260101000000Z", "99991231235959Z"));
        assert_eq!(found.len, der.len());
    }

    #[test]
    fn a_name_cannot_move_the_cursor_of_a_terminal() {
        let found = Certificate::parse(&certificate(b"a\x1b[2Jb\n")).unwrap();
        assert_eq!(found.issuer, "CN=a?[2Jb?");
    }

    #[test]
    fn a_certificate_that_is_cut_anywhere_is_none() {
        let der = certificate(b"sigillo test CA");
        assert!((0..der.len()).all(|end| Certificate::parse(&der[..end]).is_none()));
        assert!(Certificate::parse(b"not a certificate at all").is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..120, octet: u8) {
            let _ = Certificate::parse(&bytes);
            let mut der = certificate(b"sigillo test CA");
            let at = at % der.len();
            der[at] = octet;
            let _ = Certificate::parse(&der);
        }
    }
}
