//! Multiples of points of the curves that AWS-LC has code of its own for.

use super::raw::{self, Group, Number};

/// The widest coordinate, in octets.
pub const MAX_WIDTH: usize = 66;

/// What a multiplication gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiple {
    /// The coordinates x and y, each in the first octets, as many as the curve's width.
    Point([[u8; MAX_WIDTH]; 2]),
    /// The point at infinity, which has none.
    Infinity,
}

/// A curve of NIST's. All of them have the cofactor 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// P-521.
    P521,
}

impl Curve {
    /// Octets of a coordinate and of a scalar.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn group(self) -> Option<Group> {
        match self {
            Self::P256 => Group::p256(),
            Self::P384 => Group::p384(),
            Self::P521 => Group::p521(),
        }
    }

    /// A number in the curve's width.
    fn number(self, octets: &[u8]) -> Option<Number> {
        if octets.len() == self.width() { Number::read(octets) } else { None }
    }

    fn point(self, [x, y]: [&[u8]; 2]) -> Option<raw::Point> {
        raw::Point::of_coordinates(self.group()?, [&self.number(x)?, &self.number(y)?])
    }

    fn write(self, point: &raw::Point) -> Option<Multiple> {
        if point.is_at_infinity() {
            return Some(Multiple::Infinity);
        }
        let mut out = [[0; MAX_WIDTH]; 2];
        for (number, out) in point.coordinates()?.iter().zip(&mut out) {
            number.write(out.get_mut(..self.width())?)?;
        }
        Some(Multiple::Point(out))
    }

    /// kG. `None` if k has another width. In constant time for k below the order.
    #[must_use]
    pub fn multiple_of_generator(self, k: &[u8]) -> Option<Multiple> {
        self.write(&raw::Point::multiple_of_generator(self.group()?, &self.number(k)?)?)
    }

    /// kP. `None` if P is not on the curve, or anything has another width. In constant time for k below the order.
    #[must_use]
    pub fn multiple(self, k: &[u8], p: [&[u8]; 2]) -> Option<Multiple> {
        self.write(&self.point(p)?.multiple(&self.number(k)?)?)
    }

    /// kG + lP. `None` as for [`Curve::multiple`]. In constant time for k and l below the order, unless both multiples
    /// are one point.
    #[must_use]
    pub fn combination(self, k: &[u8], l: &[u8], p: [&[u8]; 2]) -> Option<Multiple> {
        self.write(&self.point(p)?.combination(&self.number(k)?, &self.number(l)?)?)
    }
}
