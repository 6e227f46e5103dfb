//! The canonical byte form: big-endian, no padding. Part 1, 9.2 and Part 2, 4.

use crate::{
    Implemented,
    rc::{self, Fmt1},
};
use alloc::vec::Vec;

/// Where canonical bytes are written.
pub type Bytes = Vec<u8>;

/// A structure that has a canonical byte form.
pub trait Marshal {
    /// Whether the form begins with a 16-bit size: only such a first parameter can be encrypted in a session. Part 1, 19.1.
    const SIZED: bool = false;

    /// Appends the canonical bytes to `out`.
    fn marshal(&self, out: &mut Vec<u8>);

    /// The canonical bytes alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.marshal(&mut out);
        out
    }
}

/// A structure that can be read from its canonical bytes.
pub trait Unmarshal: Sized {
    /// Reads one value from the front of `r`.
    ///
    /// # Errors
    /// The response code that Part 2 gives the type; `INSUFFICIENT` if the bytes end early.
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1>;

    /// Reads a value that must be all of `bytes`.
    ///
    /// # Errors
    /// As [`Unmarshal::unmarshal`]; `SIZE` if bytes are left over.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Fmt1> {
        let mut r = Reader::new(bytes);
        let value = Self::unmarshal(&mut r)?;
        r.finish()?;
        Ok(value)
    }
}

/// A type whose table row may carry a `+`: `Option<Self>` then stands for "or the NULL value". Part 2, 4.
pub trait Nullable: Sized {
    /// Reads a value or its NULL form.
    ///
    /// # Errors
    /// As [`Unmarshal::unmarshal`].
    fn unmarshal_nullable(r: &mut Reader<'_>) -> Result<Option<Self>, Fmt1>;

    /// Appends the NULL form.
    fn marshal_null(out: &mut Vec<u8>);
}

/// A Part 2 union: a body whose form a selector decides. Structures that keep the two apart (`TPMT_PUBLIC` puts four fields between
/// them) write each in its place; those that have them side by side use [`Marshal`].
pub trait MarshalUnion {
    /// The selector's type.
    type Selector;

    /// The selector of this value.
    fn selector(&self) -> Self::Selector;

    /// Appends the body without its selector.
    fn marshal_body(&self, out: &mut Vec<u8>);
}

/// The reading side of [`MarshalUnion`].
pub trait UnmarshalUnion: MarshalUnion + Sized {
    /// Reads the body that `selector` asks for.
    ///
    /// # Errors
    /// The type's code for a selector it does not know; those of the body.
    fn unmarshal_body(selector: Self::Selector, r: &mut Reader<'_>) -> Result<Self, Fmt1>;
}

impl<T: Nullable> Unmarshal for Option<T> {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        T::unmarshal_nullable(r)
    }
}

impl<T: Nullable + Marshal> Marshal for Option<T> {
    const SIZED: bool = T::SIZED;

    fn marshal(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.marshal(out),
            None => T::marshal_null(out),
        }
    }
}

/// A cursor over received bytes that never reads past their end.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    implemented: &'a Implemented,
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes` that reads everything this crate knows.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::within(&Implemented::EVERYTHING, bytes)
    }

    /// A cursor at the start of `bytes` that knows no other algorithms, curves and key sizes than `implemented`.
    #[must_use]
    pub const fn within(implemented: &'a Implemented, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, implemented }
    }

    /// The algorithms, curves and key sizes that may be read.
    #[must_use]
    pub const fn implemented(&self) -> &'a Implemented {
        self.implemented
    }

    /// The bytes not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// `INSUFFICIENT` if there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Fmt1> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(rc::INSUFFICIENT)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the next `N` bytes.
    ///
    /// # Errors
    /// `INSUFFICIENT` if there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Fmt1> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(rc::INSUFFICIENT)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes the contents of a TPM2B: a 16-bit size and that many bytes, at most `max`.
    ///
    /// # Errors
    /// `SIZE` if the size is above `max`, `INSUFFICIENT` if there are fewer bytes.
    pub fn sized(&mut self, max: usize) -> Result<&'a [u8], Fmt1> {
        let size = usize::from(u16::unmarshal(self)?);
        if size > max {
            return Err(rc::SIZE);
        }
        self.take(size)
    }

    /// Reads a structure behind its 16-bit size.
    ///
    /// # Errors
    /// `SIZE` if the size is zero or not that of the structure that was read; those of `structure`.
    pub fn sized_structure<T>(
        &mut self,
        structure: impl FnOnce(&mut Self) -> Result<T, Fmt1>,
    ) -> Result<T, Fmt1> {
        let size = usize::from(u16::unmarshal(self)?);
        if size == 0 {
            return Err(rc::SIZE);
        }
        let before = self.rest.len();
        let value = structure(self)?;
        if before - self.rest.len() == size { Ok(value) } else { Err(rc::SIZE) }
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// `SIZE` if bytes are left over.
    pub fn finish(&self) -> Result<(), Fmt1> {
        if self.rest.is_empty() { Ok(()) } else { Err(rc::SIZE) }
    }
}

macro_rules! integers {
    ($($int:ty),+) => {$(
        impl Marshal for $int {
            fn marshal(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
        impl Unmarshal for $int {
            fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
                r.array().map(<$int>::from_be_bytes)
            }
        }
    )+};
}

integers!(u8, u16, u32, u64, i8, i32);

impl<const N: usize> Marshal for [u8; N] {
    fn marshal(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> Unmarshal for [u8; N] {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        r.array()
    }
}

/// TPMI_YES_NO. Part 2, 9.2.
impl Marshal for bool {
    fn marshal(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

/// TPMI_YES_NO: anything but 0 and 1 is `VALUE`. Part 2, 9.2.
impl Unmarshal for bool {
    fn unmarshal(r: &mut Reader<'_>) -> Result<Self, Fmt1> {
        match u8::unmarshal(r)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(rc::VALUE),
        }
    }
}

/// Appends `body` behind its 16-bit size, the form of every TPM2B.
///
/// A body that would not fit the size field cannot come from bounded structures; it is cut to an empty one rather than mis-sized.
pub fn marshal_sized(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0]);
    body(out);
    let size = u16::try_from(out.len() - start - 2);
    if size.is_err() {
        out.truncate(start + 2);
    }
    if let Some(field) = out.get_mut(start..start + 2) {
        field.copy_from_slice(&size.unwrap_or(0).to_be_bytes());
    }
}
