//! Powers and products modulo an odd number: RSA's.

use core::fmt;

use super::raw::{Montgomery, Number, Scratch};

/// Octets of a word, of which lengths are multiples.
const WORD: usize = 8;
/// The shortest and the longest modulus, in octets.
const LENGTHS: core::ops::RangeInclusive<usize> = 64..=512;

/// An odd modulus of 64 to 512 octets, a multiple of eight, with its top bit set. Wiped when dropped.
pub struct Modulus {
    montgomery: Montgomery,
    octets: usize,
}

impl fmt::Debug for Modulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Modulus({} bits, [secret])", self.octets * 8)
    }
}

/// The number of a modulus, if it is one.
fn checked(modulus: &[u8]) -> Option<Number> {
    let first = modulus.first()?;
    let is_whole = LENGTHS.contains(&modulus.len()) && modulus.len().is_multiple_of(WORD);
    if is_whole && first & 0x80 != 0 { Number::read(modulus) } else { None }
}

impl Modulus {
    /// A modulus that may be secret, as a prime of a key.
    ///
    /// `None` if it is even, its top bit is clear, or it has another length.
    #[must_use]
    pub fn new(modulus: &[u8]) -> Option<Self> {
        let montgomery = Montgomery::of_secret(checked(modulus)?, &mut Scratch::new()?)?;
        Some(Self { montgomery, octets: modulus.len() })
    }

    /// A modulus that is public: made somewhat faster.
    ///
    /// `None` as for [`Modulus::new`].
    #[must_use]
    pub fn new_public(modulus: &[u8]) -> Option<Self> {
        let montgomery = Montgomery::of_public(checked(modulus)?, &mut Scratch::new()?)?;
        Some(Self { montgomery, octets: modulus.len() })
    }

    /// A number of the modulus's width and below it.
    fn number(&self, octets: &[u8]) -> Option<Number> {
        let number = self.exactly(octets)?;
        number.is_below(self.montgomery.modulus()).then_some(number)
    }

    /// A number of the modulus's width.
    fn exactly(&self, octets: &[u8]) -> Option<Number> {
        if octets.len() == self.octets { Number::read(octets) } else { None }
    }

    /// Whether a number of the modulus's width is below it. Only the answer is public.
    #[must_use]
    pub fn is_above(&self, number: &[u8]) -> bool {
        self.number(number).is_some()
    }

    /// `a` times `b`.
    ///
    /// `None` if a factor is not below the modulus, or anything has another width.
    #[must_use]
    pub fn multiply(&self, a: &[u8], b: &[u8], out: &mut [u8]) -> Option<()> {
        let (a, b) = (self.number(a)?, self.number(b)?);
        let (mut entered, mut product) = (Number::zero()?, Number::zero()?);
        let mut scratch = Scratch::new()?;
        self.montgomery.enter(&mut entered, &a, &mut scratch)?;
        self.montgomery.multiply(&mut product, &entered, &b, &mut scratch)?;
        self.write(&product, out)
    }

    /// base^exponent, for an exponent that is public.
    ///
    /// `None` if the base is not below the modulus, or anything has another width.
    #[must_use]
    pub fn power_of_public(&self, base: &[u8], exponent: u32, out: &mut [u8]) -> Option<()> {
        let (base, exponent) = (self.number(base)?, Number::read(&exponent.to_be_bytes())?);
        let mut power = Number::zero()?;
        self.montgomery.power_of_public(&mut power, &base, &exponent, &mut Scratch::new()?)?;
        self.write(&power, out)
    }

    fn write(&self, number: &Number, out: &mut [u8]) -> Option<()> {
        if out.len() == self.octets { number.write(out) } else { None }
    }
}

/// Two powers, base^exponent, each of its own modulus: in vectors, where the processor has AVX-512 IFMA and the moduli are of one length.
///
/// `None` if a base is not below its modulus, or anything has another width than its modulus.
#[must_use]
pub fn powers(
    [p, q]: [&Modulus; 2],
    [base1, base2]: [&[u8]; 2],
    [exponent1, exponent2]: [&[u8]; 2],
    [out1, out2]: [&mut [u8]; 2],
) -> Option<()> {
    let bases = [p.number(base1)?, q.number(base2)?];
    let exponents = [p.exactly(exponent1)?, q.exactly(exponent2)?];
    let [mut power1, mut power2] = [Number::zero()?, Number::zero()?];
    Montgomery::powers(
        [&p.montgomery, &q.montgomery],
        [&mut power1, &mut power2],
        bases.each_ref(),
        exponents.each_ref(),
        &mut Scratch::new()?,
    )?;
    p.write(&power1, out1)?;
    q.write(&power2, out2)
}
