//! Where a virtual TPM can be had: what this host needs for sigillo's, and the article's table about Parallels Desktop, which is
//! data (`availability.toml`).
use crate::{firmware, policy::HostPolicy, qemu};
use serde::Deserialize;
use sigillo_messages::{Words, text, words};
use std::{
    fmt,
    process::{Command, Stdio},
    str::FromStr,
};

const TABLE: &str = include_str!("availability.toml");
/// The longest version that is read. Numbers.
const VERSION_NUMBERS: usize = 4;

/// A product's version: up to four numbers with points between them; missing ones are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Version([u32; VERSION_NUMBERS]);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = [0; VERSION_NUMBERS];
        let wrong = || text!("version-none", ?text);
        let parts: Vec<&str> = text.split('.').collect();
        if parts.len() > VERSION_NUMBERS {
            return Err(wrong());
        }
        for (number, part) in numbers.iter_mut().zip(parts) {
            let digits = !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
            *number = part.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
        }
        Ok(Self(numbers))
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// An edition of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edition {
    /// Standard.
    Standard,
    /// Pro.
    Pro,
    /// Business.
    Business,
    /// The one from Apple's App Store, which counts its versions by itself.
    AppStore,
}

/// The host's processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Chip {
    /// Intel's.
    Intel,
    /// Apple's M1 and later.
    Apple,
}

impl FromStr for Chip {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix("apple-m").map(str::parse::<u8>);
        match (text, number) {
            ("intel", _) => Ok(Self::Intel),
            (_, Some(Ok(1..))) => Ok(Self::Apple),
            _ => Err(text!("chip-choices")),
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// The chip.
    Tpm,
    /// New VMs with Windows 11 get it by themselves.
    AutomaticTpm,
    /// The record reaches another host by itself.
    MoveBySync,
    /// The record is carried to another host.
    MoveByHand,
    /// A store without its record is set aside, and a new one made.
    AutomaticNewStore,
    /// VMs are handed out to end users.
    Provisioning,
}

impl Feature {
    /// In the order of listings.
    pub const ALL: [Self; 6] = [
        Self::Tpm,
        Self::AutomaticTpm,
        Self::MoveBySync,
        Self::MoveByHand,
        Self::AutomaticNewStore,
        Self::Provisioning,
    ];

    /// For scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tpm => "tpm",
            Self::AutomaticTpm => "automatic-tpm",
            Self::MoveBySync => "move-by-sync",
            Self::MoveByHand => "move-by-hand",
            Self::AutomaticNewStore => "automatic-new-store",
            Self::Provisioning => "provisioning",
        }
    }

    /// sigillo's own answer.
    #[must_use]
    pub fn here(self) -> Answer {
        let (available, says) = match self {
            Self::Tpm => (true, words!("here-tpm")),
            Self::AutomaticTpm => (true, words!("here-automatic-tpm")),
            Self::MoveBySync => (false, words!("here-move-by-sync")),
            Self::MoveByHand => (true, words!("here-move-by-hand")),
            Self::AutomaticNewStore => (true, words!("here-automatic-new-store")),
            Self::Provisioning => (true, words!("here-provisioning")),
        };
        Answer { feature: self, available: Some(available), says: says.to_string() }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Tpm => words!("feature-tpm"),
            Self::AutomaticTpm => words!("feature-automatic-tpm"),
            Self::MoveBySync => words!("feature-move-by-sync"),
            Self::MoveByHand => words!("feature-move-by-hand"),
            Self::AutomaticNewStore => words!("feature-automatic-new-store"),
            Self::Provisioning => words!("feature-provisioning"),
        };
        words.fmt(f)
    }
}

/// Whether a feature can be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which.
    pub feature: Feature,
    /// `None` where the table does not say.
    pub available: Option<bool>,
    /// Why, or from when on.
    pub says: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    feature: Feature,
    editions: Option<Vec<Edition>>,
    chips: Option<Vec<Chip>>,
    from: Option<Version>,
    until: Option<Version>,
    available: bool,
    /// The message.
    says: String,
}

impl Row {
    fn fits(&self, feature: Feature, version: Version, edition: Edition, chip: Chip) -> bool {
        self.feature == feature
            && self.editions.as_ref().is_none_or(|all| all.contains(&edition))
            && self.chips.as_ref().is_none_or(|all| all.contains(&chip))
            && self.from.is_none_or(|from| version >= from)
            && self.until.is_none_or(|until| version < until)
    }
}

/// What the table says of a product. Where there is no TPM there is nothing to move or to make anew.
///
/// # Errors
/// A sentence, if the table built in is not one.
pub fn product(version: Version, edition: Edition, chip: Chip) -> Result<Vec<Answer>, String> {
    let table: Table = toml::from_str(TABLE).map_err(|e| e.to_string())?;
    let mut answers: Vec<Answer> = Vec::new();
    for feature in Feature::ALL {
        let without = answers.first().is_some_and(|tpm| tpm.available == Some(false));
        let row = table.row.iter().find(|row| row.fits(feature, version, edition, chip));
        let (available, says) = match row {
            _ if without => (Some(false), text!("availability-no-tpm")),
            Some(row) => (Some(row.available), sigillo_messages::of_table(&row.says)),
            None => (None, text!("availability-silent")),
        };
        answers.push(Answer { feature, available, says });
    }
    Ok(answers)
}

/// Something that this host needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// For scripts: `qemu`, `tpm-emulator`, `firmware`, `policy`, `keychain`, `kvm`.
    pub what: &'static str,
    /// Whether a VM with a TPM cannot do without it.
    pub required: bool,
    /// Whether it is here.
    pub met: bool,
    /// What was seen, and what to do where it is missing.
    pub says: String,
}

/// What this host needs for VMs with a TPM, and whether it is here. The keychain is the caller's to ask.
#[must_use]
pub fn this_host(policy: &HostPolicy) -> Vec<Need> {
    let need = |what, required, why: Option<String>, good: Words| Need {
        what,
        required,
        met: why.is_none(),
        says: why.unwrap_or_else(|| good.to_string()),
    };
    let qemu = (!qemu::on_path(qemu::QEMU)).then(|| text!("need-qemu-missing", program = qemu::QEMU));
    let kvm = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").err();
    let kvm = kvm.map(|e| text!("need-kvm-missing", error = e));
    vec![
        need("qemu", true, qemu, words!("need-qemu")),
        need("tpm-emulator", true, no_emulator(), words!("need-emulator")),
        need("firmware", true, no_secure_boot(), words!("need-firmware")),
        need(
            "policy",
            true,
            policy.host_refusal().map(|why| text!("policy-says", why)),
            words!("need-policy"),
        ),
        need("kvm", false, kvm, words!("need-kvm")),
    ]
}

/// Why the QEMU installed here cannot reach a TPM, if it says so: one that is not there, or says nothing, is told when a VM starts.
pub(crate) fn no_emulator() -> Option<String> {
    if !qemu::on_path(qemu::QEMU) {
        return None;
    }
    let lacks = |args: &[&str], word: &str| {
        let mut command = Command::new(qemu::QEMU);
        let output = command.args(args).stdin(Stdio::null()).output();
        output.is_ok_and(|output| {
            let said = [output.stdout, output.stderr].concat();
            !said.is_empty() && !String::from_utf8_lossy(&said).contains(word)
        })
    };
    let none = lacks(&["-machine", "none", "-tpmdev", "help"], "emulator")
        || lacks(&["-machine", "none", "-device", "tpm-crb,help"], "tpmdev");
    none.then(|| text!("need-emulator-missing", program = qemu::QEMU))
}

/// Why there is no Secure Boot here, if there is none.
pub(crate) fn no_secure_boot() -> Option<String> {
    let variables = firmware::Keys::Microsoft.variables().map(drop);
    firmware::code(true).map(drop).and(variables).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Feature::*;

    fn of(version: &str, edition: Edition, chip: &str, feature: Feature) -> Option<bool> {
        let answers = product(version.parse().unwrap(), edition, chip.parse().unwrap()).unwrap();
        assert_eq!(answers.iter().map(|answer| answer.feature).collect::<Vec<_>>(), Feature::ALL);
        answers.iter().find(|answer| answer.feature == feature).unwrap().available
    }

    const ALL: [Edition; 3] = [Edition::Standard, Edition::Pro, Edition::Business];

    /// The chip is there from 17 on, in all three editions.
    #[test]
    fn from_17_on_every_edition_has_the_chip() {
        for edition in ALL {
            for chip in ["intel", "apple-m1"] {
                assert_eq!(of("17", edition, chip, Tpm), Some(true));
                assert_eq!(of("19.2", edition, chip, Tpm), Some(true));
            }
        }
    }

    /// 17 brought the chip to Macs with Apple's M1 as well.
    #[test]
    fn from_17_on_the_chip_is_there_on_apples_m1() {
        for edition in ALL {
            assert_eq!(of("17.0.0", edition, "apple-m1", Tpm), Some(true));
        }
        assert_eq!(of("16.5.1", Edition::Pro, "apple-m1", Tpm), Some(false));
    }

    /// In 15 and 16 on Intel only Pro and Business have it; said a second time among the troubles, of Standard.
    #[test]
    fn in_15_and_16_on_intel_only_pro_and_business_have_the_chip() {
        for version in ["15", "15.1.4", "16", "16.5.2", "16.9"] {
            assert_eq!(of(version, Edition::Pro, "intel", Tpm), Some(true), "{version}");
            assert_eq!(of(version, Edition::Business, "intel", Tpm), Some(true), "{version}");
            assert_eq!(of(version, Edition::Standard, "intel", Tpm), Some(false), "{version}");
        }
        assert_eq!(of("14", Edition::Standard, "intel", Tpm), Some(false));
        assert_eq!(of("14", Edition::Pro, "intel", Tpm), None);
    }

    /// On M1 all editions of 16 have it from 16.5.2 on.
    #[test]
    fn on_apples_m1_every_edition_has_the_chip_from_16_5_2_on() {
        for edition in ALL {
            assert_eq!(of("16.5.1", edition, "apple-m1", Tpm), Some(false));
            assert_eq!(of("16.5.2", edition, "apple-m1", Tpm), Some(true));
        }
    }

    /// Among the troubles: 16 does not have it on M1, and the way out is 17. It is kept in the words of both rows of 16.
    #[test]
    fn on_apples_m1_with_16_the_way_out_is_17() {
        for version in ["16", "16.5.2"] {
            let answers = product(version.parse().unwrap(), Edition::Standard, Chip::Apple).unwrap();
            assert!(answers[0].says.contains("17"), "{}", answers[0].says);
        }
    }

    /// From 17.1.0 on a new VM with Windows 11 gets the chip by itself.
    #[test]
    fn from_17_1_0_on_a_new_windows_11_gets_the_chip_by_itself() {
        assert_eq!(of("17.0.9", Edition::Standard, "intel", AutomaticTpm), Some(false));
        assert_eq!(of("17.1.0", Edition::Standard, "intel", AutomaticTpm), Some(true));
    }

    /// From 17.1.0 on records move by iCloud where both Macs have the same Apple ID.
    #[test]
    fn from_17_1_0_on_records_move_by_icloud() {
        assert_eq!(of("17", Edition::Pro, "apple-m1", MoveBySync), Some(false));
        assert_eq!(of("17.1", Edition::Pro, "apple-m1", MoveBySync), Some(true));
    }

    /// App Store Edition cannot move a VM with the chip by hand; the others can.
    #[test]
    fn app_store_edition_alone_cannot_move_by_hand() {
        assert_eq!(of("1.8", Edition::AppStore, "apple-m1", MoveByHand), Some(false));
        for edition in ALL {
            assert_eq!(of("17", edition, "intel", MoveByHand), Some(true));
        }
    }

    /// From 18 on a store without its password is set aside and a new one made.
    #[test]
    fn from_18_on_a_store_without_its_record_is_replaced() {
        assert_eq!(of("17.1.7", Edition::Business, "intel", AutomaticNewStore), Some(false));
        assert_eq!(of("18", Edition::Business, "intel", AutomaticNewStore), Some(true));
    }

    /// From 18 on Windows 11 can be handed out to end users.
    #[test]
    fn from_18_on_windows_11_can_be_handed_out() {
        assert_eq!(of("17.1.7", Edition::Business, "intel", Provisioning), Some(false));
        assert_eq!(of("18", Edition::Business, "intel", Provisioning), Some(true));
    }

    /// The keychain error on adding a chip was corrected in App Store Edition 1.7.1.
    #[test]
    fn app_store_editions_keychain_error_is_named_before_1_7_1() {
        let says = |version: &str| {
            let all = product(version.parse().unwrap(), Edition::AppStore, Chip::Apple).unwrap();
            (all[0].available, all[0].says.clone())
        };
        let (available, before) = says("1.7.0");
        assert!(
            available == Some(true) && before.contains("may fail with PRL_ERR_TPM_SETUP_KEYCHAIN_FAILED")
        );
        let (available, after) = says("1.7.1");
        assert!(available == Some(true) && after.contains("was corrected in 1.7.1"));
        assert_eq!(of("1.7.1", Edition::AppStore, "apple-m1", AutomaticNewStore), None);
    }

    #[test]
    fn without_the_chip_there_is_nothing_to_move() {
        for feature in Feature::ALL {
            assert_eq!(of("16", Edition::Standard, "intel", feature), Some(false));
        }
    }

    #[test]
    fn what_is_no_version_or_chip_is_refused() {
        for text in ["", "17.", "a", "1.2.3.4.5", "+17", "99999999999"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        for text in ["", "apple", "apple-m", "apple-m0", "amd"] {
            assert!(text.parse::<Chip>().is_err(), "{text}");
        }
    }
}
