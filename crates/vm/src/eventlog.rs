//! The firmware's event log (TCG PC Client Platform Firmware Profile, 10: crypto-agile format), read and replayed.
//!
//! The log comes from the guest and may hold anything: every length is checked against what is there and against a bound,
//! and a log that does not parse is an error, never a panic.
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::{collections::BTreeMap, fmt};

/// A longer log is refused. Bytes.
pub const MAX_LOG_BYTES: usize = 16 << 20;
/// More events are refused.
pub const MAX_EVENTS: usize = 1 << 16;
/// More digest algorithms in the header are refused.
pub const MAX_ALGORITHMS: usize = 16;
/// PCR indices of a PC client TPM.
pub const PCRS: u32 = 24;

/// An event that is recorded and not extended.
pub const EV_NO_ACTION: u32 = 3;
/// The event data of the firmware's note that it was not locality 0 that started the TPM.
const STARTUP_LOCALITY: &[u8] = b"StartupLocality\0";
const SIGNATURE: &[u8] = b"Spec ID Event03\0";

/// Digest algorithms replayed here, by their TCG identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bank {
    /// 0x0004.
    Sha1,
    /// 0x000B.
    Sha256,
    /// 0x000C.
    Sha384,
    /// 0x000D.
    Sha512,
}

impl Bank {
    /// The bank of a TCG algorithm identifier; `None` for one that cannot be replayed here.
    #[must_use]
    pub fn of(algorithm: u16) -> Option<Self> {
        match algorithm {
            0x0004 => Some(Self::Sha1),
            0x000B => Some(Self::Sha256),
            0x000C => Some(Self::Sha384),
            0x000D => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Of a digest, in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// As tpm2-tools print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn extend(self, pcr: &mut Vec<u8>, digest: &[u8]) {
        *pcr = match self {
            Self::Sha1 => Sha1::new().chain_update(&*pcr).chain_update(digest).finalize().to_vec(),
            Self::Sha256 => Sha256::new().chain_update(&*pcr).chain_update(digest).finalize().to_vec(),
            Self::Sha384 => Sha384::new().chain_update(&*pcr).chain_update(digest).finalize().to_vec(),
            Self::Sha512 => Sha512::new().chain_update(&*pcr).chain_update(digest).finalize().to_vec(),
        };
    }
}

/// Why a log was refused, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event log, byte {offset}: {what}")]
pub struct LogError {
    /// From the log's start.
    pub offset: usize,
    /// In words.
    pub what: &'static str,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which PCR.
    pub pcr: u32,
    /// The TCG event type.
    pub kind: u32,
    /// Algorithm identifier and digest, as logged.
    pub digests: Vec<(u16, Vec<u8>)>,
    /// The event's data.
    pub data: Vec<u8>,
}

/// A parsed log.
#[derive(Clone, PartialEq, Eq)]
pub struct EventLog {
    /// Algorithm identifier and digest size, as the header declares them.
    pub algorithms: Vec<(u16, u16)>,
    /// In order, without the header.
    pub events: Vec<Event>,
}

impl fmt::Debug for EventLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventLog({} events, {:?})", self.events.len(), self.algorithms)
    }
}

impl EventLog {
    /// Parses a whole log.
    ///
    /// # Errors
    /// [`LogError`] for anything that is not exactly a crypto-agile log.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        if bytes.len() > MAX_LOG_BYTES {
            return Err(LogError { offset: 0, what: "the log is too long" });
        }
        let mut input = Input { bytes, offset: 0 };
        let algorithms = header(&mut input)?;
        let mut events = Vec::new();
        while input.offset < bytes.len() {
            if events.len() == MAX_EVENTS {
                return Err(input.fail("there are too many events"));
            }
            events.push(event(&mut input, &algorithms)?);
        }
        Ok(Self { algorithms, events })
    }

    /// The PCR values the log leads to in one bank; only PCRs that the log extends or starts are there.
    /// `None` when the log has no digests of that bank.
    #[must_use]
    pub fn replay(&self, bank: Bank) -> Option<BTreeMap<u32, Vec<u8>>> {
        let (id, _) = *self.algorithms.iter().find(|(id, _)| Bank::of(*id) == Some(bank))?;
        let mut pcrs = BTreeMap::new();
        for event in &self.events {
            if event.kind == EV_NO_ACTION {
                if let Some(locality) = startup_locality(event) {
                    let mut value = vec![0; bank.size()];
                    if let Some(last) = value.last_mut() {
                        *last = locality;
                    }
                    pcrs.insert(0, value);
                }
                continue;
            }
            let digest = event.digests.iter().find(|(algorithm, _)| *algorithm == id);
            if let Some((_, digest)) = digest {
                bank.extend(pcrs.entry(event.pcr).or_insert_with(|| vec![0; bank.size()]), digest);
            }
        }
        Some(pcrs)
    }
}

/// The locality that started the TPM: TPM2_Startup from locality 3 or an H-CRTM sequence (4) leaves PCR 0 at that number.
fn startup_locality(event: &Event) -> Option<u8> {
    match event.data.strip_prefix(STARTUP_LOCALITY) {
        Some([locality]) if event.pcr == 0 => Some(*locality),
        _ => None,
    }
}

/// The first event has the old SHA-1 form; its data declares the digest algorithms of all the others.
fn header(input: &mut Input<'_>) -> Result<Vec<(u16, u16)>, LogError> {
    let (pcr, kind) = (input.u32()?, input.u32()?);
    input.take(20)?;
    let size = input.length()?;
    let start = input.offset;
    if pcr != 0 || kind != EV_NO_ACTION || input.take(SIGNATURE.len())? != SIGNATURE {
        return Err(LogError {
            offset: 0,
            what: "the first event is no Spec ID event of a crypto-agile log",
        });
    }
    input.take(8)?; // platform class, specification version, errata, size of UINTN
    let count = input.length()?;
    if count == 0 || count > MAX_ALGORITHMS {
        return Err(input.fail("the header declares no or too many algorithms"));
    }
    let mut algorithms = Vec::with_capacity(count);
    for _ in 0..count {
        let (id, size) = (input.u16()?, input.u16()?);
        let known = Bank::of(id).map(Bank::size);
        if size == 0 || size > 128 || known.is_some_and(|known| known != usize::from(size)) {
            return Err(input.fail("an algorithm with a digest size that is not its own"));
        }
        if algorithms.iter().any(|(other, _)| *other == id) {
            return Err(input.fail("the header declares an algorithm twice"));
        }
        algorithms.push((id, size));
    }
    let vendor = usize::from(input.u8()?);
    input.take(vendor)?;
    if input.offset - start == size {
        Ok(algorithms)
    } else {
        Err(input.fail("the header's size is not its content's"))
    }
}

fn event(input: &mut Input<'_>, algorithms: &[(u16, u16)]) -> Result<Event, LogError> {
    let (pcr, kind) = (input.u32()?, input.u32()?);
    if pcr >= PCRS && kind != EV_NO_ACTION {
        return Err(input.fail("an event for a PCR that does not exist"));
    }
    let count = input.length()?;
    if count > algorithms.len() {
        return Err(input.fail("an event with more digests than the header declares"));
    }
    let mut digests: Vec<(u16, Vec<u8>)> = Vec::with_capacity(count);
    for _ in 0..count {
        let id = input.u16()?;
        let Some((_, size)) = algorithms.iter().find(|(declared, _)| *declared == id) else {
            return Err(input.fail("a digest of an algorithm that the header does not declare"));
        };
        if digests.iter().any(|(other, _)| *other == id) {
            return Err(input.fail("an event with two digests of one algorithm"));
        }
        digests.push((id, input.take(usize::from(*size))?.to_vec()));
    }
    let size = input.length()?;
    Ok(Event { pcr, kind, digests, data: input.take(size)?.to_vec() })
}

struct Input<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], LogError> {
        let end = self.offset.checked_add(count);
        let part = end.and_then(|end| self.bytes.get(self.offset..end));
        let part = part.ok_or_else(|| self.fail("the log ends inside an event"))?;
        self.offset += count;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LogError> {
        let part = self.take(N)?;
        part.try_into().map_err(|_| self.fail("the log ends inside an event"))
    }

    fn u8(&mut self) -> Result<u8, LogError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, LogError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, LogError> {
        self.array().map(u32::from_le_bytes)
    }

    fn length(&mut self) -> Result<usize, LogError> {
        usize::try_from(self.u32()?).map_err(|_| self.fail("a length beyond this machine's"))
    }

    fn fail(&self, what: &'static str) -> LogError {
        LogError { offset: self.offset, what }
    }
}

/// PCR values as `tpm2_pcrread` prints them: a bank's name and a colon, then `index : 0xHEX` lines. Lines of another
/// form are passed over.
#[must_use]
pub fn read_pcr_listing(text: &str) -> BTreeMap<(String, u32), Vec<u8>> {
    let mut values = BTreeMap::new();
    let mut bank = "sha256".to_owned();
    for line in text.lines() {
        let Some((left, right)) = line.split_once(':') else { continue };
        let (left, right) = (left.trim(), right.trim());
        if let (Ok(index), Some(hex)) = (left.parse::<u32>(), right.strip_prefix("0x")) {
            if let Some(bytes) = unhex(hex) {
                values.insert((bank.clone(), index), bytes);
            }
        } else if right.is_empty() {
            bank = left.to_owned();
        }
    }
    values
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    if digits.len() % 2 != 0 {
        return None;
    }
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIRECT: &[u8] = include_bytes!("../tests/fixtures/eventlogs/ovmf-directkernel.evlog");
    const UKI: &[u8] = include_bytes!("../tests/fixtures/eventlogs/ovmf-uki-signed-snakeoil.evlog");
    const SHIM: &[u8] = include_bytes!("../tests/fixtures/eventlogs/ovmf-shim-ms.evlog");

    fn replays_to(log: &[u8], listing: &str) -> usize {
        let held = read_pcr_listing(listing);
        assert_eq!(held.len(), 24);
        let replayed = EventLog::parse(log).unwrap().replay(Bank::Sha256).unwrap();
        for (pcr, value) in &replayed {
            assert_eq!(held[&("sha256".to_owned(), *pcr)], *value, "PCR {pcr}");
        }
        replayed.len()
    }

    #[test]
    fn a_uki_boots_log_replays_to_the_pcrs_of_that_boot() {
        let pcrs = replays_to(UKI, include_str!("../tests/fixtures/eventlogs/ovmf-uki-signed-snakeoil.pcrs"));
        assert!(pcrs >= 10, "{pcrs}");
    }

    #[test]
    fn a_shim_boots_log_replays_to_the_pcrs_of_that_boot() {
        let pcrs = replays_to(SHIM, include_str!("../tests/fixtures/eventlogs/ovmf-shim-ms.pcrs"));
        assert!(pcrs >= 11, "{pcrs}");
        assert_eq!(EventLog::parse(SHIM).unwrap().events.len() + 1, 48);
    }

    #[test]
    fn every_declared_bank_replays() {
        let log = EventLog::parse(DIRECT).unwrap();
        for (id, _) in &log.algorithms {
            let bank = Bank::of(*id).unwrap();
            assert!(log.replay(bank).unwrap().values().all(|value| value.len() == bank.size()));
        }
    }

    #[test]
    fn a_changed_digest_changes_its_pcr_only() {
        let log = EventLog::parse(UKI).unwrap();
        let mut other = log.clone();
        let event = other.events.iter_mut().find(|e| e.pcr == 4 && e.kind != EV_NO_ACTION).unwrap();
        for (_, digest) in &mut event.digests {
            digest[0] ^= 1;
        }
        let (a, b) = (log.replay(Bank::Sha256).unwrap(), other.replay(Bank::Sha256).unwrap());
        assert!(a.iter().all(|(pcr, value)| (b[pcr] == *value) == (*pcr != 4)));
    }

    #[test]
    fn a_startup_locality_event_sets_where_pcr_0_starts() {
        let mut log = EventLog::parse(UKI).unwrap();
        let mut data = STARTUP_LOCALITY.to_vec();
        data.push(3);
        log.events = vec![Event { pcr: 0, kind: EV_NO_ACTION, digests: Vec::new(), data }];
        let mut expected = vec![0; 32];
        expected[31] = 3;
        assert_eq!(log.replay(Bank::Sha256).unwrap()[&0], expected);
    }

    #[test]
    fn every_truncation_is_refused_or_ends_between_two_events() {
        let whole = EventLog::parse(UKI).unwrap();
        let mut accepted = 0;
        for end in 0..UKI.len() {
            if let Ok(log) = EventLog::parse(&UKI[..end]) {
                assert_eq!(log.events[..], whole.events[..log.events.len()]);
                accepted += 1;
            }
        }
        assert_eq!(accepted, whole.events.len());
    }

    #[test]
    fn lying_lengths_are_refused() {
        let mut log = UKI.to_vec();
        let header = 32 + u32::from_le_bytes(log[28..32].try_into().unwrap()) as usize;
        for (at, value) in [(28, u32::MAX), (56, u32::MAX), (56, 0), (header, 24), (header + 8, u32::MAX)] {
            let kept: [u8; 4] = log[at..at + 4].try_into().unwrap();
            log[at..at + 4].copy_from_slice(&value.to_le_bytes());
            if at == header {
                log[header + 4] = 1;
            }
            assert!(EventLog::parse(&log).is_err(), "{at} {value}");
            log[at..at + 4].copy_from_slice(&kept);
        }
    }

    proptest! {
        #[test]
        fn changed_bytes_never_panic(at in 0usize..UKI.len(), bytes in proptest::collection::vec(any::<u8>(), 1..8)) {
            let mut log = UKI.to_vec();
            for (slot, byte) in log[at..].iter_mut().zip(bytes) {
                *slot = byte;
            }
            if let Ok(parsed) = EventLog::parse(&log) {
                let _ = parsed.replay(Bank::Sha1);
            }
        }

        #[test]
        fn garbage_is_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(EventLog::parse(&bytes).is_err());
        }
    }
}
