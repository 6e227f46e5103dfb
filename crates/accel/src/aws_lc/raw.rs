//! The functions of AWS-LC that are called, each behind a safe one; the only file of this module with `unsafe`.
//!
//! What every call relies on: a pointer here comes from a constructor of AWS-LC that gave one, has a single owner and is freed once, when the
//! owner is dropped. What AWS-LC writes to is borrowed `&mut`, and it keeps no pointer when it returns. Its functions check what they are
//! given (a modulus is odd, a base is below it, points are on one curve) and say no by their result; where a doc below asks for more, the
//! wrapper sees to it. Whatever AWS-LC frees, it wipes.

use core::ffi::c_int;
use core::ptr::{self, NonNull};

use aws_lc_sys as c;

/// What AWS-LC answers for success.
fn done(answer: c_int) -> Option<()> {
    if answer == 1 {
        return Some(());
    }
    // A failure leaves its reasons in a queue of the thread, which nobody here reads.
    // SAFETY: takes nothing.
    unsafe { c::ERR_clear_error() };
    None
}

fn made<T>(pointer: *mut T) -> Option<NonNull<T>> {
    let pointer = NonNull::new(pointer);
    if pointer.is_none() {
        done(0)?;
    }
    pointer
}

/// A number that is not negative. How many words it takes follows from the octets that it was read from, not from its value.
pub(super) struct Number(NonNull<c::BIGNUM>);

// SAFETY: a number is memory of its own, and AWS-LC ties it to no thread.
unsafe impl Send for Number {}
// SAFETY: functions that take a number as `const` only read it.
unsafe impl Sync for Number {}

impl Number {
    /// Zero.
    pub(super) fn zero() -> Option<Self> {
        // SAFETY: takes nothing.
        made(unsafe { c::BN_new() }).map(Self)
    }

    /// The number of these octets, the most significant first.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        // SAFETY: reads as many octets as the slice has; without a number to write to, it makes one.
        made(unsafe { c::BN_bin2bn(octets.as_ptr(), octets.len(), ptr::null_mut()) }).map(Self)
    }

    /// Fills `out` with the number, the most significant octet first. `None` if it does not fit.
    pub(super) fn write(&self, out: &mut [u8]) -> Option<()> {
        // SAFETY: writes as many octets as the slice has.
        done(unsafe { c::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), self.get()) })
    }

    /// Whether this number is less than the other, in a time that depends on their words only.
    pub(super) fn is_below(&self, other: &Self) -> bool {
        // SAFETY: compares two numbers.
        unsafe { c::BN_ucmp(self.get(), other.get()) < 0 }
    }

    fn get(&self) -> *const c::BIGNUM {
        self.0.as_ptr()
    }

    fn get_mut(&mut self) -> *mut c::BIGNUM {
        self.0.as_ptr()
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: the only owner gives it back, once.
        unsafe { c::BN_clear_free(self.get_mut()) }
    }
}

/// Room for what computations need in between.
pub(super) struct Scratch(NonNull<c::BN_CTX>);

impl Scratch {
    pub(super) fn new() -> Option<Self> {
        // SAFETY: takes nothing.
        made(unsafe { c::BN_CTX_new() }).map(Self)
    }

    fn get_mut(&mut self) -> *mut c::BN_CTX {
        self.0.as_ptr()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the only owner gives it back, once.
        unsafe { c::BN_CTX_free(self.get_mut()) }
    }
}

/// An odd modulus with what Montgomery's method wants to know of it.
pub(super) struct Montgomery {
    modulus: Number,
    context: NonNull<c::BN_MONT_CTX>,
}

// SAFETY: a context is memory of its own, and AWS-LC ties it to no thread.
unsafe impl Send for Montgomery {}
// SAFETY: nothing here writes to a context once it is made.
unsafe impl Sync for Montgomery {}

impl Montgomery {
    /// In a time that depends on the modulus's words only. `None` if it is even.
    pub(super) fn of_secret(modulus: Number, scratch: &mut Scratch) -> Option<Self> {
        // SAFETY: reads the modulus and copies what it keeps.
        let context = unsafe { c::BN_MONT_CTX_new_consttime(modulus.get(), scratch.get_mut()) };
        Some(Self { modulus, context: made(context)? })
    }

    /// In a time that depends on the modulus. `None` if it is even.
    pub(super) fn of_public(modulus: Number, scratch: &mut Scratch) -> Option<Self> {
        // SAFETY: reads the modulus and copies what it keeps.
        let context = unsafe { c::BN_MONT_CTX_new_for_modulus(modulus.get(), scratch.get_mut()) };
        Some(Self { modulus, context: made(context)? })
    }

    pub(super) fn modulus(&self) -> &Number {
        &self.modulus
    }

    fn context(&self) -> *const c::BN_MONT_CTX {
        self.context.as_ptr()
    }

    /// `a` in Montgomery's form: a product of it and an ordinary number is an ordinary one. For `a` below the modulus and of as many words.
    pub(super) fn enter(&self, out: &mut Number, a: &Number, scratch: &mut Scratch) -> Option<()> {
        // SAFETY: reads the number and the context, writes the result.
        done(unsafe { c::BN_to_montgomery(out.get_mut(), a.get(), self.context(), scratch.get_mut()) })
    }

    /// `a` times `b`, of which one is in Montgomery's form. For factors below the modulus and of as many words.
    pub(super) fn multiply(
        &self,
        out: &mut Number,
        a: &Number,
        b: &Number,
        scratch: &mut Scratch,
    ) -> Option<()> {
        let (out, scratch) = (out.get_mut(), scratch.get_mut());
        // SAFETY: reads the factors and the context, writes the result.
        done(unsafe { c::BN_mod_mul_montgomery(out, a.get(), b.get(), self.context(), scratch) })
    }

    /// base^exponent, in a time that depends on the exponent and on words only. `None` if the base is not below the modulus.
    pub(super) fn power_of_public(
        &self,
        out: &mut Number,
        base: &Number,
        exponent: &Number,
        scratch: &mut Scratch,
    ) -> Option<()> {
        let (out, modulus, scratch) = (out.get_mut(), self.modulus.get(), scratch.get_mut());
        // SAFETY: reads the numbers and the context, writes the result. The context is of this modulus.
        done(unsafe { c::BN_mod_exp_mont(out, base.get(), exponent.get(), modulus, scratch, self.context()) })
    }

    /// Two powers, each base^exponent of its own modulus, in a time that depends on words only. `None` if a base is not below its modulus.
    pub(super) fn powers(
        [first, second]: [&Self; 2],
        [out1, out2]: [&mut Number; 2],
        [base1, base2]: [&Number; 2],
        [exponent1, exponent2]: [&Number; 2],
        scratch: &mut Scratch,
    ) -> Option<()> {
        // SAFETY: reads the numbers and the contexts, writes the results, which are two. Each context is of its modulus.
        done(unsafe {
            c::BN_mod_exp_mont_consttime_x2(
                out1.get_mut(),
                base1.get(),
                exponent1.get(),
                first.modulus.get(),
                first.context(),
                out2.get_mut(),
                base2.get(),
                exponent2.get(),
                second.modulus.get(),
                second.context(),
                scratch.get_mut(),
            )
        })
    }
}

impl Drop for Montgomery {
    fn drop(&mut self) {
        // SAFETY: the only owner gives it back, once.
        unsafe { c::BN_MONT_CTX_free(self.context.as_ptr()) }
    }
}

/// A curve that AWS-LC has built in.
#[derive(Clone, Copy)]
pub(super) struct Group(NonNull<c::EC_GROUP>);

impl Group {
    pub(super) fn p256() -> Option<Self> {
        // SAFETY: takes nothing; what it gives is constant and never freed.
        made(unsafe { c::EC_group_p256() }.cast_mut()).map(Self)
    }

    pub(super) fn p384() -> Option<Self> {
        // SAFETY: takes nothing; what it gives is constant and never freed.
        made(unsafe { c::EC_group_p384() }.cast_mut()).map(Self)
    }

    pub(super) fn p521() -> Option<Self> {
        // SAFETY: takes nothing; what it gives is constant and never freed.
        made(unsafe { c::EC_group_p521() }.cast_mut()).map(Self)
    }

    fn get(self) -> *const c::EC_GROUP {
        self.0.as_ptr()
    }
}

/// A point of a curve.
pub(super) struct Point {
    point: NonNull<c::EC_POINT>,
    group: Group,
}

impl Point {
    fn infinity(group: Group) -> Option<Self> {
        // SAFETY: the point refers to a group that is never freed.
        let point = made(unsafe { c::EC_POINT_new(group.get()) })?;
        Some(Self { point, group })
    }

    /// `None` if a coordinate is not below the prime of the field, or the point is not on the curve.
    pub(super) fn of_coordinates(group: Group, [x, y]: [&Number; 2]) -> Option<Self> {
        let mut point = Self::infinity(group)?;
        let (to, scratch) = (point.get_mut(), ptr::null_mut());
        // SAFETY: reads the coordinates, writes the point. It may be without scratch.
        done(unsafe { c::EC_POINT_set_affine_coordinates_GFp(group.get(), to, x.get(), y.get(), scratch) })?;
        Some(point)
    }

    /// kG, in a time that does not depend on k, if k is below the order.
    pub(super) fn multiple_of_generator(group: Group, k: &Number) -> Option<Self> {
        let mut out = Self::infinity(group)?;
        let (to, nothing, scratch) = (out.get_mut(), ptr::null(), ptr::null_mut());
        // SAFETY: reads the scalar, writes the point. It may be without a second term, and without scratch.
        done(unsafe { c::EC_POINT_mul(group.get(), to, k.get(), ptr::null(), nothing, scratch) })?;
        Some(out)
    }

    /// kP, in a time that does not depend on k, if k is below the order.
    pub(super) fn multiple(&self, k: &Number) -> Option<Self> {
        let mut out = Self::infinity(self.group)?;
        let (to, nothing, scratch) = (out.get_mut(), ptr::null(), ptr::null_mut());
        // SAFETY: reads scalar and point, writes another point. It may be without a first term, and without scratch.
        done(unsafe { c::EC_POINT_mul(self.group.get(), to, nothing, self.get(), k.get(), scratch) })?;
        Some(out)
    }

    /// kG + lP, in a time that does not depend on k and l, if they are below the order and kG is not lP, which is
    /// doubled in another way.
    pub(super) fn combination(&self, k: &Number, l: &Number) -> Option<Self> {
        let mut out = Self::infinity(self.group)?;
        let (to, scratch) = (out.get_mut(), ptr::null_mut());
        // SAFETY: reads scalars and point, writes another point. It may be without scratch.
        done(unsafe { c::EC_POINT_mul(self.group.get(), to, k.get(), self.get(), l.get(), scratch) })?;
        Some(out)
    }

    pub(super) fn is_at_infinity(&self) -> bool {
        // SAFETY: reads the point, which is of this group.
        unsafe { c::EC_POINT_is_at_infinity(self.group.get(), self.get()) == 1 }
    }

    /// The coordinates. `None` for the point at infinity.
    pub(super) fn coordinates(&self) -> Option<[Number; 2]> {
        let [mut x, mut y] = [Number::zero()?, Number::zero()?];
        let (to_x, to_y, scratch) = (x.get_mut(), y.get_mut(), ptr::null_mut());
        // SAFETY: reads the point, writes two numbers. It may be without scratch.
        done(unsafe {
            c::EC_POINT_get_affine_coordinates_GFp(self.group.get(), self.get(), to_x, to_y, scratch)
        })?;
        Some([x, y])
    }

    fn get(&self) -> *const c::EC_POINT {
        self.point.as_ptr()
    }

    fn get_mut(&mut self) -> *mut c::EC_POINT {
        self.point.as_ptr()
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        // SAFETY: the only owner gives it back, once.
        unsafe { c::EC_POINT_clear_free(self.get_mut()) }
    }
}
