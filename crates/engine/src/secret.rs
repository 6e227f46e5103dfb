//! Bytes that must not be seen.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use minicbor::{Decode, Decoder, Encode, Encoder, bytes::ByteVec, decode, encode};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret bytes: wiped when the last clone is dropped, compared in constant time, never printed.
///
/// Clones share the bytes: where a command copies a group of the state to change it, no secret is copied.
#[derive(Clone, Default)]
pub(crate) struct Secret(Option<Arc<Zeroizing<Vec<u8>>>>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self((!bytes.is_empty()).then(|| Arc::new(Zeroizing::new(bytes))))
    }

    /// `count` bytes written by `fill`.
    pub(crate) fn filled(count: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = alloc::vec![0; count];
        fill(&mut bytes);
        Self::new(bytes)
    }
}

impl core::ops::Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |bytes| bytes)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(&**other).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<C> Encode<C> for Secret {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.bytes(self)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Secret {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        ByteVec::decode(d, ctx).map(|bytes| Self::new(bytes.into()))
    }
}
