//! What a VM's firmware variables say of Secure Boot. The guest's firmware writes the file, so nothing in it is believed, and it is only
//! read. UEFI Platform Initialization, volume 3: firmware volumes; EDK II, `VariableFormat.h`: the authenticated variable store in one.

/// The state of Secure Boot in a variable store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecureBoot {
    /// A platform key is enrolled; without one the firmware is in setup mode and checks nothing.
    pub platform_key: bool,
    /// Keys that may change the lists.
    pub exchange_keys: bool,
    /// The list of what may start.
    pub allowed: bool,
    /// Microsoft's certificate for Windows' boot manager is in that list.
    pub trusts_windows: bool,
    /// The guest's owner turned it off in the firmware's setup.
    pub turned_off: bool,
}

impl SecureBoot {
    /// Whether the firmware starts only what is signed.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.platform_key && self.exchange_keys && self.allowed && !self.turned_off
    }

    /// Whether that lets Windows start.
    #[must_use]
    pub fn starts_windows(&self) -> bool {
        self.is_enforced() && self.trusts_windows
    }
}

/// Octets of a variable store's header, after its firmware volume's.
const STORE_HEADER: usize = 28;
/// Octets of a variable's header.
const VARIABLE_HEADER: usize = 60;
const START: u16 = 0x55AA;
/// A variable that holds; and one that holds until the one being written takes its place.
const ADDED: [u8; 2] = [0x3F, 0x3E];
/// gEfiAuthenticatedVariableGuid.
const AUTHENTICATED: [u8; 16] =
    [0x78, 0x2C, 0xF3, 0xAA, 0x7B, 0x94, 0x9A, 0x43, 0xA1, 0x80, 0x2E, 0x14, 0x4E, 0xC3, 0x77, 0x92];
/// In every certificate that Microsoft signs Windows' boot manager with.
const WINDOWS: [&[u8]; 2] = [b"Microsoft Windows Production PCA 2011", b"Windows UEFI CA 2023"];

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|octets| u16::from_le_bytes(*octets))
}

fn usize_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().and_then(|octets| usize::try_from(u32::from_le_bytes(*octets)).ok())
}

/// Reads a variable store; `None` if it is none that this firmware has.
#[must_use]
pub fn secure_boot(bytes: &[u8]) -> Option<SecureBoot> {
    if bytes.get(40..44) != Some(b"_FVH") {
        return None;
    }
    let store = bytes.get(usize::from(u16_at(bytes, 48)?)..)?;
    if store.get(..16) != Some(&AUTHENTICATED) {
        return None;
    }
    let store = store.get(..usize_at(store, 16)?)?;
    let mut found = SecureBoot::default();
    let mut at = STORE_HEADER;
    while u16_at(store, at) == Some(START) {
        let header = store.get(at..)?.get(..VARIABLE_HEADER)?;
        let (name_len, data_len) = (usize_at(header, 36)?, usize_at(header, 40)?);
        let name_at = at.checked_add(VARIABLE_HEADER)?;
        let data_at = name_at.checked_add(name_len)?;
        let end = data_at.checked_add(data_len)?;
        let (name, data) = (store.get(name_at..data_at)?, store.get(data_at..end)?);
        if header.get(2).is_some_and(|state| ADDED.contains(state)) {
            note(&mut found, name, data);
        }
        at = end.checked_next_multiple_of(4)?;
    }
    Some(found)
}

fn note(found: &mut SecureBoot, name: &[u8], data: &[u8]) {
    let is = |wanted: &str| {
        let octets = wanted.encode_utf16().chain([0]).flat_map(u16::to_le_bytes);
        octets.eq(name.iter().copied())
    };
    if is("PK") {
        found.platform_key = !data.is_empty();
    } else if is("KEK") {
        found.exchange_keys = !data.is_empty();
    } else if is("db") {
        found.allowed = !data.is_empty();
        let has = |wanted: &&[u8]| data.windows(wanted.len()).any(|window| window == *wanted);
        found.trusts_windows = WINDOWS.iter().any(has);
    } else if is("SecureBootEnable") {
        found.turned_off = data == [0];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A variable store with these variables.
    fn store(variables: &[(&str, &[u8], u8)]) -> Vec<u8> {
        let mut bytes = vec![0xFF; 16 * 1024];
        bytes[40..44].copy_from_slice(b"_FVH");
        bytes[48..50].copy_from_slice(&72u16.to_le_bytes());
        bytes[72..88].copy_from_slice(&AUTHENTICATED);
        let size = u32::try_from(bytes.len() - 72).unwrap();
        bytes[88..92].copy_from_slice(&size.to_le_bytes());
        let mut at = 72 + STORE_HEADER;
        for (name, data, state) in variables {
            let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
            let mut variable = vec![0; VARIABLE_HEADER];
            variable[..2].copy_from_slice(&START.to_le_bytes());
            variable[2] = *state;
            variable[36..40].copy_from_slice(&u32::try_from(name.len()).unwrap().to_le_bytes());
            variable[40..44].copy_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
            variable.extend(name);
            variable.extend(*data);
            bytes[at..at + variable.len()].copy_from_slice(&variable);
            at = (at + variable.len() - 72).next_multiple_of(4) + 72;
        }
        bytes
    }

    #[test]
    fn keys_that_are_enrolled_are_found_and_those_deleted_are_not() {
        let all = [
            ("PK", &b"key"[..], 0x3F),
            ("KEK", b"key", 0x3F),
            ("db", b"..Microsoft Windows Production PCA 2011..", 0x3E),
            ("SecureBootEnable", &[1], 0x3F),
        ];
        let found = secure_boot(&store(&all)).unwrap();
        assert!(found.is_enforced() && found.trusts_windows);
        let mut off = all;
        off[3].1 = &[0];
        assert!(!secure_boot(&store(&off)).unwrap().is_enforced());
        let mut deleted = all;
        deleted[0].2 = 0x3C;
        let found = secure_boot(&store(&deleted)).unwrap();
        assert!(!found.platform_key && found.exchange_keys);
        assert_eq!(secure_boot(&store(&[])), Some(SecureBoot::default()));
    }

    #[test]
    fn a_file_that_is_no_variable_store_or_is_cut_says_nothing() {
        let whole = store(&[("PK", b"key", 0x3F)]);
        for bytes in [&b""[..], &[0; 100], &whole[..200]] {
            assert_eq!(secure_boot(bytes), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(at in 0usize..400, octets: [u8; 4], junk in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = secure_boot(&junk);
            let mut bytes = store(&[("PK", b"key", 0x3F), ("db", b"list", 0x3F)]);
            bytes[at..at + 4].copy_from_slice(&octets);
            let _ = secure_boot(&bytes);
        }
    }
}
