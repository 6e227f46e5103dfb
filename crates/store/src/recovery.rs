//! A code that a person writes down once and may have to read to somebody else years later.
//!
//! 130 random bits as 26 letters and digits and six more that check them, in eight groups of four. The alphabet is
//! Crockford's base 32, which has no I, L, O and U; the check is the code of Bech32m (BIP 350), which finds any four wrong
//! letters and any two that changed places.

use sigillo_messages::text;
use zeroize::Zeroizing;

use crate::secret::{EntropyError, Secret, random};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DATA: usize = 26;
const CHECK: usize = 6;
const LEN: usize = DATA + CHECK;
const GROUP: usize = 4;
/// What Bech32m calls the human-readable part, already expanded: "sigillo" as its high bits, zero, its low bits.
const PREFIX: [u8; 15] = [3, 3, 3, 3, 3, 3, 3, 0, 19, 9, 7, 9, 12, 12, 15];
const BECH32M: u32 = 0x2bc8_30a3;

/// A recovery code: checked, and never printed by accident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryCode(Secret);

/// Why a text is no recovery code. It is told before the code is tried on anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryCodeError {
    /// Letters are missing or too many.
    #[error("{}", text!("recovery-code-length", len = LEN, given = .0))]
    Length(usize),
    /// A character that no code has.
    #[error("{}", text!("recovery-code-character", ?character, group))]
    Character {
        /// It.
        character: char,
        /// In which group of four, from 1.
        group: usize,
    },
    /// The check does not hold.
    #[error("{}", text!("recovery-code-mistyped", group = #group.unwrap_or_default()))]
    Mistyped {
        /// The group with the mistake, from 1, where one letter or two neighbours explain it.
        group: Option<usize>,
    },
}

impl RecoveryCode {
    /// A new one.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn generate() -> Result<Self, EntropyError> {
        let mut raw = Zeroizing::new([0; DATA]);
        random(raw.as_mut())?;
        let mut symbols = Zeroizing::new([0; LEN]);
        for (symbol, byte) in symbols.iter_mut().zip(raw.iter()) {
            *symbol = byte & 31;
        }
        let check = polymod(&symbols) ^ BECH32M;
        for (place, symbol) in symbols.iter_mut().skip(DATA).enumerate() {
            *symbol = u8::try_from(check >> (5 * (CHECK - 1 - place)) & 31).unwrap_or_default();
        }
        Ok(Self::of_symbols(&symbols))
    }

    fn of_symbols(symbols: &[u8; LEN]) -> Self {
        let letter = |symbol: &u8| ALPHABET.get(usize::from(*symbol)).copied().unwrap_or(b'0');
        RecoveryCode(Secret::new(symbols.iter().map(letter).collect()))
    }

    /// Takes a code as people write it: in either case, with or without spaces and dashes, O for 0, I and L for 1.
    ///
    /// # Errors
    /// See [`RecoveryCodeError`].
    pub fn parse(text: &str) -> Result<Self, RecoveryCodeError> {
        let mut symbols = Zeroizing::new([0; LEN]);
        let mut found = 0_usize;
        for character in text.chars().filter(|character| !character.is_whitespace() && *character != '-') {
            let symbol = symbol_of(character)
                .ok_or(RecoveryCodeError::Character { character, group: found / GROUP + 1 })?;
            if let Some(place) = symbols.get_mut(found) {
                *place = symbol;
            }
            found = found.saturating_add(1);
        }
        if found != LEN {
            return Err(RecoveryCodeError::Length(found));
        }
        if polymod(&symbols) != BECH32M {
            return Err(RecoveryCodeError::Mistyped { group: mistake(&mut symbols) });
        }
        Ok(Self::of_symbols(&symbols))
    }

    /// As it is shown to its owner: `XXXX-XXXX-...`, eight groups.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LEN + LEN / GROUP));
        for (index, letter) in self.0.expose().iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*letter));
        }
        text
    }

    /// The 32 letters, which keys are derived from.
    pub(crate) fn secret(&self) -> &Secret {
        &self.0
    }
}

fn symbol_of(character: char) -> Option<u8> {
    let letter = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = ALPHABET.iter().position(|known| char::from(*known) == letter)?;
    u8::try_from(at).ok()
}

/// The remainder that Bech32m looks at, over the prefix and the symbols.
fn polymod(symbols: &[u8; LEN]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    PREFIX.iter().chain(symbols).fold(1, |remainder, symbol| {
        let top = remainder >> 25;
        let next = (remainder & 0x01ff_ffff) << 5 ^ u32::from(*symbol);
        (0..).zip(GENERATOR).filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |sum, (_, term)| sum ^ term)
    })
}

/// The group in which one other letter, or two neighbours changed back, would make the code right. Only where the mistake
/// is, never what the code should be: a code put right by a program may open nothing and would hide that it was misread.
fn mistake(symbols: &mut [u8; LEN]) -> Option<usize> {
    for at in 0..LEN {
        let was = symbols.get(at).copied()?;
        for other in 0..32 {
            *symbols.get_mut(at)? = other;
            if polymod(symbols) == BECH32M {
                return Some(at / GROUP + 1);
            }
        }
        *symbols.get_mut(at)? = was;
        if at + 1 < LEN {
            symbols.swap(at, at + 1);
            if polymod(symbols) == BECH32M {
                return Some(at / GROUP + 1);
            }
            symbols.swap(at, at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> String {
        RecoveryCode::generate().unwrap().reveal().to_string()
    }

    #[test]
    fn a_code_has_eight_groups_and_reads_back_however_it_is_written() {
        let code = RecoveryCode::generate().unwrap();
        let text = code.reveal().to_string();
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4; 8]);
        assert_eq!(RecoveryCode::parse(&text), Ok(code.clone()));
        let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(RecoveryCode::parse(&format!("  {sloppy}\n")), Ok(code.clone()));
        assert_eq!(RecoveryCode::parse(&text.replace('-', "")), Ok(code.clone()));
        assert!(!format!("{code:?}").contains(&text[..4]));
        assert_ne!(text, self::code());
    }

    /// The check letters come from the reference implementation in BIP 350, with "sigillo" as the human-readable part.
    #[test]
    fn the_check_is_that_of_bech32m() {
        for text in [
            "0000-0000-0000-0000-0000-0000-00MS-YG91",
            "0123-4567-89AB-CDEF-GHJK-MNPQ-RSG3-SCDK",
            "ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZ0B-KAYY",
        ] {
            assert_eq!(*RecoveryCode::parse(text).unwrap().reveal(), text);
        }
    }

    #[test]
    fn every_wrong_letter_and_every_swap_is_told_with_its_group() {
        let text = code().replace('-', "");
        for at in 0..LEN {
            for other in ALPHABET.iter().map(|letter| char::from(*letter)) {
                let mut wrong: Vec<char> = text.chars().collect();
                if wrong[at] == other {
                    continue;
                }
                wrong[at] = other;
                let wrong: String = wrong.into_iter().collect();
                let told = RecoveryCode::parse(&wrong);
                assert_eq!(told, Err(RecoveryCodeError::Mistyped { group: Some(at / GROUP + 1) }), "{wrong}");
            }
            let mut wrong: Vec<char> = text.chars().collect();
            if at + 1 < LEN && wrong[at] != wrong[at + 1] {
                wrong.swap(at, at + 1);
                let wrong: String = wrong.into_iter().collect();
                let told = RecoveryCode::parse(&wrong);
                assert_eq!(told, Err(RecoveryCodeError::Mistyped { group: Some(at / GROUP + 1) }), "{wrong}");
            }
        }
    }

    #[test]
    fn two_to_four_wrong_letters_are_always_told() {
        let text = code().replace('-', "");
        let mut raw = [0; 8];
        for round in 0..5000 {
            let mut wrong: Vec<u8> = text.clone().into_bytes();
            random(&mut raw).unwrap();
            for (place, letter) in raw.chunks(2).take(2 + round % 3).map(|pair| (pair[0], pair[1])) {
                wrong[usize::from(place) % LEN] = ALPHABET[usize::from(letter) % 32];
            }
            let wrong = String::from_utf8(wrong).unwrap();
            let told = RecoveryCode::parse(&wrong);
            assert!(wrong == text || matches!(told, Err(RecoveryCodeError::Mistyped { .. })), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_code_says_why() {
        let text = code();
        assert_eq!(RecoveryCode::parse(&text[..30]), Err(RecoveryCodeError::Length(24)));
        assert_eq!(RecoveryCode::parse(""), Err(RecoveryCodeError::Length(0)));
        assert_eq!(RecoveryCode::parse(&format!("{text}0")), Err(RecoveryCodeError::Length(33)));
        let told = RecoveryCode::parse(&text.replacen(&text[5..6], "U", 1));
        assert!(matches!(told, Err(RecoveryCodeError::Character { character: 'U', .. })), "{told:?}");
    }
}
