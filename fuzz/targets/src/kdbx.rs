//! A custom keychain file: what is looked at before the `keepass` crate sees it, and the crate behind it.

use keepass::{Database, DatabaseKey};
use sigillo_keychain::kdbx::guard::{self, Kdf};

/// What a run can afford.
const MOST_MEMORY: u64 = 2 << 20;
const MOST_STEPS: u64 = 1000;

/// A file as it is, and once more with the checksum its header should have, which anybody can put there. What passes the guard, the
/// crate takes without a panic.
pub fn kdbx_file(data: &[u8]) {
    opened(data);
    let mut repaired = data.to_vec();
    if let Some(end) = header_end(data)
        && let Some(place) = repaired.get_mut(end..end + 32)
    {
        place.copy_from_slice(&sigillo_store::seal::sha256(&[&data[..end]]));
        opened(&repaired);
    }
}

fn opened(data: &[u8]) {
    let Ok(outline) = guard::check(data) else { return };
    let cheap = match outline.kdf {
        Kdf::Aes { rounds } => rounds <= MOST_STEPS,
        Kdf::Argon2 { memory, iterations, .. } => memory.saturating_mul(iterations) <= MOST_MEMORY,
    };
    if cheap {
        let _ = Database::parse(data, DatabaseKey::new().with_password("golden password"));
    }
}

/// Where the header of a KDBX 4 file ends.
fn header_end(data: &[u8]) -> Option<usize> {
    let mut at = 12;
    loop {
        let number = *data.get(at)?;
        let len = u32::from_le_bytes(*data.get(at + 1..)?.first_chunk()?);
        at = at.checked_add(5)?.checked_add(usize::try_from(len).ok()?)?;
        if number == 0 {
            return (at <= data.len()).then_some(at);
        }
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../tests/golden/custom-v1.kdbx").to_vec(),
        include_bytes!("../../../tests/golden/keepassxc-3.1.kdbx").to_vec(),
    ]
}
