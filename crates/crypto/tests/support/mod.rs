//! Reading vector files: records of `name = value` lines between empty lines; `#` starts a comment.
#![allow(dead_code)]

use std::collections::BTreeMap;

use sigillo_crypto::drbg::Drbg;
use sigillo_crypto::{EccCurve, HashAlg};

pub(crate) struct Record(BTreeMap<String, String>);

impl Record {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// The octets of a hexadecimal value; none if it is not there.
    pub(crate) fn hex(&self, name: &str) -> Vec<u8> {
        hex(self.get(name).unwrap_or(""))
    }

    pub(crate) fn hash(&self) -> HashAlg {
        let name = self.text("hash");
        let found = HashAlg::ALL.into_iter().find(|alg| format!("{alg:?}") == name);
        found.unwrap()
    }

    pub(crate) fn curve(&self) -> Option<EccCurve> {
        let name = self.text("kind");
        EccCurve::ALL.into_iter().find(|curve| format!("{curve:?}") == name)
    }
}

pub(crate) fn records(text: &str) -> Vec<Record> {
    let mut out = Vec::new();
    for block in text.split("\n\n") {
        let record: BTreeMap<_, _> = block
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        if !record.is_empty() {
            out.push(Record(record));
        }
    }
    assert!(!out.is_empty());
    out
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A generator for tests, the same in every run.
pub(crate) fn drbg(seed: u8) -> Drbg {
    Drbg::instantiate(&[seed; 48], &[], &[]).unwrap()
}
