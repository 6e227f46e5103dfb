//! Response codes. Part 2, 6.6.
//!
//! A format-one code ([`Fmt1`]) names what is wrong; only it can be told *where*, by [`Fmt1::at`]. The positions come from the
//! command declarations, so a handler writes `rc::VALUE.at(Create::IN_PUBLIC)` and the number cannot be wrong.

use crate::marshal::{Bytes, Marshal, Reader, Unmarshal};
use core::fmt;

/// A response code as it stands in a response header. Part 2, 6.6.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rc(u32);

/// A format-one response code that does not yet say which handle, session or parameter it is about. Part 2, 6.6.2.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fmt1(u8);

/// What a format-one code is about: the n-th (from 1) handle, session or parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The n-th handle in the handle area.
    Handle(u8),
    /// The n-th session in the authorization area.
    Session(u8),
    /// The n-th parameter.
    Parameter(u8),
}

impl Rc {
    /// The code of a raw value, as a client reads it.
    #[must_use]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The value on the wire.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The format-one code inside, without its position.
    #[must_use]
    pub const fn fmt1(self) -> Option<Fmt1> {
        if self.0 & 0x80 == 0 { None } else { Some(Fmt1((self.0 & 0xBF) as u8)) }
    }

    /// What a format-one code is about.
    #[must_use]
    pub const fn position(self) -> Option<Position> {
        let number = ((self.0 >> 8) & 0xF) as u8;
        if self.0 & 0x80 == 0 {
            None
        } else if self.0 & 0x40 != 0 {
            if number == 0 { None } else { Some(Position::Parameter(number)) }
        } else if number & 8 != 0 {
            Some(Position::Session(number & 7))
        } else if number == 0 {
            None
        } else {
            Some(Position::Handle(number))
        }
    }

    /// Whether the caller may expect another answer later without changing the command (a warning). Part 2, 6.6.1.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        self.0 & 0x880 == 0x800
    }
}

impl Fmt1 {
    /// This code about the handle, session or parameter at `position`.
    #[must_use]
    pub const fn at(self, position: Position) -> Rc {
        let base = self.0 as u32;
        match position {
            Position::Handle(n) => Rc(base | ((n as u32 & 0x7) << 8)),
            Position::Session(n) => Rc(base | 0x800 | ((n as u32 & 0x7) << 8)),
            Position::Parameter(n) => Rc(base | 0x40 | ((n as u32 & 0xF) << 8)),
        }
    }

    /// The value without a position.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0 as u32
    }
}

/// A format-one code that is about nothing in particular.
impl From<Fmt1> for Rc {
    fn from(code: Fmt1) -> Self {
        Self(u32::from(code.0))
    }
}

impl fmt::Debug for Fmt1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(u32::from(self.0)).unwrap_or("TPM_RC_?"))
    }
}

impl fmt::Debug for Rc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.fmt1().map_or(self.0, |code| code.raw());
        write!(f, "{:#05x} {}", self.0, name(named).unwrap_or("TPM_RC_?"))?;
        match self.position() {
            Some(Position::Handle(n)) => write!(f, " (handle {n})"),
            Some(Position::Session(n)) => write!(f, " (session {n})"),
            Some(Position::Parameter(n)) => write!(f, " (parameter {n})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Rc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl core::error::Error for Rc {}

/// TPM_RC as a parameter (`testResult`).
impl Marshal for Rc {
    fn marshal(&self, out: &mut Bytes) {
        self.0.marshal(out);
    }
}

impl Unmarshal for Rc {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        u32::unmarshal(r).map(Self)
    }
}

macro_rules! codes {
    ($kind:ident, $all:ident: $($(#[doc = $doc:literal])+ $name:ident = $value:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: $kind = $kind($value);)+
        const $all: &[(u32, &str)] = &[$(($value, concat!("TPM_RC_", stringify!($name)))),+];
    };
}

codes! { Rc, NAMES:
    /// Command completed.
    SUCCESS = 0x000;
    /// TPM 1.2-compatible answer to an unknown command tag (equals 1.2 TPM_BADTAG).
    BAD_TAG = 0x01E;
    /// Startup has not run yet, or was sent again after it had.
    INITIALIZE = 0x100;
    /// TPM is in failure mode and refuses the command.
    FAILURE = 0x101;
    /// Handle is not a sequence object or sequence used wrongly.
    SEQUENCE = 0x103;
    /// Historical; not used by current commands.
    PRIVATE = 0x10B;
    /// Historical; not used by current commands.
    HMAC = 0x119;
    /// Command or its hierarchy/feature is disabled.
    DISABLED = 0x120;
    /// An exclusive audit session was broken by another command.
    EXCLUSIVE = 0x121;
    /// Handle needs a different kind of authorization (e.g. policy).
    AUTH_TYPE = 0x124;
    /// Handle needs an authorization session and none was supplied.
    AUTH_MISSING = 0x125;
    /// Policy comparison (math) failed, or the authPolicy value itself is invalid.
    POLICY = 0x126;
    /// PCR check failed or PCR attributes forbid it.
    PCR = 0x127;
    /// A PCR moved since the policy session recorded the update counter.
    PCR_CHANGED = 0x128;
    /// TPM is in field-upgrade mode and only accepts upgrade data.
    UPGRADE = 0x12D;
    /// Saved-context counter has run out.
    TOO_MANY_CONTEXTS = 0x12E;
    /// The entity has no usable authValue or policy for this role.
    AUTH_UNAVAILABLE = 0x12F;
    /// A _TPM_Init plus Startup(CLEAR) is required first.
    REBOOT = 0x130;
    /// Hash / block-cipher strengths of the protection do not match.
    UNBALANCED = 0x131;
    /// CommandSize disagrees with the bytes received.
    COMMAND_SIZE = 0x142;
    /// Command code unknown or not implemented.
    COMMAND_CODE = 0x143;
    /// AuthorizationSize out of range or extra bytes in the session area.
    AUTHSIZE = 0x144;
    /// Sessions were given to a command that takes none.
    AUTH_CONTEXT = 0x145;
    /// NV offset+size runs past the index.
    NV_RANGE = 0x146;
    /// Requested NV allocation is larger than allowed.
    NV_SIZE = 0x147;
    /// NV index is read- or write-locked.
    NV_LOCKED = 0x148;
    /// The handle used may not access this NV index.
    NV_AUTHORIZATION = 0x149;
    /// NV index not yet written, or state saved by Shutdown(STATE) could not be restored.
    NV_UNINITIALIZED = 0x14A;
    /// Not enough NV space for the definition.
    NV_SPACE = 0x14B;
    /// NV index or persistent handle already exists.
    NV_DEFINED = 0x14C;
    /// Saved context failed its integrity or consistency check.
    BAD_CONTEXT = 0x150;
    /// Session cpHash already set, or does not match.
    CPHASH = 0x151;
    /// Handle is not a usable parent.
    PARENT = 0x152;
    /// Function not yet self-tested and no automatic test.
    NEEDS_TEST = 0x153;
    /// Internal function could not produce a value in range.
    NO_RESULT = 0x154;
    /// Sensitive area did not unmarshal after decryption.
    SENSITIVE = 0x155;
    /// TPM is in Read-Only mode and the command is not permitted in it.
    READ_ONLY = 0x156;
    /// Oldest saved session must be loaded before another save.
    CONTEXT_GAP = 0x901;
    /// No object memory left; flush something.
    OBJECT_MEMORY = 0x902;
    /// No session memory left; flush something.
    SESSION_MEMORY = 0x903;
    /// Out of memory of either kind.
    MEMORY = 0x904;
    /// No free session handles.
    SESSION_HANDLES = 0x905;
    /// No free object handles.
    OBJECT_HANDLES = 0x906;
    /// Not allowed at this locality.
    LOCALITY = 0x907;
    /// TPM suspended the command; resend it.
    YIELDED = 0x908;
    /// Command was cancelled.
    CANCELED = 0x909;
    /// Self tests are running.
    TESTING = 0x90A;
    /// The 1st handle in the handle area names a transient object or session that is not loaded.
    REFERENCE_H0 = 0x910;
    /// The 2nd handle in the handle area names a transient object or session that is not loaded.
    REFERENCE_H1 = 0x911;
    /// The 3rd handle in the handle area names a transient object or session that is not loaded.
    REFERENCE_H2 = 0x912;
    /// The 4th handle in the handle area names a transient object or session that is not loaded.
    REFERENCE_H3 = 0x913;
    /// The 5th handle in the handle area names a transient object or session that is not loaded.
    REFERENCE_H4 = 0x914;
    /// The 6th handle in the handle area names a transient object or session that is not loaded.
    REFERENCE_H5 = 0x915;
    /// The 7th handle in the handle area names a transient object or session that is not loaded.
    REFERENCE_H6 = 0x916;
    /// The 1st session handle in the authorization area names a transient object or session that is not loaded.
    REFERENCE_S0 = 0x918;
    /// The 2nd session handle in the authorization area names a transient object or session that is not loaded.
    REFERENCE_S1 = 0x919;
    /// The 3rd session handle in the authorization area names a transient object or session that is not loaded.
    REFERENCE_S2 = 0x91A;
    /// The 4th session handle in the authorization area names a transient object or session that is not loaded.
    REFERENCE_S3 = 0x91B;
    /// The 5th session handle in the authorization area names a transient object or session that is not loaded.
    REFERENCE_S4 = 0x91C;
    /// The 6th session handle in the authorization area names a transient object or session that is not loaded.
    REFERENCE_S5 = 0x91D;
    /// The 7th session handle in the authorization area names a transient object or session that is not loaded.
    REFERENCE_S6 = 0x91E;
    /// NV writes are being rate-limited; retry later.
    NV_RATE = 0x920;
    /// Dictionary-attack lockout is active.
    LOCKOUT = 0x921;
    /// TPM could not start the command; resend it.
    RETRY = 0x922;
    /// NV storage cannot be reached just now.
    NV_UNAVAILABLE = 0x923;
    /// Must not be returned (guard value).
    NOT_USED = 0x97F;
}

codes! { Fmt1, FMT1_NAMES:
    /// Asymmetric algorithm unsupported or wrong here.
    ASYMMETRIC = 0x81;
    /// Object/session attributes inconsistent or not allowed.
    ATTRIBUTES = 0x82;
    /// Hash algorithm unsupported or wrong here.
    HASH = 0x83;
    /// Value out of range or wrong in this context.
    VALUE = 0x84;
    /// Hierarchy disabled or not allowed for this use.
    HIERARCHY = 0x85;
    /// Key size unsupported.
    KEY_SIZE = 0x87;
    /// Mask generation function unsupported.
    MGF = 0x88;
    /// Cipher mode unsupported.
    MODE = 0x89;
    /// Object type wrong for this use.
    TYPE = 0x8A;
    /// Handle wrong for this use.
    HANDLE = 0x8B;
    /// KDF unsupported or wrong.
    KDF = 0x8C;
    /// Value outside its allowed range.
    RANGE = 0x8D;
    /// Authorization HMAC wrong and DA counter bumped, or lockoutAuth is disabled.
    AUTH_FAIL = 0x8E;
    /// Nonce wrong size or mismatch.
    NONCE = 0x8F;
    /// Physical presence required but not asserted.
    PP = 0x90;
    /// Signing/encryption scheme unsupported or incompatible.
    SCHEME = 0x92;
    /// Structure or buffer size wrong.
    SIZE = 0x95;
    /// Symmetric algorithm unsupported or wrong.
    SYMMETRIC = 0x96;
    /// Structure tag wrong.
    TAG = 0x97;
    /// Union selector wrong.
    SELECTOR = 0x98;
    /// Input ended before the value was complete.
    INSUFFICIENT = 0x9A;
    /// Signature does not verify.
    SIGNATURE = 0x9B;
    /// Key fields incompatible with the use.
    KEY = 0x9C;
    /// Policy assertion/digest does not match.
    POLICY_FAIL = 0x9D;
    /// Integrity HMAC of a wrapped blob is wrong.
    INTEGRITY = 0x9F;
    /// Ticket invalid.
    TICKET = 0xA0;
    /// A reserved bit was set.
    RESERVED_BITS = 0xA1;
    /// Authorization wrong; not DA-protected.
    BAD_AUTH = 0xA2;
    /// Policy or ticket has expired.
    EXPIRED = 0xA3;
    /// Session is bound to another command code.
    POLICY_CC = 0xA4;
    /// Public and sensitive parts do not belong together.
    BINDING = 0xA5;
    /// Curve unsupported.
    CURVE = 0xA6;
    /// Point is not on the required curve.
    ECC_POINT = 0xA7;
    /// Firmware-limited hierarchy used while the Firmware Secret is unavailable.
    FW_LIMITED = 0xA8;
    /// SVN-limited hierarchy used while the secret for that SVN is unavailable.
    SVN_LIMITED = 0xA9;
    /// Parameter set unsupported (ML-KEM/ML-DSA).
    PARMS = 0xAA;
    /// External-mu signing (ML-DSA allowExternalMu) is not supported.
    EXT_MU = 0xAB;
    /// TPM cannot sign arbitrarily long messages with this key; give the whole message in the completing call.
    ONE_SHOT_SIGNATURE = 0xAC;
    /// Signing sequence completed with a different key from the one it was started with.
    SIGN_CONTEXT_KEY = 0xAD;
    /// Command must arrive over a secure channel.
    CHANNEL = 0xB0;
    /// Secure channel was not set up with the required requester/TPM key.
    CHANNEL_KEY = 0xB1;
}

/// The n-th (from 0) handle is a transient object or session that is not loaded: `TPM_RC_REFERENCE_H0` and following.
#[must_use]
pub const fn reference_h(index: u8) -> Rc {
    Rc(REFERENCE_H0.0 + (index as u32 & 7))
}

/// The n-th (from 0) session handle is not loaded: `TPM_RC_REFERENCE_S0` and following.
#[must_use]
pub const fn reference_s(index: u8) -> Rc {
    Rc(REFERENCE_S0.0 + (index as u32 & 7))
}

fn name(value: u32) -> Option<&'static str> {
    NAMES.iter().chain(FMT1_NAMES).find(|(code, _)| *code == value).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_position_becomes_the_number_the_specification_gives_it() {
        assert_eq!(VALUE.at(Position::Parameter(2)).raw(), 0x2C4);
        assert_eq!(HANDLE.at(Position::Handle(1)).raw(), 0x18B);
        assert_eq!(AUTH_FAIL.at(Position::Session(1)).raw(), 0x98E);
    }

    #[test]
    fn a_position_can_be_read_back() {
        for position in [Position::Handle(3), Position::Session(2), Position::Parameter(11)] {
            let rc = SIZE.at(position);
            assert_eq!(rc.position(), Some(position));
            assert_eq!(rc.fmt1(), Some(SIZE));
        }
    }

    #[test]
    fn debug_names_the_code_and_the_place() {
        assert_eq!(format!("{:?}", VALUE.at(Position::Parameter(2))), "0x2c4 TPM_RC_VALUE (parameter 2)");
        assert_eq!(format!("{LOCKOUT:?}"), "0x921 TPM_RC_LOCKOUT");
    }
}
