//! How TPM structures lie inside saved state: their canonical bytes as one CBOR byte string.

/// For `#[cbor(with = "...")]` on a field with a canonical form.
pub(crate) mod canonical {
    use minicbor::{Decoder, Encoder, decode, encode};
    use sigillo_types::{Marshal, Unmarshal};
    use zeroize::Zeroizing;

    pub(crate) fn encode<C, T: Marshal, W: encode::Write>(
        value: &T,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&Zeroizing::new(value.to_bytes()))?;
        Ok(())
    }

    pub(crate) fn decode<C, T: Unmarshal>(d: &mut Decoder<'_>, _: &mut C) -> Result<T, decode::Error> {
        T::from_bytes(d.bytes()?).map_err(|_| decode::Error::message("not a canonical structure"))
    }
}

/// The same for a field of a nullable type: the NULL form stands for `None`.
pub(crate) mod canonical_option {
    use minicbor::{Decoder, Encoder, decode, encode};
    use sigillo_types::{Marshal, Nullable, Unmarshal};

    pub(crate) fn encode<C, T: Marshal + Nullable, W: encode::Write>(
        value: &Option<T>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&value.to_bytes())?;
        Ok(())
    }

    pub(crate) fn decode<C, T: Nullable>(d: &mut Decoder<'_>, _: &mut C) -> Result<Option<T>, decode::Error> {
        Option::<T>::from_bytes(d.bytes()?).map_err(|_| decode::Error::message("not a canonical structure"))
    }
}
