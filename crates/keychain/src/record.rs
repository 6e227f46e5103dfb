//! Records and their names.

use core::fmt;
use core::str::FromStr;
use sigillo_messages::{Words, words};

use sigillo_store::{EntropyError, KeyId, Secret, now_unix_s};

const PREFIX: &str = "Sigillo.vTPM.{";
pub(crate) const MAX_HOST_LEN: usize = 255;
pub(crate) const MAX_COMMENT_LEN: usize = 1024;
const MAX_SECRET_LEN: usize = 256;

/// `Sigillo.vTPM.{UUID}`, braces included, the UUID in lower case: one name a VM.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName([u8; 16]);

impl RecordName {
    /// The name of a VM's record.
    pub fn for_vm(vm_uuid: &[u8; 16]) -> Self {
        RecordName(*vm_uuid)
    }

    /// The VM it belongs to.
    pub fn vm_uuid(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RecordName {
    type Err = InvalidRecord;

    /// Takes the UUID in either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = InvalidRecord(words!("record-name"));
        let uuid = text.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix('}')).ok_or(invalid)?;
        let groups = uuid.split('-').map(str::len);
        if !groups.eq([8, 4, 4, 4, 12]) || !uuid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        {
            return Err(invalid);
        }
        u128::from_str_radix(&uuid.replace('-', ""), 16)
            .map(|value| RecordName(value.to_be_bytes()))
            .map_err(|_| invalid)
    }
}

/// What no record may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRecord(pub(crate) Words);

/// One VM's password and where it comes from. Never changed in place: a new password is a new record with a new key id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Names the VM.
    pub name: RecordName,
    /// Names the password; the store's header names it too.
    pub key_id: KeyId,
    /// The password: base64url text, so that it passes through every tool unharmed.
    pub secret: Secret,
    /// Seconds since 1970 when it was made.
    pub created_unix_s: u64,
    /// The host it was made on.
    pub host: String,
    /// For people.
    pub comment: String,
}

/// A record without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    /// Names the VM.
    pub name: RecordName,
    /// Names the password.
    pub key_id: KeyId,
    /// Seconds since 1970 when it was made.
    pub created_unix_s: u64,
    /// The host it was made on.
    pub host: String,
    /// For people.
    pub comment: String,
}

impl RecordInfo {
    /// When it was made, for people: `2026-11-25T21:31:05Z`.
    pub fn created(&self) -> String {
        date(self.created_unix_s)
    }
}

/// Seconds since 1970 for people; a number that no calendar has stays one.
pub fn date(unix_s: u64) -> String {
    calendar(unix_s).unwrap_or_else(|| unix_s.to_string())
}

/// Seconds since 1970 as RFC 3339 writes them in UTC; `None` from the year 10000 on, where it ends.
pub fn calendar(unix_s: u64) -> Option<String> {
    const END: u64 = 253_402_300_800;
    let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(unix_s))?;
    (unix_s < END).then(|| humantime::format_rfc3339_seconds(time).to_string())
}

impl Record {
    /// Makes a record with a new password of 256 random bits and a new key id, dated now.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn generate(vm_uuid: &[u8; 16], host: &str, comment: &str) -> Result<Self, EntropyError> {
        Ok(Record {
            name: RecordName::for_vm(vm_uuid),
            key_id: KeyId::random()?,
            secret: Secret::random_text()?,
            created_unix_s: now_unix_s(),
            host: host.to_owned(),
            comment: comment.to_owned(),
        })
    }

    /// The record without its password.
    pub fn info(&self) -> RecordInfo {
        RecordInfo {
            name: self.name,
            key_id: self.key_id,
            created_unix_s: self.created_unix_s,
            host: self.host.clone(),
            comment: self.comment.clone(),
        }
    }

    /// Whether every back-end can keep it.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn validate(&self) -> Result<(), InvalidRecord> {
        if self.secret.len() > MAX_SECRET_LEN || self.secret.len() < 16 {
            return Err(InvalidRecord(words!("record-password-length")));
        }
        if !self
            .secret
            .expose()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        {
            return Err(InvalidRecord(words!("record-password-text")));
        }
        let plain = |text: &str, max| text.len() <= max && !text.chars().any(char::is_control);
        if !plain(&self.host, MAX_HOST_LEN) {
            return Err(InvalidRecord(words!("record-host")));
        }
        if !plain(&self.comment, MAX_COMMENT_LEN) {
            return Err(InvalidRecord(words!("record-comment")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_literal_braces_and_reads_back_in_either_case() {
        let name = RecordName::for_vm(&[0xab; 16]);
        assert_eq!(name.to_string(), "Sigillo.vTPM.{abababab-abab-abab-abab-abababababab}");
        assert_eq!(name.to_string().parse(), Ok(name));
        assert_eq!("Sigillo.vTPM.{ABABABAB-abab-abab-abab-abababababab}".parse(), Ok(name));
        for wrong in [
            "",
            "Sigillo.vTPM.abababab-abab-abab-abab-abababababab",
            "Sigillo.vTPM.{abababababab-abab-abab-abababababab}",
            "Sigillo.vTPM.{+bababab-abab-abab-abab-abababababab}",
            "Sigillo.vTPM.{abababab-abab-abab-abab-abababababab} ",
        ] {
            assert!(wrong.parse::<RecordName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_generated_record_is_valid_and_shows_no_password() {
        let record = Record::generate(&[1; 16], "host", "").unwrap();
        record.validate().unwrap();
        assert_eq!(record.secret.len(), 43);
        let text = core::str::from_utf8(record.secret.expose()).unwrap();
        assert!(!format!("{record:?}").contains(text));
    }

    #[test]
    fn a_date_is_for_people_and_an_impossible_one_stays_a_number() {
        assert_eq!(date(1_795_000_000), "2026-11-18T11:06:40Z");
        assert_eq!(date(253_402_300_799), "9999-12-31T23:59:59Z");
        assert_eq!(date(253_402_300_800), "253402300800");
        assert_eq!(date(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn a_password_with_a_brace_is_no_record() {
        let mut record = Record::generate(&[1; 16], "host", "").unwrap();
        record.secret = Secret::from_slice(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{");
        assert!(record.validate().is_err());
        record.secret = Secret::from_slice(b"short");
        assert!(record.validate().is_err());
    }
}
