//! A keychain that ends with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::{Record, RecordInfo, RecordName};
use crate::{KeyId, Keychain, KeychainError};

/// Keeps records in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryKeychain {
    records: Mutex<BTreeMap<RecordName, Record>>,
}

impl MemoryKeychain {
    /// An empty keychain.
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<RecordName, Record>> {
        // Every change is one map operation, so a panic elsewhere cannot leave half of one.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requires that there is no record of the name.
pub(crate) fn require_new(there: Option<&Record>) -> Result<(), KeychainError> {
    match there {
        None => Ok(()),
        Some(there) => Err(KeychainError::Duplicate {
            name: there.name,
            key_id: there.key_id,
            created: there.info().created(),
            host: there.host.clone(),
        }),
    }
}

/// Requires that the record is the one the caller knew.
pub(crate) fn require_expected(there: &RecordInfo, expect: KeyId) -> Result<(), KeychainError> {
    if there.key_id == expect {
        return Ok(());
    }
    Err(KeychainError::Conflict { name: there.name, expected: expect, found: there.key_id })
}

/// The rules all back-ends share, on a map.
pub(crate) fn insert_new(
    records: &mut BTreeMap<RecordName, Record>,
    record: &Record,
) -> Result<(), KeychainError> {
    record.validate()?;
    require_new(records.get(&record.name))?;
    records.insert(record.name, record.clone());
    Ok(())
}

pub(crate) fn replace(
    records: &mut BTreeMap<RecordName, Record>,
    expect: KeyId,
    record: &Record,
) -> Result<(), KeychainError> {
    record.validate()?;
    let there = records.get_mut(&record.name).ok_or(KeychainError::NotFound(record.name))?;
    require_expected(&there.info(), expect)?;
    *there = record.clone();
    Ok(())
}

pub(crate) fn delete(
    records: &mut BTreeMap<RecordName, Record>,
    name: &RecordName,
    expect: KeyId,
) -> Result<(), KeychainError> {
    let there = records.get(name).ok_or(KeychainError::NotFound(*name))?;
    require_expected(&there.info(), expect)?;
    records.remove(name);
    Ok(())
}

impl Keychain for MemoryKeychain {
    fn insert_new(&self, record: &Record) -> Result<(), KeychainError> {
        insert_new(&mut self.records(), record)
    }

    fn get(&self, name: &RecordName) -> Result<Record, KeychainError> {
        self.records().get(name).cloned().ok_or(KeychainError::NotFound(*name))
    }

    fn list(&self) -> Result<Vec<RecordInfo>, KeychainError> {
        Ok(self.records().values().map(Record::info).collect())
    }

    fn replace(&self, expect: KeyId, record: &Record) -> Result<(), KeychainError> {
        replace(&mut self.records(), expect, record)
    }

    fn delete(&self, name: &RecordName, expect: KeyId) -> Result<(), KeychainError> {
        delete(&mut self.records(), name, expect)
    }
}
