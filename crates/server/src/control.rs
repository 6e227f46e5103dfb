//! The words of the control channel: requests as they come off a stream, replies as they go back.
//!
//! Every integer is big-endian. A request is a u32 command number and its body; a reply starts with a u32 result,
//! and where that is not zero nothing follows it. Nothing here does I/O: [`parse`] is a pure function of the bytes
//! collected so far, and it never asks for more than [`MAX_BUFFERED`] of them.

use crate::bytes::{Reader, len_from_u32, len_to_u32};

/// The longest state blob a client may set, in bytes.
pub const MAX_BLOB: u32 = 512 * 1024;
/// The most data one HASH_DATA request may carry, in bytes.
pub const MAX_HASH_DATA: u32 = 64 * 1024;
/// The longest JSON answer to one GET_INFO, in bytes.
pub const MAX_INFO_CHUNK: usize = 3072;
/// What a reader of the channel must be able to hold: the longest request.
pub const MAX_BUFFERED: usize = 16 + 512 * 1024;

/// What INIT may ask for: forget the stored volatile state once it was used.
pub const INIT_DELETE_VOLATILE: u32 = 1;
/// GET_STATEBLOB: the caller wants no encryption under the state's own key.
pub const STATE_DECRYPTED: u32 = 1;
/// In a reply to GET_STATEBLOB: the blob is encrypted.
pub const STATE_ENCRYPTED: u32 = 2;

/// The `tpm_result` values used on the channel. They are TPM 1.2 numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A body of the wrong size or with a value out of range.
    BadParameter,
    /// The command could not be carried out.
    Fail,
    /// An unknown command, or one that does not fit the run state.
    BadOrdinal,
    /// A descriptor could not be used.
    IoError,
    /// A state blob is sealed under another key.
    Decrypt,
    /// A state blob has a version this build does not know.
    BadVersion,
    /// The locality is none, or not one that may do this.
    BadLocality,
    /// There is no such blob.
    NoBlob,
    /// The TPM refused to start: the response code of a TPM 2.0 (`TPM_RC_FAILURE`).
    Failure,
}

impl Fault {
    /// The number on the wire.
    pub fn code(self) -> u32 {
        match self {
            Fault::BadParameter => 0x03,
            Fault::Fail => 0x09,
            Fault::BadOrdinal => 0x0a,
            Fault::IoError => 0x1f,
            Fault::Decrypt => 0x21,
            Fault::BadVersion => 0x2e,
            Fault::BadLocality => 0x3d,
            Fault::NoBlob => 0x800,
            Fault::Failure => 0x101,
        }
    }
}

/// The commands, with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordinal {
    /// Which commands are there.
    GetCapability,
    /// `_TPM_Init`: power on, or reset.
    Init,
    /// Power off and end the process.
    Shutdown,
    /// Reads the `tpmEstablished` flag.
    GetTpmEstablished,
    /// Sets the locality of the commands that follow.
    SetLocality,
    /// `_TPM_Hash_Start`.
    HashStart,
    /// `_TPM_Hash_Data`.
    HashData,
    /// `_TPM_Hash_End`.
    HashEnd,
    /// Asks the command that is running to stop.
    CancelTpmCmd,
    /// Keeps the volatile state beside the permanent one.
    StoreVolatile,
    /// Clears the `tpmEstablished` flag.
    ResetTpmEstablished,
    /// Reads a state blob.
    GetStateBlob,
    /// Sets a state blob for the next INIT.
    SetStateBlob,
    /// Power off; the process stays.
    Stop,
    /// Which keys are set.
    GetConfig,
    /// Takes the data channel's descriptor.
    SetDataFd,
    /// Sets or reads the command buffer's size.
    SetBufferSize,
    /// Reads facts about the TPM as JSON.
    GetInfo,
    /// Takes the lock of the state again.
    LockStorage,
}

impl Ordinal {
    const ALL: [Ordinal; 19] = [
        Ordinal::GetCapability,
        Ordinal::Init,
        Ordinal::Shutdown,
        Ordinal::GetTpmEstablished,
        Ordinal::SetLocality,
        Ordinal::HashStart,
        Ordinal::HashData,
        Ordinal::HashEnd,
        Ordinal::CancelTpmCmd,
        Ordinal::StoreVolatile,
        Ordinal::ResetTpmEstablished,
        Ordinal::GetStateBlob,
        Ordinal::SetStateBlob,
        Ordinal::Stop,
        Ordinal::GetConfig,
        Ordinal::SetDataFd,
        Ordinal::SetBufferSize,
        Ordinal::GetInfo,
        Ordinal::LockStorage,
    ];

    /// The command with this number. Numbers start at 1.
    pub fn from_number(number: u32) -> Option<Ordinal> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        Ordinal::ALL.get(index).copied()
    }
}

/// The capability mask GET_CAPABILITY answers. Bit 15 is the TCG command prefix on the data channel.
pub const CAPABILITIES: u32 = 0x0001_ffff;

/// The three state blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobKind {
    /// What survives power-off.
    Permanent,
    /// What a running TPM holds besides.
    Volatile,
    /// A TPM 1.2 notion; a TPM 2.0 never has one.
    SaveState,
}

impl BlobKind {
    /// The kind with this number on the wire.
    pub fn from_number(number: u32) -> Option<BlobKind> {
        match number {
            1 => Some(BlobKind::Permanent),
            2 => Some(BlobKind::Volatile),
            3 => Some(BlobKind::SaveState),
            _ => None,
        }
    }
}

/// One whole request.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// GET_CAPABILITY.
    GetCapability,
    /// INIT with its flags.
    Init {
        /// [`INIT_DELETE_VOLATILE`] or zero.
        flags: u32,
    },
    /// SHUTDOWN.
    Shutdown,
    /// GET_TPMESTABLISHED.
    GetTpmEstablished,
    /// SET_LOCALITY; any number, checked later.
    SetLocality(u8),
    /// HASH_START.
    HashStart,
    /// HASH_DATA with its bytes.
    HashData(&'a [u8]),
    /// HASH_END.
    HashEnd,
    /// CANCEL_TPM_CMD.
    CancelTpmCmd,
    /// STORE_VOLATILE.
    StoreVolatile,
    /// RESET_TPMESTABLISHED from a locality.
    ResetTpmEstablished(u8),
    /// GET_STATEBLOB.
    GetStateBlob {
        /// [`STATE_DECRYPTED`] or zero.
        flags: u32,
        /// Which blob.
        kind: BlobKind,
        /// Where in it to start.
        offset: u32,
    },
    /// SET_STATEBLOB.
    SetStateBlob {
        /// The flags the blob came with.
        flags: u32,
        /// Which blob.
        kind: BlobKind,
        /// The blob; empty takes back one set before.
        blob: &'a [u8],
    },
    /// STOP.
    Stop,
    /// GET_CONFIG.
    GetConfig,
    /// SET_DATAFD; the descriptor is ancillary data.
    SetDataFd,
    /// SET_BUFFERSIZE; zero only reads.
    SetBufferSize(u32),
    /// GET_INFO.
    GetInfo {
        /// Which facts, a mask.
        flags: u64,
        /// Where in the text to start.
        offset: u32,
    },
    /// LOCK_STORAGE.
    LockStorage {
        /// How often to try, 10 ms apart.
        retries: u32,
    },
}

/// What the bytes collected so far are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A whole request in the first `used` bytes.
    Request {
        /// The request.
        request: Request<'a>,
        /// Bytes it took.
        used: usize,
    },
    /// Not enough yet.
    More,
    /// A whole request already if no byte follows: a one-byte locality, which some clients pad to four.
    Unless {
        /// The request.
        request: Request<'a>,
        /// Bytes it took.
        used: usize,
    },
    /// No request. Answer the fault and drop what is buffered.
    Refused {
        /// What to answer.
        fault: Fault,
        /// Bytes of the request that are still to come, or that lie behind `used`, and mean nothing.
        skip: u64,
    },
}

/// Reads one request from the front of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut reader = Reader::new(bytes);
    let Some(number) = reader.u32() else { return Parsed::More };
    let Some(ordinal) = Ordinal::from_number(number) else {
        // Its body is of unknown length; what has arrived with it goes with it.
        return Parsed::Refused { fault: Fault::BadOrdinal, skip: 0 };
    };
    let body = reader.rest();
    match ordinal {
        Ordinal::GetCapability => plain(Request::GetCapability),
        Ordinal::Shutdown => plain(Request::Shutdown),
        Ordinal::GetTpmEstablished => plain(Request::GetTpmEstablished),
        Ordinal::HashStart => plain(Request::HashStart),
        Ordinal::HashEnd => plain(Request::HashEnd),
        Ordinal::CancelTpmCmd => plain(Request::CancelTpmCmd),
        Ordinal::StoreVolatile => plain(Request::StoreVolatile),
        Ordinal::Stop => plain(Request::Stop),
        Ordinal::GetConfig => plain(Request::GetConfig),
        Ordinal::SetDataFd => plain(Request::SetDataFd),
        Ordinal::Init => word(body, |flags| Request::Init { flags }),
        Ordinal::SetBufferSize => word(body, Request::SetBufferSize),
        Ordinal::LockStorage => word(body, |retries| Request::LockStorage { retries }),
        Ordinal::SetLocality => locality(body, Request::SetLocality),
        Ordinal::ResetTpmEstablished => locality(body, Request::ResetTpmEstablished),
        Ordinal::HashData => hash_data(body),
        Ordinal::GetStateBlob => get_state_blob(body),
        Ordinal::SetStateBlob => set_state_blob(body),
        Ordinal::GetInfo => get_info(body),
    }
}

fn plain(request: Request<'_>) -> Parsed<'_> {
    Parsed::Request { request, used: 4 }
}

fn word(body: &[u8], make: impl FnOnce(u32) -> Request<'static>) -> Parsed<'_> {
    match Reader::new(body).u32() {
        Some(value) => Parsed::Request { request: make(value), used: 8 },
        None => Parsed::More,
    }
}

/// One byte, which may be padded to four with zeros. Padding is taken where it is there: a client that sends one
/// byte waits for the reply before it sends more.
fn locality(body: &[u8], make: impl FnOnce(u8) -> Request<'static>) -> Parsed<'_> {
    match body {
        [] => Parsed::More,
        [value, 0, 0, 0, ..] => Parsed::Request { request: make(*value), used: 8 },
        [value] | [value, 0] | [value, 0, 0] => {
            Parsed::Unless { request: make(*value), used: 4_usize.saturating_add(body.len()) }
        }
        [value, ..] => Parsed::Request { request: make(*value), used: 5 },
    }
}

fn hash_data(body: &[u8]) -> Parsed<'_> {
    let mut reader = Reader::new(body);
    let Some(len) = reader.u32() else { return Parsed::More };
    if len > MAX_HASH_DATA {
        return Parsed::Refused { fault: Fault::BadParameter, skip: left_over(len, reader.rest()) };
    }
    match reader.take(len_from_u32(len)) {
        Some(data) => {
            Parsed::Request { request: Request::HashData(data), used: 8_usize.saturating_add(data.len()) }
        }
        None => Parsed::More,
    }
}

fn get_state_blob(body: &[u8]) -> Parsed<'_> {
    let mut reader = Reader::new(body);
    let (Some(flags), Some(number), Some(offset)) = (reader.u32(), reader.u32(), reader.u32()) else {
        return Parsed::More;
    };
    match BlobKind::from_number(number) {
        Some(kind) => Parsed::Request { request: Request::GetStateBlob { flags, kind, offset }, used: 16 },
        None => Parsed::Refused { fault: Fault::BadParameter, skip: 0 },
    }
}

fn set_state_blob(body: &[u8]) -> Parsed<'_> {
    let mut reader = Reader::new(body);
    let (Some(flags), Some(number), Some(len)) = (reader.u32(), reader.u32(), reader.u32()) else {
        return Parsed::More;
    };
    let Some(kind) = BlobKind::from_number(number) else {
        return Parsed::Refused { fault: Fault::BadParameter, skip: left_over(len, reader.rest()) };
    };
    if len > MAX_BLOB {
        return Parsed::Refused { fault: Fault::BadParameter, skip: left_over(len, reader.rest()) };
    }
    match reader.take(len_from_u32(len)) {
        Some(blob) => Parsed::Request {
            request: Request::SetStateBlob { flags, kind, blob },
            used: 16_usize.saturating_add(blob.len()),
        },
        None => Parsed::More,
    }
}

fn get_info(body: &[u8]) -> Parsed<'_> {
    let mut reader = Reader::new(body);
    match (reader.u64(), reader.u32(), reader.u32()) {
        (Some(flags), Some(offset), Some(_padding)) => {
            Parsed::Request { request: Request::GetInfo { flags, offset }, used: 20 }
        }
        _ => Parsed::More,
    }
}

fn left_over(len: u32, arrived: &[u8]) -> u64 {
    let arrived = u64::try_from(arrived.len()).unwrap_or(u64::MAX);
    u64::from(len).saturating_sub(arrived)
}

/// One reply, before it is bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Result zero and nothing else.
    Done,
    /// A result that is not zero, alone.
    Fault(Fault),
    /// GET_CAPABILITY.
    Capability(u32),
    /// GET_TPMESTABLISHED.
    Established(bool),
    /// GET_CONFIG: bit 0 a file key, bit 1 a migration key.
    Config(u32),
    /// SET_BUFFERSIZE: size in use, smallest, largest.
    BufferSize(u32, u32, u32),
    /// GET_STATEBLOB: a part of the blob.
    Blob {
        /// [`STATE_ENCRYPTED`] or zero.
        flags: u32,
        /// Length of the blob from the start, in bytes.
        total: u32,
        /// The bytes from the offset on.
        data: zeroize::Zeroizing<Vec<u8>>,
    },
    /// GET_STATEBLOB on a running TPM, of a blob that is not there.
    NoBlob(Fault),
    /// GET_INFO: a part of the text.
    Info {
        /// Length of the text with its NUL, in bytes.
        total: u32,
        /// The bytes from the offset on.
        data: Vec<u8>,
    },
}

impl Reply {
    /// The bytes on the wire. They may be secret: a state blob is.
    pub fn encode(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let words = |words: &[u32]| {
            zeroize::Zeroizing::new(words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>())
        };
        match self {
            Reply::Done => words(&[0]),
            Reply::Fault(fault) => words(&[fault.code()]),
            Reply::Capability(mask) => words(&[0, *mask]),
            Reply::Established(flag) => words(&[0, u32::from(*flag) << 24]),
            Reply::Config(flags) => words(&[0, *flags]),
            Reply::BufferSize(size, min, max) => words(&[0, *size, *min, *max]),
            Reply::NoBlob(fault) => words(&[fault.code(), 0, 0, 0]),
            Reply::Blob { flags, total, data } => {
                with_data(&[0, *flags, *total, len_to_u32(data.len())], data)
            }
            Reply::Info { total, data } => with_data(&[0, *total, len_to_u32(data.len())], data),
        }
    }
}

/// Allocated once at its full length, so that no copy of a secret stays behind.
fn with_data(words: &[u32], data: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(16_usize.saturating_add(data.len())));
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(data);
    out
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
