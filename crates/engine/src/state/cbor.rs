//! How TPM structures lie inside saved state: their canonical bytes as one CBOR byte string.

/// For `#[cbor(with = "...")]` on a field with a canonical form.
pub(crate) mod canonical {
    use minicbor::{
        Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write,
    };
    use sigillo_types::{Marshal, Unmarshal};
    use zeroize::Zeroizing;

    pub(crate) fn encode<C, T: Marshal, W: Write>(
        value: &T,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&Zeroizing::new(value.to_bytes()))?;
        Ok(())
    }

    pub(crate) fn decode<C, T: Unmarshal>(d: &mut Decoder<'_>, _: &mut C) -> Result<T, DecodeError> {
        T::from_bytes(d.bytes()?).map_err(|_| DecodeError::message("not a canonical structure"))
    }
}

/// The same for a field of a nullable type: the NULL form stands for `None`.
pub(crate) mod canonical_option {
    use minicbor::{
        Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write,
    };
    use sigillo_types::{Marshal, Nullable, Unmarshal};

    pub(crate) fn encode<C, T: Marshal + Nullable, W: Write>(
        value: &Option<T>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&value.to_bytes())?;
        Ok(())
    }

    pub(crate) fn decode<C, T: Nullable>(d: &mut Decoder<'_>, _: &mut C) -> Result<Option<T>, DecodeError> {
        Option::<T>::from_bytes(d.bytes()?).map_err(|_| DecodeError::message("not a canonical structure"))
    }
}

/// A value behind an `Arc`, as the value.
pub(crate) mod shared {
    use alloc::sync::Arc;
    use minicbor::{
        Decode, Decoder, Encode, Encoder,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };

    pub(crate) fn encode<C, T: Encode<C>, W: Write>(
        value: &Arc<T>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        T::encode(value, e, ctx)
    }

    pub(crate) fn decode<'b, C, T: Decode<'b, C>>(
        d: &mut Decoder<'b>,
        ctx: &mut C,
    ) -> Result<Arc<T>, DecodeError> {
        T::decode(d, ctx).map(Arc::new)
    }
}

/// An optional TPM structure without a NULL form: CBOR's null stands for `None`.
pub(crate) mod maybe {
    use super::canonical;
    use minicbor::{
        Decoder, Encoder,
        data::Type,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };
    use sigillo_types::{Marshal, Unmarshal};

    pub(crate) fn encode<C, T: Marshal, W: Write>(
        value: &Option<T>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match value {
            Some(value) => canonical::encode(value, e, ctx),
            None => e.null().map(|_| ()),
        }
    }

    pub(crate) fn decode<C, T: Unmarshal>(
        d: &mut Decoder<'_>,
        ctx: &mut C,
    ) -> Result<Option<T>, DecodeError> {
        if d.datatype()? == Type::Null {
            return d.null().map(|()| None);
        }
        canonical::decode(d, ctx).map(Some)
    }
}

/// A hash in the middle of its data.
pub(crate) mod hasher {
    use minicbor::{
        Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write,
    };
    use sigillo_crypto::hash::{HashState, Hasher};

    pub(crate) fn encode<C, W: Write>(
        value: &Hasher,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(value.export().as_bytes())?;
        Ok(())
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Hasher, DecodeError> {
        Hasher::import(&HashState::from_bytes(d.bytes()?.to_vec()))
            .map_err(|_| DecodeError::message("not the state of a hash"))
    }
}

/// Several hashes in the middle of the same data.
pub(crate) mod hashers {
    use alloc::vec::Vec;
    use minicbor::{
        Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write,
    };
    use sigillo_crypto::hash::Hasher;
    use sigillo_types::HashAlg;

    pub(crate) fn encode<C, W: Write>(
        value: &[Hasher],
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(u64::try_from(value.len()).unwrap_or(0))?;
        value.iter().try_for_each(|hasher| super::hasher::encode(hasher, e, ctx))
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, ctx: &mut C) -> Result<Vec<Hasher>, DecodeError> {
        let count = d.array()?.and_then(|count| usize::try_from(count).ok());
        let count = count.filter(|count| *count <= HashAlg::ALL.len());
        let count = count.ok_or_else(|| DecodeError::message("more hashes than there are algorithms"))?;
        (0..count).map(|_| super::hasher::decode(d, ctx)).collect()
    }
}

/// An HMAC in the middle of its data.
pub(crate) mod hmac {
    use minicbor::{
        Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write,
    };
    use sigillo_crypto::{hash::HashState, hmac::Hmac};

    pub(crate) fn encode<C, W: Write>(
        value: &Hmac,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(value.export().as_bytes())?;
        Ok(())
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Hmac, DecodeError> {
        Hmac::import(&HashState::from_bytes(d.bytes()?.to_vec()))
            .map_err(|_| DecodeError::message("not the state of an HMAC"))
    }
}

/// A CMAC in the middle of its data.
pub(crate) mod cmac {
    use minicbor::{
        Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write,
    };
    use sigillo_crypto::{cmac::Cmac, hash::HashState};

    pub(crate) fn encode<C, W: Write>(
        value: &Cmac,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(value.export().as_bytes())?;
        Ok(())
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Cmac, DecodeError> {
        Cmac::import(&HashState::from_bytes(d.bytes()?.to_vec()))
            .map_err(|_| DecodeError::message("not the state of a CMAC"))
    }
}

/// Byte strings by number.
pub(crate) mod byte_map {
    use alloc::{collections::BTreeMap, vec::Vec};
    use minicbor::{
        Decoder, Encoder, decode::Error as DecodeError, encode::Error as EncodeError, encode::Write,
    };

    pub(crate) fn encode<C, W: Write>(
        value: &BTreeMap<u32, Vec<u8>>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.map(u64::try_from(value.len()).unwrap_or(0))?;
        value.iter().try_for_each(|(number, bytes)| e.u32(*number)?.bytes(bytes).map(|_| ()))
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<BTreeMap<u32, Vec<u8>>, DecodeError> {
        let count = d.map()?.ok_or_else(|| DecodeError::message("a map without a length"))?;
        let mut value = BTreeMap::new();
        for _ in 0..count {
            value.insert(d.u32()?, d.bytes()?.to_vec());
        }
        Ok(value)
    }
}
